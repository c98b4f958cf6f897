"""The journal's lock: the kernel's, on a file beside it, so that none is left behind by a process that dies.

Optuna's own locks are files, or links, that stay after `kill -9`; the next writer then waits 30 s.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

GRACE = 30.0  # seconds after which the lock of a process that is frozen, not dead, is passed over
LONGEST = 0.02  # seconds between tries


class JournalLock:
    """As Optuna's journal takes one. Whoever gets it finds a journal that ends in a whole line: a torn last one (the
    disk was full, a writer was killed) is cut off and kept, since the next line would be glued on to it."""

    def __init__(self, journal: Path, on_note: Callable[[str], None]) -> None:
        self.journal, self.path, self.on_note = journal, journal.with_suffix(".lock"), on_note
        self.held = -1  # file descriptor

    def acquire(self) -> bool:
        pause, passed, since = LONGEST / 64, -1, 0.0
        while (held := self._try()) is None:
            holder = self._inode()
            if holder != passed:
                passed, since = holder, time.monotonic()
            elif time.monotonic() - since > GRACE:
                self.path.unlink(missing_ok=True)  # the next one makes another, on which the frozen one has no hold
                self.on_note(f"{self.path.name} was held for {GRACE:.0f} s by a frozen process; passed over")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST)
        self.held = held
        try:
            if note := mend(self.journal):
                self.on_note(note)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        os.close(self.held)
        self.held = -1

    def _try(self) -> int | None:
        held = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            return None
        if os.fstat(held).st_ino == self._inode():
            return held
        os.close(held)  # passed over meanwhile
        return None

    def _inode(self) -> int:
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return -1


def mend(journal: Path) -> str | None:
    """Cuts an unfinished last line off a journal that nobody else writes to, keeping a copy of it. What was cut, in
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
    os.truncate(journal, len(content) - len(torn))
    return f"cut an unfinished last line of {len(torn)} bytes off {journal.name}; it is kept in {backup.name}"
