"""Choosers of the search's own sampler: random networks at a place in the band, and mutations of a parent. Nobody asks
for their density (`log_density` None)."""

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


def aim(low: float, high: float, part: float) -> float:
    """What lies at `part` (0 to 1) between the two in log."""
    return min(max(low * math.exp(part * math.log(high / low)), low), high)


@dataclass(kw_only=True)
class Aimed(RandomChooser):
    """Random but for the FLOPs, which are at `part` of the band in log."""

    part: float

    def log_uniform(self, name: str, low: float, high: float) -> float:
        return aim(low, high, self.part)


@dataclass(kw_only=True)
class Mutation(RandomChooser):
    """The choices of a parent, some of them drawn anew, and FLOPs near its own."""

    parent: Mapping[str, Any]

    def choice(self, name: str, axis: Axis) -> Value:
        if self._keeps(name) and self.parent[name] in axis.values:
            return self.parent[name]  # type: ignore[no-any-return]
        return super().choice(name, axis)

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        return nearest(self.parent[name], allowed) if self._keeps(name) else super().choice_within(name, axis, allowed)

    def log_uniform(self, name: str, low: float, high: float) -> float:
        if name not in self.parent:
            return super().log_uniform(name, low, high)
        return min(max(float(self.parent[name]) * math.exp(self.rng.gauss(0, STEP)), low), high)

    def _keeps(self, name: str) -> bool:
        return self.rng.random() >= REDRAWN and name in self.parent
