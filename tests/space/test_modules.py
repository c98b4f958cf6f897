"""Blocks and layers: against references written in plain torch, shapes, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from space import Stage
from space.layers import Conv, Linear, Norm, Scale
from space.modules import BLOCKS, ChannelBatchNorm, DropPath, LayerScale, build

ACT: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu, "hardswish": F.hardswish}
KINDS = pytest.mark.parametrize("kind", ["convnext", "modulation"])


def block(**fields: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """A block in double precision with weights that are all of ordinary size, and those weights by name."""
    torch.manual_seed(0)
    stage = Stage(**({"depth": 1, "width": 6, "kernel": 5, "expansion": 2.5} | fields))
    built = BLOCKS[stage.block](stage).double().eval()
    with torch.no_grad():
        for weight in built.parameters():
            weight.normal_()
        for name, buffer in built.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return built, dict(built.state_dict())


def norm(x: Tensor, w: dict[str, Tensor], name: str, kind: str) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W), by the definitions."""
    weight, bias = w[f"{name}.weight"].view(1, -1, 1, 1), w.get(f"{name}.bias", torch.zeros(1)).view(1, -1, 1, 1)
    if kind == "bn":
        mean, var = (w[f"{name}.running_{of}"].view(1, -1, 1, 1) for of in ("mean", "var"))
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias
    centre = x.mean(1, keepdim=True) if kind == "ln" else 0
    spread = ((x - centre) ** 2).mean(1, keepdim=True) + 1e-6
    return (x - centre) / spread.sqrt() * weight + bias


def conv1x1(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    return F.conv2d(x, w[f"{name}.weight"][:, :, None, None], w[f"{name}.bias"])


def depthwise(x: Tensor, w: dict[str, Tensor]) -> Tensor:
    weight = w["dwconv.weight"]
    return F.conv2d(x, weight, w["dwconv.bias"], padding=weight.shape[-1] // 2, groups=len(weight))


def gain(w: dict[str, Tensor], name: str) -> Tensor:
    return w[f"{name}.weight"].view(1, -1, 1, 1) if f"{name}.weight" in w else torch.ones(1)


def convnext_reference(x: Tensor, w: dict[str, Tensor], kind: str, act: str) -> Tensor:
    """arXiv 2201.03545, figure 4, on (N, C, H, W)."""
    y = conv1x1(norm(depthwise(x, w), w, "norm", kind), w, "pwconv1")
    return x + gain(w, "gamma") * conv1x1(ACT[act](y), w, "pwconv2")


def modulation_reference(x: Tensor, w: dict[str, Tensor], kind: str, act: str) -> Tensor:
    """arXiv 2211.11943, equations 4-6, on (N, C, H, W): A = DConv(W1 X), V = W2 X, Z = A * V."""
    n = norm(x, w, "norm1", kind)
    z = depthwise(conv1x1(n, w, "a"), w) * conv1x1(n, w, "v")
    x = x + gain(w, "gamma1") * conv1x1(z, w, "proj")
    y = ACT[act](conv1x1(norm(x, w, "norm2", kind), w, "pwconv1"))
    return x + gain(w, "gamma2") * conv1x1(y, w, "pwconv2")


REFERENCES = {"convnext": convnext_reference, "modulation": modulation_reference}


@KINDS
@pytest.mark.parametrize("norm_kind", ["ln", "bn", "rms"])
@pytest.mark.parametrize("act", ["gelu", "relu", "silu", "hardswish"])
@pytest.mark.parametrize("layer_scale", [None, 0.5])
def test_a_block_equals_its_paper(kind: str, norm_kind: str, act: str, layer_scale: float | None) -> None:
    built, weights = block(block=kind, norm=norm_kind, act=act, layer_scale=layer_scale)
    x = torch.randn(2, 6, 7, 9, dtype=torch.double)
    expected = REFERENCES[kind](x, weights, norm_kind, act)
    assert (expected - x).abs().max() > 0.1
    torch.testing.assert_close(built(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected, rtol=1e-5, atol=1e-5)


@KINDS
@pytest.mark.parametrize("norm_kind", ["ln", "bn", "rms"])
@pytest.mark.parametrize("kernel", [3, 5, 7, 9, 11])
def test_every_weight_of_a_block_learns_and_shapes_stay(kind: str, norm_kind: str, kernel: int) -> None:
    torch.manual_seed(0)
    stage = Stage(block=kind, depth=1, width=8, kernel=kernel, norm=norm_kind, layer_scale=0.1)  # type: ignore[arg-type]
    built = BLOCKS[kind](stage, drop_path=0.0).train()
    x = torch.randn(3, 6, 5, 8, requires_grad=True)
    y = built(x)
    assert y.shape == x.shape
    (y * torch.randn_like(y)).sum().backward()
    for name, weight in [*built.named_parameters(), ("input", x)]:
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        # Before a norm that subtracts the mean over positions, a bias of the convolution cannot matter.
        blind = kind == "convnext" and norm_kind == "bn" and name == "dwconv.bias"
        assert blind or weight.grad.abs().max() > 1e-6, name


def test_batch_norm_over_channels_last_is_torchs_own() -> None:
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


def test_convolutions_and_linears_are_torchs_on_channels_last_maps() -> None:
    torch.manual_seed(0)
    conv = build(Conv(4, 6, 3, 2, 1, groups=2, bias=False))
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is None
    x = torch.randn(2, 4, 9, 8)
    expected = F.conv2d(x, conv.weight, stride=2, padding=1, groups=2)
    torch.testing.assert_close(conv(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)
    assert Conv(4, 6, 3, 2, 1).out_size(9) == expected.shape[2]
    linear = build(Linear(4, 3, bias=False))
    assert isinstance(linear, nn.Linear)
    assert (linear.in_features, linear.out_features) == (4, 3)
    assert [name for name, _ in linear.named_parameters()] == ["weight"]


def test_norms_have_convnexts_epsilon_and_count_their_weights() -> None:
    for kind in ("ln", "rms", "bn"):
        record = Norm(kind, 7)
        module: Any = build(record)
        assert module.eps == (1e-5 if kind == "bn" else 1e-6)
        assert sum(weight.numel() for weight in module.parameters()) == record.params


def test_layer_scale_starts_at_its_value() -> None:
    scale = build(Scale(3, 0.25))
    assert isinstance(scale, LayerScale)
    torch.testing.assert_close(scale(torch.ones(2, 4, 4, 3)), torch.full((2, 4, 4, 3), 0.25))


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


@KINDS
def test_drop_path_drops_branches_not_the_block(kind: str) -> None:
    torch.manual_seed(0)
    stage = Stage(block=kind, depth=1, width=4, layer_scale=None)  # type: ignore[arg-type]
    built, x = BLOCKS[kind](stage, drop_path=0.5).train(), torch.randn(64, 3, 3, 4)
    untouched = (built(x) == x).flatten(1).all(1).float().mean().item()
    expected = 0.5 if kind == "convnext" else 0.25  # both of the modulation block's branches
    assert untouched == pytest.approx(expected, abs=0.2)
