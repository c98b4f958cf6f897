"""Weights under other names: against timm's own models, and references of the official code written from the papers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models import convnext as timms
from torch import Tensor, nn

from space import Arch, InputError, Stage, Task, cost
from space.blocks import Block, Bottleneck, ConvNeXt, DepthwiseFirst, Modulation
from space.heads import Conv2FormerHead, LinearHead
from space.network import Network
from space.stems import Overlapping, Patchify, Stem, TwoConvsStem
from space.weights import from_official, from_timm, load_weights, timm_model, to_official, to_timm

Net = TypeVar("Net", bound=nn.Module)
DIMS = (8, 16, 24, 32)


def randomise(net: Net, seed: int = 0) -> Net:
    """Every weight matters and logits are about 1: matrices keep the size of what goes through, scales are about 1."""
    made = torch.Generator().manual_seed(seed)
    for name, weight in net.state_dict().items():
        if name.endswith("running_var"):
            weight.uniform_(0.5, 2, generator=made)
        elif weight.is_floating_point():
            matrix = weight.dim() > 1 and len(weight) > 1  # a GRN's (1, 1, 1, C) is none
            mean = 0 if matrix or name.endswith(("bias", "mean", "beta")) else 1
            weight.normal_(mean, weight[0].numel() ** -0.5 if matrix else 0.3, generator=made)
    return net.eval()


def assert_agree(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """To 1e-5 of the largest logit, in float32."""
    with torch.no_grad():
        logits, expected = ours(x), theirs(x)
    assert logits.shape == expected.shape
    assert expected.std() > 0.2
    assert (expected[0] - expected[1]).abs().max() > 0.05, "the image matters"
    assert (logits - expected).abs().max() < 1e-5 * max(1, expected.abs().max())


def images(size: int, channels: int = 3) -> Tensor:
    """Two images of noise, each with a colour of its own, which an average over positions does not remove."""
    made = torch.Generator().manual_seed(1)
    colour = 2 * torch.randn(2, channels, 1, 1, generator=made)
    return torch.randn(2, channels, size, size, generator=made) + colour


def timms_convnext(**options: Any) -> Any:
    """A small ConvNeXt of timm's."""
    small: dict[str, Any] = {"depths": (1, 2, 1, 1), "dims": DIMS, "num_classes": 10}
    return timms.ConvNeXt(**small | options)


def twin(model: Any) -> Arch:
    """The Arch of a timm ConvNeXt, read off its modules."""
    norms = {"LayerNorm": "ln", "LayerNorm2d": "ln", "RmsNorm2d": "rms", "BatchNormAct2d": "bn", "BatchNorm2d": "bn"}
    convs = [module for module in model.stem if isinstance(module, nn.Conv2d)]
    norm = norms[type(model.stem[-1]).__name__]
    stem: Stem = Patchify(stride=convs[0].stride[0], norm=norm)
    if len(convs) == 2:
        act = word(model.stem[1]) if len(model.stem) == 4 else None
        stem = TwoConvsStem(tiered=convs[0].out_channels != convs[1].out_channels, act=act, norm=norm)
    stages = []
    for stage in model.stages:
        first = stage.blocks[0]
        block = ConvNeXt(
            kernel=first.conv_dw.kernel_size[0], norm=norm, act=word(first.mlp.act),
            layer_scale=None if first.gamma is None else 1e-6, grn=hasattr(first.mlp, "grn"),
        )  # fmt: skip
        stages.append(Stage(depth=len(stage.blocks), width=first.conv_dw.out_channels, block=block))
    head = LinearHead(norm=norm, norm_first=not isinstance(model.norm_pre, nn.Identity))
    return Arch(stem=stem, stages=tuple(stages), head=head)


def word(act: nn.Module) -> str:
    return type(act).__name__.lower()


# Options of timm's constructor, and the side of the images
TIMMS: dict[str, tuple[dict[str, Any], int]] = {
    "v1": ({}, 64),
    "v2": ({"use_grn": True, "ls_init_value": None}, 64),
    "grn and layer scale": ({"use_grn": True}, 33),
    "no layer scale": ({"ls_init_value": None}, 32),
    "kernel 3": ({"kernel_sizes": 3}, 37),
    "kernels": ({"kernel_sizes": (11, 9, 5, 3)}, 47),
    "conv_mlp": ({"conv_mlp": True}, 32),
    "conv_mlp v2": ({"conv_mlp": True, "use_grn": True, "ls_init_value": None}, 64),
    "no conv bias": ({"conv_bias": False}, 40),
    "no conv bias, two convs": ({"conv_bias": False, "stem_type": "overlap", "conv_mlp": True}, 40),
    "overlap": ({"stem_type": "overlap"}, 33),
    "overlap_tiered": ({"stem_type": "overlap_tiered", "dims": (32, 16, 24, 32)}, 40),
    "overlap_tiered 20 is 24": ({"stem_type": "overlap_tiered", "dims": (40, 16, 24, 32)}, 31),
    "overlap_tiered 11 is 16": ({"stem_type": "overlap_tiered", "dims": (22, 16, 24, 32)}, 31),
    "overlap_tiered odd": ({"stem_type": "overlap_tiered", "dims": (35, 16, 24, 32)}, 31),
    "overlap_act": ({"stem_type": "overlap_act"}, 64),
    "overlap_act relu": ({"stem_type": "overlap_act", "act_layer": "relu"}, 64),
    "head_norm_first": ({"head_norm_first": True}, 64),
    "head_norm_first conv_mlp": ({"head_norm_first": True, "conv_mlp": True}, 65),
    "silu": ({"act_layer": "silu"}, 32),
    "rms": ({"norm_layer": "rmsnorm2d", "conv_mlp": True}, 64),
    "bn": ({"norm_layer": "batchnorm2d", "conv_mlp": True}, 64),
    "bn v2, norm first": ({"norm_layer": "batchnorm2d", "conv_mlp": True, "use_grn": True, "head_norm_first": True}, 64),
    "depths": ({"depths": (3, 1, 4, 2)}, 32),
    "odd dims": ({"dims": (5, 9, 7, 13)}, 51),
    "equal dims": ({"dims": (12, 12, 12, 12)}, 63),
    "patch 7": ({"patch_size": 7}, 71),
    "patch 1": ({"patch_size": 1}, 8),
    "patch 3": ({"patch_size": 3}, 25),
    "grey, one class": ({"in_chans": 1, "num_classes": 2}, 32),
}  # fmt: skip


@pytest.mark.parametrize("case", TIMMS)
def test_timms_weights_give_timms_logits_and_go_back(case: str) -> None:
    options, size = TIMMS[case]
    theirs = randomise(timms_convnext(**options))
    arch, task = twin(theirs), Task(size, theirs.in_chans, theirs.num_classes)
    ours = Network(arch, task).eval()
    load_weights(ours, theirs.state_dict())
    x = images(size, task.channels)
    assert_agree(ours, theirs, x)

    back = timms_convnext(**options | {"conv_bias": True}).eval()
    randomise(ours, seed=2)
    back.load_state_dict(to_timm(ours.state_dict(), arch, options.get("conv_mlp", False)), strict=True)
    assert_agree(ours, back, x)


def test_what_a_conv_bias_false_network_lacks_is_zero() -> None:
    theirs = randomise(timms_convnext(depths=(1, 1, 1, 1), conv_bias=False))
    found = from_timm(theirs.state_dict(), twin(theirs))
    added = {name for name in found if name.endswith(("conv1.bias", "stem.conv.bias", "downsample.conv.bias"))}
    assert len(added) == len(found) - len(theirs.state_dict()) == 8
    assert all((found[name] == 0).all() for name in added)


@pytest.mark.parametrize("name", ["convnext_tiny", "convnextv2_atto", "convnext_atto_ols", "convnext_tiny_hnf"])
def test_timms_named_models_load_and_agree(name: str) -> None:
    theirs: Any = randomise(timm.create_model(name, pretrained=False))
    arch = twin(theirs)
    with torch.device("meta"):  # without the time that drawing weights takes
        ours = Network(arch, Task(64)).to_empty(device="cpu").eval()
    load_weights(ours, theirs.state_dict())
    assert_agree(ours, theirs, images(64))
    randomise(ours, seed=2)
    theirs.load_state_dict(to_timm(ours.state_dict(), arch, theirs.stages[0].blocks[0].use_conv_mlp), strict=True)
    assert_agree(ours, theirs, images(64))


# convnext_large_mlp has a head, and the zepto and test models have a norm or an activation that this project has not.
OTHERS = ("mlp", "zepto", "test_")


@pytest.mark.usefixtures("without_initial_weights")
def test_every_named_model_of_timm_has_a_place_for_all_its_weights_and_is_counted() -> None:
    names = [name for name in timm.list_models("convnext*") if not any(other in name for other in OTHERS)]
    assert len(names) > 20
    for name in names:
        with torch.device("meta"):
            theirs: Any = timm.create_model(name, pretrained=False)
            arch = twin(theirs)
            ours = Network(arch, Task())
        shapes = {key: tensor.shape for key, tensor in from_timm(theirs.state_dict(), arch).items()}
        assert shapes == {key: tensor.shape for key, tensor in ours.state_dict().items()}, name
        assert cost(arch, Task()).params == sum(weight.numel() for weight in theirs.parameters()), name


class OfficialNorm(nn.Module):
    """LayerNorm over the channels of (N, C, ...), epsilon 1e-6, by its definition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        y = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return y * self.weight.view(shape) + self.bias.view(shape)


class OfficialGRN(nn.Module):
    """arXiv 2301.00808, algorithm 1, on (N, C, H, W); its parameters are (1, 1, 1, C) in the official code."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, 1, 1, width)), nn.Parameter(torch.zeros(1, 1, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        gx = x.square().sum((2, 3), keepdim=True).sqrt()
        nx = gx / (gx.mean(1, keepdim=True) + 1e-6)
        return self.gamma.view(1, -1, 1, 1) * (x * nx) + self.beta.view(1, -1, 1, 1) + x


class OfficialBlock(nn.Module):
    """arXiv 2201.03545, figure 4, on (N, C, H, W): V1 with LayerScale, V2 with GRN, or V1 without either."""

    def __init__(self, width: int, version: int, layer_scale: bool) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = OfficialNorm(width)
        self.pwconv1, self.pwconv2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.grn = OfficialGRN(4 * width) if version == 2 else None
        self.gamma = nn.Parameter(torch.full((width,), 1e-6)) if layer_scale else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x))
        y = F.gelu(F.conv2d(y, self.pwconv1.weight[:, :, None, None], self.pwconv1.bias))
        y = y if self.grn is None else self.grn(y)
        y = F.conv2d(y, self.pwconv2.weight[:, :, None, None], self.pwconv2.bias)
        return x + (y if self.gamma is None else self.gamma.view(1, -1, 1, 1) * y)


class Official(nn.Module):
    """ConvNeXt (V1 or V2) with the names of the official code."""

    def __init__(self, depths: tuple[int, ...], dims: tuple[int, ...], version: int, classes: int = 1000) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(nn.Conv2d(3, dims[0], 4, 4), OfficialNorm(dims[0]))])
        for before, after in pairwise(dims):
            self.downsample_layers.append(nn.Sequential(OfficialNorm(before), nn.Conv2d(before, after, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(OfficialBlock(width, version, version == 1) for _ in range(depth)))
            for depth, width in zip(depths, dims, strict=True)
        )
        self.norm, self.head = OfficialNorm(dims[-1]), nn.Linear(dims[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.head(self.norm(x.mean((2, 3))))  # type: ignore[no-any-return]


class Isotropic(nn.Module):
    """The official isotropic ConvNeXt: patches of 16, blocks of one width."""

    def __init__(self, depth: int, width: int, layer_scale: bool, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 16, 16)
        self.blocks = nn.ModuleList(OfficialBlock(width, 1, layer_scale) for _ in range(depth))
        self.norm, self.head = OfficialNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x.mean((2, 3))))  # type: ignore[no-any-return]


def official_arch(depths: tuple[int, ...], dims: tuple[int, ...], version: int) -> Arch:
    block = ConvNeXt(grn=True, layer_scale=None) if version == 2 else ConvNeXt()
    return Arch(stages=tuple(Stage(depth=d, width=w, block=block) for d, w in zip(depths, dims, strict=True)))


def isotropic_arch(depth: int, width: int, layer_scale: bool) -> Arch:
    block = ConvNeXt(layer_scale=1e-6 if layer_scale else None)
    return Arch(stem=Patchify(stride=16, norm=None), stages=(Stage(depth=depth, width=width, block=block),))


T, ATTO = ((3, 3, 9, 3), (96, 192, 384, 768)), ((2, 2, 6, 2), (40, 80, 160, 320))
Make = Callable[[], nn.Module]
PUBLISHED: dict[str, tuple[Make, Arch, int]] = {  # parameters as the papers and the official code's own count have them
    "ConvNeXt-T": (lambda: Official(*T, 1), official_arch(*T, 1), 28_589_128),
    "ConvNeXt V2-atto": (lambda: Official(*ATTO, 2), official_arch(*ATTO, 2), 3_708_400),
    "ConvNeXt V2-T": (lambda: Official(*T, 2), official_arch(*T, 2), 28_635_496),
    "isotropic S": (lambda: Isotropic(18, 384, False), isotropic_arch(18, 384, False), 22_308_712),
    "isotropic L": (lambda: Isotropic(36, 1024, True), isotropic_arch(36, 1024, True), 305_942_504),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_a_place_for_all_official_weights(name: str) -> None:
    make, arch, params = PUBLISHED[name]
    with torch.device("meta"):
        theirs, ours = make(), Network(arch, Task())
    assert sum(weight.numel() for weight in theirs.parameters()) == params
    there = from_official(theirs.state_dict(), arch)
    assert {key: value.shape for key, value in there.items()} == {
        key: value.shape for key, value in ours.state_dict().items()
    }
    back = to_official(there, arch)
    assert {key: value.shape for key, value in back.items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }


OFFICIALS: dict[str, tuple[Make, Arch, int]] = {
    "v1": (lambda: Official((2, 1, 2, 1), DIMS, 1, 10), official_arch((2, 1, 2, 1), DIMS, 1), 40),
    "v2": (lambda: Official((1, 2, 1, 1), DIMS, 2, 10), official_arch((1, 2, 1, 1), DIMS, 2), 64),
    "v2 odd": (lambda: Official((1, 1, 1, 1), (5, 7, 9, 11), 2, 10), official_arch((1, 1, 1, 1), (5, 7, 9, 11), 2), 47),
    "isotropic": (lambda: Isotropic(3, 24, False, 10), isotropic_arch(3, 24, False), 48),
    "isotropic with layer scale": (lambda: Isotropic(2, 24, True, 10), isotropic_arch(2, 24, True), 37),
}


@pytest.mark.parametrize("case", OFFICIALS)
def test_official_weights_give_the_references_logits_and_go_back(case: str) -> None:
    make, arch, size = OFFICIALS[case]
    theirs, ours = randomise(make()), Network(arch, Task(size, 3, 10)).eval()
    load_weights(ours, theirs.state_dict())
    assert_agree(ours, theirs, images(size))
    randomise(ours, seed=2)
    theirs.load_state_dict(to_official(ours.state_dict(), arch), strict=True)
    assert_agree(ours, theirs, images(size))


def test_names_of_the_official_code() -> None:
    """Some that a published file has, written down by hand."""
    arch = official_arch(*ATTO, 2)
    with torch.device("meta"):
        names = to_official(Network(arch, Task()).state_dict(), arch)
    assert {
        "downsample_layers.0.0.weight", "downsample_layers.0.1.bias", "downsample_layers.3.0.weight",
        "downsample_layers.3.1.bias", "stages.2.5.dwconv.weight", "stages.2.5.norm.bias", "stages.2.5.pwconv1.weight",
        "stages.2.5.grn.gamma", "stages.2.5.grn.beta", "stages.2.5.pwconv2.bias", "norm.weight", "head.bias",
    } <= set(names)  # fmt: skip
    assert names["stages.2.5.grn.gamma"].shape == (1, 1, 1, 640)


def test_our_own_weights_load_too() -> None:
    arch = Arch(stages=(Stage(depth=1, width=6, block=Modulation()), Stage(depth=1, width=4, block=Bottleneck())))
    one, other = (randomise(Network(arch, Task(32, 3, 5)), seed) for seed in (1, 2))
    load_weights(other, one.state_dict())
    with torch.no_grad():
        assert torch.equal(one(images(32)), other(images(32)))


def tiny(block: Block | None = None, depth: int = 1, classes: int = 10, **rest: Any) -> Network:
    """Two stages of 8 and 16 channels."""
    own = block or ConvNeXt()
    stages = tuple(Stage(depth=depth, width=width, block=own) for width in (8, 16))
    return Network(Arch(stages=stages, **rest), Task(32, 3, classes))


def refusal(network: Network, state: dict[str, Tensor]) -> str:
    """What `load_weights` says; the network must be as before."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InputError) as error:
        load_weights(network, state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    return str(error.value)


def as_timm(network: Network) -> dict[str, Tensor]:
    return to_timm(randomise(network, seed=3).state_dict(), network.arch)


def as_official(network: Network) -> dict[str, Tensor]:
    return to_official(randomise(network, seed=3).state_dict(), network.arch)


DEPTHS = "; compare depths and options"


def test_a_tensor_that_has_no_place_is_named_as_the_file_names_it() -> None:
    place = "weights must have a place in the network, got "
    deep, plain = tiny(depth=2), ConvNeXt(layer_scale=None)
    assert refusal(tiny(), as_timm(deep)) == f"{place}stages.0.blocks.1.conv_dw.weight{DEPTHS}"
    assert refusal(tiny(), as_official(deep)) == f"{place}stages.0.1.dwconv.weight{DEPTHS}"
    assert refusal(tiny(), deep.state_dict()) == f"{place}stages.0.blocks.1.branch.conv1.weight{DEPTHS}"
    assert refusal(tiny(plain), as_timm(tiny())) == f"{place}stages.0.blocks.0.gamma{DEPTHS}"
    v2 = tiny(ConvNeXt(grn=True))
    assert refusal(tiny(), as_official(v2)) == f"{place}stages.0.0.grn.gamma{DEPTHS}"


def test_a_patch_of_two_has_no_place_for_timms_first_downsampling() -> None:
    theirs = timms_convnext(patch_size=2)
    ours = Network(twin(theirs), Task(32, 3, 10))
    expected = "weights must have a place in the network, got stages.0.downsample.0.weight; compare depths and options"
    assert refusal(ours, theirs.state_dict()) == expected


def test_a_missing_tensor_is_named_as_the_file_would() -> None:
    plain, own = ConvNeXt(layer_scale=None), tiny()
    end = f", got none of that name{DEPTHS}"
    assert refusal(own, as_timm(tiny(plain))) == f"weights must hold stages.0.blocks.0.gamma{end}"
    assert refusal(own, as_official(tiny(plain))) == f"weights must hold stages.0.0.gamma{end}"
    state = {name: tensor for name, tensor in tiny().state_dict().items() if name != "head.linear.bias"}
    assert refusal(own, state) == f"weights must hold head.linear.bias{end}"
    timms = as_timm(tiny())
    del timms["stages.1.blocks.0.conv_dw.bias"]  # of a network that has biases
    assert refusal(own, timms) == f"weights must hold stages.1.blocks.0.conv_dw.bias{end}"
    hnf = tiny(head=LinearHead(norm_first=True))
    assert refusal(own, as_timm(hnf)) == (
        "weights must have names of timm's ConvNeXt, got norm_pre.weight; compare the network's options"
    )


def test_a_tensor_of_another_shape_is_named_with_both_shapes() -> None:
    end = "; compare widths, kernels and classes"
    seven = tiny(classes=7)
    assert refusal(tiny(), as_timm(seven)) == f"head.fc.weight must have the shape (10, 16), got (7, 16){end}"
    assert refusal(tiny(), as_official(seven)) == f"head.weight must have the shape (10, 16), got (7, 16){end}"
    assert refusal(tiny(), seven.state_dict()) == f"head.linear.weight must have the shape (10, 16), got (7, 16){end}"
    assert refusal(tiny(), as_timm(tiny(ConvNeXt(kernel=5)))) == (
        f"stages.0.blocks.0.conv_dw.weight must have the shape (8, 1, 7, 7), got (8, 1, 5, 5){end}"
    )
    odd = as_timm(tiny())
    odd["stages.0.blocks.0.mlp.fc1.weight"] = torch.zeros(32)
    assert refusal(tiny(), odd) == f"stages.0.blocks.0.mlp.fc1.weight must have the shape (32, 8), got (32,){end}"


def test_names_that_a_code_does_not_have_are_refused() -> None:
    mlp = timms_convnext(head_hidden_size=12)
    assert refusal(Network(twin(mlp), Task(32)), mlp.state_dict()) == (
        "weights must have names of timm's ConvNeXt, got head.pre_logits.fc.weight; compare the network's options"
    )
    with pytest.raises(InputError) as error:
        from_official(as_timm(tiny()), tiny().arch)
    assert str(error.value) == (
        "weights must have names of the official ConvNeXt code, got stem.0.weight; compare the network's options"
    )
    network = tiny()
    with pytest.raises(InputError) as error:
        to_timm(network.state_dict() | {"extra.weight": torch.zeros(1)}, network.arch)
    assert (
        str(error.value)
        == "weights must have a place in timm's ConvNeXt, got extra.weight; timm's ConvNeXt has no such layer"
    )
    one = Arch(stages=(Stage(depth=1, width=8),))
    with pytest.raises(InputError) as error:
        to_official(Network(one, Task(32)).state_dict(), one)
    assert str(error.value) == (
        "weights must have a place in the official ConvNeXt code, got stem.norm.weight; the official ConvNeXt code has no such layer"
    )


@pytest.mark.parametrize(
    ("state", "first"),
    [({"model": {}}, "model"), ({"layer1.0.conv1.weight": torch.zeros(1)}, "layer1.0.conv1.weight"), ({}, "none")],
)
def test_what_is_no_file_of_weights_is_refused(state: dict[str, Any], first: str) -> None:
    assert refusal(tiny(), state) == (
        f"weights must have names of this project, timm's or the official ones, got {first}; "
        "pass the mapping of names to tensors itself, in many files the entry `model`"
    )


def two(block: Block, downsample: str = "separate", **rest: Any) -> Arch:
    return Arch(
        stages=(Stage(depth=1, width=8, block=ConvNeXt()), Stage(depth=1, width=8, block=block, downsample=downsample)),
        **rest,
    )


REFUSED = [
    (two(Modulation()), "stages[1].block must be convnext or depthwise_first, got modulation"),
    (two(Bottleneck()), "stages[1].block must be convnext or depthwise_first, got bottleneck"),
    (two(DepthwiseFirst()), "stages[1].norm_after must be 1, got 1-2-3"),
    (two(ConvNeXt(act_after="2-add")), "stages[1].act_after must be 2, got 2-add"),
    (two(ConvNeXt(), "strided"), "stages[1].downsample must be separate, got strided"),
    (two(ConvNeXt(), head=Conv2FormerHead()), "head.kind must be linear, got conv2former"),
    (two(ConvNeXt(), stem=Patchify(act="relu")), "stem.act must be null, got relu"),
]


@pytest.mark.parametrize(("arch", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_networks_that_compute_something_else_are_refused(arch: Arch, message: str) -> None:
    for convert, code in ((from_timm, "timm's ConvNeXt"), (to_timm, "timm's ConvNeXt"),
                          (from_official, "the official ConvNeXt code"), (to_official, "the official ConvNeXt code")):  # fmt: skip
        with pytest.raises(InputError) as error:
            convert({}, arch)
        assert str(error.value) == f"{message}; {code} has no other"


def test_each_code_has_its_own_stems_heads_norms_and_activations() -> None:
    rows = [
        (from_timm, two(ConvNeXt(), stem=Overlapping()), "stem.kind must be patchify or two_convs, got overlapping"),
        (to_official, two(ConvNeXt(), stem=TwoConvsStem()), "stem.kind must be patchify, got two_convs"),
        (to_official, two(ConvNeXt(norm="gn")), "stages[1].norm must be ln, got gn"),
        (to_official, two(ConvNeXt(act="silu")), "stages[1].act must be gelu, got silu"),
        (to_official, two(ConvNeXt(), head=LinearHead(norm_first=True)), "head.norm_first must be false, got true"),
    ]
    for convert, arch, message in rows:
        with pytest.raises(InputError) as error:
            convert({}, arch)
        assert str(error.value).startswith(f"{message}; ")
    assert to_timm({}, two(ConvNeXt(act="silu"), head=LinearHead(norm_first=True), stem=TwoConvsStem())) == {}


def test_a_depthwise_first_block_with_convnexts_options_is_one() -> None:
    block = DepthwiseFirst(kernel=7, norm="ln", act="gelu", norm_after="1", act_after="2", bias=True, layer_scale=0.1)
    ours, same = tiny(block), tiny()
    load_weights(ours, as_timm(same))
    randomise(same, seed=3)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images(32)), same(images(32)))


def four(**choices: Any) -> Arch:
    """Four stages that timm's ConvNeXt has."""
    block = ConvNeXt(**choices)
    stages = tuple(Stage(depth=1 + i % 2, width=width, block=block) for i, width in enumerate(DIMS))
    return Arch(stem=Patchify(norm=block.norm), stages=stages, head=LinearHead(norm=block.norm))


def with_stem(network: Arch, stem: Stem) -> Arch:
    return Arch(stem=stem, stages=network.stages, head=network.head)


@pytest.mark.parametrize(
    "network",
    [
        four(),
        four(grn=True, layer_scale=None, kernel=5),
        four(norm="bn", act="relu"),
        four(norm="rms", act="hardswish"),
        with_stem(four(), Patchify(stride=7)),
        with_stem(four(act="silu"), TwoConvsStem(act="silu")),
        with_stem(four(), TwoConvsStem(tiered=True)),
        Arch(stages=four().stages, head=LinearHead(norm_first=True)),
    ],
    ids=["plain", "v2", "bn", "rms", "stride 7", "two convs", "tiered", "norm first"],
)
def test_timm_builds_what_it_can_express(network: Arch) -> None:
    options = timm_model(network, Task(64, 1, 5))
    theirs = timm.create_model(**options)
    ours = randomise(Network(network, Task(64, 1, 5)))
    theirs.load_state_dict(to_timm(ours.state_dict(), network, conv_mlp="conv_mlp" in options))
    assert_agree(ours, theirs.eval(), images(64, 1))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Arch(stages=four().stages[:3]), "number of stages must be 4, got 3; timm's ConvNeXt has no other"),
        (with_stem(four(), Patchify(stride=2)), "stem.stride must be 1 or 3 or 4 or 5 or 6 or 7, got 2; timm's"),
        (four(norm="gn"), "stages[0].norm must be ln or rms or bn, got gn; timm's ConvNeXt has no other"),
        (four(expansion=3), "stages[0].expansion must be 4.0, got 3.0; timm's ConvNeXt has no other"),
        (four(groups=1), "stages[0].groups must be depthwise, got 1; timm's ConvNeXt has no other"),
        (Arch(stages=(*four().stages[:3], four(act="relu").stages[3])), "stages[3].act must be gelu, got relu; timm's"),
        (Arch(stages=four().stages, head=LinearHead(norm=None)), "head.norm must be ln, got null; timm's ConvNeXt"),
        (with_stem(four(), Patchify(norm=None)), "stem.norm must be ln, got null; timm's ConvNeXt has no other"),
        (with_stem(four(), TwoConvsStem(act="relu")), "stem.act must be null or gelu, got relu; timm's ConvNeXt"),
        (
            Arch(stages=(Stage(depth=1, width=8, block=Modulation()),)),
            "stages[0].block must be convnext or depthwise_first",
        ),
    ],
)
def test_timm_is_not_asked_for_what_it_cannot_express(network: Arch, message: str) -> None:
    with pytest.raises(InputError) as refused:
        timm_model(network, Task(64, 3, 10))
    assert str(refused.value).startswith(message)
