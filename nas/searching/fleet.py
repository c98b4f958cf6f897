"""A fleet: workers on one study, and the parent that starts, watches and ends them, wherever they run.

The parent trains nothing and writes nothing into the study.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from signal import Signals
from typing import Protocol

from nas.process.errors import FAULT, MACHINE, REFUSED, STOPPED, Fault, MachineError
from nas.records.trial import ENDED, Trial
from nas.searching.loop import Watch
from nas.storage.reader import Reader
from space import InputError

LOOK = 0.25  # seconds between looks at the study and the workers
PATIENCE = 10.0  # seconds that workers get to leave
MAX_CRASHES = 5  # workers that may die of themselves in a row, without a network trained between
MAX_KILLS = 20  # or be ended from outside: by a person, a scheduler, or for want of memory
LONGEST_PAUSE = 30.0  # seconds before a worker takes the place of one of many that died
KILLS = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")
ENDINGS = (0, STOPPED, REFUSED, FAULT)  # exit codes of workers that are not to be replaced


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """How a worker ended: its exit code (negative: the signal that ended it), and what it wrote. `lost`: in words, what
    became of one that has no exit code."""

    code: int
    lines: tuple[str, ...] = ()
    lost: str = ""

    @property
    def how(self) -> str:
        """In words what was not to be; empty where nothing was."""
        if self.lost or self.code in ENDINGS:
            return self.lost
        return f"died of {self.signal}" if self.signal else f"ended with {self.code} ({self.error})"

    @property
    def signal(self) -> str:
        """What ended it, SIGKILL say; a worker that is terminated ends by itself, with 128 and the signal's number."""
        number = -self.code if self.code < 0 else self.code - 128
        return next((each.name for each in Signals if each == number), f"signal {number}" if number > 0 else "")

    @property
    def error(self) -> str:
        """What it said last."""
        return (self.lines or ("nothing",))[-1].removeprefix("error: ")

    def notes(self) -> list[str]:
        """But for those on single trials, which the study itself tells."""
        marked = (line.removeprefix("note: ") for line in self.lines if line.startswith("note: "))
        return [note for note in marked if not note.startswith("trial ")]


class Worker(Protocol):
    place: int

    def look(self) -> WorkerExit | None:
        """How it ended; None while it lives."""

    def notes(self) -> list[str]:
        """What became of it since the last look."""

    def stop(self) -> None:
        """Asks it to stop after its period."""

    def leave(self) -> None:
        """Tells it to hand back what it trains and to end at once; does not wait."""

    def end(self, until: float) -> None:
        """Waits until it has left; after `until` (`time.monotonic`) ends it."""


@dataclass
class Fleet:
    """`start`: begins a worker at a place, 0 and up. `watch` hears of every trial of the study, whoever trains it."""

    reader: Reader
    size: int
    start: Callable[[int], Worker]
    watch: Watch
    workers: dict[int, Worker] = field(default_factory=dict)  # that live, by place
    crashes: int = 0  # in a row
    kills: int = 0  # likewise
    starts: dict[int, float] = field(default_factory=dict)  # when a worker is to take a dead one's place, by place
    over: float | None = None  # since when the study is at its goal, by the first worker that said so
    said: list[str] = field(default_factory=list)  # notes of workers, once each

    def run(self) -> bool:
        """Until all workers have ended. False if they were asked to stop before. Raises InputError for what a worker
        refuses, and when one after the other dies."""
        asked = stopped = False
        follower = Follower(self.reader, self.watch)
        try:
            self.starts = dict.fromkeys(range(self.size), 0.0)
            while self.workers or self.starts:
                self._start()
                if follower.look():
                    self.crashes = self.kills = 0
                if self.watch.stop() and not asked:
                    asked, self.starts = True, {}
                    for worker in self.workers.values():
                        worker.stop()
                for worker in list(self.workers.values()):
                    self._say(worker.notes())
                    if ending := worker.look():
                        del self.workers[worker.place]
                        stopped |= ending.code == STOPPED
                        self._ended(worker.place, ending, again=not asked)
                if self.over and time.monotonic() - self.over > PATIENCE and not follower.running():
                    break  # what still lives starts, or is frozen: there is nothing left to train
                time.sleep(LOOK)
            follower.look()
            return not (asked or stopped)
        finally:
            self._dismiss()

    def _start(self) -> None:
        """The workers whose time has come."""
        for place in [place for place, due in self.starts.items() if time.monotonic() >= due]:
            del self.starts[place]
            self.workers[place] = self.start(place)

    def _ended(self, place: int, ending: WorkerExit, again: bool) -> None:
        self._say(ending.notes())
        if ending.code == REFUSED:
            raise InputError(ending.error)
        if ending.code == FAULT:
            raise Fault(ending.error)
        if ending.code == 0:
            self.over, self.starts = self.over or time.monotonic(), {}
        if not ending.how:
            return
        killed = ending.signal in KILLS
        self.kills, self.crashes = self.kills + killed, self.crashes + (not killed)
        deaths = self.kills + self.crashes
        if self.kills > MAX_KILLS or self.crashes > MAX_CRASHES:
            if ending.code == MACHINE:
                raise MachineError(ending.error)
            raise InputError(
                f"workers must not die {deaths} times in a row, got one that {ending.how}; "
                "free memory or begin with fewer workers, and run the same command again"
            )
        pause = min(LONGEST_PAUSE, 2.0 ** (deaths - 3)) if deaths > 2 else 0.0
        after = f" after {pause:.0f} s" if pause else ""
        self.watch.on_note(f"worker {place} {ending.how}" + (f"; another takes its place{after}" if again else ""))
        if again and not self.over:
            self.starts[place] = time.monotonic() + pause

    def _say(self, notes: list[str]) -> None:
        for note in notes:
            if note not in self.said:
                self.said.append(note)
                self.watch.on_note(note)

    def _dismiss(self) -> None:
        """Those that still live leave at once; what does not within PATIENCE is ended."""
        left, self.workers = list(self.workers.values()), {}
        for worker in left:
            worker.leave()
        until = time.monotonic() + PATIENCE
        for worker in left:
            worker.end(until)


@dataclass
class Follower:
    """Tells a watch what happens in a study, from what its journal grows by."""

    reader: Reader
    watch: Watch
    known: dict[int, Trial] = field(default_factory=dict)  # that train, and those that have ended

    def __post_init__(self) -> None:
        self.known = {trial.number: trial for trial in self.reader.trials() if trial.state in ("interrupted", *ENDED)}

    def running(self) -> bool:
        return any(trial.state == "running" for trial in self.reader.shown())

    def look(self) -> bool:
        """Whether a trial has ended since the last look."""
        trials, ended = self.reader.trials(), False
        done = sum(trial.state in ENDED and trial.repeat_of is None for trial in trials)
        for trial in trials:
            before = self.known.get(trial.number)
            if trial is before or trial == before or trial.state not in ("running", "interrupted", *ENDED):
                continue
            if trial.state == "running" and trial.begun is None:
                continue  # it is being drawn
            self.known[trial.number] = trial
            if trial.state == "running":
                if before is None:
                    self.watch.on_begin(trial.number, trial.to_arch(), done)
                elif trial.periods and trial.periods != before.periods:
                    self.watch.on_period(trial.number, trial.periods)
            elif trial.state == "interrupted":
                self.watch.on_lost(trial.number)
                self.watch.on_note(f"trial {trial.number}: {trial.reason}")
            else:
                ended = True
                self.watch.on_finish(trial, done)
        return ended
