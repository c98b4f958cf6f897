"""Studies as they are now: cheap to ask every second, because only what has grown is read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TypeVar

from dashboard.snapshot import Mode, Snapshot
from nas.analysis.studies import last_change
from nas.latency.measurements import FILE as TIMINGS
from nas.latency.measurements import read as read_measured
from nas.records.reference import FOLDER as REFERENCES
from nas.records.reference import read_references
from nas.records.settings import FILE, JOURNAL, ServerUnavailable
from nas.records.trial import Period, Trial
from nas.storage.reader import Reader
from space import InputError

Stamp = tuple[int, int, int]  # inode, bytes, time in ns
AGAIN: Stamp = (0, 0, 0)  # of no file: what failed to be read is read at the next look
T = TypeVar("T")


@dataclass
class _Open:
    """A reader with the stamps of the files it has read."""

    reader: Reader
    card: Stamp | None
    journal: Stamp | None = None
    snapshot: Snapshot | None = None
    timings: Stamp | None = None  # of latencies
    references: Stamp | None = None  # of the folder, which every file that comes into it changes
    at: datetime | None = None  # when it was last looked at
    kept: Snapshot | None = None  # what was read last, while it cannot be read


class StudyCache:
    """Open readers by folder, shared by all sessions of a server. Reads only; never locks a journal."""

    def __init__(self) -> None:
        self._open: dict[Path, _Open] = {}
        self._broken: dict[Path, tuple[object, Snapshot]] = {}  # not parsed again until it changes
        self._lock = Lock()  # between the sessions' threads of this server

    def read(self, folder: Path) -> Snapshot:
        """The study in `folder`. Never raises for what a file holds: a broken study is a snapshot too. One that is gone
        or cannot be reached is as it was last read."""
        with self._lock:
            stamps = _stamps(folder)
            if gone := self._gone(folder):
                return gone
            if not any(stamps):
                return Snapshot(folder, "missing", problem=f"study must be a folder, got {folder}, which is gone")
            if (known := self._broken.get(folder)) and known[0] == stamps:
                return known[1]
            try:
                return self._read(folder)
            except (InputError, OSError) as error:
                if gone := self._gone(folder):  # meanwhile
                    return gone
                passes = isinstance(error, OSError | ServerUnavailable)
                if passes and (last := self._last(folder, "away", str(error))):
                    return last
                self._open.pop(folder, None)
                broken = Snapshot(folder, "broken", problem=str(error), updated=_time(stamps[1]))
                if not isinstance(error, ServerUnavailable):
                    self._broken[folder] = stamps, broken
                return broken

    def has(self, folder: Path) -> bool:
        """Whether a study was read before, so that to read it again is quick."""
        return folder in self._open or folder in self._broken

    def gone(self, runs: Path) -> list[str]:
        """Names of the studies under `runs` that were read before and are there no more."""
        with self._lock:
            return [folder.name for folder in self._open if folder.parent == runs and self._gone(folder)]

    def _gone(self, folder: Path) -> Snapshot | None:
        """What was read last of a study of which a file that was read is there no more: moved, or being removed."""
        last, (card, journal) = self._open.get(folder), _stamps(folder)
        if last is None or (card and (journal or last.journal is None or last.reader.settings.server)):
            return None
        return self._last(folder, "gone", f"study must be in its folder, got {folder}, which is gone; bring it back")

    def _last(self, folder: Path, mode: Mode, problem: str) -> Snapshot | None:
        """What was read last, the same object each time, with all that was worked out of it."""
        last = self._open.get(folder)
        if last is None or last.snapshot is None:
            return None
        if last.kept is None or (last.kept.mode, last.kept.problem) != (mode, problem):
            last.kept = replace(last.snapshot, mode=mode, problem=problem, read=last.at)
            last.kept.found.update(last.snapshot.found)
        return last.kept

    def curve(self, folder: Path, number: int) -> list[Period]:
        """The periods of a trial; empty where it has none. Raises InputError where the file is not a curve, or gone."""
        with self._lock:
            if gone := self._gone(folder):
                raise InputError(str(gone.problem))
            try:
                return self._opened(folder).reader.curve(number)
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(f"curve of trial {number} must be whole, got {error}; train it again") from error

    def _read(self, folder: Path) -> Snapshot:
        opened = self._opened(folder)
        reader, last = opened.reader, opened.snapshot or Snapshot(folder, "empty")
        journal = _changes(reader) if reader.settings.server else _stamp(folder / JOURNAL)
        changed = opened.snapshot is None or journal != opened.journal
        if changed or last.mode == "running":
            trials = tuple(reader.shown())
            if trials == last.trials:  # the journal grew by signs of life
                trials = last.trials
            mode, problem = _mode(reader, trials)
            updated = (None if mode == "running" else last_change(trials)) or _time(journal)
            now = replace(
                last, mode=mode, problem=problem, settings=reader.settings, trials=trials, updated=updated,
                extent=reader.extent(),
            )  # fmt: skip
            if alike := now.same(last):
                now.found.update(last.found)
            opened.journal, last = journal, last if alike and not changed else now
        if (stamp := _stamp(folder / TIMINGS)) != opened.timings:
            measured, why, passes = _attempt(lambda: read_measured(folder), last.measured, {})
            opened.timings = AGAIN if passes else stamp
            if measured is not last.measured or why != last.unmeasured:
                last = replace(last, measured=measured, unmeasured=why)
        if (stamp := _stamp(folder / REFERENCES)) != opened.references:
            references, why, passes = _attempt(lambda: tuple(read_references(folder)), last.references, ())
            opened.references = AGAIN if passes else stamp
            if references is not last.references or why != last.no_references:
                last = replace(last, references=references, no_references=why)
        opened.snapshot, opened.at, opened.kept = last, datetime.now(UTC), None
        return last

    def _opened(self, folder: Path) -> _Open:
        """The folder's reader, opened anew where the study was replaced or its journal shrank."""
        card, journal = _stamps(folder)
        opened = self._open.get(folder)
        if opened and opened.card == card and (opened.reader.settings.server or not _replaced(opened.journal, journal)):
            return opened
        self._open[folder] = opened = _Open(Reader(folder), card)
        return opened


def _attempt(read: Callable[[], T], before: T, none: T) -> tuple[T, str | None, bool]:
    """What lies beside a study, why it cannot be read, which is of no matter to the rest, and whether that may pass:
    what was read `before` stays until it has."""
    try:
        return read(), None, False
    except InputError as error:
        return none, str(error), False
    except OSError as error:
        return before, str(error), True


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
    return ("error" if error else "idle" if trials else "empty"), error


def _stamps(folder: Path) -> tuple[Stamp | None, Stamp | None]:
    """Of a study's settings and its journal."""
    return _stamp(folder / FILE), _stamp(folder / JOURNAL)


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


SHARED = StudyCache()  # of this server: all its sessions look at the same snapshots
