"""What ends a search is said in one line, with its place, and stays on record until the search goes on."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from typing import Any, NoReturn

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from nas.process.errors import FAULT, LOG, Fault, MachineError, exit_code, line_of
from nas.samplers.early_stopping import QuantileRule
from nas.storage.reader import Reader
from nas.storage.study_folder import open_study
from nas.training.device_data import DeviceData
from space import InputError
from tests.nas.commands import Command
from tests.nas.conftest import Run


def fails(*args: Any) -> NoReturn:
    raise KeyError(1)


def test_a_fault_says_where_leaves_its_traceback_and_stays_on_record_until_the_search_goes_on(
    command: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(QuantileRule, "judge", fails)
        code, _, errors = run(*command.words, "--trials", 3)
    log = command.folder / LOG
    line = errors.splitlines()[-1]
    assert code == FAULT
    assert line.startswith("error: nas must not fail, got KeyError: 1 (nas/searching/loop.py, line ")
    assert line.endswith(f"); please report it with {log}, which has the traceback; what was trained is kept")
    assert "Traceback" not in errors
    assert "raise KeyError(1)" in log.read_text()
    (row,) = json.loads(run("studies", "--runs", command.runs, "--json")[1])["rows"]
    assert (row["state"], row["problem"]) == ("error", line.removeprefix("error: "))
    assert "s: its last search ended with an error: nas must" in " ".join(
        run("studies", "--runs", command.runs)[1].split()
    )
    assert run(*command.words, "--trials", 3)[0] == 0
    (row,) = json.loads(run("studies", "--runs", command.runs, "--json")[1])["rows"]
    assert (row["state"], row["problem"]) == ("idle", None)


def test_debug_shows_the_traceback_wherever_it_stands(
    command: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuantileRule, "judge", fails)
    for words in (("--debug", *command.words, "--trials", 1), (*command.words, "--trials", 2, "--debug")):
        code, _, errors = run(*words)
        assert code == FAULT
        assert "raise KeyError(1)" in errors
    assert "raise" not in run("show", "nothing")[2]
    assert "Traceback" in run("show", "nothing", "--debug")[2], "of a person's mistake too"


def test_a_fault_of_a_worker_ends_the_search_and_says_where(command: Command, run: Run) -> None:
    assert run(*command.words, "--trials", 1)[0] == 0
    study, _ = open_study(command.folder, print)
    study.add_trial(create_trial(state=TrialState.COMPLETE, values=[0.5, 1.0], user_attrs={"key": "of no network"}))
    process = command.search("--trials", 12, "--workers", 2)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == FAULT, errors
    assert errors.count("error: ") == 1
    assert "error: nas must not fail, got KeyError: 'flops' (nas/" in errors
    assert "KeyError: 'flops'" in (command.folder / LOG).read_text()
    assert "KeyError: 'flops'" in str(Reader(command.folder).error())
    assert not [trial for trial in command.trials() if trial.state == "running"]


def test_an_error_that_is_no_fault_is_on_record_too(
    command: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DeviceData.place

    def poisoned(*args: Any) -> DeviceData:
        data = place(*args)
        data.train.mean.fill_(math.nan)
        return data

    monkeypatch.setattr(DeviceData, "place", poisoned)
    code, _, errors = run(*command.words, "--trials", 9)
    assert code == 2
    assert "error: trials must not fail 5 times in a row, got loss became nan" in errors
    assert Reader(command.folder).error() == errors.splitlines()[-1].removeprefix("error: ")
    assert not (command.folder / LOG).exists()


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (InputError("kernel must be odd,\ngot 6; use 7"), "kernel must be odd, got 6; use 7", 2),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "disk must have room, got No space left on device; free some and run the same command again", 1),
        (PermissionError(errno.EACCES, "Permission denied", "x/y"), "x/y must be usable, got Permission denied; mend that and go on", 1),
        (MachineError("disk must have room, got none; free some"), "disk must have room, got none; free some", 1),
        (TimeoutError(), "system must be usable, got TimeoutError; mend that and go on", 1),
        (OSError("image file is truncated"), "system must be usable, got OSError: image file is truncated; mend that and go on", 1),
        (Fault("nas must not fail, got this; report it"), "nas must not fail, got this; report it", FAULT),
    ],
)  # fmt: skip
def test_errors_in_a_line(error: Exception, line: str, code: int) -> None:
    assert (line_of(error), exit_code(error)) == (line, code)


def test_a_fault_outside_a_study_has_a_log_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("space.Arch.load", fails)
    code, _, errors = run("show", "resnet50")
    (log,) = tmp_path.glob("nas-*.log")
    assert code == FAULT
    assert f"please report it with {log}" in errors
    assert "raise KeyError(1)" in log.read_text()


def test_an_error_that_cannot_be_put_on_record_hides_none(
    command: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert run(*command.words, "--trials", 1)[0] == 0
    monkeypatch.setattr(optuna.Study, "set_user_attr", full)
    code, _, errors = run(*command.words, "--trials", 2)
    assert (code, errors.splitlines()[-1]) == (1, f"error: {line_of(OSError(errno.ENOSPC, 'No space left on device'))}")
