"""Workers as processes of this machine, each started by itself: what dies takes nothing else along.

A worker's standard input is its tie to the parent: a line asks it to stop after its period, and its end, which comes
too when the parent is killed, to leave at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nas.searching.fleet import PATIENCE, WorkerExit

# Ctrl-C is for the parent, which tells its workers. The code is that of the parent, whatever the current folder holds.
_BEGIN = """import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
root = sys.argv.pop()
if root not in sys.path:
    sys.path.insert(0, root)
from nas.cli import main
main()"""


class Process:
    """A worker, which runs `nas` with some words; what it writes to stderr is kept."""

    def __init__(self, place: int, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """`environment`: variables beside those of this process."""
        self.place = place
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BEGIN, *words, str(Path(__file__).parents[2])],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self.errors, bufsize=0,
            env=os.environ | environment,
        )  # fmt: skip

    def look(self) -> WorkerExit | None:
        code = self.process.poll()
        if code is None:
            return None
        self.errors.seek(0)
        lines = tuple(self.errors.read().decode(errors="replace").strip().splitlines())
        self.leave()
        self.errors.close()
        return WorkerExit(code, lines)

    def notes(self) -> list[str]:
        return []

    def stop(self) -> None:
        assert self.process.stdin
        with suppress(OSError):  # one that is gone does not listen
            self.process.stdin.write(b"stop\n")

    def leave(self) -> None:
        assert self.process.stdin
        with suppress(OSError):
            self.process.stdin.close()

    def end(self, until: float) -> None:
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def tie_to_parent(place: int, stop: Callable[[], None], leave: Callable[[], None]) -> None:
    """In a worker: hears the parent through standard input. `leave` is called when the parent is gone; a process that
    has not ended PATIENCE seconds later is ended."""
    with suppress(OSError):  # on Linux: as `top` and `ps -o comm` show it
        Path("/proc/self/comm").write_text(f"nas worker {place}", encoding="utf-8")

    def listen() -> None:
        while line := os.read(0, 64):
            if line.strip() == b"stop":
                stop()
        leave()
        time.sleep(PATIENCE)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
