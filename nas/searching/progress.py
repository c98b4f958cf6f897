"""A search as seen in the terminal: a live bar, a line per finished trial, and Ctrl-C. Everything goes to stderr."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from nas.analysis.pareto import Point, score, scored, top
from nas.analysis.wording import LEGEND, duration, mean_words, trial_line
from nas.records.recipe import Recipe
from nas.records.trial import ENDED, Trial
from nas.searching.estimate import TimeLeft
from nas.searching.loop import Watch
from space import Arch, compact


class SearchProgress(Progress):
    """A context; `watch()` is what the search reports to."""

    def __init__(
        self, console: Console, total: int, recipe: Recipe, stopping: Stopping, time_left: TimeLeft | None = None
    ) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        super().__init__(*columns, console=console, transient=True)
        self.time_left = time_left
        self.total, self.recipe, self.stopping = total, recipe, stopping
        self.trials: dict[int, Trial] = {}  # those that have an accuracy
        self.best: Point | None = None  # the most accurate network
        self.done = self.begun = 0  # trials: ended in all, begun since this looks on
        self.explained = False  # how a network is written
        self.running: dict[int, int] = {}  # periods of the trials that train
        self.bar = self.add_task("starting", total=total * recipe.periods, left="")

    def watch(self) -> Watch:
        return Watch(self._trial, self._show, self._finish, self._lost, self._note, lambda: self.stopping.asked)

    def resumed(self, trials: list[Trial]) -> None:
        """Where an older study stands."""
        self._take(trials)
        self.done = sum(trial.state in ENDED and trial.repeat_of is None for trial in trials)
        for trial in trials:
            self._ended(trial)
        if self.done >= self.total:
            self._note(f"the study has {self.done} trials, {self.total} are asked for; more --trials go on")
        elif self.done:
            self._note(f"resuming after {self.done} of {self.total} trials")

    def _trial(self, number: int, arch: Arch, done: int) -> None:
        self.done, self.begun = done, self.begun + 1
        self._show(number, 0)

    def _finish(self, trial: Trial, done: int) -> None:
        self.done = done
        self._take([trial])
        self._ended(trial)
        self._show(trial.number, None)
        if not self.explained:
            self.console.print(LEGEND, markup=False, highlight=False, soft_wrap=True)
        self.explained = True
        self.console.print(trial_line(trial), markup=False, highlight=False, soft_wrap=True)

    def _lost(self, number: int) -> None:
        self._show(number, None)

    def _take(self, trials: list[Trial]) -> None:
        self.trials |= {trial.number: trial for trial in scored(trials)}
        self.best = top(self.trials.values())

    def _ended(self, trial: Trial) -> None:
        if self.time_left and trial.state in ENDED:
            self.time_left.add(trial)

    def _left(self) -> str:
        """`12 min left`."""
        if self.time_left is None:
            return ""
        return f"{duration(self.time_left.seconds(sum(self.running.values()) / self.recipe.periods))} left"

    def _note(self, note: str) -> None:
        self.console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)

    def _show(self, number: int, period: int | None) -> None:
        """Moves the bar; `period` None: the trial has ended."""
        self.running.pop(number, None)
        if period is not None:
            self.running[number] = period
        best = ""
        if self.best is not None:
            best = f", best {mean_words(score(self.best.trial), self.best.seeds)}"
        what = f"trial {number} ({min(self.done + 1, self.total)}/{self.total})"
        if period:
            what += f" {compact(period * self.recipe.period)} of {compact(self.recipe.length)} images"
        completed = self.done * self.recipe.periods + sum(self.running.values())
        self.update(self.bar, description=what + best, completed=completed, left=self._left())


class Stopping:
    """Ctrl-C: the first asks the search to end after the current period, the second ends it at once."""

    def __init__(self, console: Console) -> None:
        self.console, self.asked = console, False

    @contextmanager
    def listening(self) -> Iterator[Self]:
        if threading.current_thread() is not threading.main_thread():  # only that one hears signals
            yield self
            return
        before = signal.getsignal(signal.SIGINT)
        if before == signal.SIG_IGN:  # as that of a command that a script put into the background
            yield self
            return
        signal.signal(signal.SIGINT, self._hear)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.console.print("stopping after the next evaluation (Ctrl-C again: at once)")
