"""What is kept of a study between looks."""

from __future__ import annotations

import gc
import random
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dashboard.snapshot import Snapshot, once
from dashboard.study_cache import StudyCache, study_names
from nas.latency.measurements import FILE as TIMINGS
from nas.latency.measurements import keep
from nas.records.reference import reference_path
from nas.records.settings import JOURNAL
from tests.dashboard.studies import add_trial, damage, give_sign_of_life, make_study
from tests.nas.analysis.test_against_front import reference

CALLS: list[tuple[object, ...]] = []


@once
def _counted(snapshot: Snapshot, number: int = 0) -> list[int]:
    CALLS.append((snapshot, number))
    return [len(snapshot.trials), number]


def test_what_is_known_of_a_snapshot_is_worked_out_once_and_goes_with_it(tmp_path: Path) -> None:
    folder, cache = make_study(tmp_path, complete=3), StudyCache()
    first = cache.read(folder)
    assert _counted(first) is _counted(cache.read(folder))
    assert _counted(first, 1) == [3, 1]
    assert len(CALLS) == 2
    CALLS.clear()

    gone = weakref.ref(first)
    add_trial(folder, random.Random(1))
    del first
    assert _counted(cache.read(folder)) == [4, 0]
    CALLS.clear()
    gc.collect()
    assert gone() is None


@once
def _slow(snapshot: Snapshot) -> list[int]:
    CALLS.append((snapshot,))
    time.sleep(0.2)
    return _counted(snapshot, 7)  # which is kept too


def test_sessions_that_ask_at_the_same_time_wait_for_one_answer(tmp_path: Path) -> None:
    snapshot = StudyCache().read(make_study(tmp_path, complete=3))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(_slow, [snapshot] * 4))
    assert all(answer is answers[0] for answer in answers)
    assert len(CALLS) == 2
    CALLS.clear()


def test_only_the_latest_questions_are_kept(tmp_path: Path) -> None:
    snapshot = StudyCache().read(make_study(tmp_path, complete=1))
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
    folder, cache = make_study(tmp_path, complete=1), StudyCache()
    keep(folder, "A Phone", "key", {"1": {"median": 1.0, "low": 1.0, "high": 1.0}})
    first = cache.read(folder)
    whole = folder / TIMINGS
    aside = whole.rename(folder / "aside")
    whole.symlink_to("/proc/self/mem")  # a plain file, of which the first byte cannot be read
    away = cache.read(folder)
    assert (away.mode, away.measured is first.measured) == ("idle", True)
    assert "Input/output error" in (away.unmeasured or "")
    assert cache.read(folder) is away
    whole.unlink()
    aside.rename(whole)
    assert (cache.read(folder).measured, cache.read(folder).unmeasured) == (first.measured, None)


def test_references_that_cannot_be_read_for_now_stay_and_are_read_once_they_can(tmp_path: Path) -> None:
    folder, cache, share = make_study(tmp_path, complete=1), StudyCache(), tmp_path / "share"
    reference(0.5, 4_000_000).write(folder)
    first = cache.read(folder)
    assert len(first.references) == 1
    reference(0.6, 9_000_000, "other").write(folder)
    whole = reference_path(folder, "other", 0).rename(tmp_path / "aside")
    share.symlink_to("/proc/self/mem")  # a plain file, of which the first byte cannot be read
    reference_path(folder, "other", 0).symlink_to(share)
    away = cache.read(folder)
    assert away.references is first.references
    assert "Input/output error" in (away.no_references or "")
    assert cache.read(folder) is away
    share.unlink()
    whole.rename(share)  # which the study's folder does not tell
    assert [each.name for each in cache.read(folder).references] == ["timm:resnet18", "other"]
    assert cache.read(folder).no_references is None


def test_a_sign_of_life_keeps_what_was_worked_out(tmp_path: Path) -> None:
    folder, cache = make_study(tmp_path, complete=3, running=1), StudyCache()
    first = cache.read(folder)
    found = _counted(first)
    give_sign_of_life(folder)
    later = cache.read(folder)
    assert later.same(first)
    assert later.updated != first.updated
    assert _counted(later) is found
    CALLS.clear()


def test_a_journal_is_parsed_again_only_where_it_changed(tmp_path: Path) -> None:
    folder, cache = make_study(tmp_path, complete=3), StudyCache()
    first = cache.read(folder)
    assert cache.read(folder) is first
    add_trial(folder, random.Random(2))
    second = cache.read(folder)
    assert not second.same(first)
    assert len(second.scored) == 4
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / JOURNAL).write_bytes(b"".join(lines[:2]))  # replaced by a shorter one, with one trial begun
    assert len(cache.read(folder).trials) == 1
    damage(folder, 1)
    assert cache.read(folder).mode == "broken"
    assert cache.read(folder) is cache.read(folder)


def test_studies_are_listed_latest_first(tmp_path: Path) -> None:
    assert study_names(tmp_path) == []
    make_study(tmp_path, "one", 0)
    make_study(tmp_path, "two", 0)
    add_trial(tmp_path / "one", random.Random(0), "failed")
    (tmp_path / "no-study").mkdir()
    assert study_names(tmp_path) == ["one", "two"]
