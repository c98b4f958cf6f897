"""Network: an Arch as a torch module."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from space.arch import Arch, Task
from space.cost import cost
from space.modules import BlockModule, sequence
from space.reading import InputError, shortened


class Network(nn.Module):
    """The network that `arch` describes, for images and classes of `task`, with fresh weights. `arch`: also a YAML file
    or a preset's name, as `Arch.load` takes them.

    Weights are drawn from torch's current generator: truncated normal, std .02, biases 0 (ConvNeXt's initialisation).
    Drop path rises linearly over the blocks from 0 to `arch.drop_path`, or to `drop_path` where one is given.
    Raises InputError where a stage would shrink below one pixel.
    """

    def __init__(self, arch: Arch | str | Path, task: Task, drop_path: float | None = None) -> None:
        super().__init__()
        arch = arch if isinstance(arch, Arch) else Arch.load(arch)
        if not isinstance(task, Task):
            raise InputError(f"task must be a nas.Task, got {shortened(task)}; write e.g. nas.Task(32, 3, 10)")
        cost(arch, task)  # refuse what has no pixels
        self.arch, self.task = arch, task
        last = arch.drop_path if drop_path is None else drop_path
        rates = iter(torch.linspace(0, last, arch.depth, device="cpu").tolist())
        layers = arch.layers(task)
        self.stem = sequence(layers["stem"])
        self.stages = nn.ModuleList()
        for i, stage in enumerate(arch.stages):
            rows = nn.Sequential()
            if f"stages.{i}.downsample" in layers:
                rows.add_module("downsample", sequence(layers[f"stages.{i}.downsample"]))
            blocks = (
                BlockModule(stage.block, layers[f"stages.{i}.blocks.{j}"], next(rates)) for j in range(stage.depth)
            )
            rows.add_module("blocks", nn.Sequential(*blocks))
            self.stages.append(rows)
        self.head = sequence(layers["head"])
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> logits (N, classes)."""
        x = self.stem(x.permute(0, 2, 3, 1))  # (N, H, W, C)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x)  # (N, H, W, C) -> (N, classes)
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
