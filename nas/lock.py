"""The journal's lock: the kernel's, on a file beside it, so that none is left behind by a process that dies.

Optuna's own locks are files, or links, that stay after `kill -9`; the next writer then waits 30 s.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from space import InputError

GRACE = 30.0  # seconds that a holder may be stopped (SIGSTOP, Ctrl-Z, a debugger) before it is passed over
PATIENCE = 300.0  # seconds that anyone waits for a holder of whom nothing is known
LONGEST = 0.02  # seconds between tries


@dataclass(frozen=True, slots=True)
class Hold:
    """The lock, held."""

    path: Path
    file: int  # descriptor

    def lasts(self) -> bool:
        """False for a process that was stopped while it held the lock, and passed over. To be asked before it writes:
        a write takes microseconds, what comes before and after it milliseconds."""
        return os.fstat(self.file).st_ino == _inode(self.path)


class JournalLock:
    """Whoever gets it finds a journal that ends in a whole line: a torn last one (the disk was full, a writer was
    killed) is cut off and kept, since the next line would be glued on to it."""

    def __init__(self, journal: Path, on_note: Callable[[str], None]) -> None:
        self.journal, self.path, self.on_note = journal, journal.with_suffix(".lock"), on_note

    @contextmanager
    def held(self) -> Iterator[Hold]:
        """By one thread of one process. Raises InputError where it is not to be had for PATIENCE seconds."""
        hold = self._wait()
        try:
            if note := mend(self.journal, hold.lasts):
                self.on_note(note)
            yield hold
        finally:
            os.close(hold.file)

    def _wait(self) -> Hold:
        pause, began = LONGEST / 64, time.monotonic()
        while (hold := self._try()) is None:
            waited = time.monotonic() - began
            if waited > GRACE:
                self._pass_over()
            if waited > PATIENCE:
                raise InputError(
                    f"journal must be free within {PATIENCE:.0f} s, got {self.path} held by "
                    f"{_words(holder(self.path))}; end that process, or wake it up"
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST)
        return hold

    def _try(self) -> Hold | None:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        hold = Hold(self.path, file)
        if _locks(file) and hold.lasts():
            return hold
        os.close(file)
        return None

    def _pass_over(self) -> None:
        """Takes the lock's file from a holder that is stopped: the next one makes another, on which it has no hold.
        One process at a time does that, or the second would take away what the first had made."""
        journal = os.open(self.journal, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            if _locks(journal) and (pid := holder(self.path)) and _is_stopped(pid):
                self.path.unlink(missing_ok=True)
                self.on_note(
                    f"{self.path.name} was held for {GRACE:.0f} s by process {pid}, which is stopped; passed over"
                )
        finally:
            os.close(journal)


def _locks(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def holder(path: Path) -> int | None:
    """The process that holds the lock, as far as this machine's kernel says; None for one of another machine, or of
    a container that is not ours."""
    inode = _inode(path)
    try:
        # 1: FLOCK  ADVISORY  WRITE 7868 fe:00:2157375 0 EOF
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:  # not Linux
        return None
    held = (int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}"))
    return next((pid for pid in held if pid > 0), None)


def _is_stopped(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended
        return False
    return status.rpartition(")")[2].split()[0] in ("T", "t")


def _words(pid: int | None) -> str:
    return f"process {pid}" if pid else "a process that this machine does not know"


def mend(journal: Path, alone: Callable[[], bool]) -> str | None:
    """Cuts an unfinished last line off a journal while nobody else writes to it, keeping a copy of it. What was cut, in
    words; None where the journal is whole."""
    if not journal.exists() or (size := journal.stat().st_size) == 0:
        return None
    with journal.open("rb") as file:
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return None
    content = journal.read_bytes()
    torn = content[content.rfind(b"\n") + 1 :]
    backup = journal.with_name(f"{journal.name}.torn")
    try:
        backup.write_bytes(torn)
    except OSError:  # the disk is full: nothing half-written keeps the name
        backup.unlink(missing_ok=True)
        raise
    if not alone():
        return None
    os.truncate(journal, len(content) - len(torn))
    return f"cut an unfinished last line of {len(torn)} bytes off {journal.name}; it is kept in {backup.name}"
