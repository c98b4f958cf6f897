"""A fleet: worker processes on one study, and the parent that starts, watches and ends them.

The parent trains nothing and writes nothing into the study. A worker's standard input is its tie to the parent: a line
asks it to stop after its epoch, and its end, which comes too when the parent is killed, to leave at once.
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
from dataclasses import dataclass, field
from signal import Signals
from typing import IO

from nas.ledger import ENDED
from nas.study import Watch
from nas.trials import Reader, Trial
from space import InputError

LOOK = 0.25  # seconds between looks at the study and the workers
PATIENCE = 10.0  # seconds that workers get to leave
MAX_DEATHS = 5  # workers that may die in a row, without a network trained between
STOPPED = 130  # exit code of a worker that was asked to stop
WRONG = (1, 2)  # and of one that says what is wrong, with the machine or with what it was told


@dataclass
class Worker:
    """A process, and what it wrote to stderr."""

    place: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def lines(self) -> list[str]:
        """What it wrote."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip().splitlines()

    def last_words(self) -> str:
        return next(reversed(self.lines()), "nothing")

    def notes(self) -> list[str]:
        """But for those on single trials, which the study itself tells."""
        marked = (line.removeprefix("note: ") for line in self.lines() if line.startswith("note: "))
        return [note for note in marked if not note.startswith("trial ")]

    def end(self) -> str:
        """How it ended, where that was not to be."""
        code = self.process.returncode
        if code in (0, STOPPED, *WRONG):
            return ""
        return f"died of {Signals(-code).name}" if code < 0 else f"ended with {code} ({self.last_words()})"

    def say(self, line: str) -> None:
        """Writes to it; one that is gone does not listen."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()

    def close(self) -> None:
        """Ends the tie."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        self.errors.close()


@dataclass
class Fleet:
    """`commands`: one a worker. `watch` hears of every trial of the study, whoever trains it."""

    reader: Reader
    commands: Sequence[Sequence[str]]
    watch: Watch
    workers: dict[int, Worker] = field(default_factory=dict)  # that live, by place
    deaths: int = 0  # in a row
    over: float | None = None  # since when the study is at its goal, by the first worker that said so
    said: list[str] = field(default_factory=list)  # notes of workers, once each

    def run(self) -> bool:
        """Until all workers have ended. False if they were asked to stop before. Raises InputError for what a worker
        refuses, and when one after the other dies."""
        asked = stopped = False
        follower = Follower(self.reader, self.watch)
        try:
            for place in range(len(self.commands)):
                self._start(place)
            while self.workers:
                if follower.look():
                    self.deaths = 0
                if self.watch.stop() and not asked:
                    asked = True
                    for worker in self.workers.values():
                        worker.say("stop")
                for worker in [each for each in self.workers.values() if each.process.poll() is not None]:
                    del self.workers[worker.place]
                    stopped |= worker.process.returncode == STOPPED
                    self._ended(worker, again=not asked)
                if self.over and time.monotonic() - self.over > PATIENCE:
                    places = ", ".join(map(str, self.workers))
                    self.watch.on_note(f"worker {places} does not move, and nothing is left to train: ended")
                    break
                time.sleep(LOOK)
            follower.look()
            return not (asked or stopped)
        finally:
            self._dismiss()

    def _start(self, place: int) -> None:
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            self.commands[place], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        )
        self.workers[place] = Worker(place, process, errors)

    def _ended(self, worker: Worker, again: bool) -> None:
        how, wrong = worker.end(), worker.process.returncode in WRONG
        last = worker.last_words().removeprefix("error: ")
        for note in worker.notes():
            if note not in self.said:
                self.said.append(note)
                self.watch.on_note(note)
        worker.close()
        if wrong:
            raise InputError(last)
        if worker.process.returncode == 0:
            self.over = self.over or time.monotonic()
        if not how:
            return
        self.deaths += 1
        if self.deaths > MAX_DEATHS:
            raise InputError(f"workers must not die {self.deaths} times in a row, got one that {how}; see `nas trials`")
        self.watch.on_note(f"worker {worker.place} {how}" + ("; another takes its place" if again else ""))
        if again:
            self._start(worker.place)

    def _dismiss(self) -> None:
        """Those that still live leave at once; what does not within PATIENCE is killed."""
        left, self.workers = list(self.workers.values()), {}
        for worker in left:
            worker.close()
        until = time.monotonic() + PATIENCE
        for worker in left:
            try:
                worker.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


@dataclass
class Follower:
    """Tells a watch what happens in a study, from what its journal grows by."""

    reader: Reader
    watch: Watch
    known: dict[int, Trial] = field(default_factory=dict)  # that train, and those that have ended

    def __post_init__(self) -> None:
        self.known = {trial.number: trial for trial in self.reader.trials() if trial.state in ("interrupted", *ENDED)}

    def look(self) -> bool:
        """Whether a trial has ended since the last look."""
        trials, ended = self.reader.trials(), False
        done = sum(trial.state in ENDED and trial.repeat_of is None for trial in trials)
        for trial in trials:
            before = self.known.get(trial.number)
            if trial is before or trial == before or trial.state not in ("running", "interrupted", *ENDED):
                continue
            self.known[trial.number] = trial
            if trial.state == "running":
                if before is None:
                    self.watch.on_trial(trial.number, trial.network(), done)
                elif trial.epochs and trial.epochs != before.epochs:
                    self.watch.on_epoch(trial.number, trial.epochs)
            elif trial.state == "interrupted":
                self.watch.on_note(f"trial {trial.number}: {trial.reason}")
            else:
                ended = True
                self.watch.on_finish(trial, done)
        return ended


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
