"""Extent: how far a study shall go."""

from __future__ import annotations

from typing import NamedTuple


class Extent(NamedTuple):
    """All numbers are totals, earlier runs of the study included."""

    trials: int  # networks
    repeats: int = 0  # further seeds of them
    accuracy: float | None = None  # 0 to 1, to be reached at the least cost: ends the search before
