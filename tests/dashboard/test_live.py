"""What is kept of a study between looks."""

from __future__ import annotations

import gc
import random
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dashboard.live import Shelf, Snapshot, kept
from nas.measured import FILE as TIMINGS
from nas.measured import keep
from tests.dashboard.studies import add_trial, make_study

CALLS: list[tuple[object, ...]] = []


@kept
def _counted(snapshot: Snapshot, number: int = 0) -> list[int]:
    CALLS.append((snapshot, number))
    return [len(snapshot.trials), number]


def test_what_is_known_of_a_snapshot_is_worked_out_once_and_goes_with_it(tmp_path: Path) -> None:
    folder, shelf = make_study(tmp_path, complete=3), Shelf()
    first = shelf.read(folder)
    assert _counted(first) is _counted(shelf.read(folder))
    assert _counted(first, 1) == [3, 1]
    assert len(CALLS) == 2
    CALLS.clear()

    gone = weakref.ref(first)
    add_trial(folder, random.Random(1))
    del first
    assert _counted(shelf.read(folder)) == [4, 0]
    CALLS.clear()
    gc.collect()
    assert gone() is None


@kept
def _slow(snapshot: Snapshot) -> list[int]:
    CALLS.append((snapshot,))
    time.sleep(0.2)
    return _counted(snapshot, 7)  # which is kept too


def test_sessions_that_ask_at_the_same_time_wait_for_one_answer(tmp_path: Path) -> None:
    snapshot = Shelf().read(make_study(tmp_path, complete=3))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(_slow, [snapshot] * 4))
    assert all(answer is answers[0] for answer in answers)
    assert len(CALLS) == 2
    CALLS.clear()


def test_only_the_latest_questions_are_kept(tmp_path: Path) -> None:
    snapshot = Shelf().read(make_study(tmp_path, complete=1))
    for number in range(40):
        _counted(snapshot, number)
    assert sum(map(len, snapshot.found.values())) == 16
    CALLS.clear()
    _counted(snapshot, 39)
    assert CALLS == []
    _counted(snapshot, 0)
    assert len(CALLS) == 1
    CALLS.clear()


def test_latencies_that_cannot_be_read_for_now_are_said_and_read_once_they_can(tmp_path: Path) -> None:
    folder, shelf = make_study(tmp_path, complete=1), Shelf()
    keep(folder, "A Phone", "key", {"1": {"median": 1.0, "low": 1.0, "high": 1.0}})
    first = shelf.read(folder)
    whole = folder / TIMINGS
    aside = whole.rename(folder / "aside")
    whole.symlink_to("/proc/self/mem")  # a plain file, of which the first byte cannot be read
    away = shelf.read(folder)
    assert (away.mode, away.measured is first.measured) == ("resting", True)
    assert "Input/output error" in (away.unmeasured or "")
    assert shelf.read(folder) is away
    whole.unlink()
    aside.rename(whole)
    assert (shelf.read(folder).measured, shelf.read(folder).unmeasured) == (first.measured, None)
