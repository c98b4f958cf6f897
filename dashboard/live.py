"""Studies as they are at this moment: cheap to ask every second, because only what has grown is read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from threading import Lock, RLock
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from nas.front import Point, pareto_front, scored, top
from nas.measured import FILE as TIMINGS
from nas.measured import read as read_measured
from nas.settings import FILE, JOURNAL, Away, Settings
from nas.trials import Epoch, Reader, State, Trial, last_change
from space import InputError

Mode = Literal["running", "resting", "error", "empty", "away", "broken", "missing"]
Stamp = tuple[int, int, int]  # inode, bytes, time in ns
P = ParamSpec("P")
T = TypeVar("T")
_COMPUTING = RLock()  # one session at a time: threads of Python compute no faster side by side, but twice
UNREACHABLE = (OSError, Away)  # errors that may pass


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A study as it was when read. The same object is returned until its files change, so it may key a cache.

    `problem` says what is wrong where the mode is `away` (cannot be reached now; this is what was last read), `broken`
    or `missing`, and what ended the last search where it is `error`.
    """

    folder: Path
    mode: Mode
    settings: Settings | None = None
    trials: tuple[Trial, ...] = ()
    problem: str | None = None
    updated: datetime | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)  # latencies: `nas.measured`
    unmeasured: str | None = None  # why they cannot be read
    found: dict[str, dict[Any, Any]] = field(default_factory=dict, init=False, repr=False)  # by `kept` functions

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def front(self) -> tuple[Trial, ...]:
        """Trials that none beats in both accuracy and FLOPs, by rising FLOPs."""
        return tuple(pareto_front(self.trials))

    @cached_property
    def best(self) -> Point | None:
        """The most accurate network, at the mean of its seeds."""
        return top(self.trials)

    @cached_property
    def scored(self) -> tuple[Trial, ...]:
        return tuple(scored(self.trials))

    def same(self, other: Snapshot) -> bool:
        """Whether a page of this one would also be one of the other."""
        mine, others = ((s.mode, s.problem, s.unmeasured) for s in (self, other))
        return self.trials is other.trials and self.measured is other.measured and mine == others

    @property
    def running(self) -> tuple[Trial, ...]:
        """Trials in training; those of a process that has ended are not."""
        return tuple(t for t in self.trials if t.state == "running")

    def number_in(self, state: State) -> int:
        return sum(trial.state == state for trial in self.trials)

    def trial(self, number: int | None) -> Trial | None:
        """The trial of that number, if there is one."""
        return self.trials[number] if number is not None and 0 <= number < len(self.trials) else None


def kept(function: Callable[Concatenate[Snapshot, P], T]) -> Callable[Concatenate[Snapshot, P], T]:
    """Keeps what a function of a snapshot returned, with that snapshot and no longer: for the latest 16 of its other
    arguments, which must be hashable and given by place."""

    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def once(snapshot: Snapshot, /, *args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs
        found: dict[Any, T] = snapshot.found.setdefault(name, {})
        with suppress(KeyError):
            return found[args]
        with _COMPUTING:
            if args in found:  # another session has meanwhile
                return found[args]
            if len(found) >= 16:
                found.pop(next(iter(found)))
            answer = found[args] = function(snapshot, *args, **kwargs)
            return answer

    return once


@dataclass
class _Open:
    """A reader with the stamps of the files it has read."""

    reader: Reader
    card: Stamp
    journal: Stamp | None = None
    snapshot: Snapshot | None = None
    timings: Stamp | None = None  # of latencies
    curves: dict[int, list[Epoch]] = field(default_factory=dict)


class Shelf:
    """Open readers by folder, shared by all sessions of a server. Reads only; never locks a journal."""

    def __init__(self) -> None:
        self._open: dict[Path, _Open] = {}
        self._broken: dict[Path, tuple[Stamp | None, Stamp | None, Snapshot]] = {}  # not parsed again until it changes
        self._lock = Lock()  # between the sessions' threads of this server

    def read(self, folder: Path) -> Snapshot:
        """The study in `folder`. Never raises for what a file holds: a broken study is a snapshot too."""
        stamps = _stamp(folder / FILE), _stamp(folder / JOURNAL)
        with self._lock:
            if not folder.is_dir():
                self._open.pop(folder, None)
                return Snapshot(folder, "missing", problem=f"study must be a folder, got {folder}, which is gone")
            if (known := self._broken.get(folder)) and known[:2] == stamps:
                return known[2]
            try:
                return self._read(folder)
            except (InputError, OSError) as error:
                if isinstance(error, UNREACHABLE) and (last := self.seen(folder)):
                    return replace(last, mode="away", problem=str(error))
                broken = Snapshot(folder, "broken", problem=str(error), updated=_time(stamps[1]))
                self._open.pop(folder, None)
                if not isinstance(error, Away):
                    self._broken[folder] = (*stamps, broken)
                return broken

    def seen(self, folder: Path) -> Snapshot | None:
        """The study as it was last read, at once: nothing is read or waited for."""
        opened = self._open.get(folder)
        return opened.snapshot if opened else None

    def goal(self, folder: Path) -> tuple[int, int] | None:
        """Trials and repeats, in all, that the study shall have; None where that is not known."""
        with self._lock:
            try:
                return self._opened(folder).reader.goal()
            except (InputError, OSError):
                return None

    def has(self, folder: Path) -> bool:
        """Whether a study was read before, so that to read it again is quick."""
        return folder in self._open or folder in self._broken

    def curve(self, folder: Path, number: int) -> list[Epoch]:
        """The epochs of a trial; empty where it has none. Raises InputError where the file is not a curve."""
        with self._lock:
            opened = self._opened(folder)
            if number not in opened.curves:
                try:
                    opened.curves[number] = opened.reader.curve(number)
                except (KeyError, ValueError, TypeError) as error:
                    raise InputError(f"curve of trial {number} must be whole, got {error}; train it again") from error
            return opened.curves[number]

    def _read(self, folder: Path) -> Snapshot:
        opened = self._opened(folder)
        journal = _changes(opened.reader) if opened.reader.settings.server else _stamp(folder / JOURNAL)
        if opened.snapshot is None or journal != opened.journal or opened.snapshot.mode == "running":
            trials = tuple(opened.reader.shown())
            if opened.snapshot is not None and trials == opened.snapshot.trials:  # the journal grew by signs of life
                trials = opened.snapshot.trials
            mode, error = _mode(opened.reader, trials)
            now = replace(
                opened.snapshot or Snapshot(folder, "empty"), mode=mode, problem=error,
                settings=opened.reader.settings, trials=trials, updated=_time(journal),
            )  # fmt: skip
            if opened.snapshot is None or journal != opened.journal or not now.same(opened.snapshot):
                opened.journal, opened.curves, opened.snapshot = journal, {}, now
        if (timings := _stamp(folder / TIMINGS)) != opened.timings:
            found, problem = opened.snapshot.measured, None
            try:
                found = read_measured(folder)
            except InputError as error:  # of no matter to the rest of the study
                found, problem = {}, str(error)
            except OSError as error:  # nor is this, which may pass: what was read last stays until it has
                timings, problem = (0, 0, 0), str(error)
            opened.timings = timings
            if found is not opened.snapshot.measured or problem != opened.snapshot.unmeasured:
                opened.snapshot = replace(opened.snapshot, measured=found, unmeasured=problem)
        return opened.snapshot

    def _opened(self, folder: Path) -> _Open:
        """The folder's reader, opened anew where the study was replaced or its journal shrank."""
        card, journal = _stamp(folder / FILE), _stamp(folder / JOURNAL)
        opened = self._open.get(folder)
        kept = opened is not None and opened.card == card
        if opened is None or not kept or (not opened.reader.settings.server and _replaced(opened.journal, journal)):
            opened = self._open[folder] = _Open(_reader(folder), card or (0, 0, 0))
        return opened


def _reader(folder: Path) -> Reader:
    """One that passes over what no page shows; where that fails, the plain one says what is wrong."""
    path = folder / JOURNAL
    if not path.is_file() or path.stat().st_size == 0:
        return Reader(folder)
    from nas.trials import open_journal as open_skimming

    try:
        return Reader(folder, open_skimming(path))
    except (ValueError, KeyError, TypeError, AssertionError):
        return Reader(folder)


def study_names(runs: Path) -> list[str]:
    """Names of the folders under `runs` with any trace of a study, the latest first. Opens none of them."""
    try:
        folders = [path for path in runs.iterdir() if path.is_dir()]
    except OSError:
        return []
    times = {path.name: _stamp(path / JOURNAL) or _stamp(path / FILE) for path in folders}
    return sorted((name for name, stamp in times.items() if stamp), key=lambda name: (-(times[name] or (0,))[-1], name))


def _mode(reader: Reader, trials: tuple[Trial, ...]) -> tuple[Mode, str | None]:
    """And what ended the last search, where that was an error."""
    if reader.is_running():
        return "running", None
    error = reader.error()
    return ("error" if error else "resting" if trials else "empty"), error


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _changes(reader: Reader) -> Stamp:
    """The same of a study on a server."""
    changes, moment = reader.changed(), last_change(reader.trials())
    return len(reader.error() or ""), changes, int(1e9 * moment.timestamp()) if moment else 0


def _time(stamp: Stamp | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp[2] / 1e9, UTC)


def _replaced(before: Stamp | None, now: Stamp | None) -> bool:
    return before is not None and (now is None or now[0] != before[0] or now[1] < before[1])
