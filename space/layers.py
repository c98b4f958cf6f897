"""The layers that networks are made of, and the only place where one is counted.

A block, stem or head lists its layers as these plain records, over *named* channels: `Linear("in", "hidden")`.
`Program` counts them for given numbers of channels; `resolve` puts the numbers in, `modules.py` builds torch modules
from that, and a network's key is a digest of it. So arithmetic and network cannot drift apart. No torch here.
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


class _Step(NamedTuple):
    """Layers on maps of one size: how that size comes about, and sums over their channels."""

    from_input: bool  # begins at the part's input again
    resizes: tuple[tuple[int, int, int], ...]  # (kernel, stride, padding); kernel 0: to one pixel
    pairs: tuple[tuple[int, str, str], ...]  # weights: factor x channels x channels
    grouped: tuple[tuple[int, int, str, str], ...]  # weights: factor x (channels // groups) x channels
    # Per channel of a name: weights that multiply (depthwise), elements that leave convolutions and linears, and
    # parameters that do not multiply (biases, norms, scales).
    singles: tuple[tuple[str, int, int, int], ...]


class Program:
    """The count of a part's layers, ready for any channels: multiplications of a few integers.

    Counts as `cost.py` says. One is made per part and used for every width.
    """

    __slots__ = ("_steps",)

    def __init__(self, layers: Layers) -> None:
        self._steps = tuple(_steps(layers, False))

    def __call__(self, channels: Mapping[str, int], size: int) -> tuple[int, int, int, int]:
        """(flops, params, activations, side of the output) on maps of `size` x `size` pixels.

        The side is 0 or less where a layer finds no pixel to stand on.
        """
        flops = params = activations = 0
        side = size
        for from_input, resizes, pairs, grouped, singles in self._steps:
            if from_input:
                side = size
            for kernel, stride, padding in resizes:
                side = (side + 2 * padding - kernel) // stride + 1 if kernel else 1
            macs = elements = 0
            for factor, a, b in pairs:
                macs += factor * channels[a] * channels[b]
            for factor, groups, a, b in grouped:
                macs += factor * (channels[a] // groups) * channels[b]
            for a, weights, leaving, others in singles:
                count = channels[a]
                macs += weights * count
                elements += leaving * count
                params += others * count
            positions = side * side
            params += macs
            flops += macs * positions
            activations += elements * positions
        return flops, params, activations, side


class _Sums:
    """What one `_Step` collects."""

    def __init__(self, from_input: bool) -> None:
        self.from_input = from_input
        self.resizes: list[tuple[int, int, int]] = []
        self.pairs: dict[tuple[str, str], int] = {}
        self.grouped: list[tuple[int, int, str, str]] = []
        self.singles: dict[str, list[int]] = {}

    def add(self, name: str, weights: int = 0, leaving: int = 0, others: int = 0) -> None:
        sums = self.singles.setdefault(name, [0, 0, 0])
        for i, times in enumerate((weights, leaving, others)):
            sums[i] += times

    def pair(self, factor: int, a: str, b: str) -> None:
        self.pairs[a, b] = self.pairs.get((a, b), 0) + factor

    def done(self) -> _Step:
        pairs = tuple((factor, a, b) for (a, b), factor in self.pairs.items())
        singles = tuple((name, *sums) for name, sums in self.singles.items())
        return _Step(self.from_input, tuple(self.resizes), pairs, tuple(self.grouped), singles)  # type: ignore[arg-type]


def _steps(layers: Layers, from_input: bool) -> list[_Step]:
    """The layers by the sizes of their maps, in order."""
    found: list[_Step] = []
    sums = _Sums(from_input)
    for layer in layers.values():
        if isinstance(layer, dict):
            found += [sums.done(), *_steps(layer, True)]
            sums = _Sums(False)
            continue
        resize = _resize(layer)
        if resize is not None:
            found.append(sums.done())
            sums = _Sums(False)
            sums.resizes.append(resize)
        _take(layer, sums)
    found.append(sums.done())
    return [step for step in found if step.from_input or step.resizes or step.singles]


def _resize(layer: Layer | None) -> tuple[int, int, int] | None:
    """(kernel, stride, padding) of a layer that changes the size of maps."""
    match layer:
        case Conv(kernel=kernel, stride=stride, padding=padding) if stride != 1 or 2 * padding != kernel - 1:
            return kernel, stride, padding
        case MaxPool(kernel, stride, padding):
            return kernel, stride, padding
        case Pool():
            return 0, 1, 0
    return None


def _take(layer: Layer | None, sums: _Sums) -> None:
    """Adds one layer's counts."""
    match layer:
        case Conv(a, b, kernel, _, _, groups, bias):
            if groups == "depthwise":
                sums.add(b, weights=kernel**2)
            elif groups == 1:
                sums.pair(kernel**2, a, b)
            else:
                sums.grouped.append((kernel**2, groups, a, b))
            sums.add(b, leaving=1, others=int(bias))
        case Linear(a, b, bias):
            sums.pair(1, a, b)
            sums.add(b, leaving=1, others=int(bias))
        case Norm(_, width, each):
            sums.add(width, others=each)
        case Scale(width, _):
            sums.add(width, others=1)
        case Response(width):
            sums.add(width, others=2)
