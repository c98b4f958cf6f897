"""The studies of a folder, each in a row: what it is, whether it runs, what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from nas.analysis.pareto import top
from nas.records.settings import FILE, JOURNAL, Settings
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A row of `nas studies`. `problem` says what is wrong with a study that cannot be read, or what ended its last
    search, and what to do."""

    name: str
    folder: Path
    state: Literal["running", "idle", "error", "empty", "broken"]
    problem: str | None = None  # of a search that ended with an error too
    settings: Settings | None = None
    complete: int = 0
    stopped: int = 0
    failed: int = 0
    best: float | None = None  # the score on the validation split of the best network: the mean of its seeds
    seeds: int | None = None  # of that network
    updated: datetime | None = None


def summaries(runs: Path) -> list[Summary]:
    """Every study under `runs`, the latest first; a folder without any trace of a study is passed over."""
    folders = [path for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    traces = [path for path in folders if (path / FILE).exists() or (path / JOURNAL).exists()]
    rows = [summarise(folder) for folder in traces]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(rows, key=lambda row: (row.updated or oldest, row.name), reverse=True)


def summarise(folder: Path) -> Summary:
    """One study's row; never raises for a broken one."""
    try:
        reader = Reader(folder)
        trials = reader.shown()
        running, error = reader.is_running(), reader.error()
    except (InputError, OSError) as error:
        return Summary(name=folder.name, folder=folder, state="broken", problem=str(error), updated=_touched(folder))
    best = top(trials)
    return Summary(
        name=folder.name,
        folder=folder,
        state="running" if running else "error" if error else "idle" if trials else "empty",
        problem=None if running else error,
        settings=reader.settings,
        complete=sum(trial.score is not None for trial in trials),
        stopped=sum(trial.state == "stopped" for trial in trials),
        failed=sum(trial.state == "failed" for trial in trials),
        best=best.trial.score if best else None,
        seeds=best.seeds if best else None,
        updated=(None if running else last_change(trials)) or _touched(folder),  # a clone touches files
    )


def _touched(folder: Path) -> datetime | None:
    times = [path.stat().st_mtime for path in (folder / JOURNAL, folder / FILE) if path.exists()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def last_change(trials: Sequence[Trial]) -> datetime | None:
    """When the latest trial began or ended."""
    return max((moment for trial in trials for moment in (trial.started, trial.finished) if moment), default=None)
