"""The layers that networks are made of, and the only place where one is counted.

A block, stem or head lists its layers as these plain records, over *named* channels: `Linear("in", "hidden")`.
`count_layers` counts them for given numbers of channels; `resolve` puts the numbers in, `modules.py` builds torch
modules from that, and a network's key is a digest of it. So arithmetic and network cannot drift apart. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Union

Channels = Any  # a name in what a part lists, a number once resolved


class Conv(NamedTuple):
    """2-d convolution with a square kernel; `padding` pixels at each border. `groups`: 1 is dense, or `depthwise`."""

    inputs: Channels
    outputs: Channels
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: Any = 1  # int, or "depthwise"
    bias: bool = True


class Linear(NamedTuple):
    """Linear layer over channels, at every position: a 1x1 convolution."""

    inputs: Channels
    outputs: Channels
    bias: bool = True


class Norm(NamedTuple):
    """A normalisation with `each` parameters per channel; `kind` names its class in `norms.py`."""

    kind: str
    width: Channels
    each: int


class Act(NamedTuple):
    """An activation; `kind` names its class in `acts.py`."""

    kind: str


class Scale(NamedTuple):
    """LayerScale (arXiv 2103.17239): a learned factor per channel, `init` at the start."""

    width: Channels
    init: float


class Response(NamedTuple):
    """Global response normalisation, GRN (arXiv 2301.00808, algorithm 1): a scale and a shift per channel, from 0."""

    width: Channels


class MaxPool(NamedTuple):
    """Maximum over `kernel` x `kernel` pixels."""

    kernel: int
    stride: int
    padding: int


class Pool(NamedTuple):
    """Global average pool: (N, H, W, C) -> (N, C)."""


Layer = Conv | Linear | Norm | Act | Scale | Response | MaxPool | Pool
# By name; None stands for the identity. A mapping inside is a path of its own from the part's input, one layer after
# another. Otherwise sizes of maps follow the order of the layers.
Layers = dict[str, Union[Layer, "Layers", None]]
_CHANNELS = ("inputs", "outputs", "width")


def resolve(layers: Layers, channels: Mapping[str, int]) -> Layers:
    """The same layers with numbers for names, absent ones left as they are."""
    found: Layers = {}
    for name, layer in layers.items():
        if isinstance(layer, dict):
            found[name] = resolve(layer, channels)
        elif layer is None:
            found[name] = None
        else:
            numbers: Any = {f: channels[getattr(layer, f)] for f in _CHANNELS if f in layer._fields}
            if isinstance(layer, Conv) and layer.groups == "depthwise":
                numbers["groups"] = numbers["inputs"]
            found[name] = layer._replace(**numbers)
    return found


Count = tuple[int, int, int, int]  # flops, params, activations, side of the output in pixels


def count_layers(layers: Layers, channels: Mapping[str, int], size: int) -> Count:
    """The layers on maps of `size` x `size` pixels, counted as `cost.py` says.

    The side is 0 or less where a layer finds no pixel to stand on.
    """
    flops = params = activations = 0
    side = size
    for layer in layers.values():
        weights = leaving = others = 0  # what multiplies, the channels that leave a convolution, other parameters
        match layer:
            case Conv(a, b, kernel, stride, padding, groups, bias):
                side = (side + 2 * padding - kernel) // stride + 1
                leaving, inputs = channels[b], 1 if groups == "depthwise" else channels[a] // groups
                weights, others = kernel**2 * inputs * leaving, bias * leaving
            case Linear(a, b, bias):
                leaving = channels[b]
                weights, others = channels[a] * leaving, bias * leaving
            case Norm(_, width, each):
                others = each * channels[width]
            case Scale(width, _):
                others = channels[width]
            case Response(width):
                others = 2 * channels[width]
            case MaxPool(kernel, stride, padding):
                side = (side + 2 * padding - kernel) // stride + 1
            case Pool():
                side = 1
            case dict():
                path = count_layers(layer, channels, size)
                flops, params, activations, side = flops + path[0], params + path[1], activations + path[2], path[3]
        flops += weights * side**2
        params += weights + others
        activations += leaving * side**2
    return flops, params, activations, side
