"""The work of layers, by kind: what the time on a device can be forecast from, where no count alone says it.

A linear layer and a depthwise convolution of equal FLOPs take unequal times. So the work of a network is a sum over its
layers of four amounts for each kind of layer (`linear`, `depthwise 7`, `ln`): how many there are, the elements that
they read and write and their multiply-accumulates (of batch 1, with channels rounded up to LANES, since processors
compute on vectors of them), and their weights, which at batch 1 take longer to read than to multiply with. None of them
falls as a network gets wider or deeper. No torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from space.arch import Arch, Task
from space.blocks import Block, downsampling
from space.cost import CACHED, Row, rows
from space.heads import Head
from space.layers import Act, Conv, Layer, Layers, Linear, MaxPool, Norm, Pool, Response, Scale
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
    total: Counter[Amount] = Counter()
    for part in parts(arch.stem, rows(arch), arch.head, task):
        total.update(part)
    return dict(total)


def parts(stem: Stem, stages: Sequence[Row], head: Head, task: Task) -> Iterator[Work]:
    """Of stem, stages and head, in order; those that were asked for before are kept."""
    channels = stages[0][3]
    found, side = stem_work(stem, task.channels, channels, task.image_size)
    yield found
    for place, (block, downsample, depth, width) in enumerate(stages):
        found, side = stage_work(block, downsample if place else "", depth, width, channels, side)
        channels = block.out(width)
        yield found
    yield head_work(head, channels, task.classes, side)


@lru_cache(CACHED)
def stem_work(stem: Stem, image: int, width: int, size: int) -> tuple[Work, int]:
    """On images of `image` channels and `size` pixels; and the side of the maps that leave it."""
    total: Work = {}
    side = _add(total, stem.layers(), stem.channels(image, width), image, size)
    return total, side


@lru_cache(CACHED)
def stage_work(block: Block, downsample: str, depth: int, width: int, inputs: int, size: int) -> tuple[Work, int]:
    """Of what `space.cost.count_stage` takes; and the side of the maps that leave it."""
    total: Work = {}
    out, stride = block.out(width), 2 if downsample == "strided" else 1
    if downsample == "separate":
        size = _add(total, downsampling(block.norm, block.bias), {"before": inputs, "out": out}, inputs, size)
        inputs = out
    if inputs != out or stride != 1:  # a first block that differs from the others
        size = _add_block(total, block, block.channels(width, inputs), size, 1, stride, project=True)
        depth -= 1
    if depth:
        size = _add_block(total, block, block.channels(width, out), size, depth)
    return total, size


@lru_cache(CACHED)
def head_work(head: Head, width: int, classes: int, size: int) -> Work:
    """On maps of `width` channels and `size` pixels."""
    total: Work = {}
    _add(total, head.layers(), head.channels(width, classes), width, size)
    return total


def _add_block(
    total: Work, block: Block, channels: Mapping[str, int], size: int, times: int, stride: int = 1,
    project: bool = False,
) -> int:  # fmt: skip
    """What it computes beside its layers, additions and products of maps, is a kind of its own."""
    side = _add(total, block.layers(stride, project), channels, channels["in"], size, times)
    moved = _lanes(channels["in"]) * size**2 + _lanes(channels["out"]) * side**2
    _count(total, block.formula(), times, moved)
    return side


def _add(total: Work, layers: Layers, names: Mapping[str, int], inputs: int, size: int, times: int = 1) -> int:
    """`layers`, `times` times, on maps of `inputs` channels and `size` pixels; gives the side of the last maps."""
    channels, side = inputs, size
    rounded = {name: count if name == "image" else _lanes(count) for name, count in names.items()}
    for layer in layers.values():
        if isinstance(layer, dict):
            side = _add(total, layer, names, inputs, size, times)  # a path of its own, from the part's input
            channels = names.get("out", channels)
        elif layer is not None:
            leaving, left = _leaving(layer, names, channels), _side(layer, side)
            moved = _lanes(channels) * side**2 + _lanes(leaving) * left**2
            _count(total, _kind(layer), times, moved, _weights(layer, rounded) * left**2, _weights(layer, names))
            channels, side = leaving, left
    return side


def _count(total: Work, kind: str, calls: int, elements: int, macs: int = 0, weights: int = 0) -> None:
    """`elements`, `macs` and `weights` of one call."""
    for unit, amount in zip(UNITS, (1, elements, macs, weights), strict=True):
        if amount:
            key = Amount(kind, unit)
            total[key] = total.get(key, 0) + calls * amount


def _lanes(channels: int) -> int:
    return -(-channels // LANES) * LANES


def _leaving(layer: Layer, names: Mapping[str, int], channels: int) -> int:
    """Channels that leave, where `channels` come in."""
    match layer:
        case Conv() | Linear():
            return names[layer.outputs]
        case Norm() | Scale() | Response():
            return names[layer.width]
        case _:
            return channels


def _side(layer: Layer, side: int) -> int:
    """Of the maps that leave."""
    match layer:
        case Conv() | MaxPool():
            return (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        case Pool():
            return 1
        case _:
            return side


def _weights(layer: Layer, names: Mapping[str, int]) -> int:
    """That every position is multiplied with."""
    match layer:
        case Conv(a, b, kernel, _, _, groups, _):
            return kernel**2 * (1 if groups == "depthwise" else names[a] // groups) * names[b]
        case Linear(a, b, _):
            return names[a] * names[b]
        case _:
            return 0


def _kind(layer: Layer) -> str:
    match layer:
        case Conv():  # whatever its stride, which elements and macs tell: fewer rates, better forecasts
            how = {1: "conv", "depthwise": "depthwise"}.get(layer.groups, f"conv of {layer.groups} groups")
            return f"{how} {layer.kernel}"
        case Norm() | Act():
            return str(layer.kind)
        case _:
            return type(layer).__name__.lower()
