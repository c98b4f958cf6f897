"""Workers as processes of this machine.

A worker's standard input is its tie to the parent: a line asks it to stop after its epoch, and its end, which comes too
when the parent is killed, to leave at once.

On Linux they are forked from a process that has imported everything and done nothing: seconds of a start become a
fraction of one (benchmarks/startup.py), and what was imported is in memory once. Elsewhere each is started by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from signal import Signals

from nas.fleet import STOPPED, WRONG, Ending

FORKS = sys.platform == "linux"
CONTEXT = multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")
# torch imports its compiler, for seconds, when the first optimizer is made
CONTEXT.set_forkserver_preload(["nas.cli", "nas.run", "nas.ehvi", "torch._dynamo"])


def warm_up() -> None:
    """Begins to import what workers need, in the process that they are forked from; returns at once."""
    if FORKS:
        from multiprocessing import forkserver

        forkserver.ensure_running()


class Process:
    """A worker, which runs `nas` with some words; what it writes to stderr is kept."""

    def __init__(self, place: int, words: Sequence[str]) -> None:
        self.place = place
        self.errors = tempfile.NamedTemporaryFile()  # noqa: SIM115
        tie, self.tie = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(
            target=_begin, args=(place, tie, self.errors.name, dict(os.environ), words)
        )  # fmt: skip
        self.process.start()
        tie.close()

    def look(self) -> Ending | None:
        code = self.process.exitcode
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
        with suppress(OSError):  # one that is gone does not listen
            os.write(self.tie.fileno(), b"stop\n")

    def leave(self) -> None:
        self._untie()

    def end(self, until: float) -> None:
        self.process.join(max(0.0, until - time.monotonic()))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.errors.close()

    def _untie(self) -> None:
        self.tie.close()


def _begin(place: int, tie: Connection, errors: str, environment: Mapping[str, str], words: Sequence[str]) -> None:
    """In a worker. `environment`: the parent's, which may know a password that it did not when it warmed up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which tells its workers
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"nas worker {place}")  # as `top` and `ps -o comm` show it
    os.environ.update(environment)
    with Path(errors).open("ab") as written, Path(os.devnull).open("wb") as nowhere:
        for here, there in ((tie.fileno(), 0), (nowhere.fileno(), 1), (written.fileno(), 2)):
            os.dup2(here, there)
    sys.argv = ["nas", *words]
    from nas.cli import main

    main()


def tie_to_parent(stop: Callable[[], None], leave: Callable[[], None]) -> None:
    """In a worker: hears the parent through standard input. `leave` is called when the parent is gone; then the process
    ends, whatever it does."""

    def listen() -> None:
        while line := os.read(0, 64):
            if line.strip() == b"stop":
                stop()
        try:
            leave()
        finally:
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
