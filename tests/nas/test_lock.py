"""The journal's lock: against processes that die, freeze, or tear a line."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nas.lock
from nas.journal import File
from nas.lock import JournalLock, mend
from space import InputError

HOLD = """
import sys
from pathlib import Path
from nas.lock import JournalLock
lock = JournalLock(Path(sys.argv[1]), print)
with lock.held() as hold:
    print("held", flush=True)
    sys.stdin.readline()
    print("lasts" if hold.lasts() else "lost", flush=True)
"""
COUNT = """
import sys
from pathlib import Path
from nas.lock import JournalLock
journal = Path(sys.argv[1])
lock = JournalLock(journal, print)
for _ in range(200):
    with lock.held(), journal.open("rb+") as file:
        text = file.read()
        file.seek(0)
        file.write(b"%09d\\n" % (int(text or b"0") + 1))
"""


STOPPED = """
import os, signal, sys
from pathlib import Path
import nas.lock
from nas.journal import File
mend = nas.lock.mend
def stop_first(journal, alone):
    nas.lock.mend = mend
    os.kill(os.getpid(), signal.SIGSTOP)
    return mend(journal, alone)
nas.lock.mend = stop_first
File(Path(sys.argv[1]), nas.lock.JournalLock(Path(sys.argv[1]), print)).append_logs([{"who": "stopped"}])
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.log"
    path.write_bytes(b"")
    return path


@pytest.fixture
def holder(journal: Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLD, journal], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def seconds_to_acquire(lock: JournalLock) -> float:
    began = time.monotonic()
    with lock.held():
        pass
    return time.monotonic() - began


def test_one_at_a_time(journal: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, journal]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert int(journal.read_bytes()) == 600


def take_turns(journal: Path) -> None:
    """In a process: a file that exists only while the lock is held."""
    mark = journal.with_name("mark")
    lock = JournalLock(journal, sys.exit)
    for _ in range(10):
        with lock.held():
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))  # an error where another is at it
            time.sleep(0.02)
            mark.unlink()


def test_six_processes_that_are_busy_and_well_never_write_at_once(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for longer than a stopped one is given, and passes over none."""
    monkeypatch.setattr(nas.lock, "GRACE", 0.25)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=take_turns, args=(journal,)) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 6


def test_a_killed_holder_leaves_nothing_behind(journal: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert seconds_to_acquire(JournalLock(journal, pytest.fail)) < 0.5


def test_a_stopped_holder_is_waited_for_then_passed_over_and_notices_before_it_writes(
    journal: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.lock, "GRACE", 0.5)
    os.kill(holder.pid, signal.SIGSTOP)
    notes: list[str] = []
    assert 0.5 <= seconds_to_acquire(JournalLock(journal, notes.append)) < 5
    assert notes == [f"journal.lock was held for 0 s by process {holder.pid}, which is stopped; passed over"]
    assert seconds_to_acquire(JournalLock(journal, notes.append)) < 0.5
    os.kill(holder.pid, signal.SIGCONT)
    assert holder.communicate("go on\n", timeout=30)[0] == "lost\n"
    assert len(notes) == 1


def test_a_writer_that_was_stopped_with_the_lock_loses_nothing_and_spoils_nothing(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.lock, "GRACE", 0.5)
    writer = subprocess.Popen([sys.executable, "-c", STOPPED, journal], stdout=subprocess.PIPE, text=True)
    os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WNOWAIT)
    notes: list[str] = []
    File(journal, JournalLock(journal, notes.append)).append_logs([{"who": "other"}])
    assert len(notes) == 1
    os.kill(writer.pid, signal.SIGCONT)
    assert writer.wait(timeout=30) == 0
    assert [*map(json.loads, journal.read_text().splitlines())] == [{"who": "other"}, {"who": "stopped"}]


def test_a_holder_that_lives_is_not_passed_over_and_the_wait_for_it_ends_with_an_error(
    journal: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.lock, "GRACE", 0.1)
    monkeypatch.setattr(nas.lock, "PATIENCE", 0.3)
    words = (
        rf"^journal must be free within 0 s, got {journal.with_suffix('.lock')} held by process {holder.pid}; "
        "end that process, or wake it up$"
    )
    with pytest.raises(InputError, match=words):
        seconds_to_acquire(JournalLock(journal, pytest.fail))
    assert holder.communicate("go on\n", timeout=30)[0] == "lasts\n"


def test_a_torn_line_is_cut_off_and_kept_before_the_next_is_written(journal: Path) -> None:
    notes: list[str] = []
    lock = JournalLock(journal, notes.append)
    for whole in (b"", b'{"a": 1}\n', b'{"a": 1}\n{"b": 2}\n'):
        for torn in (b"", b'{"c', b'{"c": 3}'):
            journal.write_bytes(whole + torn)
            notes.clear()
            with lock.held():
                assert journal.read_bytes() == whole
            if torn:
                words = (
                    f"cut an unfinished last line of {len(torn)} bytes off journal.log; it is kept in journal.log.torn"
                )
                assert notes == [words]
                assert journal.with_name("journal.log.torn").read_bytes() == torn
            else:
                assert notes == []


def test_a_journal_that_is_not_there_yet_is_whole(tmp_path: Path) -> None:
    assert mend(tmp_path / "journal.log", lambda: True) is None
