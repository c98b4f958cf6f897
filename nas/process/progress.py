"""Long steps of a command, one after the other, with the time that is left: what there is to see while one waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

PAUSE = 10.0  # seconds between lines where none can be drawn again, as in a log


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes for whoever waits: said at once, and kept for a log that begins later."""

    console: Console
    said: list[str] = field(default_factory=list)

    def __call__(self, note: str) -> None:
        self.said.append(note)
        self.console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


class Report(Protocol):
    def __call__(self, done: float, total: float | None = None) -> None:
        """So much of the step is done; `total` where it was not known before."""


class StepLine:
    """The steps of a command: `export 3 of 7, test split: 4,096 of 10,000 images, 0:00:12 left`.

    In a terminal a line with a bar that goes at the end. In a log a line for every PAUSE seconds or more, at what
    begins or reports then, so that a command which takes no longer writes none.
    """

    def __init__(self, console: Console, name: str, count: int = 1) -> None:
        """`count`: how many steps there will be."""
        self.console, self.name, self.count = console, name, count
        self.live = console.is_terminal or console.is_jupyter
        self.begun = 0
        self.said = console.get_time()

    @staticmethod
    def unseen() -> StepLine:
        """For whoever is not watched."""
        return StepLine(Console(quiet=True), "")

    @contextmanager
    def step(self, what: str = "", total: float | None = None, unit: str = "images") -> Iterator[Report]:
        """`total`: units of the step, without which it has the time so far. `unit` "%": what is counted has no name."""
        self.begun += 1
        place = f"{self.name} {self.begun} of {self.count}" if self.count > 1 else self.name
        words = ", ".join(filter(None, [place, what]))
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), _Column())
        with Progress(*columns, console=self.console, transient=True, disable=not self.live) as bar:
            task = bar.add_task(words, total=total, unit=unit)

            def report(done: float, total: float | None = None) -> None:
                bar.update(task, completed=done, total=total)
                self._say(bar.tasks[0])

            self._say(bar.tasks[0])
            yield report

    def _say(self, task: Task) -> None:
        if self.live or self.console.get_time() - self.said < PAUSE:
            return
        self.said = self.console.get_time()
        said = task.description if task.total is None else f"{task.description}: {how_far(task)}"
        self.console.print(said, markup=False, highlight=False, soft_wrap=True)


class _Column(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(how_far(task))


def how_far(task: Task) -> str:
    """`4,096 of 10,000 images, 0:00:12 left`; of a step that has no count `0:00:05 so far`."""
    if task.total is None:
        return f"{_clock(task.elapsed or 0.0)} so far"
    unit = task.fields["unit"]
    done = f"{task.percentage:.0f}%" if unit == "%" else f"{task.completed:,.0f} of {task.total:,.0f} {unit}"
    if not task.completed or task.elapsed is None:
        return done
    return f"{done}, {_clock(task.elapsed * (task.total / task.completed - 1))} left"  # as fast as so far


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
