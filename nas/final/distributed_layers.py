"""Layers that see the whole batch of a training in several processes, each of which has a part of it."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from space.modules import DropPath
from space.network import Network
from space.norm_modules import ChannelBatchNorm


class SharedDropPath(DropPath):
    """Draws for the whole batch and takes the rows of this process, so that every process count draws the same.

    `places` int64 (N,) are on the network's device, where no step waits for them.
    """

    def __init__(self, rate: float, places: Tensor, batch: int) -> None:
        super().__init__(rate)
        self.batch = batch
        self.places = places  # no buffer: those are made equal in all processes

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        if not self.training or self.rate == 0:
            return x
        keep = torch.empty(self.batch, device=x.device).bernoulli_(1 - self.rate).index_select(0, self.places)
        return x * (keep / (1 - self.rate)).to(x.dtype).view(-1, *[1] * (x.dim() - 1))


class _Summed(torch.autograd.Function):
    """A tensor's sum over all processes; so is the sum's gradient, as every process's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient


class SharedBatchNorm(ChannelBatchNorm):
    """BatchNorm over the batch of all processes, whose parts are of one size. On any device, which torch's
    SyncBatchNorm is not; mean first, then squares, in float32."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        rows = x.reshape(-1, x.shape[-1]).float()
        count = len(rows) * dist.get_world_size()
        centred: Tensor = rows - _Summed.apply(rows.sum(0)) / count
        variance: Tensor = _Summed.apply(centred.square().sum(0)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(rows[0] - centred[0], self.momentum)
            self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
        scaled = centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        return scaled.to(x.dtype).view(x.shape)


def share_layers(network: Network, places: list[int], batch: int, processes: int, device: torch.device) -> None:
    """Puts them in place: drop path always, so that its draws are the same for any number of processes. `device` is
    where the network will be."""
    here = torch.tensor(places, device=device)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DropPath):
                setattr(parent, name, SharedDropPath(child.rate, here, batch))
            elif processes > 1 and isinstance(child, ChannelBatchNorm):
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                setattr(parent, name, shared)
