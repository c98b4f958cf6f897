"""A study's folder when its disk is full, when it may only be read, and when it was copied. Real processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.storage.reader import Reader
from tests.brief import measure_briefly
from tests.forked import fork_what_is_started
from tests.nas.commands import Command, check_whole
from tests.nas.conftest import Run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 KB, which `mount -o remount,size=...` makes larger. Needs root, as in CI."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_one_error_and_the_study_goes_on_when_there_is_room(
    command: Command, small_disk: Path, workers: int, run: Run
) -> None:
    def search(total: int) -> tuple[int, str]:
        if workers == 1:
            code, _, errors = run(*command.words, "--trials", total)
            return code, errors
        process = command.search("--trials", total, "--workers", workers)
        _, errors = process.communicate(timeout=300)
        return process.returncode, errors

    (small_disk / "filler").write_bytes(b"0" * 24 * 1024)  # two workers write a while before a trial ends
    command.runs, command.folder = small_disk, small_disk / "s"
    command.words[command.words.index("--runs") + 1] = str(small_disk)
    code, errors = search(400)
    assert code != 0
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
    code, errors = search(total)
    assert code == 0, errors
    check_whole(command, total)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_an_export_on_a_full_disk_is_one_error_and_leaves_nothing(
    command: Command, small_disk: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_what_is_started(monkeypatch.setattr)
    measure_briefly(monkeypatch.setattr)
    run(*command.words, "--trials", 1)
    filler, out = small_disk / "filler", small_disk / "out"
    words = ("export", "s", "--runs", command.runs, "--out", out, "--device", "cpu")
    for room in (1_000, 20_000):  # for no file, for some
        filler.write_bytes(b"0" * (120 * 1024 - 4096 * 2 - room))
        code, _, errors = run(*words)
        line = "error: disk must have room, got No space left on device; free some and run the same command again"
        assert (code, errors.splitlines()[-1]) == (1, line)
        assert [path.name for path in small_disk.iterdir()] == ["filler"]
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    assert run(*words)[0] == 0
    assert (out / "model.safetensors").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk read-only")
def test_a_study_that_may_only_be_read_is_shown_and_not_searched(command: Command, small_disk: Path, run: Run) -> None:
    run(*command.words, "--trials", 2)
    shutil.copytree(command.folder, small_disk / "kept")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for verb in ("front", "trials"):
        code, out, errors = run(verb, small_disk / "kept", "--json")
        assert (code, errors) == (0, "")
        assert json.loads(out)["rows"]
    assert json.loads(run("studies", "--runs", small_disk, "--json")[1])["rows"][0]["study"] == "kept"
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
