"""The work of layers, by kind: what the time on a device can be forecast from, where no count alone says it.

A linear layer and a depthwise convolution of equal FLOPs take unequal times. So the work of a network is a sum over its
layers of four amounts for each kind of layer (`linear`, `depthwise 7`, `ln`): how many there are, the elements that
they read and write and their multiply-accumulates (of batch 1, with channels rounded up to LANES, since processors
compute on vectors of them), and their weights, which at batch 1 take longer to read than to multiply with. None of them
falls as a network gets wider or deeper. No torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from space.arch import Arch, Task
from space.blocks import Block, downsampling
from space.cost import CACHED
from space.heads import Head
from space.layers import Act, Conv, Layer, Layers, Norm, Term, terms
from space.stems import Stem


class Amount(NamedTuple):
    """One of the four amounts of a kind of layer."""

    kind: str
    unit: str  # of UNITS


Work = dict[Amount, int]
UNITS = CALLS, ELEMENTS, MACS, WEIGHTS = "calls", "elements", "macs", "weights"
LANES = 16  # float32 numbers in a vector of AVX-512: fewer channels take as long


def work(arch: Arch, task: Task) -> Work:
    """Of a network that leaves a pixel at `task`'s size."""
    channels = arch.stages[0].width
    opening, side = stem_work(arch.stem, task.channels, channels, task.image_size)
    total = Counter(opening)
    for place, stage in enumerate(arch.stages):
        first, each, side = stage_work(stage.block, stage.downsample if place else "", stage.width, channels, side)
        total.update(first)
        total.update({amount: (stage.depth - 1) * count for amount, count in each.items() if stage.depth > 1})
        channels = stage.out
    total.update(head_work(arch.head, channels, task.classes, side))
    return dict(total)


@lru_cache(CACHED)
def stem_work(stem: Stem, image: int, width: int, size: int) -> tuple[Work, int]:
    """On images of `image` channels and `size` pixels; and the side of the maps that leave it."""
    return _work(_loads(stem), stem.channels(image, width), image, size)


@lru_cache(CACHED)
def stage_work(block: Block, downsample: str, width: int, inputs: int, size: int) -> tuple[Work, Work, int]:
    """Of what `space.cost.count_blocks` takes: a stage of one block, and what each further block adds; and the side of
    the maps that leave it."""
    before: Work = {}
    out, stride = block.out(width), 2 if downsample == "strided" else 1
    if downsample == "separate":
        between = _downsampling(block.norm, block.bias)
        before, size = _work(between, {"before": inputs, "out": out}, inputs, size)
        inputs = out
    project = inputs != out or stride != 1  # a first block that differs from the others
    first, size = _block_work(block, block.channels(width, inputs), size, stride, project)
    each = _block_work(block, block.channels(width, out), size)[0] if project else first
    both = {amount: before.get(amount, 0) + first.get(amount, 0) for amount in before | first}
    return both, each, size


@lru_cache(CACHED)
def head_work(head: Head, width: int, classes: int, size: int) -> Work:
    """On maps of `width` channels and `size` pixels."""
    return _work(_loads(head), head.channels(width, classes), width, size)[0]


def _block_work(
    block: Block, channels: Mapping[str, int], size: int, stride: int = 1, project: bool = False
) -> tuple[Work, int]:  # fmt: skip
    """What it computes beside its layers, additions and products of maps, is a kind of its own."""
    total, side = _work(_loads(block, stride, project), channels, channels["in"], size)
    moved = _lanes(channels["in"]) * size**2 + _lanes(channels["out"]) * side**2
    kind = block.formula()
    return total | {Amount(kind, CALLS): 1, Amount(kind, ELEMENTS): moved}, side


Load = tuple[tuple[Amount, Amount, Amount, Amount], Term]  # a layer: of its kind calls, elements, macs, weights


@lru_cache(CACHED)
def _loads(part: Stem | Block | Head, *how: Any) -> list[Load]:
    """The layers of a part (`how`: what its `layers` takes), made once, for many widths and sizes."""
    return loads(part.layers(*how))


@cache
def _downsampling(norm: str, bias: bool) -> list[Load]:
    return loads(downsampling(norm, bias))


def loads(layers: Layers) -> list[Load]:
    """One for each layer."""
    keys = [tuple(Amount(kind, unit) for unit in UNITS) for kind in kinds(layers)]
    return list(zip(keys, terms(layers), strict=True))  # type: ignore[arg-type]


def _work(row: Sequence[Load], channels: Mapping[str, int], inputs: int, size: int) -> tuple[Work, int]:
    """Of layers on maps of `inputs` channels and `size` pixels; and the side of the last maps."""
    total: Work = {}
    entering, side = inputs, size
    lanes = {name: count if name == "image" else _lanes(count) for name, count in channels.items()}
    for (calls, elements, macs, weights), term in row:
        if term.from_input:
            entering, side = inputs, size
        leaving, left = channels[term.outputs] if term.outputs else entering, term.side(side)
        total[calls] = total.get(calls, 0) + 1
        moved = _lanes(entering) * side**2 + _lanes(leaving) * left**2
        total[elements] = total.get(elements, 0) + moved
        if term.factor:
            total[macs] = total.get(macs, 0) + term.weights(lanes) * left**2
            total[weights] = total.get(weights, 0) + term.weights(channels)
        entering, side = leaving, left
    return total, side


def _lanes(channels: int) -> int:
    return -(-channels // LANES) * LANES


def kinds(layers: Layers) -> tuple[str, ...]:
    """Of its layers, in their order."""
    found = list[str]()
    for layer in layers.values():
        if isinstance(layer, dict):
            found += kinds(layer)
        elif layer is not None:
            found.append(_kind(layer))
    return tuple(found)


def _kind(layer: Layer) -> str:
    match layer:
        case Conv():  # whatever its stride, which elements and macs tell: fewer rates, better forecasts
            how = {1: "conv", "depthwise": "depthwise"}.get(layer.groups, f"conv of {layer.groups} groups")
            return f"{how} {layer.kernel}"
        case Norm() | Act():
            return str(layer.kind)
        case _:
            return type(layer).__name__.lower()
