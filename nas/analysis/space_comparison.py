"""Two spaces against each other, by random networks of both, trained alike: which is better at equal FLOPs.

As design spaces are compared in arXiv 1905.13214 and 2003.13678: by the distributions of their networks' accuracies,
weighted so that every part of the FLOPs that both have counts the same in both, and by how far they are apart and what
chance has (`comparison.equal_complexity`, `comparison.gaps`). With F as there, the expected best of n networks that are
drawn by it is, exactly, the sum over x of x (F(x)^n - F(x-)^n).

A network that failed to train is one that its space draws: it ranks below all others, and counts as accuracy 0 where a
number is needed. Left out, a space would look the better, the more of its worst networks fail.

The larger gap's p is the distance's. As both gaps are held against the larger one of each permutation, the two
statements hold together: with 95% no space is called better where both are alike. Intervals are percentiles of a
bootstrap over networks, wider for few as Student's are ("expanded percentiles", Hesterberg, arXiv 1411.5279); of a
best of n moved by what the bootstrap shows of its bias, and told up to a tenth of the networks: they hold with some 90%
there, and less beyond. They describe each number by itself; nothing is concluded from them. Needs no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from nas.analysis.comparison import BINS, CLOSE, FEWEST, Edf, Sample, Weighted, edf, equal_complexity, gaps
from nas.analysis.multiple_comparisons import LEVEL
from nas.analysis.seed_noise import Floats, student_t
from space import Band, InputError

PER_BIN = 6  # networks of a space in a part of the FLOPs, on average, at least
RESAMPLES = 2000
PART, PART_OF_INTERVALS = 4, 10  # a best of n is told up to a quarter of the networks, its interval up to a tenth
MOST = 100  # networks of a best of n
Outcome = Literal["one", "other", "mixed", "open"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number and its interval, 95% by itself; None where that would not hold."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Side:
    """One of the two spaces. `best` (K,): the expected best of 1 to K networks; `low`, `high`: of the first ones."""

    edf: Edf
    trained: int  # networks to their end, also those in FLOPs that the other has none in
    median: Measured
    ahead: Measured  # share of its networks above the other's median; of one just there a half
    best: Floats
    low: Floats
    high: Floats

    @property
    def name(self) -> str:
        return self.edf.name

    @property
    def failed(self) -> int:
        """How many of its networks failed to train."""
        return self.edf.failed

    def best_of(self, count: int) -> Measured | None:
        """None for more than a quarter of its networks."""
        if count > len(self.best):
            return None
        ends = (float(row[count - 1]) if count <= len(row) else None for row in (self.low, self.high))
        return Measured(float(self.best[count - 1]), *ends)


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one space is ahead of the other at most, in shares of networks, and how often chance has a gap as large,
    either way."""

    value: float
    p: float


@dataclass(frozen=True)
class SpaceComparison:
    """What random networks tell of two spaces."""

    one: Side
    other: Side
    one_ahead: Gap
    other_ahead: Gap
    needed: float | None  # the smallest gap that would have been told; None: none of these networks
    bins: int  # parts of the FLOPs in which both have networks
    permutations: int

    @property
    def distance(self) -> Gap:
        """Kolmogorov and Smirnov's."""
        return max(self.one_ahead, self.other_ahead, key=lambda gap: (gap.value, -gap.p))

    @cached_property
    def outcome(self) -> Outcome:
        told = [gap.p <= 1 - LEVEL + CLOSE for gap in (self.one_ahead, self.other_ahead)]
        if all(told):
            return "mixed"
        return "one" if told[0] else "other" if told[1] else "open"

    def verdict(self) -> str:
        """Which is better, in a sentence; and in another one what failed to train, where something did."""
        return f"{self._verdict()} {self.failures()}".strip()

    def failures(self) -> str:
        """Empty where no network failed to train."""
        sides = self.one, self.other
        if not any(side.failed for side in sides):
            return ""
        one, other = (f"{side.failed:,} of {side.edf.networks:,} networks of {side.name}" for side in sides)
        return f"Failed to train, and ranked below all others: {one}, {other}."

    def _verdict(self) -> str:
        one, other, found = self.one.name, self.other.name, self.distance
        rests = f"Kolmogorov-Smirnov distance {found.value:.2f}, p {p_words(found.p)}"
        match self.outcome:
            case "open":
                least = "no distance" if self.needed is None else f"a distance of {_at_least(self.needed)}"
                return (
                    f"{one} and {other} are not told apart at equal FLOPs ({rests}): of so few networks {least} would "
                    "be; that they are alike is not shown."
                )
            case "mixed":
                return f"{one} and {other} differ at equal FLOPs, and neither is better throughout ({rests})."
            case "one":
                return f"{one} is better than {other} at equal FLOPs ({rests})."
            case "other":
                return f"{other} is better than {one} at equal FLOPs ({rests})."

    def ruling(self) -> str:
        """The same of a proposal, where `other` is a narrowed `one`."""
        p = f"p {p_words(self.distance.p)}"
        match self.outcome:
            case "other":
                return f"The narrowing is accepted: its networks are better, {p}."
            case "open":
                return f"The narrowing is refused: that its networks are better is not shown, {p}."
            case "one":
                return f"The narrowing is refused: its networks are worse, {p}."
            case "mixed":
                return f"The narrowing is refused: some of its networks are better, others worse, {p}."


def _at_least(gap: float) -> str:
    """Rounded up, so that what is printed would be told: `0.53` of 0.525."""
    return f"{math.ceil(100 * gap - CLOSE) / 100:.2f}"


def p_words(p: float) -> str:
    """`< 0.001`, `0.004`, `0.31`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def compare_samples(one: Sample, other: Sample, band: Band, seed: int = 0) -> SpaceComparison:
    """Of two samples of random networks in a band of FLOPs that both spaces reach; `seed` is of permutations and
    bootstrap. Raises InputError for fewer than FEWEST of either there."""
    fewest = min(len(one.accuracy), len(other.accuracy))
    rows = equal_complexity([one, other], max(1, min(BINS, fewest // PER_BIN)), (band.low, band.high))
    for place, sample in enumerate((one, other)):
        if (count := len(rows[place].weight) if rows else 0) < FEWEST:
            raise InputError(
                f"networks must be {FEWEST} of each space at least in {band} FLOPs, got {count} of {sample.name}; "
                "train more, with another --networks"
            )
    first, second = rows
    rng = np.random.default_rng(seed)
    found = gaps(first, second, rng)
    ahead, behind = (Gap(value, found.p(value)) for value in (found.one_ahead, found.other_ahead))
    mine, others = (_Resampled.of(row, rng) for row in rows)
    return SpaceComparison(
        _side(mine, others, edf(first), one), _side(others, mine, edf(second), other), ahead, behind, found.needed,
        len(np.unique(first.place)), len(found.chance),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Resampled:
    """A sample by rising accuracy (N,), and weights (1 + RESAMPLES, N): its own, then those of its bootstrap.

    Networks are drawn with replacement and weighted anew, as a second sample would be; a part of the FLOPs that none of
    them is in counts nothing there.
    """

    accuracy: Floats
    weight: Floats

    @staticmethod
    def of(row: Weighted, rng: np.random.Generator) -> _Resampled:
        order = np.argsort(row.sample.accuracy, kind="stable")
        count, place = len(order), row.place[order]
        times = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
        inside = (place[:, None] == np.unique(place)).astype(float)  # (N, bins)
        drawn = (times @ inside) @ inside.T  # (RESAMPLES, N) in the part that each is in
        weight = times / np.maximum(drawn, 1.0)
        weight /= weight.sum(axis=1, keepdims=True)
        accuracy = np.maximum(row.sample.accuracy[order], 0.0)  # of what failed to train
        return _Resampled(accuracy, np.concatenate([row.weight[order][None], weight]))

    def medians(self) -> Floats:
        """(1 + RESAMPLES,); between two that it lies between, in the middle."""
        share = np.cumsum(self.weight, axis=1)
        low, high = (share < 0.5 - CLOSE).sum(axis=1), (share < 0.5 + CLOSE).sum(axis=1)
        return np.asarray((self.accuracy[low] + self.accuracy[np.minimum(high, len(self.accuracy) - 1)]) / 2)

    def above(self, values: Floats) -> Floats:
        """(1 + RESAMPLES,) shares of networks above one value each; one just there is half above."""
        rows, at = self.accuracy[None], values[:, None]
        return np.asarray((self.weight * ((rows > at) + 0.5 * (rows == at))).sum(axis=1))

    def best_of(self, most: int) -> Floats:
        """(1 + RESAMPLES, most) expected best of 1 to `most` networks: the largest less the sum of F^n over all steps
        below it."""
        share = np.minimum(np.cumsum(self.weight, axis=1)[:, :-1], 1.0)
        steps, power, found = np.diff(self.accuracy), np.ones_like(share), []
        for _ in range(most):
            power *= share
            found.append(self.accuracy[-1] - power @ steps)
        return np.stack(found, axis=1)


def _side(own: _Resampled, other: _Resampled, curve: Edf, sample: Sample) -> Side:
    networks = len(own.accuracy)
    best = _Resampled(own.accuracy, own.weight[:1]).best_of(min(MOST, networks // PART))[0]
    told = own.best_of(min(MOST, max(1, networks // PART_OF_INTERVALS)))
    low, high = _ends_of(told, networks) - 2 * (
        told[1:].mean(axis=0) - told[0]
    )  # it is biased, and its bootstrap twice
    found = (values[:, None] for values in (own.medians(), own.above(other.medians())))
    median, ahead = (Measured(float(v[0, 0]), *map(float, _ends_of(v, networks)[:, 0])) for v in found)
    return Side(curve, int(np.isfinite(sample.accuracy).sum()), median, ahead, best, low, high)


def _ends_of(values: Floats, networks: int) -> Floats:
    """(1 + RESAMPLES, K), of which the first is the number itself -> (2, K) ends of its interval."""
    from scipy.special import ndtr  # type: ignore[import-untyped]

    beyond = ndtr(-math.sqrt(networks / (networks - 1)) * student_t(networks - 1))
    return np.asarray(np.quantile(values[1:], [beyond, 1 - beyond], axis=0))
