"""Picking a network of a study: within limits that all hold, the best, the knee or the cheapest of the front."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, get_args

from nas.analysis.cost_axes import COUNTED, CostAxis
from nas.analysis.pareto import best, knee, merged, pareto_front, score
from nas.analysis.seed_noise import networks
from nas.analysis.wording import tie_words
from nas.latency.device_names import parse_latency_at
from nas.latency.front import AXIS, axis, find_device
from nas.latency.front_check import outside_words
from nas.records.scores import has, parse_share
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import Band, InputError
from space.budget import LATENCY

Pick = Literal["best", "knee", "cheapest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A trial by its number; or limits that hold together, and which of the front of what is within them. None of
    `pick`: the best, or the cheapest where an accuracy is asked for. `by`, `batch`: what the front is over."""

    trial: int | None = None
    pick: Pick | None = None
    flops: str | None = None  # bands, written as a search's: `..20M`, `10M..20M`
    params: str | None = None
    activations: str | None = None
    latency: str | None = None  # `..5ms`, `..5ms@DEVICE` per batch, as measured
    accuracy: str | None = None  # at least, `92%` or `.92` of what the study maximises, in the mean of seeds
    by: str | None = None  # flops, params, activations, latency@DEVICE; None: what the study minimises
    batch: int = 1

    def __post_init__(self) -> None:
        """Raises InputError for no such pick."""
        if self.pick not in (None, *get_args(Pick)):
            choices = ", ".join(get_args(Pick))
            raise InputError(f"pick must be one of {choices}, got {self.pick}; choose one")
        device = parse_latency_at(self.latency)[1]
        if device and self.by not in (None, *COUNTED, AXIS):
            raise InputError(f"latency must leave out the device that by names, got {self.latency}; write it once")

    @property
    def measured(self) -> str | None:
        """Which measured latency has a part in it: that of `by`, else of a limit."""
        limit, device = parse_latency_at(self.latency)
        if self.by not in (None, *COUNTED, AXIS):
            return self.by
        if limit is None and self.by != AXIS:
            return None
        return f"{AXIS}@{device}" if device else AXIS

    @property
    def over(self) -> str | None:
        """What the front is over: `by`, else measured latency where that alone is limited; None: what the study
        minimises."""
        alone = all(band is None for band in self.counts().values())
        return self.measured if self.by == AXIS or (self.by is None and alone) else self.by

    def counts(self) -> dict[str, str | None]:
        """The bands of what is counted."""
        return {"flops": self.flops, "params": self.params, "activations": self.activations}


@dataclass(frozen=True, slots=True)
class Limit:
    """`said`: what a network has of it. `nearest`: the one of some that comes nearest to it, None where none has
    it. `rule`: what an error says where none is within it, of what the nearest has."""

    option: str
    got: str
    holds: Callable[[Trial], bool]
    said: Callable[[Trial], str]
    nearest: Callable[[Sequence[Trial]], Trial | None]
    rule: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Picked:
    """A network at the mean of its seeds, and the front that it is of, by rising cost."""

    trial: Trial
    front: Sequence[Trial]
    cost: CostAxis


def pick(folder: Path, selection: Selection) -> Trial:
    """The trial: of a network with several, the first. Raises InputError where the study has none such."""
    return _chosen(folder, Reader(folder).trials(), selection)[0]


def pick_with_words(folder: Path, selection: Selection) -> tuple[Trial, list[str]]:
    """The trial, and what must be said beside its export: what a choice by a rule rests on, and whether the network was
    measured outside the study's budget in latency. Raises InputError as `pick` does."""
    rows = Reader(folder).trials()
    trial, found = _chosen(folder, rows, selection)
    said = [] if found is None else _picked_words(folder, rows, selection, found)
    outside = outside_words(folder, Settings.read(folder), [trial])
    return trial, [*said, *(f"latency: {line}" for line in outside)]


def _chosen(folder: Path, rows: Sequence[Trial], selection: Selection) -> tuple[Trial, Picked | None]:
    """The trial of these, and the choice where it was made by a rule."""
    if selection.trial is None:
        found = _picked(folder, rows, selection)
        return rows[found.trial.number], found
    if selection != Selection(trial=selection.trial):
        raise InputError("trial must be given alone, got limits or a pick beside it; leave one out")
    if not rows:
        raise InputError(f"trial must be one of the study's, got {selection.trial}; it has no trial yet, search first")
    if not 0 <= selection.trial < len(rows):
        raise InputError(f"trial must be from 0 to {len(rows) - 1}, got {selection.trial}; `nas trials` lists them")
    return rows[selection.trial], None


def _picked(folder: Path, rows: Sequence[Trial], selection: Selection) -> Picked:
    cost = axis(folder, rows, selection.over, selection.batch)
    points = merged(rows)
    limits = _limits(folder, rows, selection)
    if not all(map(cost.of, points)):
        limits.append(_having(cost))
    inside = [trial for trial in points if all(limit.holds(trial) for limit in limits)]
    if points and not inside:
        _refuse(points, limits)
    front = pareto_front(inside, cost.on)
    which = selection.pick or ("best" if selection.accuracy is None else "cheapest")
    chosen = front[0] if which == "cheapest" and front else knee(front, cost.on) if which == "knee" else best(front)
    return Picked(chosen, front, cost)


def _limits(folder: Path, rows: Sequence[Trial], selection: Selection) -> list[Limit]:
    found = []
    for name, text in selection.counts().items():
        if text is not None:
            found.append(_within(name, text, COUNTED[name], Band.parse(text, name)))
    if selection.latency is not None:
        band = Band.parse_latency(parse_latency_at(selection.latency)[0] or "")
        timed = axis(folder, rows, selection.measured, selection.batch)
        found.append(_within(LATENCY, selection.latency, timed, band))
    if selection.accuracy is not None:
        least = parse_share(selection.accuracy)
        found.append(Limit(
            "accuracy", selection.accuracy, lambda trial: has(score(trial), least),
            lambda trial: f"{score(trial):.2%}", lambda trials: max(trials, key=score),
            lambda most: f"be at most {most}, the most accurate network's, got {selection.accuracy}; lower it",
        ))  # fmt: skip
    return found


def _within(option: str, got: str, cost: CostAxis, band: Band) -> Limit:
    def far(trial: Trial) -> float:
        value = cost.unit * cost.on(trial)
        return max(value / band.high, band.low / value)

    return Limit(
        option, got, lambda trial: band.low <= cost.unit * (cost.of(trial) or math.inf) <= band.high,
        lambda trial: _enough(cost, cost.on(trial)), lambda trials: min(filter(cost.of, trials), key=far, default=None),
        lambda nearest: f"be within reach of a network, got {got}; the nearest has {nearest}",
    )  # fmt: skip


def _enough(cost: CostAxis, value: float) -> str:
    """A value in words that a limit can be set to: a count with all its digits, a time in four, rounded up."""
    if isinstance(value, int):
        return cost.exact(value)
    scale = 10.0 ** (3 - math.floor(math.log10(value)))
    return cost.words(math.ceil(value * scale) / scale, 4)


def _having(cost: CostAxis) -> Limit:
    """What the front is over, where some networks have none, such as a latency that was not measured."""
    return Limit(
        "by", cost.name, lambda trial: cost.of(trial) is not None, lambda trial: "flops", lambda trials: trials[0],
        lambda other: f"be what some network has, got {cost.name}; use {other}",
    )  # fmt: skip


def _refuse(points: Sequence[Trial], limits: Sequence[Limit]) -> NoReturn:
    """Raises InputError for limits that leave nothing of some networks: for the one that does so alone, else with what
    each of them costs."""
    for limit in limits:
        if not any(map(limit.holds, points)) and (near := limit.nearest(points)):
            raise InputError(f"{limit.option} must {limit.rule(limit.said(near))}")
    ways = []
    for limit in limits:
        rest = [trial for trial in points if all(other.holds(trial) for other in limits if other is not limit)]
        if rest and (near := limit.nearest(rest)):
            ways.append(f"{limit.option} {limit.said(near)}")
    got = " and ".join(f"{limit.option} {limit.got}" for limit in limits)
    there = (
        f"one is there with {', or with '.join(ways)}"
        if ways
        else "none is there with one of them loosened; loosen two"
    )
    raise InputError(f"limits must hold for a network together, got {got}; {there}")


def _picked_words(folder: Path, rows: Sequence[Trial], selection: Selection, found: Picked) -> list[str]:
    """The choice's accuracy with an interval, whether the next cheaper network is told from it, and which device's
    latency was meant."""
    results = networks(rows)
    row, said = results.rows[found.trial.number], []
    half = "" if row.half is None else f" ± {100 * row.half:.2f}"
    what = f"{100 * score(row.trial):.2f}{half}%, {row.seeds} seed{'s' * (row.seeds > 1)}"
    said.append(f"picked: trial {row.trial.number} ({what}; {found.cost.said(found.cost.on(row.trial))})")
    if selection.accuracy and row.interval and not has(row.interval[0], parse_share(selection.accuracy)):
        said.append(f"accuracy: its interval begins at {row.interval[0]:.2%}, below {selection.accuracy}")
    tie = results.ties(found.front).get(row.trial.number)
    if tie is not None:
        said.append(f"tie: {tie_words(results.rows[tie].trial, found.cost)}")
    if selection.measured and (words := find_device(folder, rows, selection.measured).words):
        said.append(f"latency: {words}")
    return said
