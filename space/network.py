"""Network: an Arch as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from space import parts
from space.arch import Arch, Task
from space.cost import stage_sizes
from space.modules import BLOCKS, sequence


class Network(nn.Module):
    """The network that `arch` describes, for images and classes of `task`, with fresh weights.

    `drop_path` rises linearly over the blocks from 0 to the rate given (ConvNeXt's linspace). Weights are drawn from
    torch's current generator: truncated normal, std .02, biases 0 (ConvNeXt's initialisation).
    Raises InputError where a stage would shrink below one pixel.
    """

    def __init__(self, arch: Arch, task: Task, drop_path: float = 0.0) -> None:
        super().__init__()
        stage_sizes(arch, task.image_size)  # refuse what has no pixels
        self.arch, self.task = arch, task
        rates = iter(torch.linspace(0, drop_path, arch.depth, device="cpu").tolist())
        self.stem = sequence(parts.stem(arch, task))
        self.stages = nn.ModuleList()
        for i, stage in enumerate(arch.stages):
            rows = nn.Sequential()
            if i > 0:
                rows.add_module("downsample", sequence(parts.downsample(arch.stages[i - 1], stage)))
            for j in range(stage.depth):
                rows.add_module(str(j), BLOCKS[stage.block](stage, next(rates)))
            self.stages.append(rows)
        self.head = sequence(parts.head(arch, task))
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> logits (N, classes)."""
        x = self.stem(x.permute(0, 2, 3, 1))  # (N, H, W, C)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x.mean((1, 2)))  # (N, C) -> (N, classes)
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
