"""Which study the dashboard opens on where nobody has asked for one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache
from nas.analysis.baseline import study_beside
from nas.analysis.importance import FEWEST
from nas.analysis.pareto import score

PATIENCE = 2.0  # seconds that may be spent on reading studies that were not read before


def best_study(cache: StudyCache, runs: Path, names: Sequence[str]) -> str:
    """Of at least one study, the latest first: one that is running, which somebody watches. Else the one with the most
    accurate network (validation, mean of its seeds) on the largest data, counted in training images.

    A random search beside its study is passed over, and, where another has more, a study of fewer than FEWEST finished
    trainings. Where none has finished anything it is the latest. Studies that take longer than PATIENCE to read do not
    count; `server.py` reads them ahead.
    """
    begun, found = time.monotonic(), []
    for name in names:
        if cache.has(runs / name) or time.monotonic() - begun < PATIENCE:
            found.append(cache.read(runs / name))
    beside = {study_beside(snapshot.folder) for snapshot in found}
    running = sorted((s for s in found if s.mode == "running"), key=lambda snapshot: snapshot.folder in beside)
    ranked = [s for s in found if s.best and s.settings and s.folder not in beside]
    return (running or sorted(ranked, key=_rank, reverse=True) or found)[0].name


def _rank(snapshot: Snapshot) -> tuple[bool, int, float]:
    assert snapshot.best
    enough = len(snapshot.scored) >= FEWEST
    return enough, snapshot.read_settings.data.train, score(snapshot.best.trial)
