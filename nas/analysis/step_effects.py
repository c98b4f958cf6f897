"""What steps between two networks do, alone, together, in every context and in every order, with intervals.

The model: a network's accuracy is a mean, an effect for each step, one for each pair of steps, and an error, which
holds its seeds' noise and whatever three steps or more do together:

    y = m + sum_i b_i x_i + sum_i<j b_ij x_i x_j + e,   x_i = +1 where step i is taken, -1 where it is not

fitted by least squares over the networks of a design, at equal FLOPs with a slope on log FLOPs for what is left of a
difference. 2 b_i is the mean gain of step i over all contexts, 4 b_ij how much more it gains where step j is taken. (A
model of pairs has the mean gain for its Shapley value, too: in a random order each other step comes before with 1/2.)
Where all 2^k sets are trained, gains, Shapley values and paths are of the accuracies themselves.

Intervals are Student's, from the error between the networks and the model. Where there are hardly more networks than
numbers in the model, as in a full design of few steps, they are from the noise of seeds, of the networks repeated, and
tell nothing beyond these networks. Those of all effects and pairs hold together (Bonferroni). A design of given paths
alone has no model: only its paths are told.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_level
from nas.analysis.pareto import by_network, flops, points, score
from nas.analysis.seed_noise import pooled_noise, student_t
from nas.records.settings import DESIGN, Settings
from nas.records.trial import Trial
from space import InputError
from space.factorial import MOST_ROWS, Row, along, every
from space.steps import Steps

Floats = NDArray[np.float64]
ORDERS = 2000  # random orders that a given one is compared with


@dataclass(frozen=True, slots=True)
class Trained:
    """A set of steps whose network is trained: its mean accuracy (0 to 1), seeds, FLOPs, and its first trial."""

    row: Row
    accuracy: float
    seeds: int
    flops: int
    trial: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with half of its 95% interval; None where there are too few networks for one."""

    value: float
    half: float | None

    @property
    def told(self) -> bool:
        """Whether it is told from nothing."""
        return self.half is not None and abs(self.value) > self.half


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEffect:
    """What one step does, in accuracy (0 to 1). `gain`: the mean over all contexts. `contexts`: its gain in each set of
    the other steps. `shapley`: its mean gain over all orders. `on_path`: where the walk's own order takes it."""

    name: str
    before: str
    after: str
    gain: Estimate
    contexts: Floats
    shapley: float
    on_path: float

    @property
    def helps(self) -> float:
        """The share of contexts in which it gains."""
        return float(np.mean(self.contexts > 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """How much more (or less) one of two steps gains where the other is taken."""

    first: str
    second: str
    change: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOf:
    """An order of the steps: accuracies along it, how much higher their mean is than that of a random order, with an
    interval, and the share of random orders that it is above."""

    names: tuple[str, ...]
    accuracies: Floats
    advantage: Estimate
    above: float


class StepAnswers:
    """Of a study of steps. `effects`, `interactions` and `order` need a model; `ready` says whether there is one."""

    def __init__(self, steps: Steps, settings: Settings, trials: Sequence[Trial]) -> None:
        self.steps, self.settings = steps, settings
        self.trained = trained_rows(steps, settings, trials)
        self.failed = failed_rows(steps, settings, trials)
        self.noise = pooled_noise([[score(trial) for trial in same] for same in by_network(trials)])
        self.names = [step.name for step in steps.steps]
        self.pairs = list(combinations(range(len(self.names)), 2))

    @cached_property
    def networks(self) -> dict[int, Trained]:
        """The trained ones, each once, by their first trial."""
        return {each.trial: each for each in reversed(self.trained)}

    @property
    def least(self) -> int:
        """Numbers of the model at equal FLOPs."""
        return 1 + len(self.names) + len(self.pairs)

    @property
    def size(self) -> int:
        """Numbers of the model."""
        return self.least + self._adjusted

    @cached_property
    def ready(self) -> bool:
        """Whether the networks that are trained tell all effects and pairs, and their error."""
        told = bool(self.trained) and _rank(self._design) == self.size
        return bool(told and (self.by_model or (self.noise is not None and self.noise.known)))

    def require(self) -> None:
        """Raises InputError where there is no model."""
        if not self.ready:
            raise InputError(f"networks must be enough to tell steps apart, got {self.seed_line()}; train more of them")

    @property
    def by_model(self) -> bool:
        """Whether the error is that between the networks and the model, not the noise of seeds."""
        return len(self.networks) >= self.size + FREEDOM

    @cached_property
    def _adjusted(self) -> bool:
        """For what is left of a difference in FLOPs, where the networks tell that from the steps."""
        enough = len(self.networks) >= self.least + 1 + FREEDOM
        return self.steps.scale is None and enough and _rank(self._with_cost) == self.least + 1

    @cached_property
    def _design(self) -> Floats:
        """(networks' sets, numbers of the model)"""
        return self._with_cost if self._adjusted else self._terms([each.row for each in self.trained])

    @cached_property
    def _with_cost(self) -> Floats:
        """With a column of log FLOPs."""
        cost = np.log([each.flops for each in self.trained])
        return np.column_stack([self._terms([each.row for each in self.trained]), cost - cost.mean()])

    def _terms(self, rows: Sequence[Row]) -> Floats:
        """1, each step, each pair, for some sets."""
        x = np.where(np.array(rows, dtype=bool), 1.0, -1.0)
        return np.column_stack([np.ones(len(x)), x, *(x[:, i] * x[:, j] for i, j in self.pairs)])

    @cached_property
    def _solver(self) -> Floats:
        """(numbers of the model, networks): what makes the numbers of the networks' accuracies. Sets that give the same
        network share its accuracy, and count as one in every error."""
        inverse = np.linalg.pinv(self._design)
        places = {trial: i for i, trial in enumerate(self.networks)}
        solver = np.zeros((len(inverse), len(places)))
        for column, each in zip(inverse.T, self.trained, strict=True):
            solver[:, places[each.trial]] += column
        return solver

    @cached_property
    def _accuracies(self) -> Floats:
        """Of the networks, each once."""
        return np.array([each.accuracy for each in self.networks.values()])

    @cached_property
    def _numbers(self) -> Floats:
        return self._solver @ self._accuracies

    @cached_property
    def _error(self) -> tuple[Floats, int]:
        """Standard deviation of each network's accuracy, and degrees of freedom behind it."""
        if not self.by_model:
            assert self.noise, "asked for without `ready`"
            seeds = np.array([each.seeds for each in self.networks.values()])
            return self.noise.sd / np.sqrt(seeds), self.noise.freedom
        residual = np.array([each.accuracy for each in self.trained]) - self._design @ self._numbers
        networks = len(self.networks)
        squares = (residual**2).sum() * networks / len(residual)
        return np.full(networks, math.sqrt(squares / (networks - self.size))), networks - self.size

    @property
    def statements(self) -> int:
        """Intervals that hold together."""
        return len(self.names) + len(self.pairs)

    def _estimate(self, weights: Floats, statements: int) -> Estimate:
        """Of a sum of the model's numbers."""
        sd, freedom = self._error
        half = student_t(freedom, bonferroni_level(statements)) * float(np.linalg.norm(weights @ self._solver * sd))
        return Estimate(float(weights @ self._numbers), half)

    def _unit(self, place: int, size: float) -> Floats:
        weights = np.zeros(self.size)
        weights[place] = size
        return weights

    @cached_property
    def _measured(self) -> dict[Row, float]:
        return {each.row: each.accuracy for each in self.trained}

    @property
    def whole(self) -> bool:
        """Whether every set is trained."""
        return len(self._measured) == int(2 ** len(self.names))

    def accuracy(self, rows: Sequence[Row]) -> Floats:
        """Of sets of steps: as measured where all are trained, else by the model, at the networks' mean FLOPs."""
        if self.whole:
            return np.array([self._measured[row] for row in rows])
        terms = self._terms(rows)
        return np.asarray(terms @ self._numbers[: terms.shape[1]])

    @cached_property
    def effects(self) -> list[StepEffect]:
        """Of each step."""
        count = len(self.names)
        contexts = contexts_of(count)
        path = self.accuracy(along(tuple(range(count))))
        found = []
        for i, step in enumerate(self.steps.steps):
            without = [(*row[:i], False, *row[i:]) for row in contexts]
            taken = [(*row[:i], True, *row[i:]) for row in contexts]
            gains = self.accuracy(taken) - self.accuracy(without)
            weights = np.array([_shapley_weight(sum(row), count) for row in contexts])
            found.append(StepEffect(
                name=step.name, before=step.before, after=step.after,
                gain=self._estimate(self._unit(1 + i, 2.0), self.statements), contexts=gains,
                shapley=float(weights @ gains / weights.sum()), on_path=float(path[i + 1] - path[i]),
            ))  # fmt: skip
        return found

    @cached_property
    def interactions(self) -> list[Interaction]:
        """Of each pair, the largest first."""
        first = 1 + len(self.names)
        found = [
            Interaction(
                first=self.names[i], second=self.names[j],
                change=self._estimate(self._unit(first + place, 4.0), self.statements),
            )
            for place, (i, j) in enumerate(self.pairs)
        ]  # fmt: skip
        return sorted(found, key=lambda pair: -abs(pair.change.value))

    def order(self, order: Sequence[int] | None = None) -> OrderOf:
        """Of an order of steps, by place; the walk's own by default. By the model, also where all sets are trained: an
        interval needs it."""
        order = tuple(order or range(len(self.names)))
        usual = _mean_terms(len(self.names), len(self.pairs))
        weights = np.zeros(self.size)
        own = self._terms(along(order)).mean(0)
        weights[: len(own)] = own - usual
        advantage = self._estimate(weights, 1)
        others = self._random_orders @ self._numbers[: len(own)]
        return OrderOf(
            names=tuple(self.names[i] for i in order), accuracies=self.accuracy(along(order)), advantage=advantage,
            above=float(np.mean(own @ self._numbers[: len(own)] > others)),
        )  # fmt: skip

    @cached_property
    def _random_orders(self) -> Floats:
        """(ORDERS, numbers of the model but for the slope): the mean terms along random orders."""
        rng = random.Random(0)
        places = list(range(len(self.names)))
        rows = []
        for _ in range(ORDERS):
            rng.shuffle(places)
            rows.append(self._terms(along(tuple(places))).mean(0))
        return np.array(rows)

    def known_orders(self) -> dict[str, tuple[int, ...]]:
        """Orders worth a look, by name: the walk's, its reverse, and the one that takes the largest gain first."""
        own = tuple(range(len(self.names)))
        greedy: list[int] = []
        while len(greedy) < len(own):
            left = [i for i in own if i not in greedy]
            taken = [tuple(i in (*greedy, new) for i in own) for new in left]
            greedy.append(left[int(np.argmax(self.accuracy(taken)))])
        return {"as the steps are listed": own, "reversed": own[::-1], "the largest gain first": tuple(greedy)}

    def seed_line(self) -> str:
        """`160 trainings of 128 networks`"""
        trainings = sum(each.seeds for each in self.networks.values())
        return f"{trainings:,} trainings of {len(self.networks):,} networks"

    def failures_line(self) -> str:
        """How many networks could not be trained, and the steps that they share; empty where there are none. The model
        goes on to their sets of steps without them."""
        if not self.failed:
            return ""
        shared = [
            f"{'with' if taken[0] else 'without'} {name}"
            for name, *taken in zip(self.names, *self.failed, strict=True)
            if len(set(taken)) == 1
        ]
        said = f", all of them {', '.join(shared)}" if shared and len(self.failed) > 1 else ""
        return (
            f"failed to train, in none of these numbers: {len(self.failed)} of the design's networks{said}; "
            f"why: nas trials {self.settings.name}"
        )


def answers_of(settings: Settings, trials: Sequence[Trial]) -> StepAnswers:
    """Of a study of steps. Raises InputError for another study."""
    if settings.sampler != DESIGN:
        raise InputError(
            f"study must be one of steps, got {settings.name}, which a search made; begin one with "
            "nas steps resnet_32 convnext_32 --data DATA --flops 8M"
        )
    return StepAnswers(settings.build_steps(), settings, trials)


def trained_rows(steps: Steps, settings: Settings, trials: Sequence[Trial]) -> list[Trained]:
    """The design's sets whose network is trained, in the design's order."""
    found = {point.trial.key: point for point in points(trials)}
    rows = []
    for row in steps.design.rows:
        point = found.get(steps.network(row, settings.task, settings.budget).arch.key)
        if point:
            trial = point.trial
            rows.append(Trained(row, score(trial), point.seeds, int(flops(trial)), trial.number))
    return rows


def failed_rows(steps: Steps, settings: Settings, trials: Sequence[Trial]) -> list[Row]:
    """The design's sets whose network was tried and never trained to its end, in the design's order."""
    ended = {trial.key for trial in trials if trial.state == "complete"}
    failed = {trial.key for trial in trials if trial.state == "failed"} - ended
    rows = steps.design.rows if failed else ()
    return [row for row in rows if steps.network(row, settings.task, settings.budget).arch.key in failed]


def _rank(matrix: Floats) -> int:
    return int(np.linalg.matrix_rank(matrix))


def _shapley_weight(before: int, steps: int) -> float:
    """The chance that exactly some `before` steps come before a step in a random order, for one set of them."""
    return 1 / (steps * math.comb(steps - 1, before))


def _mean_terms(steps: int, pairs: int) -> Floats:
    """Mean of the model's terms along a random order, over all orders: m of k steps are taken after m of them."""
    taken = np.arange(steps + 1)
    single = (2 * taken / steps - 1).mean()
    both = (((2 * taken - steps) ** 2 - steps) / (steps * (steps - 1))).mean() if steps > 1 else 0.0
    return np.concatenate([[1.0], np.full(steps, single), np.full(pairs, both)])


def contexts_of(steps: int) -> Sequence[Row]:
    """Sets of the other steps, for one of so many; some at random where all are too many."""
    return every(steps - 1) if 2 ** (steps - 1) <= MOST_ROWS else _some(steps - 1)


def _some(steps: int) -> list[Row]:
    """MOST_ROWS sets at random, where all are too many."""
    rng = random.Random(0)
    return [tuple(rng.random() < 0.5 for _ in range(steps)) for _ in range(MOST_ROWS)]
