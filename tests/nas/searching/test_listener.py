"""`on_trial`: told of each trial once, in the process of the search, whoever trains it."""

from __future__ import annotations

import math
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.records.settings import ServerUnavailable
from nas.records.trial import ENDED, Trial
from nas.searching.listener import Listener
from nas.storage.reader import Reader
from nas.training.device_data import DeviceData
from tests.forked import fork_what_is_started

COMMITTED = Path(__file__).parents[3] / "runs" / "cifar10"


class Ears:
    """Keeps what it is told, and in which process."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.processes: set[int] = set()

    def __call__(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.processes.add(os.getpid())

    @property
    def numbers(self) -> list[int]:
        return [trial.number for trial in self.trials]


@pytest.fixture(params=[1, 2], ids=["alone", "two workers"])
def search(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_space: Path, tiny_recipe: Path, monkeypatch: Any
) -> Any:
    fork_what_is_started(monkeypatch.setattr)
    return partial(
        nas.search, tiny_space, data="digits", flops="20K..200K", recipe=tiny_recipe, runs=tmp_path, study="s",
        workers=request.param,
    )  # fmt: skip


def ended(folder: Path) -> list[Trial]:
    return [trial for trial in Reader(folder).trials() if trial.state in ENDED]


def test_it_hears_of_each_trial_once_also_when_the_search_goes_on(search: Any, tmp_path: Path) -> None:
    first, second, none = Ears(), Ears(), Ears()
    search(trials=2, on_trial=first)
    reader, before = Reader(tmp_path / "s"), ended(tmp_path / "s")
    assert sorted(first.numbers) == [trial.number for trial in before]
    assert len(before) >= 2
    assert first.processes == {os.getpid()}
    for trial in first.trials:
        assert isinstance(trial, nas.Trial)
        assert trial.curve == tuple(reader.curve(trial.number)) != ()
        assert [period.images for period in trial.curve] == [256, 512]
        assert "curve" not in trial.to_json()
    search(trials=3, repeats=1, baseline=True, on_trial=second)
    assert sorted(first.numbers + second.numbers) == [trial.number for trial in ended(tmp_path / "s")]
    assert any(trial.repeat_of is not None for trial in second.trials), "further seeds too"
    assert ended(tmp_path / "s-random"), "random search is a study of its own"
    search(trials=3, repeats=1, on_trial=none)
    assert none.numbers == []


def test_an_error_in_it_is_a_note_and_loses_nothing(
    search: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = Ears()

    def fails(trial: Trial) -> None:
        heard(trial)
        raise ConnectionError(f"no server for {trial.number}\nand more")

    study = search(trials=3, on_trial=fails)
    assert sorted(heard.numbers) == [trial.number for trial in ended(tmp_path / "s")]
    assert {trial.state for trial in ended(tmp_path / "s")} == {"complete"}
    said = " ".join(capsys.readouterr().err.split())
    for number in heard.numbers:
        note = (
            f"note: trial {number} is on record, but who was told of it failed: ConnectionError: no server for {number}"
        )
        assert f"{note} (test_listener.py, line " in said
    assert Reader(study.folder).error() is None
    later = Ears()
    search(trials=4, on_trial=later)
    assert sorted(later.numbers + heard.numbers) == [trial.number for trial in ended(tmp_path / "s")]


def test_ctrl_c_in_it_ends_the_search_with_the_trial_on_record(search: Any, tmp_path: Path) -> None:
    def interrupt(trial: Trial) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(trials=4, on_trial=interrupt)
    before = {trial.number for trial in ended(tmp_path / "s")}
    assert before
    later = Ears()
    search(trials=4, on_trial=later)
    assert sorted([*later.numbers, *before]) == [trial.number for trial in ended(tmp_path / "s")]
    assert len(later.numbers) + len(before) >= 4


def test_it_hears_of_failed_trials_up_to_the_one_that_ends_the_search(
    search: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DeviceData.place

    def poisoned(*args: Any) -> DeviceData:
        data = place(*args)
        data.train.mean.fill_(math.nan)
        return data

    monkeypatch.setattr(DeviceData, "place", poisoned)
    heard = Ears()
    with pytest.raises(nas.InputError, match="trials must not fail 5 times in a row"):
        search(trials=30, on_trial=heard)
    assert {trial.state for trial in heard.trials} == {"failed"}
    assert all(trial.reason for trial in heard.trials)
    assert sorted(heard.numbers) == [trial.number for trial in ended(tmp_path / "s")]


def test_it_hears_what_other_processes_train_and_stop(tmp_path: Path) -> None:
    """A journal that grows, as another terminal's worker lets it."""
    folder = tmp_path / "cifar10"
    shutil.copytree(COMMITTED, folder)
    whole = (folder / "journal.log").read_bytes().splitlines(keepends=True)
    (folder / "journal.log").write_bytes(b"".join(whole[:1500]))
    before = {trial.number for trial in ended(folder)}
    heard, notes = Ears(), list[str]()
    listener = Listener(Reader(folder), heard, notes.append)
    listener.look()
    assert heard.numbers == []
    with (folder / "journal.log").open("ab") as file:
        file.writelines(whole[1500:])
    listener.look()
    listener.look()
    after = {trial.number for trial in ended(folder)}
    assert heard.numbers == sorted(after - before)
    assert {trial.state for trial in heard.trials} == {"complete", "stopped"}
    assert all(trial.curve and len(trial.curve) == trial.periods for trial in heard.trials)
    assert not notes


def test_a_study_that_cannot_be_read_for_a_moment_is_a_note_and_told_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ears, notes = tmp_path / "cifar10", Ears(), list[str]()
    shutil.copytree(COMMITTED, folder)
    listener = Listener(Reader(folder), ears, notes.append)
    listener.told.remove(3)

    def away(self: Reader) -> list[Trial]:
        raise ServerUnavailable("server must answer, got nothing; wait")

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "trials", away)
        listener.look()
    assert notes == ["who hears of trials waits: server must answer, got nothing; wait"]
    listener.look()
    assert ears.numbers == [3]
