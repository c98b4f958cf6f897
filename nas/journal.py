"""The journal: every entry of a study in one order, in a file or on a server; Optuna's journal storage reads it.

What belongs together is written together: drawing a network makes some thirty entries, and one write of them costs
little more than one of each (docs/scale.md). Optuna writes each by itself.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

if TYPE_CHECKING:
    from nas.lock import JournalLock

BEGUN = "begun"  # attribute of a trial whose worker means to train it


class Backend(Protocol):
    """Where a journal's entries are."""

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]: ...

    def append_logs(self, logs: list[dict[str, Any]]) -> None: ...


class File(JournalFileBackend):
    """Optuna's journal file, written under our lock."""

    def __init__(self, path: Path, lock: JournalLock) -> None:
        super().__init__(str(path))
        self.path, self.lock = path, lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        content = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        written = False
        while not written:  # again where this process was stopped in between, and the lock passed over to another
            with self.lock.held() as hold, self.path.open("ab") as file:
                if hold.lasts():
                    _write(file.fileno(), content)
                    os.fsync(file.fileno())
                    written = True


def _write(file: int, content: bytes) -> None:
    """All of it, in one call of the system but where the disk is full."""
    while content:
        content = content[os.write(file, content) :]


class Together(BaseJournalBackend):
    """Another backend, which can be told to write several entries at once. Meanwhile nothing new is read.

    `begun`: by Optuna's id of a trial, the place of its first entry BEGUN among those of all trials. Every process that
    reads the journal finds the same order.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.begun: dict[int, int] = {}
        self.lock = threading.Lock()
        self.queue: list[dict[str, Any]] | None = None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return [] if self.queue is not None else self._noted(log_number_from)

    def _noted(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        for entry in self.inner.read_logs(log_number_from):
            if BEGUN in entry.get("user_attr", ()):
                self.begun.setdefault(entry["trial_id"], len(self.begun))
            yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self.lock:  # a worker's pulse writes too
            if self.queue is not None:
                self.queue += logs
                return
        self.inner.append_logs(logs)

    @contextmanager
    def together(self) -> Iterator[None]:
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

    def __init__(self, backend: Backend) -> None:
        self._entries = Together(backend)
        super().__init__(self._entries)

    def begun(self, trial_id: int) -> int | None:
        """The place of a trial among all that have begun to train, in the order of the journal."""
        return self._entries.begun.get(trial_id)

    def together(self) -> Any:
        """A context: entries that are written in it are written at once, and seen by none before, this storage
        included. For attributes and parameters of a trial alone."""
        return self._entries.together()


def open_file(path: Path, lock: JournalLock | None = None) -> Journal:
    """The journal in a file; made where there is none. Without our lock Optuna's own is used: for reading."""
    return Journal(File(path, lock) if lock else JournalFileBackend(str(path)))
