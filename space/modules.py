"""Layers and parts as torch modules. Maps travel as (N, H, W, C), so that norms and linears need no copies."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from space.blocks import Block
from space.depthwise import depthwise_conv
from space.layers import Act, Conv, Layer, Layers, Linear, MaxPool, Norm, Pool, Response, Scale
from space.parts import find_part


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` on channels-last maps: (N, H, W, C) -> (N, H', W', C').

    A 1x1 convolution leaves out the pixels of its stride first, which are the same sums: oneDNN's weight gradient of a
    strided one writes outside its memory on CPUs with AVX2 and no AVX-512, in this format (torch 2.15)."""

    def forward(self, x: Tensor) -> Tensor:
        stride = self.stride
        if self.kernel_size == (1, 1) != stride and self.padding == (0, 0):
            x, stride = x[:, :: stride[0], :: stride[1]].contiguous(), (1, 1)
        x = x.permute(0, 3, 1, 2)  # (N, C, H, W) as a view: torch's channels-last format
        x = F.conv2d(x, self.weight, self.bias, stride, self.padding, groups=self.groups)
        return x.permute(0, 2, 3, 1)  # (N, H', W', C')


class DepthwiseConv2d(Conv2d):
    """A depthwise `Conv2d` of stride 1 and padding kernel // 2, with a quicker gradient on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H, W, C)."""
        return depthwise_conv(x.permute(0, 3, 1, 2), self.weight, self.bias).permute(0, 2, 3, 1)


class MaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d` on channels-last maps: (N, H, W, C) -> (N, H', W', C)."""

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = super().forward(x.permute(0, 3, 1, 2))  # (N, C, H', W')
        return pooled.permute(0, 2, 3, 1)  # (N, H', W', C)


class GlobalPool(nn.Module):
    """(N, H, W, C) -> (N, C), the mean over positions."""

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = x.mean((1, 2))
        return pooled


class LayerScale(nn.Module):
    """(..., C) -> (..., C): `x * weight`."""

    def __init__(self, width: int, init: float) -> None:
        super().__init__()
        self.init = init
        self.weight = nn.Parameter(torch.full((width,), init))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class GlobalResponseNorm(nn.Module):
    """GRN (arXiv 2301.00808, algorithm 1), (N, H, W, C) -> (N, H, W, C): with g the L2 norm of each channel over the
    positions and n = g / (mean of g over channels + 1e-6), `x + weight * x * n + bias`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        g = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)  # (N, 1, 1, C)
        n = g / (g.mean(-1, keepdim=True) + 1e-6)
        y: Tensor = x + self.weight * (x * n) + self.bias
        return y


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


def build(layer: Layer | Layers | None) -> nn.Module:
    """The torch module of a layer record: the identity for None, a sequence for a path."""
    match layer:
        case None:
            return nn.Identity()
        case dict():
            return sequence(layer)
        case Conv():
            whole = layer.groups == layer.inputs == layer.outputs and layer.stride == 1
            kind = DepthwiseConv2d if whole and layer.padding == layer.kernel // 2 else Conv2d
            return kind(
                layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding,
                groups=layer.groups, bias=layer.bias,
            )  # fmt: skip
        case Linear():
            return nn.Linear(layer.inputs, layer.outputs, layer.bias)
        case Norm():
            return cast(nn.Module, find_part("norm", layer.kind).module(layer.width))
        case Act():
            return cast(nn.Module, find_part("act", layer.kind).module())
        case Scale():
            return LayerScale(layer.width, layer.init)
        case Response():
            return GlobalResponseNorm(layer.width)
        case MaxPool():
            return MaxPool2d(layer.kernel, layer.stride, layer.padding)
        case Pool():
            return GlobalPool()


def sequence(layers: Layers) -> nn.Sequential:
    """Layers applied one after another, under their names; absent ones are left out."""
    return nn.Sequential(OrderedDict((name, build(layer)) for name, layer in layers.items() if layer is not None))


class BlockModule(nn.Module):
    """A block as a torch module: its layers under their names, and its formula."""

    def __init__(self, block: Block, layers: Layers, drop_path: float = 0.0) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, build(layer))
        self.drop_path = DropPath(drop_path)
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H', W', C')."""
        return self.block.forward(self, x)
