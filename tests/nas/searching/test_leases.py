"""Leases: who is taken to be alive, by what can be seen of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from nas.searching.leases import Heartbeat, Leases
from nas.storage.journal import Journal, open_file
from nas.storage.owners import is_alive, owner

ELSEWHERE = {"host": "another", "pid": 1}


def running(number: int, **attrs: Any) -> FrozenTrial:
    trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, user_attrs=attrs)
    trial.number = number
    return trial


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_file(tmp_path / "journal.log")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("nas.searching.leases.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def leases(journal: Journal, clock: list[float]) -> Leases:
    """Of a process whose heartbeat the test moves on: `run_to`."""
    return Leases(Heartbeat(journal, 60))


def run_to(moment: float, leases: Leases, clock: list[float]) -> None:
    """The process runs until then: its heartbeat ticks every 15 s."""
    while clock[0] < moment:
        clock[0] = min(moment, clock[0] + 15)
        leases.heartbeat.tick()


def test_a_worker_elsewhere_lives_as_long_as_its_beats_are_new(leases: Leases, clock: list[float]) -> None:
    for beat, now in ((0, 1000), (0, 1030), (0, 1055), (1, 1058), (1, 1088), (1, 1117), (2, 1118)):
        run_to(now, leases, clock)
        assert leases.lapsed(running(3, owner=ELSEWHERE, beat=beat)) is None
    for now in (1140, 1160, 1178):
        run_to(now, leases, clock)
        assert leases.lapsed(running(3, owner=ELSEWHERE, beat=2)) is None
    run_to(1179, leases, clock)
    assert leases.lapsed(running(3, owner=ELSEWHERE, beat=2)) == "its worker gave no sign of life for 60 s"
    assert leases.lapsed(running(4, owner=ELSEWHERE, beat=2)) is None, "just seen"


def test_who_trains_long_epochs_sees_a_silent_worker_too(leases: Leases, clock: list[float]) -> None:
    """It looks once per period."""
    for now in (1000, 1050):
        run_to(now, leases, clock)
        assert leases.lapsed(running(3, owner=ELSEWHERE)) is None
    run_to(1100, leases, clock)
    assert leases.lapsed(running(3, owner=ELSEWHERE)) == "its worker gave no sign of life for 60 s"


def test_a_trial_that_has_no_owner_is_not_waited_for_long(leases: Leases, clock: list[float]) -> None:
    """Its worker died while its network was proposed, which takes a moment."""
    assert leases.lapsed(running(0)) is None
    run_to(1011, leases, clock)
    assert leases.lapsed(running(0)) == "its worker gave no sign of life for 10 s"


def test_who_was_held_up_itself_begins_to_watch_anew(leases: Leases, clock: list[float]) -> None:
    assert leases.lapsed(running(0, owner=ELSEWHERE)) is None
    clock[0] += 600  # no tick: it stood still
    assert leases.lapsed(running(0, owner=ELSEWHERE)) is None
    leases.heartbeat.tick()
    run_to(1659, leases, clock)
    assert leases.lapsed(running(0, owner=ELSEWHERE)) is None
    run_to(1689, leases, clock)
    assert leases.lapsed(running(0, owner=ELSEWHERE))


def test_who_stood_still_between_two_looks_knows_it_from_its_heartbeat(leases: Leases, clock: list[float]) -> None:
    assert leases.lapsed(running(0, owner=ELSEWHERE)) is None
    clock[0] += 600
    leases.heartbeat.tick()  # the heartbeat wakes first
    assert leases.lapsed(running(0, owner=ELSEWHERE)) is None


def test_the_death_of_a_process_here_is_seen_at_once(journal: Journal) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    trial = running(0, owner=owner(process.pid))
    leases = Leases(Heartbeat(journal, 60))
    assert leases.lapsed(trial) is None
    process.kill()
    process.wait()
    assert leases.lapsed(trial) == "its process ended"


def test_of_two_searches_in_one_process_neither_takes_what_the_other_trains(journal: Journal) -> None:
    """As where a notebook's cell is run again while a thread still searches."""
    leases = Leases(Heartbeat(journal, 60))
    with Heartbeat(journal, 60) as other:
        assert leases.lapsed(running(0, owner=other.owner)) is None
    assert leases.lapsed(running(0, owner=other.owner)) == "its process ended", "it was left by an earlier search"
    assert leases.lapsed(running(1, owner=owner())) == "its process ended", "by one of an earlier release"


def test_what_gave_a_sign_of_life_while_the_journal_was_locked_is_not_taken_back(journal: Journal) -> None:
    study = optuna.create_study(storage=journal, directions=["maximize", "minimize"])
    trial = study.ask()
    trial.set_user_attr("beat", 1.0)
    seen = study.get_trials()[0]
    trial.set_user_attr("beat", 2.0)  # comes once the lock is free, before the one that takes back
    leases = Leases(Heartbeat(journal, 60))
    assert leases.hand_back(seen, "its worker gave no sign of life for 60 s", died=True) is None
    left = study.get_trials()[0]
    assert (left.state, left.user_attrs.get("reason")) == (optuna.trial.TrialState.RUNNING, None)


def test_a_process_that_has_the_id_of_an_owner_is_not_taken_for_it() -> None:
    began = owner()["began"]
    assert isinstance(began, int)
    assert not is_alive({**owner(), "began": began - 1})
    assert is_alive(owner())


def test_an_owner_that_has_ended_and_not_been_waited_for_is_dead() -> None:
    process = subprocess.Popen(["true"])
    whose = owner(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(whose)
    process.wait()


GONE = 2**22 + 1  # no process has that id


def test_where_signal_0_is_ctrl_c_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows. The lease decides there."""
    monkeypatch.setattr("nas.storage.owners.WINDOWS", True)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    assert is_alive({**owner(), "pid": GONE})
    assert not is_alive(None)


@pytest.mark.parametrize("other", [{"host": "another"}, {"boot": "another"}, {"processes": "pid:[1]"}])
def test_of_a_process_that_cannot_be_seen_from_here_the_lease_decides(other: dict[str, str]) -> None:
    assert not is_alive({**owner(), "pid": GONE})
    assert is_alive({**owner(), "pid": GONE, **other})


def test_owners_of_earlier_studies_are_read() -> None:
    """They have a host and a process id alone."""
    host = socket.gethostname()
    assert is_alive({"host": host, "pid": os.getpid()})
    assert not is_alive({"host": host, "pid": GONE})
    assert is_alive({"host": "another", "pid": GONE})


IN_CONTAINER = """
import json, sys
from nas.storage.owners import is_alive, owner
outside = json.loads(sys.argv[1])
print(json.dumps([is_alive(outside), is_alive({"host": outside["host"], "pid": outside["pid"]}), is_alive(owner())]))
"""


def test_a_container_of_the_same_host_name_does_not_take_ones_trial_for_lost() -> None:
    """One with process ids of its own: there this process has no id."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("needs a system that lets processes have ids of their own")
    words = [*alone, sys.executable, "-c", IN_CONTAINER, json.dumps(owner())]
    seen = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert seen == [True, False, True], "the owner; as earlier releases had it; itself"


def test_beats_come_for_what_is_held_and_outlive_what_is_lost(journal: Journal) -> None:
    study = optuna.create_study(storage=journal)
    lost, kept, _ = study.ask(), study.ask(), study.ask()
    with Heartbeat(journal, 0.04) as heartbeat:
        heartbeat.held |= {trial._trial_id for trial in (lost, kept)}
        study.tell(lost, state=optuna.trial.TrialState.FAIL)
        time.sleep(0.2)
    attrs = [trial.user_attrs for trial in study.get_trials()]
    assert attrs[1]["beat"] == pytest.approx(time.time(), abs=60), "the time by the worker's clock"
    assert not {"beat"} & {*attrs[0], *attrs[2]}
    time.sleep(0.25)
    assert study.get_trials()[1].user_attrs["beat"] == attrs[1]["beat"], "closed"
