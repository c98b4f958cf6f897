"""The journal: every entry of a study in one order, in a file or on a server; Optuna's journal storage reads it.

What belongs together is written together: drawing a network makes some thirty entries, and one write of them costs
little more than one of each (docs/scale.md). Optuna writes each by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from space import InputError

PATIENCE = 120.0  # seconds; a writer needs milliseconds, an NFS server may keep a lost machine's lock for two minutes
PAUSE = 0.005  # seconds between tries

BEGUN = "begun"  # attribute of a trial whose worker means to train it

optuna.logging.set_verbosity(optuna.logging.WARNING)


class JournalLock:
    """The kernel's lock on a file beside the journal, for one thread of one process: it dies with its process, where
    Optuna's own lock stays behind after `kill -9`. Whoever gets it finds a journal that ends in a whole line."""

    def __init__(self, journal: Path, on_note: Callable[[str], None]) -> None:
        self.journal, self.on_note = journal, on_note
        self.file = FileLock(journal.with_suffix(".lock"))

    def acquire(self) -> bool:
        """Raises InputError where another holds it for PATIENCE seconds."""
        try:
            self.file.acquire(timeout=PATIENCE, poll_interval=PAUSE)
        except Timeout:
            raise InputError(
                f"journal must be free within {PATIENCE:g} s, got {self.file.lock_file} held by another process; "
                f"resume or end that process (`fuser -v {self.file.lock_file}` names it) and run the same command again"
            ) from None
        try:
            note = cut_torn_line(self.journal)
        except BaseException:
            self.file.release()
            raise
        if note:
            self.on_note(note)
        return True

    def release(self) -> None:
        self.file.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


def cut_torn_line(journal: Path) -> str | None:
    """Cuts an unfinished last line off (a writer was killed, the disk was full): the next one would be glued on to it.
    It is kept in a file beside. To be called with the lock. What was cut, in words; None where the journal is whole."""
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


class BatchingBackend(BaseJournalBackend):
    """Another backend, which can be told to write several entries at once. Meanwhile nothing new is read.

    `begun`: by Optuna's id of a trial, the place of its first entry BEGUN among those of all trials. Every process that
    reads the journal finds the same order.
    """

    def __init__(self, inner: BaseJournalBackend) -> None:
        self.inner = inner
        self.begun: dict[int, int] = {}
        self.lock = threading.Lock()
        self.queue: list[dict[str, Any]] | None = None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return [] if self.queue is not None else self._noted(log_number_from)

    def _noted(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        for entry in self.inner.read_logs(log_number_from):
            if isinstance(entry, dict) and BEGUN in entry.get("user_attr", ()):  # a damaged line may be anything
                self.begun.setdefault(entry["trial_id"], len(self.begun))
            yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self.lock:  # a worker's heartbeat writes too
            if self.queue is not None:
                self.queue += logs
                return
        self.inner.append_logs(logs)

    @contextmanager
    def batched(self) -> Iterator[None]:
        """What is written inside is written at its end, in order, even where that is an error."""
        self.queue = []
        try:
            yield
        finally:
            with self.lock:
                queue, self.queue = self.queue, None
            if queue:
                self.inner.append_logs(queue)


class Journal(JournalStorage):
    """Optuna's storage of one study."""

    def __init__(self, backend: BaseJournalBackend) -> None:
        self._entries = BatchingBackend(backend)
        super().__init__(self._entries)

    def begun(self, trial_id: int) -> int | None:
        """The place of a trial among all that have begun to train, in the order of the journal."""
        return self._entries.begun.get(trial_id)

    @contextmanager
    def batched(self) -> Iterator[None]:
        """A context: entries that are written in it are written at once, and seen by none before, this storage
        included. For attributes and parameters of a trial alone. Raises UpdateFinishedTrialError at its end where the
        trial has ended meanwhile: once, although Optuna says so of each entry when it is read back."""
        try:
            with self._entries.batched():
                yield
        finally:
            late = self._read_back()
        if late:
            raise late

    def _read_back(self) -> UpdateFinishedTrialError | None:
        late = None
        while True:
            try:
                self.get_all_studies()
                return late
            except UpdateFinishedTrialError as error:
                late = error


def open_for_writing(path: Path, on_note: Callable[[str], None]) -> Journal:
    """The journal in a file; a torn tail is cut off first, then and before each line."""
    lock = JournalLock(path, on_note)
    with lock:
        return open_file(path, lock)


def open_file(path: Path, lock: JournalLock | None = None) -> Journal:
    """The journal in a file; made where there is none. Without our lock it is for reading, which needs none."""
    return Journal(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]  # the base has no public name
