"""Proposing networks: a sampler's trial chooses along the axes; random ones stand in where it finds nothing new."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas.settings import Settings
from space import Space
from space.axes import Axis, Value
from space.chooser import RandomChooser

ATTEMPTS = 500  # random draws before a space counts as exhausted


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
        return _nearest(self._suggest(name, axis), allowed)

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        places = [_nearest(value, allowed) for value in axis.values]
        return [places.count(i) / len(places) for i in range(len(allowed))]

    def note(self, probability: float) -> None:
        if self.log_density is not None:
            self.log_density += math.log(probability)

    def _suggest(self, name: str, axis: Axis) -> Value:
        if axis.step:
            low, high = int(str(axis.values[0])), int(str(axis.values[-1]))
            return self.trial.suggest_int(name, low, high, step=axis.step)
        chosen: Value = self.trial.suggest_categorical(name, list(axis.values))
        return chosen

    def log_uniform(self, name: str, low: float, high: float) -> float:
        return self.trial.suggest_float(name, low, high, log=True)


@dataclass(frozen=True, slots=True)
class RecordingChooser:
    """Remembers what another chooser chose, as the parameters of a trial to be queued."""

    inner: RandomChooser
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def log_density(self) -> float | None:
        return self.inner.log_density

    def choice(self, name: str, axis: Axis) -> Value:
        self.params[name] = self.inner.choice(name, axis)
        return self.params[name]  # type: ignore[no-any-return]

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        place = self.inner.choice_within(name, axis, allowed)
        self.params[name] = allowed[place]
        return place

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        return self.inner.weights(axis, allowed)

    def note(self, probability: float) -> None:
        self.inner.note(probability)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        self.params[name] = self.inner.log_uniform(name, low, high)
        return float(self.params[name])


def _nearest(value: Value, allowed: Sequence[Value]) -> int:
    return min(range(len(allowed)), key=lambda i: (abs(float(str(allowed[i])) - float(str(value))), i))


def build_sampler(settings: Settings, trials: int) -> BaseSampler:
    """The study's sampler. Its seed moves with the number of trials: a resumed study must not repeat its draws."""
    seed = (settings.seed * 1_000_003 + trials) % 2**32
    match settings.sampler:
        case "tpe":
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):  # of multivariate and group
                return TPESampler(multivariate=True, group=True, seed=seed)
        case "nsga2":
            return NSGAIISampler(population_size=20, seed=seed)
        case "random":
            return RandomSampler(seed=seed)


def unseen_params(space: Space, settings: Settings, seen: set[str], seed: int) -> dict[str, Any] | None:
    """Parameters of a random network in the budget that the study has not seen; None if no draw finds one."""
    rng, task = random.Random(seed), settings.task
    for _ in range(ATTEMPTS):
        chooser = RecordingChooser(RandomChooser(rng))
        proposal = space.compose(chooser, task, settings.budget)
        if proposal.inside and proposal.arch.key not in seen:
            return chooser.params
    return None
