"""Workers as processes of this machine.

A worker's standard input is its tie to the parent: a line asks it to stop after its epoch, and its end, which comes too
when the parent is killed, to leave at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from signal import Signals

from nas.fleet import STOPPED, WRONG, Ending


class Process:
    """A worker; what it writes to stderr is kept."""

    def __init__(self, place: int, command: Sequence[str]) -> None:
        self.place = place
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self.errors
        )  # fmt: skip

    def look(self) -> Ending | None:
        code = self.process.poll()
        if code is None:
            return None
        self.errors.seek(0)
        lines = tuple(self.errors.read().decode(errors="replace").strip().splitlines())
        self._untie()
        self.errors.close()
        how = ""
        if code not in (0, STOPPED, *WRONG):
            how = f"died of {Signals(-code).name}" if code < 0 else f"ended with {code} ({(lines or ['nothing'])[-1]})"
        return Ending(code, lines, how)

    def notes(self) -> list[str]:
        return []

    def stop(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # one that is gone does not listen
            self.process.stdin.write(b"stop\n")
            self.process.stdin.flush()

    def leave(self) -> None:
        self._untie()

    def end(self, until: float) -> None:
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def _untie(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()


def tie_to_parent(stop: Callable[[], None], leave: Callable[[], None]) -> None:
    """In a worker: hears the parent through standard input. `leave` is called when the parent is gone; then the process
    ends, whatever it does."""

    def listen() -> None:
        while line := os.read(sys.stdin.fileno(), 64):
            if line.strip() == b"stop":
                stop()
        try:
            leave()
        finally:
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
