"""Latency as a third column: the networks of a study that were measured on a device, and the front in latency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas.analysis import cost_axes
from nas.analysis.baseline import baseline_of
from nas.analysis.cost_axes import COUNTED, CostAxis, cost_of, is_busy, latency, mark, reference_best, slowdown
from nas.analysis.pareto import pareto_front, points, score
from nas.latency.device_names import Device, meant
from nas.latency.measurements import around, read
from nas.records.settings import BASELINE, Settings
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import InputError
from space.measure_command import options_of
from space.reading import nearest

AXIS = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A network of a study and its latency on one device at one batch size, in seconds per batch."""

    trial: Trial  # at the mean accuracy of its seeds
    seeds: int = 1
    device: str
    batch: int
    median: float
    low: float
    high: float
    slowdown: float | None  # of a reference kernel meanwhile, times its best; None before there was one
    peak_tensor_bytes: int | None  # None of older releases, which wrote the process's peak, under another name

    @property
    def mark(self) -> str:
        return mark(self.slowdown)

    def to_json(self) -> dict[str, Any]:
        found = {
            "trial": self.trial.number,
            "key": self.trial.key,
            "accuracy": self.trial.accuracy,
            **self.trial.scores(),
        }
        plain = {k: v for k, v in asdict(self).items() if k != "trial"}
        return {**found, "flops": self.trial.flops, **plain, "mark": self.mark}


def rows(
    folder: Path, trials: Iterable[Trial], device: str, batch: int, measured: Mapping[str, Any] | None = None
) -> list[Measured]:
    """The networks measured on `device` at `batch`, by latency, those on a busy machine too. `measured`: in place of
    what was measured beside the study and its random search. Raises InputError where there is none."""
    there = (around(folder) if measured is None else measured).get(device, {})
    best, found = reference_best(there), []
    for point in points(trials):
        if timing := there.get(point.trial.key, {}).get(str(batch)):
            values = {name: timing[name] for name in ("median", "low", "high")}
            values |= {"slowdown": slowdown(timing, best), "peak_tensor_bytes": timing.get("peak_tensor_bytes")}
            found.append(Measured(trial=point.trial, seeds=point.seeds, device=device, batch=batch, **values))
    if not found:
        raise InputError(f"batch must be one that was measured, got {batch}; {again(folder, device, batch)}")
    return sorted(found, key=lambda row: (row.median, -score(row.trial)))


def latency_front(found: Sequence[Measured]) -> list[Measured]:
    """Those that no other beats in both accuracy and latency, by rising latency. What was measured while the machine
    was busy is none of them."""
    quiet = {row.trial.number: row for row in found if not is_busy(row.slowdown)}
    front = pareto_front((row.trial for row in quiet.values()), lambda trial: quiet[trial.number].median)
    return [quiet[trial.number] for trial in front]


def quiet_front(folder: Path, found: Sequence[Measured]) -> list[Measured]:
    """The same. Raises InputError where the machine was busy whenever these were measured."""
    front = latency_front(found)
    if not front:
        raise InputError(f"latency must be measured on a quiet machine, got {busy_words(folder, found)}")
    return front


def busy_words(folder: Path, found: Sequence[Measured]) -> str:
    """How many of these were measured while the machine was busy, and what to do; nothing where none was."""
    slow = [row.slowdown for row in found if row.slowdown is not None and is_busy(row.slowdown)]
    if not slow:
        return ""
    times = " to ".join(dict.fromkeys(f"{end:.1f}" for end in (min(slow), max(slow))))
    return (
        f"{len(slow)} of {len(found)} networks measured while a reference kernel took {times} times its best on this "
        f"device (limit {cost_axes.LIMIT:g}); end other programs, then "
        f"{again(folder, found[0].device, found[0].batch)}"
    )


def baseline_front(folder: Path, device: str, batch: int) -> list[Measured] | None:
    """The front in latency of the random search beside a study: None without one, empty where it was not measured."""
    beside = baseline_of(folder)
    if beside is None:
        return None
    measured = any(str(batch) in timings for timings in read(beside).get(device, {}).values())
    return latency_front(rows(beside, Reader(beside).trials(), device, batch, around(folder))) if measured else []


def reached(front: Sequence[Measured], row: Measured) -> float | None:
    """The best accuracy of a front in no more time than this network's."""
    return max((score(other.trial) for other in front if other.median <= row.median), default=None)


def baseline_line(folder: Path, front: Sequence[Measured] | None, device: str, batch: int) -> str | None:
    """What `baseline_front` found, in words."""
    if front is None:
        return None
    name = f"{folder.resolve().name}{BASELINE}"
    if not front:
        command = again(folder.resolve().with_name(name), device, batch)
        return f"baseline: {name} was not measured so while the machine was quiet; {command}"
    words = " to ".join(f"{score(row.trial):.2%} at {1e3 * row.median:.2f} ms" for row in (front[0], front[-1]))
    return f"baseline: {name}, {len(front)} networks on its front, {words}"


def find_device(folder: Path, trials: Iterable[Trial], by: str) -> Device:
    """The device that `latency@WORDS`, or `latency` alone, means: `device_names.meant`, of those that a network of
    the study was measured on."""
    measure, _, words = by.partition("@")
    if measure != AXIS:
        choices = f"{', '.join(COUNTED)} or {AXIS}@DEVICE"
        raise InputError(f"by must be {choices}, got {by}; {nearest(measure, [*COUNTED, AXIS])}")
    keys = {trial.key for trial in trials}
    names = [name for name, networks in around(folder).items() if keys & networks.keys()]
    if not names:
        raise InputError(f"study must be measured to be ordered by latency, got none; nas measure {folder.name}")
    found = meant(names, words)
    if found is None:
        raise InputError(f"by must name one device, got {by}; measured: {'; '.join(names)}")
    return found


def axis(folder: Path, trials: Sequence[Trial], by: str | None, batch: int) -> CostAxis:
    """The measure that `params` or `latency@WORDS` means; None: what the study minimises. Raises InputError for no such
    measure, and for a device or batch that was not measured, or only while the machine was busy."""
    if by is None:
        return cost_of(Settings.read(folder))
    if by in COUNTED:
        return COUNTED[by]
    device = find_device(folder, trials, by).name
    quiet_front(folder, rows(folder, trials, device, batch))
    return latency(around(folder)[device], device, batch)


def again(folder: Path, device: str, batch: int) -> str:
    """The command that measures on such a device."""
    return f"nas measure {folder.resolve().name} --batch {batch}{options_of(device)}"
