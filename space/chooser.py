"""Who chooses along the axes of a space: a random generator here, a sampler's trial in `nas.propose`."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Protocol

from space.axes import Axis, Value


class Chooser(Protocol):
    """Who chooses: a random generator, or a sampler's trial."""

    def choice(self, name: str, axis: Axis) -> Value:
        """One of `axis.values`."""

    def log_uniform(self, name: str, low: float, high: float) -> float:
        """A number from `low` to `high`."""


@dataclass(frozen=True, slots=True)
class RandomChooser:
    """Uniform over the choices of each axis, log-uniform over FLOPs."""

    rng: random.Random

    def choice(self, name: str, axis: Axis) -> Value:
        return self.rng.choice(axis.values)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        return math.exp(self.rng.uniform(math.log(low), math.log(high)))
