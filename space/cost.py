"""Cost of a network by arithmetic alone, before anything is built. No torch here.

Convention, everywhere in this project: FLOPs are multiply-accumulates of convolutions and linear layers, batch 1, as
the ConvNeXt paper counts. Norms, activations, biases and additions are not counted. Parameters are all learned numbers.
Activations are the elements of the outputs of all convolutions and linear layers (RegNet, arXiv 2003.13678, 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from space import parts
from space.arch import Arch, Task
from space.layers import Conv, Layer, Linear
from space.reading import InputError


@dataclass(frozen=True, slots=True)
class Cost:
    """Integers: flops (conv + linear multiply-accumulates, batch 1), params, activations (elements, batch 1)."""

    flops: int = 0
    params: int = 0
    activations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.params + other.params, self.activations + other.activations)

    def __mul__(self, times: int) -> Cost:
        return Cost(self.flops * times, self.params * times, self.activations * times)


@dataclass(frozen=True, slots=True)
class Part:
    """One row of a network's table: the stem, a stage (its downsampling included) or the head."""

    name: str
    size: int  # output side in pixels
    width: int  # output channels
    cost: Cost


def cost(arch: Arch, task: Task) -> Cost:
    """Total cost of `arch` at `task`. Raises InputError where a stage would shrink below one pixel."""
    return sum((part.cost for part in breakdown(arch, task)), Cost())


def breakdown(arch: Arch, task: Task) -> list[Part]:
    """Cost per part in order: stem, stages 1..n, head. Raises InputError as `cost` does."""
    sizes = stage_sizes(arch, task.image_size)
    rows = [Part("stem", sizes[0], arch.stages[0].width, _sum(parts.stem(arch, task).values(), sizes[0]))]
    for i, (stage, size) in enumerate(zip(arch.stages, sizes, strict=True)):
        total = _sum(parts.block(stage).values(), size) * stage.depth
        if i > 0:
            total += _sum(parts.downsample(arch.stages[i - 1], stage).values(), size)
        rows.append(Part(f"stage {i + 1}", size, stage.width, total))
    rows.append(Part("head", 1, task.classes, _sum(parts.head(arch, task).values(), 1)))
    return rows


def stage_sizes(arch: Arch, image_size: int) -> list[int]:
    """Side in pixels of each stage's maps. Raises InputError below one pixel."""
    size = image_size // arch.stem.stride
    sizes = [size] + [size := size // 2 for _ in arch.stages[1:]]
    if sizes[-1] < 1:
        raise InputError(
            f"stages must leave one pixel at least, got stem stride {arch.stem.stride} and {len(arch.stages)} stages "
            f"on {image_size} px; lower the stem stride or the number of stages"
        )
    return sizes


def _sum(layers: Iterable[Layer], size: int) -> Cost:
    """Cost of layers whose outputs are `size` x `size`."""
    macs = params = outputs = 0
    for layer in layers:
        params += layer.params
        if isinstance(layer, (Conv, Linear)):
            macs += layer.macs
            outputs += layer.outputs
    return Cost(macs * size * size, params, outputs * size * size)
