"""Cost of a network by arithmetic alone, before anything is built. No torch here.

Convention, everywhere in this project: FLOPs are multiply-accumulates of convolutions and linear layers, batch 1, as
the ConvNeXt paper counts. Norms, activations, biases and additions are not counted. Parameters are all learned numbers.
Activations are the elements of the outputs of all convolutions and linear layers (RegNet, arXiv 2003.13678, 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from space.arch import Arch, Task
from space.blocks import Block, downsampling
from space.heads import Head
from space.layers import Count, Layers, count_layers
from space.reading import InputError
from space.stems import Stem

CACHED = 2**16  # counts of parts that are kept: a search meets the same parts again and again


@dataclass(frozen=True, slots=True)
class Cost:
    """Integers: flops (conv + linear multiply-accumulates, batch 1), params, activations (elements, batch 1)."""

    flops: int = 0
    params: int = 0
    activations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.params + other.params, self.activations + other.activations)


@dataclass(frozen=True, slots=True)
class Part:
    """One row of a network's table: the stem, a stage (its downsampling included) or the head."""

    name: str
    size: int  # output side in pixels
    width: int  # output channels
    cost: Cost


def cost(arch: Arch, task: Task) -> Cost:
    """Total cost of `arch` at `task`. Raises InputError where a stage would shrink below one pixel."""
    rows = [(stage.block, stage.downsample, stage.depth, stage.width) for stage in arch.stages]
    total = count(arch.stem, rows, arch.head, task)
    if total is None:
        raise _too_small(arch, task)
    return Cost(*total)


def count(
    stem: Stem, stages: Iterable[tuple[Block, str, int, int]], head: Head, task: Task
) -> tuple[int, int, int] | None:
    """(flops, params, activations) of stem, stages (block, downsample, depth, width) and head; None where no pixel is
    left. What `cost` does, for networks that exist only as their numbers yet."""
    flops = params = activations = side = channels = 0
    for block, downsample, depth, width in stages:
        if not channels:
            flops, params, activations, side = count_stem(stem, task.channels, width, task.image_size)
            channels, downsample = width, ""
        macs, weights, elements, side = count_stage(block, downsample, depth, width, channels, side)
        if side < 1:
            return None
        flops, params, activations = flops + macs, params + weights, activations + elements
        channels = block.out(width)
    last = count_head(head, channels, task.classes, side)
    return flops + last[0], params + last[1], activations + last[2]


@lru_cache(CACHED)
def count_stem(stem: Stem, channels: int, width: int, size: int) -> Count:
    return count_layers(stem.layers(), stem.channels(channels, width), size)


@lru_cache(CACHED)
def count_stage(block: Block, downsample: str, depth: int, width: int, inputs: int, size: int) -> Count:
    """A stage on maps of `inputs` channels and `size` pixels. `downsample`: `separate`, `strided`, or empty: none."""
    flops = params = activations = 0
    channels = block.channels(width, inputs)
    out = channels["out"]
    stride = 2 if downsample == "strided" else 1
    if downsample == "separate":
        channels = {**channels, "before": inputs, "in": out}
        flops, params, activations, size = count_layers(downsampling(block.norm, block.bias), channels, size)
        inputs = out
    if size < 1:
        return 0, 0, 0, 0
    if inputs != out or stride != 1:  # a first block that differs from the others
        first = count_layers(_layers(block, stride, True), channels, size)
        flops, params, activations, size = flops + first[0], params + first[1], activations + first[2], first[3]
        channels = {**channels, "in": out}
        depth -= 1
    if depth:
        each = count_layers(_layers(block, 1, False), channels, size)
        flops, params, activations = flops + depth * each[0], params + depth * each[1], activations + depth * each[2]
    return flops, params, activations, size


@lru_cache(CACHED)
def count_head(head: Head, width: int, classes: int, size: int) -> Count:
    return count_layers(head.layers(), head.channels(width, classes), size)


@lru_cache(CACHED)
def _layers(block: Block, stride: int, project: bool) -> Layers:
    return block.layers(stride, project)


def breakdown(arch: Arch, task: Task) -> list[Part]:
    """Cost per part in order: stem, stages 1..n, head. Raises InputError as `cost` does."""
    width = arch.stages[0].width
    *costs, side = count_stem(arch.stem, task.channels, width, task.image_size)
    rows, channels = [Part("stem", side, width, Cost(*costs))], width
    for i, stage in enumerate(arch.stages):
        *costs, side = count_stage(
            stage.block, stage.downsample if i else "", stage.depth, stage.width, channels, side
        )  # fmt: skip
        if side < 1:
            raise _too_small(arch, task)
        channels = stage.out
        rows.append(Part(f"stage {i + 1}", side, channels, Cost(*costs)))
    *costs, _ = count_head(arch.head, channels, task.classes, side)
    return [*rows, Part("head", 1, task.classes, Cost(*costs))]


def _too_small(arch: Arch, task: Task) -> InputError:
    return InputError(
        f"stages must leave one pixel at least, got stem {arch.stem.name} {arch.stem.describe()} and "
        f"{len(arch.stages)} stages on {task.image_size} px; lower the stem's stride or the number of stages"
    )


def clear_counts() -> None:
    """Forgets all counts, as if nothing had been counted yet: for measuring."""
    for counted in (count_stem, count_stage, count_head, _layers):
        counted.cache_clear()
