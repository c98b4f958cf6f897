"""Who chooses along the axes of a space: a random generator here, a sampler's trial in `nas.samplers.parameters`."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Protocol

from space.axes import Axis, Value

_DECIMAL = Context(prec=20)  # correctly rounded exp and ln, so that a seed gives the same networks on every machine


class Chooser(Protocol):
    """Who chooses: a random generator, or a sampler's trial. `log_density`: log probability of the choices so far;
    None where that is not known."""

    @property
    def log_density(self) -> float | None:
        """Log probability of the choices so far."""

    def choice(self, name: str, axis: Axis) -> Value:
        """One of `axis.values`."""

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        """The place of one of the `allowed`, which are some of the axis' values in rising order. The caller notes its
        probability."""

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        """The probability of each of the `allowed` in `choice_within`."""

    def note(self, probability: float) -> None:
        """Takes the probability of a choice into `log_density`."""

    def log_uniform(self, name: str, low: float, high: float) -> float:
        """A number from `low` to `high`."""


@dataclass(slots=True)
class RandomChooser:
    """Uniform over the choices of each axis, log-uniform over a band. `log_density` None saves its computation."""

    rng: random.Random
    log_density: float | None = 0.0

    def choice(self, name: str, axis: Axis) -> Value:
        self.note(1 / len(axis.values))
        return axis.values[int(self.rng.random() * len(axis.values))]  # half the time of rng.choice

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        return int(self.rng.random() * len(allowed))

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        return [1 / len(allowed)] * len(allowed)

    def note(self, probability: float) -> None:
        if self.log_density is not None:
            self.log_density += math.log(probability)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        start, length = _logs(low, high)
        part = _DECIMAL.multiply(length, Decimal(self.rng.random()))
        return float(_DECIMAL.exp(_DECIMAL.add(start, part)))


@lru_cache(256)
def _logs(low: float, high: float) -> tuple[Decimal, Decimal]:
    start = _DECIMAL.ln(Decimal(low))
    return start, _DECIMAL.subtract(_DECIMAL.ln(Decimal(high)), start)
