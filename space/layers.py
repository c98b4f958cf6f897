"""The layers that networks are made of, and the only place where one is counted.

A block, stem or head lists its layers as these plain records, over *named* channels: `Linear("in", "hidden")`.
`terms` and `count_terms` count them for given channels; `resolve` puts the numbers in, `modules.py` builds torch
modules from that, and a network's key is a digest of it. So arithmetic and network cannot drift apart. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


class Term(NamedTuple):
    """What a layer adds to a count: `factor` weights per input and output channel, `others` per output channel."""

    outputs: str | None  # None: no parameters, no activations
    factor: int = 0
    inputs: str | None = None  # None: each output channel has one input
    groups: int = 1
    leaves: bool = False  # its outputs are activations
    others: int = 0  # parameters that multiply nothing: biases, norms, scales
    resize: tuple[int, int, int] | None = None  # kernel, stride, padding; kernel 0: to one pixel
    from_input: bool = False  # on maps of the part's input

    def side(self, side: int) -> int:
        """Of the maps that leave, in pixels."""
        if not self.resize:
            return side
        kernel, stride, padding = self.resize
        return (side + 2 * padding - kernel) // stride + 1 if kernel else 1

    def weights(self, channels: Mapping[str, int]) -> int:
        """That every position is multiplied with."""
        assert self.outputs
        return self.factor * channels[self.outputs] * (channels[self.inputs] // self.groups if self.inputs else 1)


def terms(layers: Layers, from_input: bool = False) -> tuple[Term, ...]:
    """The layers as terms, one each, in order: made once per part, counted for many widths and sizes."""
    found: list[Term] = []
    for layer in layers.values():
        match layer:
            case Conv(a, b, kernel, stride, padding, groups, bias):
                alone = groups == "depthwise"
                found.append(Term(b, kernel**2, None if alone else a, 1 if alone else groups, True, bias,
                                  (kernel, stride, padding), from_input and not found))  # fmt: skip
            case Linear(a, b, bias):
                found.append(Term(b, 1, a, 1, True, bias, None, from_input and not found))
            case Norm(_, width, each):
                found.append(Term(width, others=each, from_input=from_input and not found))
            case Scale(width, _):
                found.append(Term(width, others=1, from_input=from_input and not found))
            case Response(width):
                found.append(Term(width, others=2, from_input=from_input and not found))
            case Act():
                found.append(Term(None, from_input=from_input and not found))
            case MaxPool(kernel, stride, padding):
                found.append(Term(None, resize=(kernel, stride, padding), from_input=from_input and not found))
            case Pool():
                found.append(Term(None, resize=(0, 1, 0), from_input=from_input and not found))
            case dict():
                found += terms(layer, True)
    return tuple(found)


def count_terms(row: Iterable[Term], channels: Mapping[str, int], size: int) -> Count:
    """The layers on maps of `size` x `size` pixels, counted as `cost.py` says.

    The side is 0 or less where a layer finds no pixel to stand on.
    """
    flops = params = activations = 0
    side = size
    for outputs, factor, inputs, groups, leaves, others, resize, from_input in row:
        if from_input:
            side = size
        if resize:
            kernel, stride, padding = resize
            side = (side + 2 * padding - kernel) // stride + 1 if kernel else 1
        leaving = channels[outputs] if outputs else 0
        params += others * leaving
        if leaves:
            weights = factor * leaving * (channels[inputs] // groups if inputs else 1)
            params += weights
            flops += weights * side**2
            activations += leaving * side**2
    return flops, params, activations, side
