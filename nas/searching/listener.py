"""Whoever else wants to know of a search's trials: a function that is called with each as it ends."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from nas.process.errors import first_line
from nas.records.trial import ENDED, Trial
from nas.searching.loop import Watch
from nas.storage.reader import Reader
from space import InputError

OnTrial = Callable[[Trial], object]


@contextmanager
def heard(folder: Path, watch: Watch, on_trial: OnTrial | None) -> Iterator[Watch]:
    """A watch on a study that also calls `on_trial` with each trial that ends inside, whoever trains it."""
    if on_trial is None:
        yield watch
        return
    listener = Listener(Reader(folder), on_trial, watch.on_note)

    def on_finish(trial: Trial, done: int) -> None:
        watch.on_finish(trial, done)
        listener.look()

    try:
        yield replace(watch, on_finish=on_finish)
    finally:
        listener.look()  # others may have ended some since, and an error may have come between


@dataclass
class Listener:
    """Calls `hear` once with each trial of a study that ends from now on, its curve included. Where that raises an
    error, a note says so and the search goes on: the trial is on record by then. It is not told again."""

    reader: Reader
    hear: OnTrial
    on_note: Callable[[str], None]
    told: set[int] = field(init=False)  # and those that had ended before

    def __post_init__(self) -> None:
        self.told = {trial.number for trial in self._ended()}

    def look(self) -> None:
        """Tells what has ended since the last look, by number; where the study cannot be read now, at the next."""
        try:
            ended = self._ended()
        except (InputError, OSError) as error:
            self.on_note(f"who hears of trials waits: {first_line(error)}")
            return
        for trial in ended:
            if trial.number not in self.told:
                self.told.add(trial.number)
                self._tell(trial)

    def _ended(self) -> list[Trial]:
        return [trial for trial in self.reader.trials() if trial.state in ENDED]

    def _tell(self, trial: Trial) -> None:
        try:
            self.hear(replace(trial, curve=tuple(self.reader.curve(trial.number))))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {first_line(error)} ({Path(last.filename).name}, line {last.lineno})"
            self.on_note(f"trial {trial.number} is on record, but who was told of it failed: {what}")
