"""The parts of `parts.py` as torch modules. Maps travel as (N, H, W, C), so that norms and linears need no copies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from space import parts
from space.arch import ActKind, Stage
from space.layers import Conv, Layer, Linear, Norm, Scale

ACTS: dict[ActKind, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
}


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` on channels-last maps: (N, H, W, C) -> (N, H', W', C')."""

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x.permute(0, 3, 1, 2))  # (N, C, H, W) as a view: torch's channels-last format
        return x.permute(0, 2, 3, 1)  # (N, H', W', C')


class ChannelBatchNorm(nn.BatchNorm1d):
    """BatchNorm over the last dimension: (..., C) -> (..., C)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(-1, x.shape[-1])).view(x.shape)


class LayerScale(nn.Module):
    """(..., C) -> (..., C): `x * weight`."""

    def __init__(self, width: int, init: float) -> None:
        super().__init__()
        self.init = init
        self.weight = nn.Parameter(torch.full((width,), init))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class DropPath(nn.Module):
    """Drops a residual branch for a whole sample with probability `rate` in training (arXiv 1603.09382)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = torch.empty((x.shape[0],) + (1,) * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * (mask / keep)


def build(layer: Layer) -> nn.Module:
    """The torch module of a layer record."""
    match layer:
        case Conv():
            return Conv2d(
                layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding,
                groups=layer.groups, bias=layer.bias,
            )  # fmt: skip
        case Linear():
            return nn.Linear(layer.inputs, layer.outputs, layer.bias)
        case Norm(kind="ln"):
            return nn.LayerNorm(layer.width, eps=1e-6)
        case Norm(kind="rms"):
            return nn.RMSNorm(layer.width, eps=1e-6)
        case Norm():
            return ChannelBatchNorm(layer.width)
        case Scale():
            return LayerScale(layer.width, layer.init)


def sequence(layers: parts.Layers) -> nn.Sequential:
    """Layers applied one after another, under their names."""
    modules = nn.Sequential()
    for name, layer in layers.items():
        modules.add_module(name, build(layer))
    return modules


class Block(nn.Module):
    """A residual block; its layers come from `parts.block`, so that what is counted is what is built."""

    pwconv1: nn.Module
    pwconv2: nn.Module

    def __init__(self, stage: Stage, drop_path: float = 0.0) -> None:
        super().__init__()
        for name, layer in parts.block(stage).items():
            self.add_module(name, build(layer))
        self.act = ACTS[stage.act]()
        self.drop_path = DropPath(drop_path)

    def scaled(self, name: str, x: Tensor) -> Tensor:
        """`x * gamma` where the block has LayerScale `name`, dropped at times; a branch before its addition."""
        gamma = self._modules.get(name)
        branch: Tensor = self.drop_path(x if gamma is None else gamma(x))
        return branch

    def feed_forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H, W, C): `pwconv2(act(pwconv1(x)))`."""
        y: Tensor = self.pwconv2(self.act(self.pwconv1(x)))
        return y


class ConvNeXtBlock(Block):
    """`x + gamma * pwconv2(act(pwconv1(norm(dwconv(x)))))` (arXiv 2201.03545, figure 4)."""

    dwconv: nn.Module
    norm: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H, W, C)."""
        return x + self.scaled("gamma", self.feed_forward(self.norm(self.dwconv(x))))


class ModulationBlock(Block):
    """Conv2Former's block in the paper's form (arXiv 2211.11943, equations 4-6): `A = dwconv(a(n))`, `Z = A * v(n)`.

    The official code differs: GELU before the depthwise convolution and a depthwise convolution in the feed-forward.
    """

    norm1: nn.Module
    a: nn.Module
    dwconv: nn.Module
    v: nn.Module
    proj: nn.Module
    norm2: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H, W, C)."""
        n = self.norm1(x)
        x = x + self.scaled("gamma1", self.proj(self.dwconv(self.a(n)) * self.v(n)))
        return x + self.scaled("gamma2", self.feed_forward(self.norm2(x)))


BLOCKS: dict[str, type[Block]] = {"convnext": ConvNeXtBlock, "modulation": ModulationBlock}
