"""Choosers of the search's own sampler: random networks at a place in the band, and mutations of a parent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas.samplers.parameters import nearest
from space.axes import Axis, Value
from space.chooser import RandomChooser

REDRAWN = 0.15  # part of a parent's choices that a mutation draws anew
STEP = 0.3  # standard deviation of its step in log FLOPs


@dataclass(frozen=True, slots=True)
class _Steered:
    """Random choices but where a subclass says otherwise; nobody asks for their density."""

    inner: RandomChooser

    @property
    def log_density(self) -> None:
        return None

    def choice(self, name: str, axis: Axis) -> Value:
        return self.inner.choice(name, axis)

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        return self.inner.choice_within(name, axis, allowed)

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        return self.inner.weights(axis, allowed)

    def note(self, probability: float) -> None:
        pass

    def log_uniform(self, name: str, low: float, high: float) -> float:
        return self.inner.log_uniform(name, low, high)


@dataclass(frozen=True, slots=True)
class Aimed(_Steered):
    """Random but for the FLOPs, which are at `part` of the band in log."""

    part: float

    def log_uniform(self, name: str, low: float, high: float) -> float:
        return min(max(low * math.exp(self.part * math.log(high / low)), low), high)


@dataclass(frozen=True, slots=True)
class Mutation(_Steered):
    """The choices of a parent, some of them drawn anew, and FLOPs near its own."""

    parent: Mapping[str, Any]

    def choice(self, name: str, axis: Axis) -> Value:
        if self._keeps(name) and self.parent[name] in axis.values:
            return self.parent[name]  # type: ignore[no-any-return]
        return self.inner.choice(name, axis)

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        return (
            nearest(self.parent[name], allowed) if self._keeps(name) else self.inner.choice_within(name, axis, allowed)
        )

    def log_uniform(self, name: str, low: float, high: float) -> float:
        if name not in self.parent:
            return self.inner.log_uniform(name, low, high)
        return min(max(float(self.parent[name]) * math.exp(self.inner.rng.gauss(0, STEP)), low), high)

    def _keeps(self, name: str) -> bool:
        return self.inner.rng.random() >= REDRAWN and name in self.parent
