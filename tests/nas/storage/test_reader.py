"""What a reader makes of trials that were left open: in no view does one run for ever."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from dashboard.study_cache import StudyCache
from nas.analysis.studies import summarise
from nas.records.settings import JOURNAL
from nas.storage.journal import open_file
from nas.storage.owners import owner
from nas.storage.reader import SILENCE, Reader
from space import InputError
from tests.dashboard.studies import add_trial, make_study

ELSEWHERE = {"host": "another", "pid": 1}


def ended_process() -> dict[str, Any]:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {**owner(), "pid": process.pid}


def test_a_trial_whose_process_has_ended_is_shown_as_interrupted(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=2)
    add_trial(folder, random.Random(1), "running", owner=ended_process())
    reader = Reader(folder)
    assert reader.trials()[2].state == "running", "a search takes it back itself"
    (_, _, lost) = reader.shown()
    assert (lost.state, lost.reason) == ("interrupted", "its process ended; it is trained again when the study goes on")
    assert not reader.is_running()
    assert (summarise(folder).state, StudyCache().read(folder).mode) == ("idle", "idle")
    assert not StudyCache().read(folder).running


@pytest.mark.parametrize(
    ("silent", "state", "mode"), [(0.0, "running", "running"), (SILENCE + 10, "interrupted", "idle")]
)
def test_a_trial_elsewhere_is_shown_as_interrupted_a_minute_after_its_last_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: float, state: str, mode: str
) -> None:
    folder, cache = make_study(tmp_path, complete=1), StudyCache()
    add_trial(folder, random.Random(1), "running", owner=ELSEWHERE, beat=round(time.time(), 1))
    assert cache.read(folder).mode == "running"
    reader, now = Reader(folder), time.time() + silent
    monkeypatch.setattr("nas.storage.reader.time.time", lambda: now)  # nothing is written meanwhile
    assert reader.shown()[1].state == state
    assert (summarise(folder).state, cache.read(folder).mode, len(cache.read(folder).running)) == (
        mode, mode, int(mode == "running"),
    )  # fmt: skip
    if state == "interrupted":
        assert f"its worker gave no sign of life for {SILENCE:.0f} s" in str(reader.shown()[1].reason)
        storage = open_file(folder / JOURNAL)
        trial = optuna.load_study(study_name=None, storage=storage).trials[1]
        storage.set_trial_user_attr(trial._trial_id, "beat", round(now, 1))
        assert reader.shown()[1].state == "running", "it lives after all"
        assert cache.read(folder).mode == "running"


@pytest.mark.parametrize("line", ['{"op": broken}', '{"op_code": 99, "worker_id": "a"}', "[1, 2]", "{}", ""])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: str) -> None:
    path = make_study(tmp_path, complete=2) / JOURNAL
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], line, *lines[4:]]) + "\n")
    with pytest.raises(InputError, match=r"journal.log must be a whole journal, got damage in line 4 \("):
        Reader(path.parent).trials()


def test_a_longer_lease_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_study(tmp_path, complete=1)
    add_trial(folder, random.Random(1), "running", owner=ELSEWHERE, beat=round(time.time(), 1), lease=600.0)
    now = time.time()
    for later, state in ((590, "running"), (610, "interrupted")):
        monkeypatch.setattr("nas.storage.reader.time.time", lambda later=later: now + later)
        assert Reader(folder).shown()[1].state == state
    assert "no sign of life for 600 s" in str(Reader(folder).shown()[1].reason)


def test_beats_of_older_studies_are_numbers_which_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_study(tmp_path, complete=1)
    add_trial(folder, random.Random(1), "running", owner=ELSEWHERE, beat=7)
    assert Reader(folder).shown()[1].state == "running", "it has just begun"
    later = time.time() + 2 * SILENCE
    monkeypatch.setattr("nas.storage.reader.time.time", lambda: later)
    assert Reader(folder).shown()[1].state == "interrupted"
