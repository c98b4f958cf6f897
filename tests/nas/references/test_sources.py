"""Names of references, what is built for them, and why others are refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.references.building import Variant, look
from nas.references.fitting import NEAR, fit
from nas.references.sources import Function, Ours, find_source, widened
from nas.references.timm_networks import ROUNDED, WIDTHS, Timm
from space import Arch, Band, InputError, Task

TASK, BAND = Task(32, 3, 10), Band.parse("1M..16M")
EXAMPLES = Path(__file__).parents[3] / "examples" / "references.py"

MODULE = """
import torch
from torch import nn

def build(classes, channels, scale=1.0):
    width = round(32 * scale)
    return nn.Sequential(nn.Conv2d(channels, width, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))

def all_of_it(**told):
    assert told == {"classes": 10, "image_size": 32, "channels": 3}, told
    return build(10, 3)

def fails(): raise KeyError("no such width")
def nothing(): return "a network"
class Matrix(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3072, 10))
    def forward(self, x):
        return x.flatten(1) @ self.weight
def three(): return nn.Sequential(nn.Flatten(), nn.Linear(3072, 3))
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3072, 10)
    def forward(self, x):
        return self.fc(x.flatten(1)), x
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "some_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "some_networks"


def refusal(text: str) -> str:
    try:
        source = find_source(text, TASK, None)
        look(source.name, source.at(None), TASK)
    except InputError as error:
        return str(error)
    return "taken"


def test_names_are_tried_in_their_order(module: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(Arch.load("convnextv2_atto").to_yaml())
    kinds = {
        "resnet50": Ours, "mine.yaml": Ours, "timm:resnet50": Timm, "resnet18": Timm, f"{module}:build": Function,
        "resnet18:zero_init_last=false": Timm, f"{tmp_path}/some_networks.py:build": Function,
    }  # fmt: skip
    assert {text: type(find_source(text, TASK, None)) for text in kinds} == kinds
    assert find_source("resnet18", TASK, None).name == "timm:resnet18"
    assert find_source(f"{tmp_path}/some_networks.py:build:scale=2", TASK, None).name == "some_networks:build:scale=2"


def test_a_function_gets_what_it_has_arguments_for(module: str) -> None:
    assert look("f", find_source(f"{module}:all_of_it", TASK, None).at(None), TASK).cost.params == 896 + 330
    told = find_source(f"{module}:build:scale=0.5", TASK, None)
    assert look("f", told.at(None), TASK).cost.params == 16 * 27 + 16 + 170


def test_arguments_of_timms() -> None:
    network = find_source("timm:deit_tiny_patch16_224:patch_size=4:depth=3", TASK, None).at(None).make()
    assert len(network.blocks) == 3  # type: ignore[arg-type]
    assert network.patch_embed.num_patches == 64  # type: ignore[union-attr]


def test_the_recipes_drop_path_reaches_all_that_take_it(module: str) -> None:
    network = find_source("timm:resnet18", TASK, 0.2).at(None).make()
    assert network.layer4[1].drop_path.drop_prob == pytest.approx(0.2)  # type: ignore[index,union-attr]
    assert find_source(f"{module}:build", TASK, 0.2).at(None).make()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("convnext_ato", "network must be a YAML file, an export, a preset, timm:NAME or module:function, got convnext_ato; "
         "the nearest are convnext_atto, "),
        ("zzzz", "`nas presets networks` lists ours"),
        ("timm:resnt18", "network must be a model of timm, got resnt18; the nearest are resnet18, "),
        ("no_such_module:build", "that Python can import, got no_such_module:build (No module named 'no_such_module')"),
        ("some_networks:bild", "must be a function of some_networks, got bild, which it has not"),
        ("some_networks:number", "network must be a function, got some_networks:number, a int"),
        ("nowhere.py:build", "a function of a file that exists, got nowhere.py"),
        ("timm:resnet18:depth", "arguments of a network must be name=value, got depth in timm:resnet18:depth"),
        ("timm:resnet18:channels=[1", "channels must be a value as YAML has it, got [1"),
        ("some_networks:fails", "some_networks:fails must be built for this task, got KeyError"),
        ("some_networks:nothing", "some_networks:nothing must give a torch module, got str"),
        ("some_networks:three", "must give logits (2, 10) for 2 images, got (2, 3)"),
        ("some_networks:Matrix", "some_networks:Matrix must have a convolution or linear layer, got 0 FLOPs; write its "),
        ("some_networks:Two", "must give logits, a tensor (N, classes), got tuple"),
        ("timm:coat_tiny:img_size=224", "must take images of 32 px with 3 channels, got AssertionError"),
        ("timm:maxvit_tiny_tf_224:img_size=24", "maxvit_tiny_tf_224"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_reference_says_why(module: str, text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_fixed_window_at_another_size_is_refused_with_its_reason() -> None:
    assert "must take images of 32 px" in refusal("timm:swin_tiny_patch4_window7_224:img_size=224")


def test_what_gets_no_gradient_is_left_alone(module: str) -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.spare = nn.Linear(3072, 10), nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.fc(x.flatten(1))
            return logits

    looked = look("idle", Variant(Idle, ""), TASK)
    assert looked.idle == ("spare.weight", "spare.bias")
    network = looked.build()
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize("stride", [1, 2])
def test_channels_are_last_but_for_strided_1x1_convolutions(stride: int) -> None:
    """Whose weight gradient corrupts memory there on some CPUs (torch 2.15)."""

    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.Conv2d(8, 13, 1, stride), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(13, 10)
        )

    first = next(look("strided", Variant(make, ""), TASK).build().children())
    assert isinstance(first, nn.Conv2d)
    assert first.weight.is_contiguous(memory_format=torch.channels_last) is (stride == 1)


def test_widths_of_ours_are_multiples_of_8() -> None:
    found = widened(Arch.load("convnext_tiny"), 0.1)
    assert [stage.width for stage in found.stages] == [8, 16, 40, 80]


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("resnet50", NEAR), ("timm:resnet18", NEAR), ("timm:convnext_atto", 1.03), (f"{EXAMPLES}:van", 1.03),
        ("timm:deit_tiny_patch16_224:patch_size=8:depth=4", 1.03), ("timm:mobilenetv2_100", 1.1),
        ("timm:swin_tiny_patch4_window7_224:depths=[1,1]:num_heads=[3,6]", 1.5),
    ],
)  # fmt: skip
def test_a_scaled_network_comes_near_its_target(text: str, factor: float) -> None:
    """As near as its widths, multiples of 8 or, of the Swin, of 24, let it."""
    source = find_source(text, TASK, None)
    found = fit(source, TASK, BAND, scale=True, target=8_000_000)
    assert found.scale is not None
    assert found.name == f"{source.name} x{found.scale:g}"
    assert 1 / factor < found.looked.cost.flops / 8e6 < factor
    again = look(source.name, source.at(found.scale), TASK)
    assert again.cost == found.looked.cost


def test_mobilenets_are_scaled_in_the_ratio_of_their_own_family() -> None:
    """timm's 075 is its 100 with a multiplier of .75."""
    wide = find_source("timm:mobilenetv3_small_100", TASK, None).at(0.75).make()
    theirs = find_source("timm:mobilenetv3_small_075", TASK, None).at(None).make()
    shapes = [[tuple(p.shape) for p in each.parameters()] for each in (wide, theirs)]
    assert shapes[0] == shapes[1]
    plain = find_source("timm:mobilenetv3_small_100", TASK, None).at(None).make()
    assert [tuple(p.shape) for p in plain.parameters()] != shapes[0], "and only meanwhile"


def test_what_has_no_widths_stays_or_is_refused() -> None:
    inside = fit(find_source("timm:regnetx_002", TASK, None), TASK, BAND, scale=True, target=2_000_000)
    assert inside.scale is None
    assert inside.note == "timm:regnetx_002 stays as it is: nas knows no width argument of timm's RegNet"
    with pytest.raises(InputError) as error:
        fit(find_source("timm:repvit_m1", TASK, None), TASK, BAND, scale=True, target=None)
    assert str(error.value) == (
        "timm:repvit_m1 must lie in the band 1M..16M or be scaled, got 16.9M FLOPs, and nas knows no width argument of "
        "timm's RepVit; leave out --scale, or make it smaller by arguments"
    )
    with pytest.raises(InputError, match=r"must come into the band 1K\.\.2K by its widths, got "):
        fit(find_source("resnet50", TASK, None), TASK, Band.parse("1K..2K"), scale=True, target=None)


def test_without_scale_a_network_outside_is_taken_and_told_of() -> None:
    found = fit(find_source("timm:resnet18", TASK, None), TASK, BAND, scale=False, target=None)
    assert found.scale is None
    assert "outside the band 1M..16M" in found.note
    inside = fit(find_source("timm:mobilenetv3_small_100", TASK, None), TASK, BAND, scale=True, target=None)
    assert (inside.scale, inside.note) == (None, ""), "it is where it shall be"


FAMILIES = {
    "ResNet": "resnet18", "ConvNeXt": "convnext_atto", "VisionTransformer": "vit_tiny_patch16_224:img_size=224",
    "SwinTransformer": "swin_tiny_patch4_window7_224:img_size=224", "EfficientNet": "efficientnet_b0",
    "SwinTransformerV2": "swinv2_tiny_window8_256:img_size=256", "MobileNetV3": "mobilenetv3_small_100",
}  # fmt: skip


def test_every_family_of_timm_becomes_narrower() -> None:
    """By the name of the class that timm builds; most parameters are a product of two widths."""
    assert FAMILIES.keys() == WIDTHS.keys() | ROUNDED.keys()
    for kind, model in FAMILIES.items():
        source = find_source(f"timm:{model}", TASK, None)
        plain, half = (source.at(scale).make() for scale in (None, 0.5))
        assert type(plain).__name__ == kind
        assert source.unscalable is None
        plain_params, half_params = (sum(p.numel() for p in each.parameters()) for each in (plain, half))
        assert 0.2 < half_params / plain_params < 0.4, kind


def test_the_examples_are_networks_for_small_images() -> None:
    spec = importlib.util.spec_from_file_location("references_example", EXAMPLES)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    resnet20 = loaded.cifar_resnet(classes=10, channels=3)
    found = look("resnet20", Variant(lambda: resnet20, ""), TASK).cost
    stages = 6 * 1024 * 9 * 16**2 + (5.5 * 256 * 9 * 32**2 + 256 * 16 * 32) + (5.5 * 64 * 9 * 64**2 + 64 * 32 * 64)
    assert found.flops == 1024 * 27 * 16 + stages + 640, "a stem, eighteen 3x3 convolutions and two projections"
    assert round(found.params / 1e6, 2) == 0.27, "as the paper has it"
