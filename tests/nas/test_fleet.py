"""Workers on one study: exact totals, and faults that are caused for real. Real processes, tiny networks."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nas.trials import Reader
from tests.nas.commands import Command, check_whole, wait_until, workers_of
from tests.nas.conftest import Run


def test_workers_that_are_killed_at_random_lose_nothing_but_their_trial(command: Command) -> None:
    rng, killed = random.Random(0), 0
    process = command.search("--trials", 60, "--workers", 4)
    while process.poll() is None:
        time.sleep(2)
        if command.ended() and (living := workers_of(process)):
            os.kill(rng.choice(living), signal.SIGKILL)
            killed += 1
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert killed >= 2
    assert errors.count("died of SIGKILL; another takes its place") >= killed - 1  # the last may have been done
    trials = check_whole(command, 60)
    lost = [trial for trial in trials if trial.state == "interrupted" and "its process ended" in (trial.reason or "")]
    assert lost, "none was killed while it trained"


def test_a_killed_parent_takes_its_workers_along_and_the_same_command_goes_on(command: Command) -> None:
    process = command.search("--trials", 40, "--workers", 2)
    wait_until(lambda: len(command.ended()) >= 2, process)
    workers = workers_of(process)
    assert len(workers) == 2
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end, "they go on"
        time.sleep(0.05)
    assert not [trial for trial in command.trials() if trial.state == "running"], "they hand back what they trained"
    total = len(command.ended()) + 2
    again = command.search("--trials", total, "--workers", 2)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    check_whole(command, total)


def test_a_frozen_workers_trial_is_given_to_another_and_its_late_result_dropped(
    command: Command, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.yaml"
    slow.write_text("epochs: 20\ntrain_images: 1079\n")
    command.words[command.words.index("--recipe") + 1] = str(slow)
    process = command.search("--trials", 6, "--workers", 2, NAS_LEASE="2")
    wait_until(lambda: len(command.owners() & set(workers_of(process))) == 2, process)
    frozen = workers_of(process)[0]
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_until(lambda: [t for t in command.trials() if "no sign of life for 2 s" in (t.reason or "")], process)
    finally:
        os.kill(frozen, signal.SIGCONT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "its worker gave no sign of life for 2 s; its network is queued again" in errors
    assert "Traceback" not in errors
    assert "died" not in errors
    check_whole(command, 6)


def test_ctrl_c_ends_all_workers_in_order(command: Command) -> None:
    process = command.search("--trials", 500, "--workers", 2)
    wait_until(lambda: len(command.ended()) >= 2, process)
    workers = workers_of(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopping after this epoch" in errors
    assert "stopped; to go on: nas search" in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not [trial for trial in command.trials() if trial.state == "running"]


def test_a_worker_joins_from_another_terminal(command: Command) -> None:
    process = command.search("--trials", 400, "--workers", 1, "--repeats", 0)
    wait_until(lambda: len(command.ended()) >= 1, process)
    joined = command.run("worker", "s", "--runs", command.runs, "--device", "cpu")
    wait_until(lambda: joined.pid in command.owners() and len(command.ended()) > 4, process)
    joined.send_signal(signal.SIGINT)
    _, errors = joined.communicate(timeout=60)
    assert joined.returncode == 130, errors
    assert "stopped; to go on: nas worker s" in errors
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    total = len(command.ended()) + 3
    both = [command.search("--trials", total), command.search("--trials", total)]
    for each in both:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors
    check_whole(command, total)


def test_a_worker_is_refused_where_there_is_nothing_to_join_or_the_data_is_another(
    command: Command, tmp_path: Path, run: Run
) -> None:
    nowhere = run("worker", "s", "--runs", command.runs)[2]
    assert nowhere == f"error: study must be a name under {command.runs} or a study's folder, got s; there: none\n"
    run(*command.words, "--trials", 1)
    for name in ("cat", "dog"):
        (tmp_path / "other" / name).mkdir(parents=True)
        for i in range(20):
            Image.new("L", (8, 8), 10 * i).save(tmp_path / "other" / name / f"{i}.png")
    code, _, errors = run("worker", "s", "--runs", command.runs, "--data", tmp_path / "other")
    assert code == 2
    assert "error: data.fingerprint must be" in errors
    assert "to resume s, got" in errors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 KB, which `mount -o remount,size=...` makes larger. Needs root, as in CI."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_one_error_and_the_study_goes_on_when_there_is_room(
    command: Command, small_disk: Path, workers: int
) -> None:
    command.runs, command.folder = small_disk, small_disk / "s"
    command.words[command.words.index("--runs") + 1] = str(small_disk)
    full = command.search("--trials", 400, "--workers", workers)
    _, errors = full.communicate(timeout=120)
    assert full.returncode != 0
    assert errors.count("error: ") == 1, errors
    assert "error: disk must have room, got No space left on device; free some and run the same command again" in errors
    assert "Traceback" not in errors
    before = command.ended()
    assert before
    for trial in before:
        assert trial.state != "complete" or Reader(command.folder).curve(trial.number), "no trial without its curve"
    assert not list(small_disk.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    total = len(before) + 3
    again = command.search("--trials", total, "--workers", workers)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    check_whole(command, total)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk read-only")
def test_a_study_that_may_only_be_read_is_shown_and_not_searched(command: Command, small_disk: Path, run: Run) -> None:
    run(*command.words, "--trials", 2)
    shutil.copytree(command.folder, small_disk / "kept")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for verb in ("front", "trials"):
        code, out, errors = run(verb, small_disk / "kept", "--json")
        assert (code, errors) == (0, "")
        assert json.loads(out)
    assert json.loads(run("studies", "--runs", small_disk, "--json")[1])[0]["name"] == "kept"
    command.words[command.words.index("--runs") + 1] = str(small_disk)
    command.words[command.words.index("--study") + 1] = "kept"
    code, _, errors = run(*command.words, "--trials", 3)
    assert code == 1
    assert errors.splitlines()[-1].startswith(f"error: {small_disk}/kept/")
    assert errors.splitlines()[-1].endswith("must be usable, got Read-only file system; mend that and go on")


def test_a_study_that_was_copied_goes_on_by_itself(command: Command, tmp_path: Path, run: Run) -> None:
    run(*command.words, "--trials", 2)
    before = command.trials()
    command.folder = Path(shutil.copytree(command.folder, tmp_path / "elsewhere" / "another name"))
    assert command.trials() == before
    command.folder = command.folder.rename(tmp_path / "elsewhere" / "another")
    command.words[command.words.index("--runs") + 1] = str(tmp_path / "elsewhere")
    command.words[command.words.index("--study") + 1] = "another"
    assert run(*command.words, "--trials", 3)[0] == 0
    check_whole(command, 3)
    assert len(Reader(tmp_path / "runs" / "s").trials()) == len(before)
