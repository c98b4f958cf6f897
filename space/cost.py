"""Cost of a network by arithmetic alone, before anything is built. No torch here.

Convention, everywhere in this project: FLOPs are multiply-accumulates of convolutions and linear layers, batch 1, as
the ConvNeXt paper counts. Norms, activations, biases and additions are not counted. Parameters are all learned numbers.
Activations are the elements of the outputs of all convolutions and linear layers (RegNet, arXiv 2003.13678, 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from space.arch import Arch, Task
from space.blocks import Block, downsampling
from space.heads import Head
from space.layers import Count, Term, count_terms, terms
from space.reading import InputError
from space.stems import Stem

Row = tuple[Block, str, int, int]  # a stage: block, downsample, depth, width
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
class CountedPart:
    """One row of a network's table: the stem, a stage (its downsampling included) or the head."""

    name: str
    size: int  # output side in pixels
    width: int  # output channels
    cost: Cost


def cost(arch: Arch, task: Task) -> Cost:
    """Total cost of `arch` at `task`. Raises InputError where a stage would shrink below one pixel."""
    total = count(arch.stem, rows(arch), arch.head, task)
    if total is None:
        raise _too_small(arch, task)
    return Cost(*total)


def count(stem: Stem, stages: Sequence[Row], head: Head, task: Task) -> tuple[int, int, int] | None:
    """(flops, params, activations) of stem, stages and head; None where no pixel is left. What `cost` does, for
    networks that exist only as their numbers yet."""
    flops = params = activations = 0
    for macs, weights, elements, side in _counts(stem, stages, head, task):
        if side < 1:
            return None
        flops += macs
        params += weights
        activations += elements
    return flops, params, activations


def _counts(stem: Stem, stages: Sequence[Row], head: Head, task: Task) -> list[Count]:
    """Of every part in order: stem, stages, head."""
    channels = stages[0][3]
    counts = [count_stem(stem, task.channels, channels, task.image_size)]
    for place, (block, downsample, depth, width) in enumerate(stages):
        counts.append(count_stage(block, downsample if place else "", depth, width, channels, counts[-1][3]))
        channels = block.out(width)
    counts.append(count_head(head, channels, task.classes, counts[-1][3]))
    return counts


def rows(arch: Arch) -> list[Row]:
    """Its stages."""
    return [(stage.block, stage.downsample, stage.depth, stage.width) for stage in arch.stages]


@lru_cache(CACHED)
def count_stem(stem: Stem, channels: int, width: int, size: int) -> Count:
    return count_terms(terms(stem.layers()), stem.channels(channels, width), size)


def count_stage(block: Block, downsample: str, depth: int, width: int, inputs: int, size: int) -> Count:
    """A stage on maps of `inputs` channels and `size` pixels. `downsample`: `separate`, `strided`, or empty: none."""
    rest, each = count_blocks(block, downsample, width, inputs, size)
    flops, params, activations = (one + depth * more for one, more in zip(rest[:3], each, strict=True))
    return flops, params, activations, rest[3]


@lru_cache(CACHED)
def count_blocks(
    block: Block, downsample: str, width: int, inputs: int, size: int
) -> tuple[Count, tuple[int, int, int]]:  # fmt: skip
    """Of a stage, as `count_stage` takes it: what its first block and its downsampling have beyond one block, with the
    side that it leaves, and what each block has."""
    flops = params = activations = 0
    channels = block.channels(width, inputs)
    out = channels["out"]
    stride = 2 if downsample == "strided" else 1
    if downsample == "separate":
        channels = {**channels, "before": inputs, "in": out}
        flops, params, activations, size = count_terms(_downsampling(block.norm, block.bias), channels, size)
        inputs = out
    if size < 1:
        return (0, 0, 0, 0), (0, 0, 0)
    project = inputs != out or stride != 1
    first = each = count_terms(_terms(block, stride, project), channels, size)
    if project:  # a first block that differs from the others
        each = count_terms(_terms(block, 1, False), {**channels, "in": out}, first[3])
    beyond = (flops + first[0] - each[0], params + first[1] - each[1], activations + first[2] - each[2], first[3])
    return beyond, each[:3]


@lru_cache(CACHED)
def count_head(head: Head, width: int, classes: int, size: int) -> Count:
    return count_terms(terms(head.layers()), head.channels(width, classes), size)


@lru_cache(CACHED)
def _terms(block: Block, stride: int, project: bool) -> tuple[Term, ...]:
    return terms(block.layers(stride, project))


@cache
def _downsampling(norm: str, bias: bool) -> tuple[Term, ...]:
    return terms(downsampling(norm, bias))


def breakdown(arch: Arch, task: Task) -> list[CountedPart]:
    """Cost per part in order: stem, stages 1..n, head. Raises InputError as `cost` does."""
    names = ["stem", *(f"stage {i + 1}" for i in range(len(arch.stages))), "head"]
    widths = [arch.stages[0].width, *(stage.out for stage in arch.stages), task.classes]
    parts = []
    for name, width, counted in zip(names, widths, _counts(arch.stem, rows(arch), arch.head, task), strict=True):
        *costs, side = counted
        if side < 1:
            raise _too_small(arch, task)
        parts.append(CountedPart(name, side, width, Cost(*costs)))
    return parts


def _too_small(arch: Arch, task: Task) -> InputError:
    return InputError(
        f"stages must leave one pixel at least, got stem {arch.stem.name} {arch.stem.describe()} and "
        f"{len(arch.stages)} stages on {task.image_size} px; lower the stem's stride or the number of stages"
    )
