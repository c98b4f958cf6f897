"""Network: a published one, shapes, gradients, initialisation, drop path, and weights that come back."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
import torchvision  # type: ignore[import-untyped]
from hypothesis import given, settings
from torch import nn

from space import Arch, InputError, Stage, Task, cost
from space.blocks import Bottleneck, ConvNeXt, Modulation, ThreeConvs
from space.heads import Conv2FormerHead, LinearHead
from space.modules import DropPath
from space.network import Network
from space.stems import Patchify, ResNetStem, ThreeConvsStem
from tests.space.networks import TASK, arch, archs, random_arch

IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@settings(max_examples=40, deadline=None)
@given(archs())
def test_images_become_logits_and_the_weights_are_those_that_were_counted(network: Arch) -> None:
    net = Network(network, TASK).eval()
    with torch.no_grad():
        logits = net(IMAGES[:2])
    assert logits.shape == (2, TASK.classes)
    assert logits.isfinite().all()
    assert sum(weight.numel() for weight in net.parameters()) == cost(network, TASK).params


@pytest.mark.parametrize("channels", [1, 5])
def test_images_may_have_other_channels_and_sizes(channels: int) -> None:
    task = Task(19, channels, 7)
    net = Network(random_arch(random.Random(channels), task), task).eval()
    assert net(torch.randn(3, channels, 19, 19)).shape == (3, 7)


@pytest.mark.parametrize("seed", range(12))
def test_every_weight_learns(seed: int) -> None:
    torch.manual_seed(seed)
    network = random_arch(random.Random(seed), TASK)
    net = Network(network, TASK, drop_path=0.0).double().train()
    open_gates(net)
    for name, weight in net.named_parameters():  # of ordinary size: gradients are not lost on the way
        nn.init.normal_(weight, 0 if name.endswith("bias") else 0.5, 0.5)
    images = torch.randn(8, 3, 32, 32, dtype=torch.double)
    (net(images) * torch.randn(8, TASK.classes)).sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        # A norm behind a bias may take it away again; the tests of the modules say where.
        assert name.endswith("bias") or weight.grad.abs().max() > 1e-12, name


def open_gates(net: nn.Module) -> None:
    """A slope for activations that are flat far below 0, which random weights may close for good."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU | nn.Hardswish | nn.GELU | nn.SiLU):
                setattr(parent, name, nn.LeakyReLU(0.3))


def resnet50() -> Arch:
    """The first network of the roadmap of arXiv 2201.03545."""
    rows = zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)
    stages = tuple(Stage(depth=d, width=w, block=Bottleneck(), downsample="strided") for d, w in rows)
    return Arch(stem=ResNetStem(), stages=stages, head=LinearHead(norm=None))


def torchvisions_name(name: str) -> str:
    """`stages.0.blocks.1.branch.norm2.weight` -> `layer1.1.bn2.weight`."""
    words = name.split(".")
    if words[0] == "stages":
        layer = [f"layer{int(words[1]) + 1}", words[3]]
        if words[4] == "shortcut":
            return ".".join([*layer, "downsample", "0" if words[5] == "conv" else "1", words[6]])
        return ".".join([*layer, words[5].replace("norm", "bn"), words[6]])
    return {"stem.conv": "conv1", "stem.norm": "bn1", "head.linear": "fc"}[".".join(words[:2])] + f".{words[2]}"


def test_the_roadmaps_first_network_is_torchvisions_resnet_50() -> None:
    torch.manual_seed(0)
    theirs, task = torchvision.models.resnet50(), Task(64)
    with torch.no_grad():
        for name, weight in theirs.state_dict().items():
            if name.endswith(("running_var", "bn1.weight", "bn2.weight", "bn3.weight", "downsample.1.weight")):
                weight.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                weight.normal_(0, 0.3)
    ours, state = Network(resnet50(), task), theirs.state_dict()
    own = {name: state.pop(torchvisions_name(name)) for name in ours.state_dict()}
    assert state == {}
    own = {
        name: w.reshape(shape.shape) for (name, w), shape in zip(own.items(), ours.state_dict().values(), strict=True)
    }
    ours.load_state_dict(own)
    assert cost(resnet50(), task).params == sum(weight.numel() for weight in theirs.parameters()) == 25_557_032
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits, expected = ours.eval()(images), theirs.eval()(images)
    assert expected.std() > 0.1
    assert (logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_conv2former_runs_its_parts_in_order() -> None:
    """Stem, stage, downsampling, stage, head, by the modules that the tests of the modules compare."""
    block = Modulation(kernel=3, act_before=True, ffn_conv=True)
    stages = (Stage(depth=2, width=8, block=block), Stage(depth=1, width=12, block=block))
    network = Arch(stem=ThreeConvsStem(), stages=stages, head=Conv2FormerHead(features=16))
    net: Any = Network(network, Task(32, 3, 5)).eval()
    with torch.no_grad():
        x = net.stem(IMAGES.permute(0, 2, 3, 1))  # (N, H, W, C)
        assert x.shape == (4, 8, 8, 8)
        x = net.stages[0].blocks[1](net.stages[0].blocks[0](x))
        x = net.stages[1].downsample.conv(net.stages[1].downsample.norm(x))
        assert x.shape == (4, 4, 4, 12)
        x = net.head(net.stages[1].blocks[0](x))
        assert torch.equal(net(IMAGES), x)
    assert not hasattr(net.stages[0], "downsample")


@pytest.mark.parametrize("downsample", ["separate", "strided"])
def test_a_stage_halves_the_maps_once(downsample: str) -> None:
    """Odd sides too: 2x2 patches drop a last pixel, a strided convolution with padding keeps it."""
    net: Any = Network(arch(8, 8, depth=2, block="convnext", downsample=downsample), Task(18, 3, 4)).eval()
    sizes: list[torch.Size] = []
    for block in [*net.stages[0].blocks, *net.stages[1].blocks]:
        block.register_forward_hook(lambda _module, _inputs, output: sizes.append(output.shape[1:]))
    net(torch.randn(1, 3, 18, 18))
    after = 4 if downsample == "separate" else 5
    assert sizes == [(9, 9, 8), (9, 9, 8), (after, after, 8), (after, after, 8)]


def test_what_has_no_pixels_is_not_built() -> None:
    with pytest.raises(InputError) as error:
        Network(arch(8, 8, 8, stem=4), Task(8))
    assert str(error.value) == (
        "stages must leave one pixel at least, got stem patchify 4 and 3 stages on 8 px; "
        "lower the stem's stride or the number of stages"
    )


@pytest.mark.parametrize("block", ["modulation", "bottleneck", "convnext"])
def test_output_of_a_sample_does_not_depend_on_its_batch(block: str) -> None:
    net = Network(arch(8, 16, depth=2, norm="bn", head="bn", block=block), Task(9, 3, 4)).eval()
    images = torch.randn(5, 3, 9, 9)
    torch.testing.assert_close(net(images)[2:3], net(images[2:3]))


@pytest.mark.parametrize("seed", range(6))
def test_weights_come_back(seed: int) -> None:
    torch.manual_seed(seed)
    network = random_arch(random.Random(seed), TASK)
    one, two = Network(network, TASK), Network(network, TASK)
    one.train()(IMAGES)  # moves running statistics, where there are any
    assert not torch.equal(one.eval()(IMAGES), two.eval()(IMAGES))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(IMAGES), two(IMAGES))


def test_the_same_seed_gives_the_same_weights() -> None:
    network, states = arch(8, 16, block="inverted", downsample="strided"), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(Network(network, TASK).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


@pytest.mark.parametrize("block", ["convnext", "modulation", "bottleneck"])
def test_initialisation_is_convnexts(block: str) -> None:
    torch.manual_seed(0)
    choices: dict[str, Any] = {"kernel": 7, "layer_scale": 1e-6}
    net = Network(arch(64, 128, depth=2, block=block, **choices), Task(16, 3, 100))
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert module.weight.abs().max() < 2, name
            assert module.bias is None or (module.bias == 0).all(), name
    scales = [weight for name, weight in net.named_parameters() if ".scale" in name]
    assert len(scales) == (8 if block == "modulation" else 4)
    assert all((scale == 1e-6).all() for scale in scales)


def test_grn_starts_as_the_identity() -> None:
    torch.manual_seed(0)
    one = Network(arch(8, 16, grn=True, layer_scale=None), TASK).eval()
    two = Network(arch(8, 16, layer_scale=None), TASK).eval()
    two.load_state_dict({name: weight for name, weight in one.state_dict().items() if ".grn." not in name})
    torch.testing.assert_close(one(IMAGES), two(IMAGES), rtol=0, atol=0)


def rates(net: nn.Module) -> list[float]:
    return [module.rate for module in net.modules() if isinstance(module, DropPath)]


def test_drop_path_rises_linearly_over_all_blocks() -> None:
    network = arch(8, 8, 8, depth=2, drop_path=0.5)
    assert rates(Network(network, Task(8))) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert rates(Network(network, Task(8), drop_path=0.1)) == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates(Network(network, Task(8), drop_path=0.0)) == [0] * 6
    assert rates(Network(arch(8, drop_path=0.5), Task(8))) == [0], "a block alone is the first"


def test_stages_may_have_different_blocks() -> None:
    stages = (
        Stage(depth=1, width=8, block=ConvNeXt()),
        Stage(depth=2, width=4, block=Bottleneck(), downsample="strided"),
        Stage(depth=1, width=6, block=Modulation(kernel=3)),
    )
    net: Any = Network(Arch(stem=Patchify(stride=2), stages=stages), TASK).eval()
    assert net(IMAGES).shape == (4, 10)
    assert net.stages[1].blocks[0].shortcut.conv.weight.shape == (16, 8, 1, 1)
    assert net.stages[2].downsample.conv.weight.shape == (6, 16, 2, 2)
    assert [isinstance(stage.blocks[0].block, ThreeConvs) for stage in net.stages] == [True, True, False]


def test_a_network_can_be_built_without_memory() -> None:
    with torch.device("meta"):
        net = Network(Arch.load("convnext_xlarge"), Task(), drop_path=0.2)
    assert {weight.device.type for weight in net.parameters()} == {"meta"}
    assert sum(weight.numel() for weight in net.parameters()) == 350_196_968
