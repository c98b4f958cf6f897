"""Blocks and layers: against references written in plain torch from the papers' equations, cases worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from space.blocks import Block, Bottleneck, ConvNeXt, DepthwiseFirst, Inverted, Modulation, ThreeConvs
from space.heads import Conv2FormerHead, Head, LinearHead
from space.layers import Act, Conv, Linear, MaxPool, Norm, Pool, Response, Scale, resolve
from space.modules import BlockModule, DropPath, build, sequence
from space.norm_modules import ChannelBatchNorm
from space.norms import norm as norm_record
from space.parts import find_part, names
from space.rules import Positions
from space.stems import Overlapping, Patchify, ResNetStem, Stem, ThreeConvsStem, TwoConvsStem

Weights = dict[str, Tensor]
ACT: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu, "hardswish": F.hardswish}
NORMS, ACTS = ("ln", "bn", "gn", "rms"), ("gelu", "relu", "silu", "hardswish")


def test_these_are_all_kinds() -> None:
    """A new kind of norm or activation needs its line in the references here."""
    assert set(names("norm")) == set(NORMS)
    assert set(names("act")) == set(ACTS)
    assert set(names("block")) == {"convnext", "modulation", "bottleneck", "inverted", "depthwise_first"}


def randomise(module: nn.Module, seed: int = 0) -> Weights:
    """Weights of ordinary size, all of them, in double precision and evaluation mode; returns them by name."""
    made = torch.Generator().manual_seed(seed)
    module.double().eval()
    for name, weight in module.state_dict().items():
        if name.endswith("running_var"):
            weight.uniform_(0.5, 2, generator=made)
        elif weight.is_floating_point():
            weight.normal_(generator=made)
    return dict(module.state_dict())


def block(made: Block, width: int = 6, inputs: int | None = None, stride: int = 1) -> tuple[nn.Module, Weights]:
    """A block on `inputs` channels (its own output where none are given), and its weights."""
    before = inputs or made.out(width)
    layers = made.layers(stride, project=stride > 1 or before != made.out(width))
    built = BlockModule(made, resolve(layers, made.channels(width, before)))
    return built, randomise(built)


def maps(channels: int, height: int = 7, width: int = 9, samples: int = 2) -> Tensor:
    return torch.randn(samples, channels, height, width, dtype=torch.double, generator=torch.Generator().manual_seed(1))


def call(module: nn.Module, x: Tensor) -> Tensor:
    """A module for (N, H, W, C) on (N, C, H, W)."""
    with torch.no_grad():
        y: Tensor = module(x.permute(0, 2, 3, 1))
    return y.permute(0, 3, 1, 2) if y.dim() == 4 else y


def assert_equal(y: Tensor, expected: Tensor) -> None:
    assert y.shape == expected.shape
    assert (y - expected).abs().max() <= 1e-9 * max(1.0, float(expected.abs().max()))


def norm(x: Tensor, w: Weights, name: str, kind: str) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W), by the definitions."""
    shape = (1, -1, 1, 1)
    weight, bias = w[f"{name}.weight"].view(shape), w.get(f"{name}.bias", torch.zeros(1)).view(shape)
    match kind:
        case "bn":
            mean, var, eps = w[f"{name}.running_mean"].view(shape), w[f"{name}.running_var"].view(shape), 1e-5
        case "gn":
            mean, eps = x.mean((1, 2, 3), keepdim=True), 1e-5
            var = ((x - mean) ** 2).mean((1, 2, 3), keepdim=True)
        case _:
            mean, eps = x.mean(1, keepdim=True) * (kind == "ln"), 1e-6
            var = ((x - mean) ** 2).mean(1, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


def conv(x: Tensor, w: Weights, name: str, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution of any form: a matrix is a 1x1 kernel."""
    weight = w[f"{name}.weight"]
    weight = weight[:, :, None, None] if weight.dim() == 2 else weight
    return F.conv2d(x, weight, w.get(f"{name}.bias"), stride, weight.shape[-1] // 2, 1, groups)


def gain(w: Weights, name: str) -> Tensor:
    return w[f"{name}.weight"].view(1, -1, 1, 1) if f"{name}.weight" in w else torch.ones(1)


def response(x: Tensor, w: Weights, name: str) -> Tensor:
    """GRN on (N, C, H, W): y = gamma * (x * Nx) + beta + x."""
    gx = (x**2).sum((2, 3), keepdim=True).sqrt()
    nx = gx / (gx.mean(1, keepdim=True) + 1e-6)
    return w[f"{name}.weight"].view(1, -1, 1, 1) * (x * nx) + w[f"{name}.bias"].view(1, -1, 1, 1) + x


def three_convs(x: Tensor, w: Weights, made: ThreeConvs, spatial: int, stride: int = 1) -> Tensor:
    """The roadmap of arXiv 2201.03545, steps 0 to 12, on (N, C, H, W); the convolution at place `spatial` is the one
    over neighbours."""
    y = x
    for place in (1, 2, 3):
        if place == 3 and made.grn:
            y = response(y, w, "branch.grn")
        name = f"branch.conv{place}"
        if place == spatial:
            groups = y.shape[1] if made.groups == "depthwise" else int(made.groups)
            assert w[f"{name}.weight"].shape[-2:] == (made.kernel, made.kernel)
            y = conv(y, w, name, stride, groups)
        else:
            y = conv(y, w, name)
        y = norm(y, w, f"branch.norm{place}", made.norm) if str(place) in made.norm_after.split("-") else y
        y = ACT[made.act](y) if str(place) in made.act_after.split("-") else y
    shortcut = x
    if stride > 1 or y.shape[1] != x.shape[1]:
        shortcut = norm(conv(x, w, "shortcut.conv", stride), w, "shortcut.norm", made.norm)
    y = shortcut + gain(w, "branch.scale") * y
    return ACT[made.act](y) if "add" in made.act_after else y


SPATIAL: dict[type[ThreeConvs], int] = {Bottleneck: 2, Inverted: 2, DepthwiseFirst: 1, ConvNeXt: 1}
KINDS = pytest.mark.parametrize("kind", SPATIAL)


@KINDS
@pytest.mark.parametrize("groups", ["depthwise", 1, 2])
@pytest.mark.parametrize(("inputs", "stride"), [(None, 1), (8, 1), (None, 2), (8, 2)])
def test_a_block_of_three_convolutions_equals_the_roadmap(
    kind: type[ThreeConvs], groups: int | str, inputs: int | None, stride: int
) -> None:
    for norm_kind, act, kernel in zip(NORMS, ACTS, (3, 5, 7, 9), strict=True):
        made = kind(groups=groups, norm=norm_kind, act=act, kernel=kernel, expansion=2.5, bias=kernel > 5)
        built, weights = block(made, 4, inputs, stride)
        for height, width in ((7, 9), (8, 6), (1, 1)):
            x = maps(inputs or made.out(4), height, width)
            expected = three_convs(x, weights, made, SPATIAL[kind], stride)
            assert expected.shape == (2, made.out(4), -(-height // stride), -(-width // stride))
            assert_equal(call(built, x), expected)


def test_channels_inside_are_the_papers() -> None:
    """In and out of conv1, conv2, conv3, from 12 channels to a stage of width 8 with expansion 4."""
    expected: dict[type[ThreeConvs], list[tuple[int, int]]] = {
        Bottleneck: [(12, 8), (8, 8), (8, 32)],
        Inverted: [(12, 32), (32, 32), (32, 8)],
        DepthwiseFirst: [(12, 12), (12, 32), (32, 8)],
        ConvNeXt: [(12, 12), (12, 32), (32, 8)],
    }
    for kind, channels in expected.items():
        _, weights = block(kind(groups=1), 8, inputs=12, stride=2)
        shapes = [weights[f"branch.conv{place}.weight"].shape for place in (1, 2, 3)]
        assert [(shape[1], shape[0]) for shape in shapes] == channels


@KINDS
def test_norms_and_activations_stand_where_the_options_say(kind: type[ThreeConvs]) -> None:
    x, outputs = maps(6, 4, 5), []
    for norm_after in Positions(("1", "2", "3")).examples:
        for act_after in Positions(("1", "2", "3", "add")).examples:
            made = kind(norm_after=norm_after, act_after=act_after, norm="bn", act="silu", expansion=1.0)
            built, weights = block(made)
            outputs.append(call(built, x))
            assert_equal(outputs[-1], three_convs(x, weights, made, SPATIAL[kind]))
    assert len(outputs) == 8 * 16


@KINDS
@pytest.mark.parametrize("grn", [False, True])
@pytest.mark.parametrize("layer_scale", [None, 0.5])
@pytest.mark.parametrize("bias", [False, True])
def test_grn_layer_scale_and_biases_are_options(
    kind: type[ThreeConvs], grn: bool, layer_scale: float | None, bias: bool
) -> None:
    made = kind(grn=grn, layer_scale=layer_scale, bias=bias, expansion=2.0)
    built, weights = block(made)
    x = maps(made.out(6))
    assert_equal(call(built, x), three_convs(x, weights, made, SPATIAL[kind]))
    ends = {name.split(".", 1)[1] for name in weights}
    assert ("grn.weight" in ends, "scale.weight" in ends, "conv1.bias" in ends) == (grn, layer_scale is not None, bias)


def convnext_reference(x: Tensor, w: Weights, grn: bool) -> Tensor:
    """arXiv 2201.03545, figure 4, and its V2: dw 7x7, LN, 1x1 to 4C, GELU, GRN, 1x1 to C."""
    y = conv(x, w, "branch.conv1", groups=x.shape[1])
    y = F.gelu(conv(norm(y, w, "branch.norm1", "ln"), w, "branch.conv2"))
    y = response(y, w, "branch.grn") if grn else y
    return x + gain(w, "branch.scale") * conv(y, w, "branch.conv3")


@pytest.mark.parametrize("made", [ConvNeXt(), ConvNeXt(grn=True, layer_scale=None)], ids=["V1", "V2"])
def test_the_convnext_block_as_it_comes_is_the_papers(made: ConvNeXt) -> None:
    built, weights = block(made)
    assert weights["branch.conv1.weight"].shape == (6, 1, 7, 7)
    assert weights["branch.conv2.weight"].shape == (24, 6)
    assert_equal(call(built, maps(6)), convnext_reference(maps(6), weights, made.grn))


FUSE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # on (N, C, H, W)
    "hadamard": lambda a, v: a * v,
    "sum": lambda a, v: a + v,
    "sigmoid": lambda a, v: 1 / (1 + (-a).exp()) * v,
    "l1": lambda a, v: F.normalize(a, p=1, dim=1) * v,
}


def modulation_reference(x: Tensor, w: Weights, made: Modulation) -> Tensor:
    """arXiv 2211.11943, equations 4-6, and its official code where `act_before` and `ffn_conv`."""
    act = ACT[made.act]
    n = norm(x, w, "norm1", made.norm)
    a = conv(n, w, "a")
    a = conv(act(a) if made.act_before else a, w, "dwconv", groups=x.shape[1])
    x = x + gain(w, "scale1") * conv(FUSE[made.fusion](a, conv(n, w, "v")), w, "proj")
    h = act(conv(norm(x, w, "norm2", made.norm), w, "fc1"))
    if made.ffn_conv:
        h = h + act(conv(h, w, "ffn_dwconv", groups=h.shape[1]))
    return x + gain(w, "scale2") * conv(h, w, "fc2")


@pytest.mark.parametrize("fusion", FUSE)
@pytest.mark.parametrize(("act_before", "ffn_conv"), [(False, False), (True, True), (True, False), (False, True)])
@pytest.mark.parametrize("layer_scale", [None, 0.5])
def test_the_modulation_block_equals_its_paper_and_its_code(
    fusion: str, act_before: bool, ffn_conv: bool, layer_scale: float | None
) -> None:
    for norm_kind, act, kernel in zip(NORMS, ACTS, (3, 5, 7, 11), strict=True):
        made = Modulation(
            fusion=fusion, act_before=act_before, ffn_conv=ffn_conv, layer_scale=layer_scale,
            norm=norm_kind, act=act, kernel=kernel, expansion=1.5,
        )  # fmt: skip
        built, weights = block(made)
        assert weights["dwconv.weight"].shape == (6, 1, kernel, kernel)
        assert ("scale1.weight" in weights, "ffn_dwconv.weight" in weights) == (layer_scale is not None, ffn_conv)
        x = maps(6)
        assert_equal(call(built, x), modulation_reference(x, weights, made))


def set_weights(built: nn.Module, **values: Any) -> None:
    """Sets what is named, `conv1_weight` for `conv1.weight`; the centre of a kernel, where one number per channel is
    given for a whole one; all else that is learned is 0, norms are left as they start."""
    state = built.state_dict()
    for name, weight in state.items():
        value = values.pop(name.removeprefix("branch.").replace(".", "_"), None)
        if value is not None:
            given = torch.tensor(value, dtype=weight.dtype)
            if weight.dim() == 4 and given.dim() == 1:
                weight.zero_()
                weight[:, 0, weight.shape[2] // 2, weight.shape[3] // 2] = given
            else:
                weight.copy_(given)
        elif "norm" not in name:
            weight.zero_()
    assert not values


def by_hand(made: Modulation, **more: Any) -> list[float]:
    """A modulation block on one pixel with two channels, (3, 1), whose LayerNorm is (1, -1)."""
    built = BlockModule(made, resolve(made.layers(), made.channels(2, 2))).double().eval()
    set_weights(
        built, a_weight=[[1, 2], [0, 1]], dwconv_weight=[2, 3], dwconv_bias=[1, 0], v_weight=[[1, 0], [1, 1]],
        v_bias=[1, 1], proj_weight=[[1, 0], [1, -1]], proj_bias=[0, 1], scale1_weight=[2, 1],
        fc1_weight=[[1, 0], [1, 3]], fc2_weight=[[1, 1], [0, -1]], fc2_bias=[1, 0], scale2_weight=[1, 2], **more,
    )  # fmt: skip
    x = torch.tensor([3.0, 1.0], dtype=torch.double).view(1, 1, 1, 2)
    with torch.no_grad():
        return built(x).flatten().tolist()  # type: ignore[no-any-return]


def test_the_modulation_block_by_hand() -> None:
    """n = (1, -1); a = W1 n = (-1, -1); A = (2, 3) a + (1, 0) = (-1, -3); V = W2 n + 1 = (2, 1).

    Hadamard: A V = (-2, -3), projected (-2, 2), scaled (-4, 2), so x = (-1, 3) and its norm (-1, 1); fc1 gives (-1, 2),
    ReLU (0, 2), fc2 (3, -2), scaled (3, -4): (2, -1).
    """
    options: dict[str, Any] = {"kernel": 3, "expansion": 1.0, "act": "relu"}
    assert by_hand(Modulation(**options)) == pytest.approx([2, -1], abs=1e-4)
    # A + V = (1, -2), projected (1, 4), scaled (2, 4): x = (5, 5), whose norm is 0, so that fc2's bias remains; the
    # first norm's epsilon makes them differ by about 1e-6, of which the second makes a thousandth
    assert by_hand(Modulation(fusion="sum", **options)) == pytest.approx([6, 5], abs=3e-3)
    # A / 4 * V = (-.5, -.75), projected (-.5, 1.25), scaled (-1, 1.25): x = (2, 2.25), norm (-1, 1), so + (3, -4)
    assert by_hand(Modulation(fusion="l1", **options)) == pytest.approx([5, -1.75], abs=1e-3)
    # sigmoid(-1) 2 = .53788, sigmoid(-3) 1 = .04743: x = (4.07577, 2.49046), norm (1, -1), fc1 (1, -2), so + (2, 0)
    assert by_hand(Modulation(fusion="sigmoid", **options)) == pytest.approx([6.07577, 2.49046], abs=1e-4)
    # ReLU before the depthwise convolution leaves its bias: A = (1, 0), A V = (2, 0), so x = (7, 4), then + (2, 0)
    assert by_hand(Modulation(act_before=True, **options)) == pytest.approx([9, 4], abs=1e-4)
    # h = (0, 2) + ReLU((1, 2) h + (1, -1)) = (1, 5); fc2 (7, -5), scaled (7, -10)
    code = by_hand(Modulation(ffn_conv=True, **options), ffn_dwconv_weight=[1, 2], ffn_dwconv_bias=[1, -1])
    assert code == pytest.approx([6, -7], abs=1e-4)


def test_the_bottleneck_by_hand() -> None:
    """x = (1 -2; 3 0), times 2 and ReLU: (2 0; 6 0). Each of 3x3 ones on a 2x2 map sees all of it: 8, times -1/4: -2."""
    x = torch.tensor([[1.0, -2.0], [3.0, 0.0]], dtype=torch.double).view(1, 2, 2, 1)
    made = Bottleneck(expansion=1.0, norm_after="none")
    for stride, expected in ((1, [[0.0, 0.0], [1.0, 0.0]]), (2, [[3.0]])):
        layers = resolve(made.layers(stride, project=stride == 2), made.channels(1, 1))
        built = BlockModule(made, layers).double().eval()
        values: dict[str, Any] = {"conv1_weight": [[2]], "conv2_weight": [[[[1] * 3] * 3]], "conv3_weight": [[-0.25]]}
        if stride == 2:  # the shortcut sees the 1 only, times 5; a fresh BatchNorm is the identity
            values["shortcut_conv_weight"] = [[[[5]]]]
        set_weights(built, **values)
        with torch.no_grad():
            torch.testing.assert_close(
                built(x).squeeze((0, 3)), torch.tensor(expected, dtype=torch.double), atol=1e-4, rtol=0
            )


def test_grn_by_hand() -> None:
    """Channels (3, 4) and (0, 0) have norms 5 and 0, mean 2.5: n = (2, 0)."""
    module = build(Response(2))
    assert all((weight == 0).all() for weight in module.parameters())
    x = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).view(1, 1, 2, 2)
    assert torch.equal(module(x), x), "the identity at first"
    module.load_state_dict({"weight": torch.tensor([1.0, 1.0]), "bias": torch.tensor([0.0, 1.0])})
    expected = torch.tensor([[9.0, 1.0], [12.0, 1.0]]).view(1, 1, 2, 2)
    torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)


BLOCKS: list[Block] = [
    *(kind(expansion=2.0, kernel=5, norm=kind_of_norm, layer_scale=0.1, grn=True, bias=True)
      for kind in SPATIAL for kind_of_norm in NORMS),
    *(kind(expansion=2.0, act="silu") for kind in SPATIAL),
    *(Modulation(fusion=fusion, kernel=5, norm=kind_of_norm, layer_scale=0.1, act_before=code, ffn_conv=code)
      for fusion, kind_of_norm in zip(FUSE, NORMS, strict=True) for code in (False, True)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "strided"), [(made, strided) for made in BLOCKS for strided in (False, True)[: 1 + made.strides]],
    ids=lambda value: f"{value.name}-{value.norm}" if isinstance(value, Block) else str(value),
)  # fmt: skip
def test_every_weight_of_a_block_learns(made: Block, strided: bool) -> None:
    inputs = 6 if strided else made.out(8)
    built, _ = block(made, 8, inputs, 2 if strided else 1)
    built.train()
    x = maps(inputs, 6, 5, samples=3).permute(0, 2, 3, 1).requires_grad_()
    y = built(x)
    (y * torch.randn_like(y)).sum().backward()
    blind = unseen(made)
    for name, weight in [*built.named_parameters(), ("input", x)]:
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert name in blind or weight.grad.abs().max() > 1e-6, name


def unseen(made: Block) -> list[str]:
    """Weights that cannot matter: BatchNorm takes each channel's mean away, and what the bias before it added."""
    if made.norm != "bn" or not isinstance(made, ThreeConvs):
        return []
    biases = [f"branch.conv{place}.bias" for place in made.norm_after.split("-")]
    return [*biases, "shortcut.conv.bias", *["branch.grn.bias"] * ("3" in made.norm_after)]


def channels_first(kind: str, width: int) -> nn.Module:
    """torch's own module for a norm on (N, C, H, W)."""
    match kind:
        case "bn":
            return nn.BatchNorm2d(width)
        case "gn":
            return nn.GroupNorm(1, width)
    own = nn.LayerNorm(width, eps=1e-6) if kind == "ln" else nn.RMSNorm(width, eps=1e-6)
    return nn.Sequential(Permute(0, 2, 3, 1), own, Permute(0, 3, 1, 2))


class Permute(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


def copy(ours: nn.Module, theirs: nn.Module) -> None:
    """Gives `theirs` the weights of `ours`, which has them in the same order under other names."""
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.double().eval().load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))


@pytest.mark.parametrize("kind", NORMS)
def test_norms_are_torchs_on_channels_last_maps_and_their_definitions(kind: str) -> None:
    record = norm_record(kind, "c")
    assert record is not None
    ours, theirs = build(record._replace(width=5)), channels_first(kind, 5)
    weights = randomise(ours)
    copy(ours, theirs)
    x = maps(5) * 3 + 1
    assert_equal(call(ours, x), theirs(x).detach())
    assert_equal(call(ours, x), norm(x, {f"n.{name}": value for name, value in weights.items()}, "n", kind))
    pooled = maps(5, 1, 1)  # what a head norms
    assert_equal(ours(pooled.flatten(1)).detach(), theirs(pooled).flatten(1).detach())
    assert sum(weight.numel() for weight in ours.parameters()) == 5 * record.each


def test_norms_have_the_epsilon_of_their_code() -> None:
    for kind, eps in {"ln": 1e-6, "rms": 1e-6, "bn": 1e-5, "gn": 1e-5}.items():
        module: Any = build(Norm(kind, 7, find_part("norm", kind).each))
        assert module.eps == eps


def test_batch_norm_over_channels_last_is_torchs_own_in_training() -> None:
    torch.manual_seed(0)
    ours, torchs = ChannelBatchNorm(5), nn.BatchNorm2d(5)
    with torch.no_grad():
        torchs.weight.normal_()
        torchs.bias.normal_()
    ours.load_state_dict(torchs.state_dict())
    for _ in range(3):
        x = torch.randn(4, 5, 6, 7) * 3 + 1  # (N, C, H, W)
        torch.testing.assert_close(ours(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), torchs(x))
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())
    x = torch.randn(4, 5, 6, 7)
    torch.testing.assert_close(ours.eval()(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), torchs.eval()(x))
    assert ours(torch.randn(4, 5)).shape == (4, 5)


def test_activations_are_their_formulas() -> None:
    x = torch.linspace(-6, 6, 101, dtype=torch.double)
    formulas = {
        "gelu": x * (1 + torch.erf(x / 2**0.5)) / 2,
        "relu": x * (x > 0),
        "silu": x / (1 + (-x).exp()),
        "hardswish": x * (x + 3).clamp(0, 6) / 6,
    }
    for kind, expected in formulas.items():
        assert_equal(build(Act(kind))(x), expected)


def test_convolutions_linears_and_pools_are_torchs_on_channels_last_maps() -> None:
    torch.manual_seed(0)
    built = build(Conv(4, 6, 3, 2, 1, groups=2, bias=False))
    assert isinstance(built, nn.Conv2d)
    assert built.bias is None
    x = torch.randn(2, 4, 9, 8)
    expected = F.conv2d(x, built.weight, stride=2, padding=1, groups=2).detach()
    torch.testing.assert_close(call(built, x), expected)
    torch.testing.assert_close(call(build(MaxPool(3, 2, 1)), x), F.max_pool2d(x, 3, 2, 1))
    torch.testing.assert_close(call(build(Pool()), x), F.adaptive_avg_pool2d(x, 1).flatten(1))
    linear = build(Linear(4, 3, bias=False))
    assert isinstance(linear, nn.Linear)
    assert (linear.in_features, linear.out_features) == (4, 3)
    assert [name for name, _ in linear.named_parameters()] == ["weight"]


def test_a_strided_1x1_convolution_gives_torchs_sums_and_never_asks_onednn_for_its_own() -> None:
    """The weight gradient of oneDNN's corrupts memory on some CPUs in this format (torch 2.15)."""
    torch.manual_seed(0)
    for stride, size in ((2, 9), (2, 8), (3, 8)):
        built = build(Conv(6, 13, 1, stride))
        x = torch.randn(2, 6, size, size - 1)
        weight, bias = (value.detach().clone().requires_grad_() for value in built.parameters())
        plain = x.clone().requires_grad_()
        expected = F.conv2d(plain, weight, bias, stride)  # channels first: not where the fault is
        g = torch.randn_like(expected)
        expected.backward(g)
        maps = x.permute(0, 2, 3, 1).contiguous().requires_grad_()
        with StridesOf1x1() as asked:
            out = built(maps)
            out.backward(g.permute(0, 2, 3, 1))
        assert asked.strides == {1}
        torch.testing.assert_close(out.permute(0, 3, 1, 2), expected)
        assert maps.grad is not None
        torch.testing.assert_close(maps.grad.permute(0, 3, 1, 2), plain.grad)
        for mine, theirs in zip(built.parameters(), (weight, bias), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad)


class StridesOf1x1(TorchDispatchMode):
    """Strides of the 1x1 convolutions that torch is asked for, forward and backward."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.strides: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        place = {"aten::convolution": (1, 3), "aten::convolution_backward": (2, 4)}.get(func.name())
        if place and args[place[0]].shape[-2:] == (1, 1):
            self.strides.update(args[place[1]])
        return func(*args, **(kwargs or {}))


def test_an_absent_layer_is_the_identity() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert build(None)(x) is x
    assert sequence({"norm": None, "act": None})(x) is x


def test_layer_scale_starts_at_its_value() -> None:
    scale = build(Scale(3, 0.25))
    torch.testing.assert_close(scale(torch.ones(2, 4, 4, 3)), torch.full((2, 4, 4, 3), 0.25))


def optional(*modules: nn.Module | None) -> nn.Sequential:
    return nn.Sequential(*(module for module in modules if module is not None))


STEMS: list[tuple[Stem, Callable[[], Iterable[nn.Module | None]]]] = [
    (Patchify(), lambda: [nn.Conv2d(3, 12, 4, 4), channels_first("ln", 12)]),
    (Patchify(stride=3, norm=None, act="relu", bias=False), lambda: [nn.Conv2d(3, 12, 3, 3, bias=False), nn.ReLU()]),
    (Patchify(stride=1, norm="bn"), lambda: [nn.Conv2d(3, 12, 1), channels_first("bn", 12)]),
    (Overlapping(), lambda: [nn.Conv2d(3, 12, 7, 4, 3), channels_first("ln", 12)]),
    (Overlapping(kernel=5, stride=2, norm="gn", act="silu", bias=False),
     lambda: [nn.Conv2d(3, 12, 5, 2, 2, bias=False), channels_first("gn", 12), nn.SiLU()]),
    (ResNetStem(), lambda: [nn.Conv2d(3, 12, 7, 2, 3, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]),
    (ResNetStem(kernel=3, stride=1, pool=False, bias=True, norm="rms", act="gelu"),
     lambda: [nn.Conv2d(3, 12, 3, 1, 1), channels_first("rms", 12), nn.GELU()]),
    (ThreeConvsStem(), lambda: [  # Conv2Former's official code
        nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.GELU(), nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 3, 1, 1, bias=False), nn.GELU(), nn.BatchNorm2d(6), nn.Conv2d(6, 12, 2, 2, bias=False)]),
    (TwoConvsStem(), lambda: [nn.Conv2d(3, 12, 3, 2, 1), nn.Conv2d(12, 12, 3, 2, 1), channels_first("ln", 12)]),
    (TwoConvsStem(tiered=True, act="gelu", bias=False), lambda: [
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.GELU(), nn.Conv2d(8, 12, 3, 2, 1, bias=False),
        channels_first("ln", 12)]),
]  # fmt: skip


@pytest.mark.parametrize(("stem", "modules"), STEMS, ids=lambda value: value.name if isinstance(value, Stem) else "")
def test_stems_equal_plain_torch(stem: Stem, modules: Callable[[], Iterable[nn.Module | None]]) -> None:
    ours, theirs = sequence(resolve(stem.layers(), stem.channels(3, 12))), optional(*modules())
    randomise(ours)
    copy(ours, theirs)
    for height, width in ((32, 32), (19, 27), (7, 8)):
        x = maps(3, height, width)
        assert_equal(call(ours, x), theirs(x).detach())


def test_all_stems_and_heads_are_compared() -> None:
    assert {stem.name for stem, _ in STEMS} == set(names("stem"))
    assert {head.name for head, _ in HEADS} == set(names("head"))


class Mean(nn.Module):
    """(N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, 1)


HEADS: list[tuple[Head, Callable[[], Iterable[nn.Module]]]] = [
    (LinearHead(), lambda: [Mean(), channels_first("ln", 12), nn.Flatten(), nn.Linear(12, 5)]),
    (LinearHead(norm=None), lambda: [Mean(), nn.Flatten(), nn.Linear(12, 5)]),
    (LinearHead(norm=None, norm_first=True), lambda: [Mean(), nn.Flatten(), nn.Linear(12, 5)]),
    (LinearHead(norm_first=True), lambda: [channels_first("ln", 12), Mean(), nn.Flatten(), nn.Linear(12, 5)]),
    (LinearHead(norm="gn"), lambda: [Mean(), channels_first("gn", 12), nn.Flatten(), nn.Linear(12, 5)]),
    (LinearHead(norm="bn"), lambda: [Mean(), channels_first("bn", 12), nn.Flatten(), nn.Linear(12, 5)]),
    (Conv2FormerHead(features=20), lambda: [  # 1x1 convolution, GELU, LN, pool, linear, and no norm after the pool
        Conv1x1(12, 20), nn.GELU(), channels_first("ln", 20), Mean(), nn.Flatten(), nn.Linear(20, 5)]),
    (Conv2FormerHead(features=20, norm=None, act=None), lambda: [
        Conv1x1(12, 20), Mean(), nn.Flatten(), nn.Linear(20, 5)]),
]  # fmt: skip


class Conv1x1(nn.Linear):
    """A 1x1 convolution on (N, C, H, W) whose weight is a matrix."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight[:, :, None, None], self.bias)


@pytest.mark.parametrize(("head", "modules"), HEADS, ids=lambda value: value.name if isinstance(value, Head) else "")
def test_heads_equal_plain_torch(head: Head, modules: Callable[[], Iterable[nn.Module]]) -> None:
    ours, theirs = sequence(resolve(head.layers(), head.channels(12, 5))), optional(*modules())
    randomise(ours)
    copy(ours, theirs)
    for height, width in ((7, 7), (1, 1), (2, 3)):
        x = maps(12, height, width) * 2 + 1
        logits = call(ours, x)
        assert logits.shape == (2, 5)
        assert_equal(logits, theirs(x).detach())


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    y = DropPath(0.3).train()(torch.ones(4000, 3, 2, 5))
    samples = y.flatten(1)
    assert (samples == samples[:, :1]).all(), "a sample is dropped whole"
    values = samples[:, 0]
    kept = values > 0
    torch.testing.assert_close(values[kept], torch.full((int(kept.sum()),), 1 / 0.7))
    assert kept.float().mean().item() == pytest.approx(0.7, abs=4 * (0.3 * 0.7 / 4000) ** 0.5)
    assert values.mean().item() == pytest.approx(1, abs=0.05)


def test_drop_path_rests_in_evaluation_and_at_rate_zero() -> None:
    x = torch.randn(8, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


@pytest.mark.parametrize("name", names("block"))
def test_drop_path_drops_branches_not_the_block(name: str) -> None:
    torch.manual_seed(0)
    kind = find_part("block", name)
    made = kind(layer_scale=None, norm="ln", **({} if name == "modulation" else {"expansion": 1.0, "act_after": "1-2"}))
    built = BlockModule(made, resolve(made.layers(), made.channels(4, 4)), drop_path=0.5).train()
    x = torch.randn(400, 3, 3, 4)
    untouched = (built(x) == x).flatten(1).all(1).float().mean().item()
    expected = 0.25 if name == "modulation" else 0.5  # both of the modulation block's branches
    assert untouched == pytest.approx(expected, abs=4 * (0.25 / 400) ** 0.5)


def test_a_projected_shortcut_is_never_dropped() -> None:
    torch.manual_seed(0)
    made = Bottleneck(act_after="1-2", norm="ln")
    built: Any = BlockModule(made, resolve(made.layers(2, True), made.channels(4, 6)), drop_path=0.5).train()
    x = torch.randn(400, 4, 4, 6)
    alone = (built(x) == built.shortcut(x)).flatten(1).all(1).float().mean().item()
    assert alone == pytest.approx(0.5, abs=4 * (0.25 / 400) ** 0.5)
