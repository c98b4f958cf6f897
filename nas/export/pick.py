"""Picking a network of a study's front, in FLOPs or in a latency that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nas.analysis.cost_axes import FLOPS
from nas.analysis.pareto import best, flops, knee, pareto_front, under
from nas.latency.front import AXIS, axis, find_device
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import Band, InputError, compact
from space.budget import parse_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One of the first four; none of them is the best of the front. `by`, `batch`: what the front is over."""

    trial: int | None = None
    pick: Literal["best", "knee"] | None = None
    max_flops: str | None = None  # a count, or a band of which both ends hold
    max_latency: float | None = None  # ms per batch
    by: str = "flops"  # or latency@DEVICE
    batch: int = 1

    @property
    def over(self) -> str:
        """What the front is over."""
        return AXIS if self.max_latency is not None and self.by == "flops" else self.by


def pick(folder: Path, selection: Selection) -> Trial:
    """The trial: of a network with several, the first. Raises InputError where the study has none such."""
    rows = Reader(folder).trials()
    named = {
        "--trial": selection.trial,
        "--pick": selection.pick,
        "--max-flops": selection.max_flops,
        "--max-latency": selection.max_latency,
    }
    if sum(value is not None for value in named.values()) > 1:
        raise InputError(f"export must have one of {', '.join(named)}, got several; keep one")
    if selection.trial is not None:
        if selection.trial >= len(rows):
            raise InputError(f"trial must be from 0 to {len(rows) - 1}, got {selection.trial}; `nas trials` lists them")
        return rows[selection.trial]
    by = selection.over
    if selection.max_flops is not None and by != "flops":
        raise InputError(f"max-flops must stand without --by, got {by}; use --max-latency")
    cost = FLOPS if by == "flops" else axis(folder, rows, by, selection.batch)
    front = pareto_front([trial for trial in rows if cost.of(trial)], cost.on)
    if selection.max_flops is not None:
        chosen = _within(rows, front, selection.max_flops)
    elif selection.max_latency is not None:
        quick = [trial for trial in front if cost.on(trial) <= selection.max_latency]
        if not quick:
            raise InputError(
                f"max-latency must be at least {cost.words(cost.on(front[0]))}, the quickest network's, got "
                f"{selection.max_latency:g} ms; raise it"
            )
        chosen = quick[-1]
    else:
        chosen = knee(front, cost.on) if selection.pick == "knee" else best(front)
    return rows[chosen.number]  # a member of the front is at the mean of its seeds; this is the first of them


def _within(rows: Sequence[Trial], front: Sequence[Trial], text: str) -> Trial:
    """The most accurate up to `400K`, or inside `300K..400K`, where it need not be on the front."""
    if ".." not in text:
        return under(front, parse_count(text, "max-flops"))
    band = Band.parse(text, "max-flops")
    inside = pareto_front([trial for trial in rows if trial.flops is not None and trial.flops in band])
    if not inside:
        ends = f"{compact(flops(front[0]))} to {compact(flops(front[-1]))}" if front else "no FLOPs"
        raise InputError(f"max-flops must hold a finished network, got {band}; the front goes from {ends}")
    return best(inside)


def device_words(folder: Path, selection: Selection) -> str:
    """Which device's latency the selection is over, where it left that open; else nothing."""
    if selection.trial is not None or selection.over == "flops":
        return ""
    words = find_device(folder, Reader(folder).trials(), selection.over).words
    return f"latency: {words}" if words else ""
