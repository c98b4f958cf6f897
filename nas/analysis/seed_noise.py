"""How certain a study's accuracies are: their intervals, and the probability that a network is on the front.

The model, for network i with accuracy y_ik under seed k on the study's one validation split:

    y_ik = m_i + e_ik,   e_ik ~ N(0, s^2)                     seed noise, taken as equal for all networks of a study
    m_i  = quadratic in log cost + u_i,    u_i ~ N(0, t^2)    what networks are like at equal cost, FLOPs by default

s comes from the repeated networks alone, pooled; an interval is Student's, over seeds, of m_i. It does not hold the
sampling error of the split: all networks are judged on the same images, so that most of it moves them together and
changes no ranking; tables name its size beside. For the front, m_i is drawn from its posterior, which shrinks a mean
towards networks of its cost, the more the fewer seeds it has: of many noisy accuracies the highest flatter
(empirical Bayes with a flat prior on t^2, Morris 1983). Without a repeat there is no s, and none of this; with too few
(`multiple_comparisons`) no interval and no tie, while probabilities, which take s for as little known as it is, stay.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.multiple_comparisons import FREEDOM, LEVEL, VALUES, bonferroni_level
from nas.analysis.pareto import best, by_network, merged, pareto_front, score
from nas.records.trial import Trial

Floats = NDArray[np.float64]
Draws = NDArray[np.float32]  # millions of them
MOST_SEEDS = 5  # trainings of one network at most, as RegNet's finals have (arXiv 2003.13678)
DRAWS = 1500  # of the true accuracies, to 1,000 networks: a probability is known to .013 at worst
SETTLED = 0.01  # a network this certain to be on or off the front is not worth another seed
_BEGUN = ("complete", "failed", "stopped", "running", "waiting")
_NOISES, _SPREADS = 16, 12  # values of s and of t that are weighed


@dataclass(frozen=True, slots=True)
class Noise:
    """Of one training: the standard deviation of accuracy (0 to 1) over seeds."""

    sd: float
    freedom: int  # degrees of freedom: seeds beyond the first, over all networks

    @property
    def known(self) -> bool:
        """Whether it rests on enough seeds for intervals."""
        return self.freedom >= FREEDOM

    def half_width(self, seeds: float, level: float = LEVEL) -> float | None:
        """Half of the interval of a mean of `seeds` accuracies; None where the noise is not known."""
        return student_t(self.freedom, level) * self.sd / math.sqrt(seeds) if self.known else None


def interval(mean: float, half: float) -> tuple[float, float]:
    """Of a mean of accuracies: what lies beyond 0 and 1 is cut off."""
    return max(0.0, mean - half), min(1.0, mean + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """One network with all its seeds. None where no network of the study was repeated, `half` also for too few."""

    trial: Trial  # its first, at the mean accuracy of all seeds
    seeds: int
    half: float | None  # of the interval of the mean over seeds, on this validation split
    expected: float | None  # posterior mean of its accuracy: what to expect of further seeds
    probability: float | None  # of being on the front of the study's networks
    tie: int | None = None  # the next cheaper member of the front, where the difference is within noise

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the mean over seeds, for this network alone."""
        return None if self.half is None else interval(score(self.trial), self.half)


@dataclass(frozen=True)
class NetworkResults:
    """Every trained network of a study that has the cost, by the number of its first trial; fronts are over that
    cost."""

    noise: Noise | None
    rows: dict[int, NetworkResult]
    cost: CostAxis = FLOPS

    @cached_property
    def front(self) -> list[NetworkResult]:
        """The members of the front of means, by rising cost."""
        means = (row.trial for row in self.rows.values())
        return [self.rows[t.number] for t in pareto_front(means, self.cost.on)]

    @property
    def pairs(self) -> int:
        """Of networks."""
        return math.comb(len(self.rows), 2)

    @cached_property
    def apart(self) -> list[NetworkResult]:
        """Members of the front that the seeds tell from one another, any two, from the cheapest on; the level is for
        all pairs of the study's networks, of which the front was chosen by the same accuracies. Empty where the noise
        is not known."""
        if self.noise is None or not self.noise.known:
            return []
        level, told = bonferroni_level(self.pairs), self.front[:1]
        for row in self.front[1:]:
            seeds = 1 / (1 / row.seeds + 1 / told[-1].seeds)
            if score(row.trial) - score(told[-1].trial) > (self.noise.half_width(seeds, level) or 0.0):
                told.append(row)
        return told

    def ties(self, front: Sequence[Trial]) -> dict[int, int]:
        """Of a front over any cost, members by number -> the next cheaper one, where these seeds do not tell them
        apart, all neighbours together."""
        return _ties(front, {n: row.seeds for n, row in self.rows.items()}, self.noise) if self.noise else {}

    @cached_property
    def rivals(self) -> list[NetworkResult]:
        """Networks off the front that are on the true one with probability 1/4 or more, the likeliest first."""
        on = {row.trial.number for row in self.front}
        near = [row for row in self.rows.values() if row.trial.number not in on and (row.probability or 0) >= 0.25]
        return sorted(near, key=lambda row: (-(row.probability or 0), row.trial.number))

    @property
    def flattery(self) -> float | None:
        """How much higher the front's means are than what is expected of them, on average; None without repeats."""
        gaps = [score(row.trial) - row.expected for row in self.front if row.expected is not None]
        return fmean(gaps) if gaps else None

    def of(self, trial: Trial) -> NetworkResult | None:
        """The network of a trial, whichever of its seeds that is."""
        return self.rows.get(trial.number) or self._by_key.get(trial.key)

    @cached_property
    def _by_key(self) -> dict[str | None, NetworkResult]:
        return {row.trial.key: row for row in self.rows.values() if row.trial.key}


def networks(
    trials: Iterable[Trial], seed: int = 0, cost: CostAxis = FLOPS, noise: Noise | None = None
) -> NetworkResults:
    """The study's networks with intervals, probabilities and ties, of the front over `cost`; `seed` is of the draws.
    `noise`: of the whole study, where the trials are a part of one."""
    every = by_network(trials)
    noise = noise or pooled_noise([list(map(score, group)) for group in every])
    groups = sorted((group for group in every if cost.of(group[0])), key=lambda group: cost.on(group[0]))
    points = [merged(group)[0] for group in groups]
    counts = np.array([len(group) for group in groups], dtype=float)
    if noise is None or not points:
        plain = [NetworkResult(trial=t, seeds=1, half=None, expected=None, probability=None) for t in points]
        return NetworkResults(noise, {row.trial.number: row for row in plain}, cost)
    costs, means = np.array([cost.on(t) for t in points], dtype=float), np.array([score(t) for t in points])
    draws = true_accuracies(costs, means, counts, noise, seed, max(300, min(DRAWS, 1000 * DRAWS // len(points))))
    chances, expected = on_front(costs, draws).mean(0), draws.mean(0)
    ties = _ties(pareto_front(points, cost.on), dict(zip((t.number for t in points), counts, strict=True)), noise)
    rows = {}
    for i, trial in enumerate(points):
        rows[trial.number] = NetworkResult(
            trial=trial, seeds=len(groups[i]), half=noise.half_width(len(groups[i])),
            expected=float(expected[i]), probability=float(chances[i]), tie=ties.get(trial.number),
        )  # fmt: skip
    return NetworkResults(noise, rows, cost)


def pooled_noise(rows: Sequence[Sequence[float]]) -> Noise | None:
    """The standard deviation over seeds, pooled over rows of accuracies, one per network; None without a repeat.

    Accuracies are multiples of 1 / images, so that equal ones hide a rounding: it is the least that the noise can be.
    """
    freedom = sum(len(row) - 1 for row in rows)
    if freedom == 0:
        return None
    squares = sum((value - fmean(row)) ** 2 for row in rows for value in row)
    levels = sorted({round(value, 9) for row in rows for value in row})
    step = min((high - low for low, high in pairwise(levels)), default=1e-3)
    return Noise(math.sqrt(max(squares / freedom, step**2 / 12)), freedom)


def student_t(freedom: int, level: float = LEVEL) -> float:
    """The two-sided quantile of Student's t: `P(|T| < q) = level`."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # scipy.stats takes a second longer to import

    return float(stdtrit(freedom, (1 + level) / 2))


def mean_half_width(values: Floats, level: float) -> Any:
    """Half of Student's interval of the mean over the first axis of (N, ...); None for fewer than VALUES."""
    if len(values) < VALUES:
        return None
    return student_t(len(values) - 1, level) * values.std(axis=0, ddof=1) / np.sqrt(len(values))


def true_accuracies(costs: Floats, means: Floats, counts: Floats, noise: Noise, seed: int, draws: int = DRAWS) -> Draws:
    """(draws, N) accuracies that the networks may truly have, of cost, mean and number of seeds (N,) each.

    s and t are drawn together from a grid: s by its chi-square, both by the restricted likelihood of the means.
    """
    rng = np.random.default_rng(seed)
    basis = _basis(costs)
    residual = means - basis @ np.linalg.lstsq(basis, means, rcond=None)[0]
    widest = 1.5 * (residual.std() + noise.sd)
    chi_square = np.sort(rng.chisquare(noise.freedom, (_NOISES, 101)).ravel())[50::101]  # its quantiles
    grid = np.meshgrid((np.linspace(0.01, 1, _SPREADS) * widest) ** 2, noise.sd**2 * noise.freedom / chi_square)
    spread, error = grid[0].ravel()[:, None], grid[1].ravel()[:, None] / counts  # t^2 (G, 1), s^2 / n (G, N)
    weight = 1 / (spread + error)
    normal = np.einsum("gn,ni,nj->gij", weight, basis, basis, optimize=True)
    line = np.linalg.solve(normal, ((weight * means) @ basis)[..., None])[..., 0]  # (G, P)
    misfit = (weight * (means - line @ basis.T) ** 2).sum(1)
    log_likelihood = 0.5 * (np.log(weight).sum(1) - np.linalg.slogdet(normal)[1] - misfit)
    chance = np.exp(log_likelihood - log_likelihood.max()) * np.sqrt(spread[:, 0])  # flat in t^2, the grid in t
    cell = rng.choice(len(chance), draws, p=chance / chance.sum())
    root = np.linalg.cholesky(np.linalg.inv(normal))[cell]
    lines = (line[cell] + np.einsum("dij,dj->di", root, rng.standard_normal((draws, basis.shape[1])))) @ basis.T
    keep = spread * weight  # of a network's own mean, against the line
    result: Draws = rng.standard_normal((draws, len(means)), dtype=np.float32)
    result *= np.sqrt(keep * error).astype(np.float32)[cell]
    result += (keep * means).astype(np.float32)[cell]
    result += (1 - keep).astype(np.float32)[cell] * lines.astype(np.float32)
    return result


def _basis(costs: Floats) -> Floats:
    """(N, P) powers of standardised log cost, up to the square where there are networks enough to fit it."""
    degree = max(0, min(2, (len(costs) - 2) // 3, len(np.unique(costs)) - 1))
    x = np.log(costs) - np.log(costs).mean()
    return np.asarray((x / (x.std() or 1.0))[:, None] ** np.arange(degree + 1))


def on_front(costs: Floats, draws: Draws) -> NDArray[np.bool_]:
    """(draws, N): whether no network of at most the cost of this one is more accurate; `costs` (N,) must not fall."""
    best_so_far = np.maximum.accumulate(draws, axis=1)
    last = np.searchsorted(costs, costs, side="right") - 1  # of those that cost no more
    return np.asarray(draws == best_so_far[:, last])


def _ties(front: Sequence[Trial], counts: Mapping[int, float], noise: Noise) -> dict[int, int]:
    """Members of the front by number -> the next cheaper member, where their difference is within its interval; the
    intervals of all neighbours hold together."""
    ties = {}
    for cheaper, dearer in pairwise(front):
        seeds = 1 / (1 / counts[cheaper.number] + 1 / counts[dearer.number])
        half = noise.half_width(seeds, bonferroni_level(len(front) - 1))
        if half is not None and score(dearer) - score(cheaper) <= half:
            ties[dearer.number] = cheaper.number
    return ties


def next_repeat(trials: Sequence[Trial], limit: int, seed: int, cost: CostAxis = FLOPS) -> int | None:
    """The network to train with another seed, by the number of its first trial; None if `limit` such trainings are
    done or none is worth it.

    The one whose place on the front over `cost` another seed would settle most: with probability p and n seeds,
    p (1 - p) is what is open, and 1 / n - 1 / (n + 1) how much one seed more narrows its mean. The first goes to the
    most accurate.
    Trainings that wait, run, failed or were stopped count too, so that none is chosen twice at once or for ever.
    """
    keys = {trial.number: trial.key for trial in trials}
    known = (trial.key or keys.get(-1 if trial.repeat_of is None else trial.repeat_of) for trial in trials)
    begun = Counter(key for key, trial in zip(known, trials, strict=True) if key and trial.state in _BEGUN)
    if sum(begun.values()) - len(begun) >= limit:
        return None
    found = networks(trials, seed, cost)
    if found.noise is None:
        fresh = [row.trial for row in found.front if begun[row.trial.key or ""] == 1]
        return best(fresh).number if fresh else None

    def gain(row: NetworkResult) -> float:
        seeds, p = begun[row.trial.key or ""], row.probability or 0.0
        return p * (1 - p) / (seeds * (seeds + 1)) if 0 < seeds < MOST_SEEDS and SETTLED < p < 1 - SETTLED else 0.0

    worthy = [row for row in found.rows.values() if gain(row) > 0]
    return max(worthy, key=lambda row: (gain(row), -row.trial.number)).trial.number if worthy else None
