"""The journal's lock: against processes that die, freeze, or tear a line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nas.lock
from nas.lock import JournalLock, mend

HOLD = """
import sys, time
from pathlib import Path
from nas.lock import JournalLock
lock = JournalLock(Path(sys.argv[1]), print)
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""
COUNT = """
import sys
from pathlib import Path
from nas.lock import JournalLock
journal = Path(sys.argv[1])
lock = JournalLock(journal, print)
for _ in range(200):
    lock.acquire()
    with journal.open("rb+") as file:
        text = file.read()
        file.seek(0)
        file.write(b"%09d\\n" % (int(text or b"0") + 1))
    lock.release()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.log"
    path.write_bytes(b"")
    return path


@pytest.fixture
def holder(journal: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, journal], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def seconds_to_acquire(lock: JournalLock) -> float:
    began = time.monotonic()
    lock.acquire()
    lock.release()
    return time.monotonic() - began


def test_one_at_a_time(journal: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, journal]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert int(journal.read_bytes()) == 600


def test_a_killed_holder_leaves_nothing_behind(journal: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert seconds_to_acquire(JournalLock(journal, pytest.fail)) < 0.5


def test_a_frozen_holder_is_waited_for_then_passed_over(
    journal: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.lock, "GRACE", 1.0)
    os.kill(holder.pid, signal.SIGSTOP)
    notes: list[str] = []
    assert 1 <= seconds_to_acquire(JournalLock(journal, notes.append)) < 5
    assert notes == ["journal.lock was held for 1 s by a frozen process; passed over"]
    assert seconds_to_acquire(JournalLock(journal, notes.append)) < 0.5
    os.kill(holder.pid, signal.SIGCONT)
    assert len(notes) == 1


def test_a_torn_line_is_cut_off_and_kept_before_the_next_is_written(journal: Path) -> None:
    notes: list[str] = []
    lock = JournalLock(journal, notes.append)
    for whole in (b"", b'{"a": 1}\n', b'{"a": 1}\n{"b": 2}\n'):
        for torn in (b"", b'{"c', b'{"c": 3}'):
            journal.write_bytes(whole + torn)
            notes.clear()
            lock.acquire()
            assert journal.read_bytes() == whole
            lock.release()
            if torn:
                words = (
                    f"cut an unfinished last line of {len(torn)} bytes off journal.log; it is kept in journal.log.torn"
                )
                assert notes == [words]
                assert journal.with_name("journal.log.torn").read_bytes() == torn
            else:
                assert notes == []


def test_a_journal_that_is_not_there_yet_is_whole(tmp_path: Path) -> None:
    assert mend(tmp_path / "journal.log") is None
