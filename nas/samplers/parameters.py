"""Proposing networks: a sampler's trial chooses along the axes; random ones stand in where it finds nothing new."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nas.records.settings import Settings
from space import Space
from space.axes import Axis, Value
from space.budget import MEASURES
from space.chooser import Chooser, RandomChooser
from space.draw import Proposal

PATIENCE = 10  # asks in a row without a new network in the budget before random ones stand in
ATTEMPTS = 5000  # random draws before a space counts as exhausted


@dataclass(slots=True)
class TrialChooser:
    """Lets an Optuna trial choose: even rows of integers as quantities, all else as categories. `log_density` begins
    at 0 where the sampler draws at random, and stays None where it learns."""

    trial: optuna.Trial
    log_density: float | None = None

    def choice(self, name: str, axis: Axis) -> Value:
        self.note(1 / len(axis.values))
        return self._suggest(name, axis)

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        """Suggested from the whole axis, so that a sampler sees one range; then the nearest that is allowed."""
        return nearest(self._suggest(name, axis), allowed)

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        places = [nearest(value, allowed) for value in axis.values]
        return [places.count(i) / len(places) for i in range(len(allowed))]

    def note(self, probability: float) -> None:
        if self.log_density is not None:
            self.log_density += math.log(probability)

    def _suggest(self, name: str, axis: Axis) -> Value:
        kind = distribution(axis)
        if isinstance(kind, IntDistribution):
            return self.trial.suggest_int(name, kind.low, kind.high, step=kind.step)
        chosen: Value = self.trial.suggest_categorical(name, kind.choices)
        return chosen

    def log_uniform(self, name: str, low: float, high: float) -> float:
        return self.trial.suggest_float(name, low, high, log=True)


@dataclass(frozen=True, slots=True)
class RecordingChooser:
    """Remembers what another chooser chose, as the parameters of a trial to be queued or proposed, and as which
    distributions `TrialChooser` would suggest them. Choosers of one space may share these: a name has only one."""

    inner: Chooser
    params: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)

    @property
    def log_density(self) -> float | None:
        return self.inner.log_density

    def choice(self, name: str, axis: Axis) -> Value:
        self.distributions.setdefault(name, distribution(axis))
        self.params[name] = self.inner.choice(name, axis)
        return self.params[name]  # type: ignore[no-any-return]

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        self.distributions.setdefault(name, distribution(axis))
        place = self.inner.choice_within(name, axis, allowed)
        self.params[name] = allowed[place]
        return place

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        return self.inner.weights(axis, allowed)

    def note(self, probability: float) -> None:
        self.inner.note(probability)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        self.distributions.setdefault(name, FloatDistribution(low, high, log=True))
        self.params[name] = self.inner.log_uniform(name, low, high)
        return float(self.params[name])


@lru_cache
def distribution(axis: Axis) -> IntDistribution | CategoricalDistribution:
    """Even rows of integers are quantities, all else categories."""
    if axis.step:
        return IntDistribution(int(str(axis.values[0])), int(str(axis.values[-1])), step=axis.step)
    return CategoricalDistribution(axis.values)


def nearest(value: Value, allowed: Sequence[Value]) -> int:
    """The place of the number that is nearest to `value`; of two, the first."""
    return min(range(len(allowed)), key=lambda i: (abs(float(str(allowed[i])) - float(str(value))), i))


def record_network(trial: optuna.Trial, proposal: Proposal) -> None:
    """Writes the network into its trial: counts, plain form, key. A sampler of ours reads them there."""
    for name, value in zip(MEASURES, proposal.counts, strict=False):  # a latency only where one is forecast
        trial.set_user_attr(name, value)
    trial.set_user_attr("arch", proposal.arch.to_dict())
    trial.set_user_attr("key", proposal.arch.key)


def unseen_params(space: Space, settings: Settings, seen: set[str], seed: int) -> dict[str, Any] | None:
    """Parameters of a random network in the budget that the study has not seen; None if no draw finds one."""
    rng, task = random.Random(seed), settings.task
    for _ in range(ATTEMPTS):
        chooser = RecordingChooser(RandomChooser(rng))
        proposal = space.compose(chooser, task, settings.budget)
        if proposal.inside and proposal.arch.key not in seen:
            return chooser.params
    return None
