"""Studies beside each other: distributions of accuracy at equal complexity, and hypervolume over training cost.

At equal complexity (arXiv 1905.13214, 1905.12887): the costs that the studies share (FLOPs, or any other measure) are
cut into bins, and networks are weighted so that every study has the same weight in each bin; bins that a study has
nothing in are left out for all. Two samples are so far apart:

    F(x)              weighted share of networks with at most the accuracy x
    F_one - F_other   its ends say how far the one lies behind the other and how far ahead of it; the larger of both is
                      the distance of Kolmogorov and Smirnov
    p                 part of the permutations of labels, within bins, whose larger end is as far

Only ranks count there, so that a network which failed to train may be below all others. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.analysis.history import Step
from nas.analysis.multiple_comparisons import LEVEL, VALUES, bonferroni_level
from nas.analysis.seed_noise import Floats, mean_half_width

Places = NDArray[np.int64]
BINS = 8
PERMUTATIONS, BLOCK = 4999, 250  # so many at once, for memory
FEWEST = 8  # networks of a study, in the bins that are shared: fewer cannot be told apart unless none overlaps
CLOSE = 1e-9  # sums of weights that differ by less are equal
POINTS = 101  # of a curve over cost


@dataclass(frozen=True)
class Sample:
    """Networks of one study: accuracies (N,), -inf of one that failed to train, and what each costs (N,), such as its
    FLOPs."""

    name: str
    accuracy: Floats
    cost: Floats


@dataclass(frozen=True)
class Edf:
    """Share of networks (by weight) with at most `accuracy`; both (N,), rising from those that failed, at -inf."""

    name: str
    accuracy: Floats
    share: Floats
    networks: int  # that lie in the shared bins

    @property
    def failed(self) -> int:
        """How many of them failed to train."""
        return int(np.isneginf(self.accuracy).sum())


@dataclass(frozen=True)
class Weighted:
    """A sample at equal complexity: its networks in the shared bins, (N,) their weights, which sum to 1, and bins."""

    sample: Sample
    weight: Floats
    place: Places


def equal_complexity(
    samples: Sequence[Sample], bins: int = BINS, ends: tuple[float, float] | None = None
) -> list[Weighted]:
    """The samples in their shared bins; empty if they share none. `ends`: of the bins, by default of the costs that all
    have."""
    if not samples or any(len(s.cost) == 0 for s in samples):
        return []
    low, high = ends or (max(s.cost.min() for s in samples), min(s.cost.max() for s in samples))
    if low > high:
        return []
    edges = np.geomspace(low, max(high, low * 1.0001), bins + 1)
    places = [_bins(s.cost, edges) for s in samples]
    shared = [b for b in range(bins) if all((p == b).any() for p in places)]
    if not shared:
        return []
    found = []
    for sample, place in zip(samples, places, strict=True):
        kept = np.isin(place, shared)
        inside = place[kept]
        weight = 1 / np.bincount(inside, minlength=bins)[inside] / len(shared)
        found.append(Weighted(Sample(sample.name, sample.accuracy[kept], sample.cost[kept]), weight, inside))
    return found


def _bins(cost: Floats, edges: Floats) -> Places:
    """(N,) the bin of each, -1 outside."""
    place = np.searchsorted(edges[:-1], cost * (1 + 1e-9), side="right") - 1
    place[cost > edges[-1] * (1 + 1e-9)] = -1
    return place


def edf(one: Weighted) -> Edf:
    order = np.argsort(one.sample.accuracy, kind="stable")
    return Edf(one.sample.name, one.sample.accuracy[order], np.cumsum(one.weight[order]), len(order))


@dataclass(frozen=True)
class Gaps:
    """How far the one of two samples is ahead at most, and the other, in shares of networks. `chance` (permutations,):
    the larger of both in each, rising."""

    one_ahead: float
    other_ahead: float
    chance: Floats

    def p(self, gap: float) -> float:
        """How often chance has a gap as large, either way."""
        return (1 + int((self.chance >= gap - CLOSE).sum())) / (1 + len(self.chance))

    @cached_property
    def needed(self) -> float | None:
        """The smallest gap of these networks with a p up to 5%; None where none has."""
        below = np.searchsorted(self.chance, self.chance - CLOSE)
        told = (1 + len(self.chance) - below) / (1 + len(self.chance)) <= 1 - LEVEL + CLOSE
        return float(self.chance[told][0]) if told.any() else None


def gaps(one: Weighted, other: Weighted, rng: np.random.Generator) -> Gaps:
    """Between two samples of one `equal_complexity`; labels are permuted among the networks of each bin."""
    accuracy = np.concatenate([one.sample.accuracy, other.sample.accuracy])
    order = np.argsort(accuracy, kind="stable")
    last = np.append(accuracy[order][1:] > accuracy[order][:-1], True)  # of equal accuracies
    weight = np.concatenate([one.weight, -other.weight])[order]
    place = np.concatenate([one.place, other.place])[order]
    behind, ahead = (float(end[0]) for end in _ends(weight[None], last))
    chance = []
    for begin in range(0, PERMUTATIONS, BLOCK):
        mixed = np.tile(weight, (min(BLOCK, PERMUTATIONS - begin), 1))
        for bin_ in np.unique(place):
            inside = place == bin_
            mixed[:, inside] = rng.permuted(mixed[:, inside], axis=1)
        chance.append(np.maximum(*_ends(mixed, last)))
    return Gaps(ahead, behind, np.sort(np.concatenate(chance)))


def _ends(weight: Floats, last: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(R, N) signed weights by rising accuracy -> (R,) how far the first lies behind, and ahead; 0 at least."""
    gap = np.cumsum(weight, axis=1)[:, last]
    return np.maximum(gap.max(axis=1), 0.0), np.maximum(-gap.min(axis=1), 0.0)


@dataclass(frozen=True)
class Growth:
    """Hypervolume over training cost: mean and half of the interval over studies that differ in the seed only."""

    name: str
    cost: Floats
    mean: Floats
    half: Floats | None  # None for fewer than VALUES studies
    studies: int


def growths(methods: Mapping[str, Sequence[Sequence[Step]]], cost: str) -> list[Growth]:
    """Of every method that has a step; their intervals hold together, at each cost by itself."""
    level = bonferroni_level(sum(len(histories) >= VALUES for histories in methods.values()))
    found = (growth(name, histories, cost, level) for name, histories in methods.items())
    return [row for row in found if row is not None]


def growth(name: str, histories: Sequence[Sequence[Step]], cost: str, level: float = LEVEL) -> Growth | None:
    """`cost`: a field of Step. Over the costs that all of these studies have reached; None without a step."""
    rows = [
        [
            (0.0, 0.0),
            *((float(value), step.hypervolume) for step in steps if (value := getattr(step, cost)) is not None),
        ]
        for steps in histories
    ]
    if not rows or any(len(row) < 2 for row in rows):
        return None
    if len(rows) == 1:
        x, y = np.array(rows[0]).T
        return Growth(name, x, y, None, 1)
    grid = np.linspace(0, min(row[-1][0] for row in rows), POINTS)
    values = []
    for row in rows:
        x, y = np.array(row).T
        values.append(y[np.searchsorted(x, grid, side="right") - 1])
    table = np.array(values)
    return Growth(name, grid, table.mean(axis=0), mean_half_width(table, level), len(rows))
