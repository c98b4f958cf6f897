"""Extent: how far a study shall go."""

from __future__ import annotations

from typing import NamedTuple

GOAL_SEEDS = 3  # trainings whose mean is believed to have an accuracy: of many networks trained once, some do by luck


class Extent(NamedTuple):
    """All numbers are totals, earlier runs of the study included."""

    trials: int  # networks
    repeats: int = 0  # further seeds of them
    accuracy: float | None = None  # 0 to 1, to be reached at the least cost: ends the search before

    @property
    def further(self) -> int:
        """Further seeds that can be planned for: for an accuracy those of one network, whatever more it takes."""
        return self.repeats if self.accuracy is None else min(self.repeats, GOAL_SEEDS - 1)
