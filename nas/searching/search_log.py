"""A search's log: `search.log` in the study's folder, a line for whatever begins, ends or goes wrong, by every worker.

A line is one write at the end of the file, so that any number of workers may write it. Where it cannot be written that
is said once, and the search goes on without.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nas.analysis.wording import describe, trial_line
from nas.process.errors import first_line
from nas.records.trial import Trial
from nas.searching.loop import Watch
from nas.searching.plan import LogLevel
from nas.storage.owners import owner
from space import Arch

FILE = "search.log"
NOTE = "note: %s"


class LineHandler(logging.Handler):
    """Appends; opened for each line, so that it goes on in a folder that comes back."""

    def __init__(self, path: Path, on_trouble: Callable[[str], None]) -> None:
        super().__init__()
        self.path, self.on_trouble, self.over = path, on_trouble, False  # over: that was said

    def emit(self, record: logging.LogRecord) -> None:
        line = " ".join(self.format(record).split("\n")) + "\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(line.encode(errors="replace"))
        except OSError as error:
            if not self.over:
                self.on_trouble(f"{self.path} cannot be written ({error.strerror}); the search goes on without its log")
            self.over = True


class SearchLog:
    """What one process writes of one study. `who`: `search`, `worker 3`."""

    def __init__(self, folder: Path, who: str, level: LogLevel, on_trouble: Callable[[str], None]) -> None:
        here = owner()
        words = f"{who} ({here['host']}:{here['pid']})".replace("%", "%%")
        form = logging.Formatter(f"%(asctime)s UTC {words} %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
        form.converter = time.gmtime
        handler = LineHandler(folder / FILE, on_trouble)
        handler.setFormatter(form)
        self.log = logging.Logger("nas.search", level.upper())  # its own: other searches of the process have theirs
        self.log.addHandler(handler)

    def begins(self, what: str, ended: int) -> None:
        self.log.info("%s: %s", f"goes on after {ended} trials" if ended else "begins", what)

    def notes(self, said: Sequence[str]) -> None:
        """What was said before it began."""
        for note in said:
            self.log.warning(NOTE, note)

    def ends(self, finished: bool) -> None:
        self.log.info("ends: all that was wanted is there" if finished else "stops, as it was asked to")

    @contextmanager
    def with_errors(self) -> Iterator[None]:
        """What ends a search before its time is in the log, and goes on its way."""
        try:
            yield
        except Exception as error:
            self.log.error("ends with an error: %s", first_line(error))  # the traceback has its own log
            raise
        except BaseException as error:
            self.log.warning("is ended at once (%s)", type(error).__name__)
            raise

    def watch(self, inner: Watch, trials: bool = True) -> Watch:
        """`inner`, and the log. `trials` False: their workers log them."""

        def on_note(note: str) -> None:
            self.log.warning(NOTE, note)
            inner.on_note(note)

        def on_begin(number: int, arch: Arch, done: int) -> None:
            self.log.info("trial %d begins: %s", number, describe(arch))
            inner.on_begin(number, arch, done)

        def on_period(number: int, period: int) -> None:
            self.log.debug("trial %d: %d periods", number, period)
            inner.on_period(number, period)

        def on_finish(trial: Trial, done: int) -> None:
            level = logging.WARNING if trial.state == "failed" else logging.INFO
            said = " ".join(trial_line(trial).split()).removeprefix(f"trial {trial.number} ")  # with state and reason
            self.log.log(level, "trial %d %s", trial.number, said if trial.score is None else f"complete: {said}")
            inner.on_finish(trial, done)

        heard = replace(inner, on_note=on_note)
        return replace(heard, on_begin=on_begin, on_period=on_period, on_finish=on_finish) if trials else heard
