"""Early stopping with two objectives: a trial is judged at rungs against those that cost no more. Needs no torch.

Cost, FLOPs or what else the study minimises, is known before training and never changes, so a rule that sorts accuracy
and cost together spares cheap networks, however poor. `QuantileRule` asks instead: will this trial end above the
networks that cost no more?
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol, get_args

import numpy as np

from nas.records.settings import Stop
from nas.samplers.bayesian_ridge import Fit, Floats
from nas.samplers.expected_improvement import staircase
from space import InputError, compact

NEVER = 0.1  # part of the trials that is never stopped, so that wrong stops can be counted
MISSES = 0.08  # part of the front that the stops of all rungs together may cost, by the rule's own forecasts
RUNGS = 6  # at most
LEAST = 8  # finished trials before one is stopped
ETA = 3  # MO-ASHA continues one of so many
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Standing:
    """A trial as a rule sees it. `accuracies`: validation accuracy after each period so far, from period 1, without a
    gap: what has reached a period has an accuracy for every one before it."""

    number: int
    cost: float  # of what the study minimises, in any unit that is the same for all
    accuracies: tuple[float, ...]

    def reached(self, period: int) -> bool:
        return len(self.accuracies) >= period

    def at(self, period: int) -> float:
        """Accuracy after a period that it has reached, from 1."""
        return self.accuracies[period - 1]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule said of a trial at a rung.

    `why`: below (the threshold) or kept; kept too are protected ones (below, but of the part that is never stopped),
    the first ones (sparse: too few have finished) and the cheapest. `threshold`: the accuracy at
    this period that the trial had to reach, its earlier ones moved as much; None where the rule has none. `rivals`:
    finished trials that the forecast is fitted to.
    """

    period: int
    accuracy: float
    stop: bool
    why: str
    threshold: float | None
    rivals: int


class StoppingRule(Protocol):
    """Deterministic: the same trial among the same others gets the same decision in every worker."""

    @property
    def name(self) -> Stop: ...

    @property
    def rungs(self) -> tuple[int, ...]:
        """Periods after which to judge, all before the last one."""

    def judge(self, trial: Standing, period: int, others: Sequence[Standing]) -> Decision:
        """At a rung. `others`: every other trial with a curve: running, stopped and finished."""

    def describe(self, images: int) -> str:
        """The rule in a sentence, for periods of `images`."""


def build_rule(name: Stop, periods: int, seed: int) -> StoppingRule:
    """The rule for trainings of `periods`. `seed`: the study's; `quantile` draws with it the tenth of the trials that
    it never stops."""
    match name:
        case "none":
            return NoRule()
        case "quantile":
            return QuantileRule(periods, seed)
        case "moasha":
            return MoashaRule(periods)
    raise InputError(f"stop must be one of {', '.join(get_args(Stop))}, got {name}; choose one")


def rung_words(rungs: Sequence[int], images: int) -> str:
    """`10K, 15K, 20K images`, for periods of `images`."""
    return f"{', '.join(compact(rung * images) for rung in rungs)} images"


@dataclass(frozen=True, slots=True)
class NoRule:
    """Every trial is trained to its end."""

    name: Stop = "none"
    rungs: tuple[int, ...] = ()

    def judge(self, trial: Standing, period: int, others: Sequence[Standing]) -> Decision:
        return Decision(period, trial.at(period), False, "kept", None, 0)

    def describe(self, images: int) -> str:
        return "none: every trial is trained to its end"


@dataclass(frozen=True, slots=True)
class QuantileRule:
    """Stops the trials that are least likely to end on the front, as long as those cost it few of its members.

    A regression over all finished trials forecasts the final accuracy from log cost and the last two periods, with its
    standard deviation. The forecast gives each trial that reached this rung its chance to end above the best finished
    trial that costs no more. The sum of the chances of the trials that are stopped is what the front is expected to
    lose. A rung may lose its share of `misses` of the front's present members: trials are stopped one after another,
    the least likely first, until their sum would pass that.
    """

    periods: int
    seed: int
    misses: float = MISSES
    name: Stop = "quantile"

    @property
    def rungs(self) -> tuple[int, ...]:
        """At most RUNGS, evenly from the first period to the last but one."""
        last = self.periods - 1
        return tuple(round(period) for period in np.linspace(1, last, max(0, min(RUNGS, last))))

    def judge(self, trial: Standing, period: int, others: Sequence[Standing]) -> Decision:
        accuracy = trial.at(period)
        beside = [other for other in others if other.number != trial.number]
        finished = [other for other in beside if other.reached(self.periods)]
        if len(finished) < LEAST:
            return Decision(period, accuracy, False, "sparse", None, len(finished))
        forecast = _forecast(finished, period, self.periods, trial.cost)
        slope = float(forecast.weights[2:].sum())  # with the accuracies of the rung, moved together
        reached = [*(other for other in beside if other.reached(period)), trial]
        bars = _bars(reached, finished, self.periods)
        if bars[-1] == 0:
            return Decision(period, accuracy, False, "cheapest", None, len(finished))
        means, deviations = forecast.predict(_features(reached, period, trial.cost))
        scores = (means - bars) / deviations  # in standard deviations above the bar
        ends = np.array([(other.cost, other.at(self.periods)) for other in finished])
        score = self._cut(scores[:-1], len(staircase(*ends.T)))
        if slope <= 0:
            return Decision(period, accuracy, False, "kept", None, len(finished))
        threshold = float(accuracy + (score - scores[-1]) * deviations[-1] / slope)
        below = accuracy < threshold
        spared = below and is_never_stopped(self.seed, trial.number)
        why = "protected" if spared else "below" if below else "kept"
        return Decision(period, accuracy, below and not spared, why, threshold, len(finished))

    def describe(self, images: int) -> str:
        if not self.rungs:
            return "quantile: trainings this short are not judged before their end"
        after = rung_words(self.rungs, images)
        return (
            f"quantile: after {after} the trials least likely to end on the front are stopped, so that about "
            f"{self.misses:.0%} of its members are lost; one trial of {round(1 / NEVER)} is never stopped, as a check"
        )

    def _cut(self, scores: Floats, members: int) -> float:
        """The score up to which a trial is stopped: where its chance and those of the less likely ones together are
        what may be lost."""
        left = self.misses / len(self.rungs) * members
        for score in np.sort(scores):
            limit = _NORMAL.inv_cdf(min(left, 1 - 1e-12))
            if limit <= score:
                return limit
            left -= _NORMAL.cdf(score)
        return _NORMAL.inv_cdf(min(left, 1 - 1e-12))


def _forecast(finished: Sequence[Standing], period: int, periods: int, cost: float) -> Fit:
    """Final accuracy by least squares from log cost and the accuracies of a rung's last periods; these go together, so
    that their weights are kept small."""
    x = _features(finished, period, cost)
    y = np.array([standing.at(periods) for standing in finished])
    ridge = np.diag([0.0, 0.0] + [1e-4] * (x.shape[1] - 2))
    gram = x.T @ x + ridge + 1e-12 * np.eye(x.shape[1])  # all costs may be equal
    covariance = np.linalg.inv(gram).astype(np.float64)
    weights = covariance @ (x.T @ y)
    residuals = y - x @ weights
    variance = float(residuals @ residuals) / max(len(y) - x.shape[1] - 2, 1) + 1e-12
    return Fit(weights, covariance, math.sqrt(variance), 1e-4)


def _features(standings: Iterable[Standing], period: int, cost: float) -> Floats:
    """(standings, 3 or 4): 1, log cost, accuracy at the period and, from period 2 on, at the one before."""
    before = [period - 1] if period > 1 else []
    return np.array([[1.0, math.log(s.cost / cost), *(s.at(e) for e in [period, *before])] for s in standings])


def _bars(standings: Sequence[Standing], finished: Sequence[Standing], periods: int) -> Floats:
    """For each of `standings` the best final accuracy of others that cost no more; 0 where all cost more."""
    costs = np.array([standing.cost for standing in standings])[:, None]
    numbers = np.array([standing.number for standing in standings])[:, None]
    rivals = np.array([standing.cost for standing in finished])
    eligible = (rivals <= costs) & (np.array([s.number for s in finished]) != numbers)
    finals = np.array([standing.at(periods) for standing in finished])
    best: Floats = np.where(eligible, finals, 0.0).max(axis=1)
    return best


def is_never_stopped(seed: int, number: int) -> bool:
    """Whether a trial is of the part that is trained to its end whatever the rule says."""
    digest = hashlib.sha256(f"never stopped/{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < NEVER * 2**32


@dataclass(frozen=True, slots=True)
class MoashaRule:
    """Multi-objective asynchronous successive halving (arXiv 2106.12639): the reference to beat.

    At rungs 1, eta, eta^2, ... the trials that got there are sorted by (accuracy, cost): non-dominated front by front,
    within a front by an epsilon-net; those of the first 1/eta go on. No trial is protected.
    """

    periods: int
    eta: int = ETA
    name: Stop = "moasha"

    @property
    def rungs(self) -> tuple[int, ...]:
        return tuple(self.eta**i for i in range(64) if self.eta**i < self.periods)

    def judge(self, trial: Standing, period: int, others: Sequence[Standing]) -> Decision:
        accuracy = trial.at(period)
        rivals = [o for o in others if o.number != trial.number and o.reached(period)]
        everyone = [*rivals, trial]
        errors = [1 - standing.at(period) for standing in everyone]
        costs = [math.log(standing.cost) for standing in everyone]
        place = place_of_last(np.column_stack([errors, costs]))
        stop = place > len(everyone) / self.eta
        return Decision(period, accuracy, stop, "below" if stop else "kept", None, len(rivals))

    def describe(self, images: int) -> str:
        if not self.rungs:
            return "moasha: trainings this short are not judged before their end"
        after = rung_words(self.rungs, images)
        return (
            f"moasha: after {after} a trial goes on if it is in the first 1/{self.eta} by non-dominated "
            "sorting of accuracy, or the study's other metric, and cost (arXiv 2106.12639)"
        )


def place_of_last(points: Floats) -> int:
    """How many of `points` (n, 2; less is better) come before the last one: front by front, each by an epsilon-net."""
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1)
    last = len(points) - 1
    left = np.lexsort((scaled[:, 1], scaled[:, 0]))
    while True:
        seconds = scaled[left, 1]
        is_front = seconds < np.minimum.accumulate(np.concatenate([[np.inf], seconds[:-1]]))
        front = left[is_front]
        if last in front:
            return len(points) - len(left) + [front[i] for i in _epsilon_net(scaled[front])].index(last)
        left = left[~is_front]


def _epsilon_net(points: Floats) -> list[int]:
    """The best in the first objective, then each time the one farthest from those chosen (Clarkson 2005)."""
    chosen = [int(np.argmin(points[:, 0]))]
    distances = np.linalg.norm(points - points[chosen[0]], axis=1)
    distances[chosen[0]] = -1
    while len(chosen) < len(points):
        new = int(np.argmax(distances))
        chosen.append(new)
        distances = np.minimum(distances, np.linalg.norm(points - points[new], axis=1))
        distances[chosen] = -1
    return chosen
