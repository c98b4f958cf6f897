"""What steps between two networks do, alone, together, in every context and in every order, with intervals.

By the model of `step_model`; of a full design, gains in a context, Shapley values and paths are of the accuracies
themselves. (A model of pairs has the mean gain for its Shapley value: in a random order each other step comes before
with 1/2.) The intervals of all effects and pairs hold together (Bonferroni). A design of given paths has no model: only
its paths are told.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.analysis.multiple_comparisons import FREEDOM
from nas.analysis.pareto import by_network, flops, points, score
from nas.analysis.seed_noise import pooled_noise
from nas.analysis.step_model import Estimate, Floats, StepModel, Trained
from nas.records.settings import DESIGN, Settings
from nas.records.trial import Trial
from space import InputError
from space.factorial import MOST_ROWS, Row, along, every
from space.steps import Steps

ORDERS = 2000  # random orders that a given one is compared with
GREEDY = "the largest gain first"  # the order that these accuracies themselves make, of which nothing is told


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

    @property
    def range(self) -> tuple[float, float]:
        """Of its gains in 90% of contexts, the noise of the estimates included."""
        low, high = np.quantile(self.contexts, (0.05, 0.95))
        return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """How much more (or less) one of two steps gains where the other is taken."""

    first: str
    second: str
    change: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOf:
    """An order of the steps: accuracies along it, how much higher their mean is than that of a random order, with an
    interval, and the share of random orders that it is above. `chosen`: by these accuracies."""

    names: tuple[str, ...]
    accuracies: Floats
    advantage: Estimate
    above: float
    chosen: bool

    @property
    def sentence(self) -> str:
        """Whether it is special."""
        value = abs(100 * self.advantage.value)
        way = "more" if self.advantage.value >= 0 else "less"
        half, held = ("", "") if self.advantage.half is None else (f" ± {100 * self.advantage.half:.2f}", " (95%)")
        many = "nearly all" if self.above >= 0.995 else f"{self.above:.0%} of"
        than = f", above {many} orders" if self.above >= 0.005 else ""
        said = (
            f"by the model, networks on its way are {value:.2f}{half} points{held} {way} accurate on average than "
            f"on that of a random order{than}"
        )
        if self.chosen:
            return f"{said}; it was chosen by these accuracies, so that nothing is told of it"
        return f"{said}; {'told' if self.advantage.told else 'not told'} from a random order"


class StepAnswers:
    """Of a study of steps. `effects`, `interactions` and `order` need a model that is `ready`."""

    def __init__(self, steps: Steps, settings: Settings, trials: Sequence[Trial]) -> None:
        self.steps, self.settings = steps, settings
        self.trained = trained_rows(steps, settings, trials)
        self.failed = failed_rows(steps, settings, trials)
        noise = pooled_noise([[score(trial) for trial in same] for same in by_network(trials)])
        self.model = StepModel(len(steps.steps), self.trained, noise)
        self.names = [step.name for step in steps.steps]

    @property
    def ready(self) -> bool:
        """Whether the networks that are trained tell all effects and pairs, with intervals."""
        return self.steps.design.kind != "paths" and self.model.ready

    def require(self) -> None:
        """Raises InputError where there is no model."""
        if not self.ready:
            raise InputError(f"networks must be enough to tell steps apart, got {self.seed_line()}; {self.needed}")

    @property
    def needed(self) -> str:
        """What has to be trained before effects are told."""
        if self.steps.design.kind == "paths":
            return "given orders alone tell no effects: --design fraction or full does, as another study"
        need, there = self.model.size + FREEDOM, len(self.steps.rows)
        of = f"the effects of {len(self.names)} steps and their pairs"
        if there >= need:
            return f"{of} need {need:,} networks"
        return f"{of} need all {there:,} networks and {FREEDOM} further seeds of any (--repeats {FREEDOM}, or more)"

    @property
    def statements(self) -> int:
        """Intervals that hold together."""
        return self.model.size - 1

    @cached_property
    def effects(self) -> list[StepEffect]:
        """Of each step."""
        count, model = len(self.names), self.model
        contexts = contexts_of(count)
        path = model.accuracy(along(tuple(range(count))))
        weights = np.array([_shapley_weight(sum(row), count) for row in contexts])
        found = []
        for i, step in enumerate(self.steps.steps):
            without = [(*row[:i], False, *row[i:]) for row in contexts]
            taken = [(*row[:i], True, *row[i:]) for row in contexts]
            gains, gain = model.accuracy(taken) - model.accuracy(without), model.number(1 + i, 2.0, self.statements)
            found.append(StepEffect(
                name=step.name, before=step.before, after=step.after, gain=gain, contexts=gains,
                shapley=float(weights @ gains) if model.whole else gain.value, on_path=float(path[i + 1] - path[i]),
            ))  # fmt: skip
        return found

    @cached_property
    def interactions(self) -> list[Interaction]:
        """Of each pair, the largest first."""
        first = 1 + len(self.names)
        found = [
            Interaction(
                first=self.names[i], second=self.names[j],
                change=self.model.number(first + place, 4.0, self.statements),
            )
            for place, (i, j) in enumerate(self.model.pairs)
        ]  # fmt: skip
        return sorted(found, key=lambda pair: -abs(pair.change.value))

    def order(self, order: Sequence[int] | None = None, chosen: bool = False) -> OrderOf:
        """Of an order of steps, by place; the one that was asked for by default. By the model, also where all sets are
        trained: an interval needs it. `chosen`: by these accuracies, so that there is no interval."""
        order = tuple(order or self.steps.design.orders[0])
        own = self.model.terms(along(order)).mean(0)
        advantage = self.model.estimate(own - _mean_terms(len(self.names), len(self.model.pairs)), 1)
        return OrderOf(
            names=tuple(self.names[i] for i in order), accuracies=self.model.accuracy(along(order)),
            advantage=Estimate(advantage.value, None) if chosen else advantage,
            above=float(np.mean(own @ self.model.numbers > self._random_orders)), chosen=chosen,
        )  # fmt: skip

    @cached_property
    def _random_orders(self) -> Floats:
        """Mean accuracies along ORDERS of them, by the model."""
        rng = random.Random(0)
        places, means = list(range(len(self.names))), []
        for _ in range(ORDERS):
            rng.shuffle(places)
            means.append(self.model.terms(along(tuple(places))).mean(0))
        return np.array(means) @ self.model.numbers

    def known_orders(self) -> dict[str, tuple[int, ...]]:
        """Orders worth a look, by name: those that were asked for, the steps as they are listed and their reverse, and
        the one that takes the largest gain first."""
        own = tuple(range(len(self.names)))
        asked = [order for order in self.steps.design.orders if order != own]
        named = {", ".join(self.names[i] for i in order): order for order in asked}
        return {**named, "as the steps are listed": own, "reversed": own[::-1], GREEDY: self._greedy()}

    def _greedy(self) -> tuple[int, ...]:
        own, taken = range(len(self.names)), list[int]()
        while len(taken) < len(own):
            left = [i for i in own if i not in taken]
            rows = [tuple(i in (*taken, new) for i in own) for new in left]
            taken.append(left[int(np.argmax(self.model.accuracy(rows)))])
        return tuple(taken)

    def seed_line(self) -> str:
        """`160 trainings of 128 networks`"""
        trainings = sum(each.seeds for each in self.model.networks.values())
        return f"{trainings:,} trainings of {len(self.model.networks):,} networks"

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
