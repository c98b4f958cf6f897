"""Workers on one study: exact totals, and faults that are caused for real. Real processes, tiny networks."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from PIL import Image

from benchmarks.kills import descendants
from nas.process.errors import Fault
from nas.records.settings import FILE, JOURNAL
from nas.searching.fleet import MAX_CRASHES, MAX_KILLS, Fleet, WorkerExit
from nas.searching.loop import Watch
from nas.storage import study_folder as folder
from nas.storage.reader import Reader
from space import InputError
from tests.nas.commands import Command, check_killed, check_whole, kill_at_random, wait_until, workers_of
from tests.nas.conftest import Run


def all_end(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "they go on"
        time.sleep(0.05)


def freeze_without_the_lock(pid: int, journal: Path) -> None:
    """Stops a worker at a moment at which it does not hold the journal's lock, for which the others would wait."""
    for _ in range(20):
        os.kill(pid, signal.SIGSTOP)
        with suppress(Timeout), FileLock(journal.with_suffix(".lock")).acquire(timeout=0.3):
            return
        os.kill(pid, signal.SIGCONT)
    pytest.fail("it always held the lock")


def test_workers_that_are_killed_at_random_lose_nothing_but_their_trial(command: Command) -> None:
    process = command.search("--trials", 20, "--workers", 3)
    killed = kill_at_random(process, command, every=4)
    assert killed >= 4
    check_killed(process, command, 20, killed)


def test_a_killed_parent_takes_its_workers_along_and_the_same_command_goes_on(command: Command) -> None:
    process = command.search("--trials", 40, "--workers", 2)
    wait_until(lambda: len(command.ended()) >= 2 and len(workers_of(process.pid)) == 2, process)
    started = descendants(process.pid)
    process.kill()
    process.wait()
    all_end(started)
    assert not [trial for trial in command.trials() if trial.state == "running"], "they hand back what they trained"
    total = len(command.ended()) + 2
    again = command.search("--trials", total, "--workers", 2)
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    check_whole(command, total)


def test_whatever_runs_below_the_parent_may_be_killed_in_any_order(command: Command) -> None:
    """The default sampler and rule: also before a worker has begun, and one right after another."""
    process = command.search("--trials", 30, "--workers", 2)
    rng = random.Random(0)
    wait_until(lambda: len(command.ended()) >= 2, process)
    for _ in range(3):
        wait_until(lambda: descendants(process.pid), process)
        with suppress(ProcessLookupError):
            os.kill(rng.choice(descendants(process.pid)), signal.SIGKILL)
        time.sleep(rng.choice([0.0, 0.3, 2.0]))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "; another takes its place" in errors
    assert "Traceback" not in errors
    check_whole(command, 30)


def test_a_search_that_is_terminated_hands_back_what_trains(command: Command) -> None:
    for words in (("--workers", 2), ()):
        process = command.search("--trials", 200, "--epochs", 100, *words)  # none ends by itself meanwhile
        wait_until(lambda: [t for t in command.trials() if t.state == "running" and t.periods], process)
        started = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 143, errors
        assert errors.splitlines()[-1].startswith("error: terminated; to go on: nas search ")
        all_end(started)
        assert not [trial for trial in command.trials() if trial.state in ("running", "waiting") and trial.owner], words
        reasons = [trial.reason or "" for trial in command.trials() if trial.state == "interrupted"]
        said = "the process that started its worker ended; " if words else "its worker was terminated; "
        assert reasons[-1].startswith(said), reasons
        assert Reader(command.folder).error() is None, "a person's wish is no error"


def test_a_worker_that_is_terminated_is_replaced(command: Command) -> None:
    process = command.search("--trials", 30, "--workers", 2)
    wait_until(lambda: len(command.ended()) >= 1 and workers_of(process.pid), process)
    os.kill(workers_of(process.pid)[0], signal.SIGTERM)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "died of SIGTERM; another takes its place" in errors
    check_whole(command, 30)


def test_a_frozen_workers_trial_is_given_to_another_and_its_late_result_dropped(
    command: Command, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.yaml"
    slow.write_text("epochs: 10\ntrain_images: 1079\n")
    command.words[command.words.index("--recipe") + 1] = str(slow)
    process = command.search("--trials", 4, "--workers", 2, NAS_LEASE="5")
    wait_until(lambda: len([t for t in command.trials() if t.state == "running" and t.periods]) == 2, process)
    frozen = workers_of()[0]
    freeze_without_the_lock(frozen, command.folder / JOURNAL)
    try:
        wait_until(lambda: [t for t in command.trials() if "no sign of life for 5 s" in (t.reason or "")], process)
    finally:
        os.kill(frozen, signal.SIGCONT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "its worker gave no sign of life for 5 s; its network is queued again" in errors
    assert "Traceback" not in errors
    assert "died" not in errors
    check_whole(command, 4)


def test_ctrl_c_ends_all_workers_in_order(command: Command) -> None:
    process = command.search("--trials", 500, "--workers", 2)
    wait_until(lambda: len(command.ended()) >= 2, process)
    started = workers_of()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "stopping after the next evaluation" in errors
    assert "stopped; to go on: nas search" in errors
    all_end(started)
    assert not [trial for trial in command.trials() if trial.state == "running"]


def test_a_worker_joins_from_another_terminal(command: Command) -> None:
    process = command.search("--trials", 400, "--workers", 1, "--repeats", 0)
    wait_until(lambda: len(command.ended()) >= 1, process)
    joined = command.run("worker", "s", "--runs", command.runs, "--device", "cpu")
    wait_until(lambda: joined.pid in command.owners() and len(command.ended()) > 4, process)
    joined.send_signal(signal.SIGINT)
    _, errors = joined.communicate(timeout=300)
    assert joined.returncode == 130, errors
    assert "stopped; to go on: nas worker s" in errors
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    total = len(command.ended()) + 3
    both = [command.search("--trials", total), command.search("--trials", total)]
    for each in both:
        _, errors = each.communicate(timeout=300)
        assert each.returncode == 0, errors
    check_whole(command, total)


def test_a_worker_is_refused_where_there_is_nothing_to_join_or_the_data_code_or_settings_are_others(
    command: Command, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = run("worker", "s", "--runs", command.runs)[2]
    assert (
        nowhere
        == f"error: study must be a name under {command.runs} or a study's folder, got s; there: no such folder\n"
    )
    run(*command.words, "--trials", 1)
    for value, name in enumerate(("cat", "dog")):
        (tmp_path / "other" / name).mkdir(parents=True)
        for i in range(20):
            Image.new("L", (8, 8), 10 * i + value).save(tmp_path / "other" / name / f"{i}.png")
    code, _, errors = run("worker", "s", "--runs", command.runs, "--data", tmp_path / "other")
    assert code == 2
    assert "error: data.fingerprint must be" in errors
    assert "to resume s, got" in errors
    with monkeypatch.context() as another:
        another.setattr("nas.storage.study_folder.code", lambda: "0123")
        code, _, errors = run("worker", "s", "--runs", command.runs)
    assert code == 2
    assert f"error: code must be the same as that of s's other workers, {folder.code()}, got 0123; install " in errors
    card = command.folder / FILE
    card.write_text(card.read_text().replace("\nseed: 0\n", "\nseed: 1\n"))
    code, _, errors = run("worker", "s", "--runs", command.runs)
    assert code == 2
    assert "error: seed must be 0 to resume s, got 1; " in errors


def test_a_worker_with_nothing_to_do_ends_well(command: Command, run: Run) -> None:
    """Not by chance: a process whose trainer's thread outlived it was aborted every other time."""
    run(*command.words, "--trials", 1)
    both = [command.run("worker", "s", "--runs", command.runs, "--device", "cpu") for _ in range(2)]
    for each in both:
        out, errors = each.communicate(timeout=300)
        assert (out, each.returncode) == ("", 0)
        assert "nothing was left to do: s has all that `nas search` asked for" in errors


class Scripted:
    """A worker that ends as it is told to."""

    def __init__(self, place: int, ending: WorkerExit) -> None:
        self.place, self.ending = place, ending

    def look(self) -> WorkerExit:
        return self.ending

    def notes(self) -> list[str]:
        return []

    def stop(self) -> None: ...

    def leave(self) -> None: ...

    def end(self, until: float) -> None: ...


def fleet_of(command: Command, endings: Iterable[WorkerExit], said: list[str]) -> Fleet:
    """One place, whose workers end one after the other."""
    coming = iter(endings)
    return Fleet(Reader(command.folder), 1, lambda place: Scripted(place, next(coming)), Watch(on_note=said.append))


@pytest.fixture
def study(command: Command, run: Run, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr("nas.searching.fleet.LONGEST_PAUSE", 0.01)
    monkeypatch.setattr("nas.searching.fleet.LOOK", 0.01)
    assert run(*command.words, "--trials", 1)[0] == 0
    return command


def test_endings_of_workers(study: Command) -> None:
    done, killed, crash = WorkerExit(0), WorkerExit(-9), WorkerExit(-11)
    hiccup = WorkerExit(1, ("error: x must be usable, got Input/output error; mend that and go on",))
    said: list[str] = []
    assert fleet_of(study, [*[killed] * MAX_KILLS, done], said).run()
    assert said[0] == "worker 0 died of SIGKILL; another takes its place"
    assert said[-1].startswith("worker 0 died of SIGKILL; another takes its place after ")
    assert len(said) == MAX_KILLS
    assert fleet_of(study, [*[hiccup] * MAX_CRASHES, *[killed] * MAX_KILLS, done], said := []).run(), (
        "none of it ends a search"
    )
    assert (
        said[0]
        == "worker 0 ended with 1 (x must be usable, got Input/output error; mend that and go on); another takes its place"
    )
    with pytest.raises(OSError, match=r"^x must be usable, got Input/output error; mend that and go on$"):
        fleet_of(study, [hiccup] * (MAX_CRASHES + 1), []).run()
    with pytest.raises(
        InputError, match="workers must not die 6 times in a row, got one that died of SIGSEGV; free memory"
    ):
        fleet_of(study, [crash] * (MAX_CRASHES + 1), []).run()
    with pytest.raises(
        InputError, match=f"workers must not die {MAX_KILLS + 1} times in a row, got one that died of SIGKILL"
    ):
        fleet_of(study, [killed] * (MAX_KILLS + 1), []).run()
    with pytest.raises(InputError, match=r"^data must be there, got none; mend it$"):
        fleet_of(study, [WorkerExit(2, ("note: a", "error: data must be there, got none; mend it"))], []).run()
    with pytest.raises(Fault, match=r"^nas must not fail, got this$"):
        fleet_of(study, [WorkerExit(70, ("error: nas must not fail, got this",))], []).run()


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        (WorkerExit(0), ""), (WorkerExit(130), ""), (WorkerExit(143), "died of SIGTERM"), (WorkerExit(-15), "died of SIGTERM"),
        (WorkerExit(-40), "died of signal 40"), (WorkerExit(1, ("error: full",)), "ended with 1 (full)"), (WorkerExit(3), "ended with 3 (nothing)"),
        (WorkerExit(-1, (), "was lost by Ray (gone)"), "was lost by Ray (gone)"),
    ],
)  # fmt: skip
def test_endings_in_words(ending: WorkerExit, how: str) -> None:
    assert ending.how == how
