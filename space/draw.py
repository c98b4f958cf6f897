"""Drawing inside a budget, by construction: a network's relative shape first, then the size that lands in the band."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import mul
from typing import TYPE_CHECKING, Any, Protocol

from space.arch import Arch, Stage, Task
from space.blocks import Block
from space.budget import Budget
from space.chooser import Chooser
from space.cost import Cost, Row, count_blocks, count_head, count_stem
from space.heads import Head
from space.scaling import Scaling
from space.stems import Stem

if TYPE_CHECKING:
    from space.latency_model import LatencyModel

Counts = tuple[int, ...]  # flops, params, activations; and nanoseconds, where a budget has a model that forecasts them
Line = tuple[int, Sequence[int]]  # a count: what does not depend on the stages' depths, and what a block of each adds
GUESSES = 4  # by a straight line, before halving


@dataclass(frozen=True, slots=True)
class Shape:
    """A network but for its size: row d of `depths` gives every stage's depth, rung i of the scaling its width; both
    rise, and the counts with them."""

    stem: Stem
    blocks: tuple[tuple[Block, str], ...]  # per stage: block and downsampling
    head: Head
    drop_path: float
    depths: tuple[tuple[int, ...], ...]
    scaling: Scaling
    # What was worked out once, by rung:
    _lines: dict[tuple[int, Task, LatencyModel | None], list[Line]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def rows(self, d: int, i: int) -> list[Row]:
        """(block, downsample, depth, width) of every stage."""
        sizes = zip(self.blocks, self.depths[d], self.scaling.widths[i], strict=True)
        return [(block, downsample, depth, width) for (block, downsample), depth, width in sizes]

    def arch(self, d: int, i: int) -> Arch:
        stages = tuple(
            Stage(depth=depth, width=width, block=block, downsample=downsample)
            for block, downsample, depth, width in self.rows(d, i)
        )
        return Arch(stem=self.stem, stages=stages, head=self.head, drop_path=self.drop_path)

    def count(self, d: int, i: int, task: Task, model: LatencyModel | None = None) -> Counts:
        """Each count is a line in the stages' depths; the lines of a rung are kept, as a draw tries many depths."""
        key = i % len(self.scaling.widths), task, model
        if key not in self._lines:
            self._lines[key] = self._lines_of(*key)
        depths = self.depths[d]
        return tuple([sum(map(mul, each, depths), rest) for rest, each in self._lines[key]])

    def _lines_of(self, i: int, task: Task, model: LatencyModel | None) -> list[Line]:
        widths = self.scaling.widths[i]
        channels = widths[0]
        stem = (self.stem, task.channels, channels, task.image_size)
        rest, each, stages = [count_stem(*stem)], [], []
        for place, ((block, downsample), width) in enumerate(zip(self.blocks, widths, strict=True)):
            stages.append((block, downsample if place else "", width, channels, rest[-1][3]))
            beyond, one = count_blocks(*stages[-1])
            rest.append(beyond)
            each.append(one)
            channels = block.out(width)
        head = (self.head, channels, task.classes, rest[-1][3])
        assert head[3] >= 1, "a space is checked for maps below one pixel before networks are drawn"
        rest.append(count_head(*head))
        lines: list[Line] = [(sum(row[k] for row in rest), [row[k] for row in each]) for k in range(3)]
        return lines if model is None else [*lines, model.line(stem, stages, head)]

    def fits(self, task: Task, budget: Budget) -> bool:
        """Whether its smallest network is not above any band, and its largest not below."""
        return spans(self.count(0, 0, task, budget.model), self.count(-1, -1, task, budget.model), budget)

    def depths_in(self, task: Task, budget: Budget) -> range:
        """The depths at which the scaling reaches into every band: the narrowest network is not above it, the widest
        not below it."""
        rows = range(len(self.depths))
        first = bisect_left(rows, True, key=lambda d: not budget.misses(self.count(d, -1, task, budget.model))[0])
        past = bisect_left(rows, True, key=lambda d: budget.misses(self.count(d, 0, task, budget.model))[1])
        return range(first, max(first, past))


def spans(small: Counts, large: Counts, budget: Budget) -> bool:
    """Whether every band has something between two counts."""
    return not budget.misses(small)[1] and not budget.misses(large)[0]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A network as drawn. `log_density`: natural logarithm of the probability of its settings in one attempt; None
    where a sampler that learns chose, or where it was not asked for. `inside`: in the budget."""

    arch: Arch
    counts: Counts
    log_density: float | None
    inside: bool

    @property
    def cost(self) -> Cost:
        return Cost(*self.counts[:3])


class Drawable(Protocol):
    """What a search trains networks of: a space, or the networks between two."""

    @property
    def name(self) -> str: ...

    @property
    def image_size(self) -> int: ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data of it, as a study keeps it."""

    def compose(self, chooser: Chooser, task: Task, budget: Budget | None = None) -> Proposal:
        """One network, chosen by `chooser`."""

    def random_arch(self, rng: random.Random, task: Task, budget: Budget) -> Arch:
        """A random network in the budget."""

    def check_size(self, image_size: int, where: str) -> None:
        """Raises InputError where a network would shrink images of that size below one pixel."""

    def check_budget(self, budget: Budget, task: Task) -> None:
        """Raises InputError where there is nothing in the budget."""


@dataclass(frozen=True, slots=True)
class Landing:
    """The rung that was chosen, its counts, whether they are in the budget, and the probability of it among rungs."""

    rung: int
    counts: Counts
    inside: bool
    probability: float


def land(value: Callable[[int], Counts], size: int, budget: Budget, target: float, low: float, high: float) -> Landing:
    """Of `size` rungs the one in the budget whose count is nearest to `target`, in log of the budget's first count; the
    nearest of all if none is inside. `value(i)` counts rung i, and rises with i; `target` was drawn log-uniformly from
    `low` to `high`."""
    at, place = cache(value), budget.bands[0][0]
    above = first_at_least(lambda i: at(i)[place], size, target)
    around = [i for i in (above - 1, above) if 0 <= i < size]
    inside = [i for i in around if budget.holds(at(i))]
    if not inside and len(budget.bands) > 1:
        rungs = _range_in(at, size, budget, around)
        inside = [min(max(above, rungs[0]), rungs[-1])] if rungs else []
    rung = min(inside or around, key=lambda i: _distance(at(i)[place], target))
    if not inside:
        return Landing(rung, at(rung), False, 0.0)
    edges = [low, high]
    for side, neighbour in enumerate((rung - 1, rung + 1)):
        if 0 <= neighbour < size and budget.holds(at(neighbour)):
            middle = math.sqrt(at(rung)[place] * at(neighbour)[place])
            edges[side] = min(max(middle, low), high)
    share = math.log(edges[1] / edges[0]) / math.log(high / low) if low < high else 1.0
    return Landing(rung, at(rung), True, max(share, 1e-300))


def first_at_least(value: Callable[[int], int], size: int, target: float) -> int:
    """The first of `size` rungs whose value, which rises, is at least `target`; `size` where there is none. Counts rise
    about as the square of a width, so that a straight line through square roots finds it in a few steps."""
    if value(0) >= target:
        return 0
    if value(size - 1) < target:
        return size
    below, above, steps = 0, size - 1, 0
    while above - below > 1:
        low, high = math.sqrt(value(below)), math.sqrt(value(above))
        part = (math.sqrt(target) - low) / (high - low) if steps < GUESSES else 0.5
        middle = min(max(below + math.ceil(part * (above - below)), below + 1), above - 1)
        below, above = (middle, above) if value(middle) < target else (below, middle)
        steps += 1
    return above


def rung_inside(at: Callable[[int], Counts], size: int, budget: Budget, tried: Sequence[int] = ()) -> tuple[int, bool]:
    """Some rung in all bands, and True; where there is none, the rung that tells so: it is under one band and over
    another, as smaller ones are then under the one, and larger ones over the other; or the last that was looked at.
    `tried`: rungs to look at before others, last first."""
    first, past, middle, left = 0, size, 0, [*tried]
    while first < past:
        middle = left.pop() if left else (first + past) // 2
        if first <= middle < past:
            under, over = budget.misses(at(middle))
            if under == over:
                return middle, not under
            first, past = (middle + 1, past) if under else (first, middle)
    return middle, False


def _range_in(at: Callable[[int], Counts], size: int, budget: Budget, tried: Sequence[int]) -> range:
    """All rungs in all bands."""
    inside, found = rung_inside(at, size, budget, tried)
    if not found:
        return range(0)
    first = bisect_left(range(inside), True, key=lambda i: not budget.misses(at(i))[0])
    return range(first, bisect_left(range(size), True, lo=inside, key=lambda i: budget.misses(at(i))[1]))


def _distance(count: int, target: float) -> float:
    """How far apart in log, as a ratio from 1 up (without logarithms, which differ between machines)."""
    return count / target if count > target else target / count
