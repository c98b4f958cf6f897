"""The journal's lock: against processes that die, freeze, or tear a line, and against threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nas.storage.journal
from nas.storage.journal import JournalLock, cut_torn_line, open_file
from space import InputError

HOLD = """
import sys
from pathlib import Path
from nas.storage.journal import JournalLock
with JournalLock(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.readline()
"""
COUNT = """
import sys
from pathlib import Path
from nas.storage.journal import JournalLock
from tests.nas.storage.test_journal_lock import count
count(JournalLock(Path(sys.argv[1]), print), 200)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from nas.storage.journal import JournalLock, open_file
def fsync(file):
    os.truncate(file, os.fstat(file).st_size - 7)  # as if the system had written no more
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync
open_file(Path(sys.argv[1]), JournalLock(Path(sys.argv[1]), print)).create_new_study([1])
"""


def count(lock: JournalLock, times: int) -> None:
    """Adds one, so many times, to the number that is the journal."""
    for _ in range(times):
        with lock, lock.journal.open("rb+") as file:
            text = file.read()
            file.seek(0)
            file.write(b"%09d\n" % (int(text or b"0") + 1))


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
    with lock:
        pass
    return time.monotonic() - began


def test_one_process_at_a_time(journal: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, journal]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert int(journal.read_bytes()) == 600


def test_one_thread_at_a_time_whether_they_share_the_lock_or_not(journal: Path) -> None:
    shared = JournalLock(journal, pytest.fail)
    locks = [shared, shared, JournalLock(journal, pytest.fail), JournalLock(journal, pytest.fail)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(count, locks, [50] * 4)) == [None] * 4
    assert int(journal.read_bytes()) == 200


def test_a_killed_holder_leaves_nothing_behind(journal: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert seconds_to_acquire(JournalLock(journal, pytest.fail)) < 0.5


def test_a_frozen_holder_is_waited_for_and_the_wait_ends_with_an_error(
    journal: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.storage.journal, "PATIENCE", 0.3)
    os.kill(holder.pid, signal.SIGSTOP)
    lock = JournalLock(journal, pytest.fail)
    path = journal.with_suffix(".lock")
    words = (
        rf"^journal must be free within 0.3 s, got {path} held by another process; resume or end that process "
        rf"\(`fuser -v {path}` names it\) and run the same command again$"
    )
    began = time.monotonic()
    with pytest.raises(InputError, match=words):
        open_file(journal, lock).create_new_study([])
    assert 0.3 <= time.monotonic() - began < 5
    assert journal.read_bytes() == b"", "nothing is written without the lock"
    os.kill(holder.pid, signal.SIGCONT)
    holder.communicate("go on\n", timeout=30)
    assert seconds_to_acquire(lock) < 0.5


def test_reading_takes_no_lock(journal: Path, holder: subprocess.Popen[str]) -> None:
    assert open_file(journal).get_all_studies() == []
    assert holder.poll() is None


def test_a_writer_that_is_killed_in_the_middle_of_a_line_costs_that_line_alone(journal: Path) -> None:
    open_file(journal, JournalLock(journal, pytest.fail)).create_new_study([], "first")
    whole = journal.read_bytes()
    died = subprocess.run([sys.executable, "-c", KILLED, journal], check=False).returncode
    torn = journal.read_bytes()[len(whole) :]
    assert died == -signal.SIGKILL
    assert torn
    assert not torn.endswith(b"\n")
    assert len(open_file(journal).get_all_studies()) == 1, "readers pass over it"
    notes: list[str] = []
    storage = open_file(journal, JournalLock(journal, notes.append))
    storage.create_new_study([], "second")
    assert notes == [
        f"cut an unfinished last line of {len(torn)} bytes off journal.log; it is kept in journal.log.torn"
    ]
    assert [study.study_name for study in open_file(journal).get_all_studies()] == ["first", "second"]
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_torn_line_is_cut_off_and_kept_before_the_next_is_written(journal: Path) -> None:
    notes: list[str] = []
    lock = JournalLock(journal, notes.append)
    for whole in (b"", b'{"a": 1}\n', b'{"a": 1}\n{"b": 2}\n'):
        for torn in (b"", b'{"c', b'{"c": 3}'):
            journal.write_bytes(whole + torn)
            notes.clear()
            with lock:
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
    assert cut_torn_line(tmp_path / "journal.log") is None
