"""How right the time left is, while a search goes on: what it says after each training, and what it then took.

    python -m benchmarks.estimating [DATA] [SPACE FLOPS TRIALS IMAGES]

The default search (ehvi, early stopping) with two workers in a folder of its own; without arguments on the digits.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.machine import heading
from nas.analysis.wording import duration
from nas.records.trial import Trial
from nas.searching import launch
from nas.searching.plan import SearchPlan
from nas.searching.progress import SearchProgress
from space import Budget, Space
from space.budget import parse_count

SHOWN = (0, 1, 2, 5, 10, 20)


class Noted(SearchProgress):
    """With the time at which each training ended and what was said to be left."""

    said: list[tuple[float, float]]

    def resumed(self, trials: list[Trial]) -> None:
        super().resumed(trials)
        Noted.said = [(time.perf_counter(), self._seconds())]

    def _finish(self, trial: Trial, done: int) -> None:
        super()._finish(trial, done)
        Noted.said.append((time.perf_counter(), self._seconds()))

    def _seconds(self) -> float:
        assert self.time_left is not None
        return self.time_left.seconds(sum(self.running.values()) / self.recipe.periods)


def main() -> None:
    data, space, flops, trials, images = [
        *sys.argv[1:],
        *("digits", "digits", "200K..4M", "30", "6K")[len(sys.argv) - 1 :],
    ]
    vars(launch)["SearchProgress"] = Noted
    with tempfile.TemporaryDirectory() as scratch:
        plan = SearchPlan(trials=int(trials), images=parse_count(images, "images"), workers=2, runs=Path(scratch))
        launch.run_search(Space.load(space), data, Budget.parse(flops), plan, Console(stderr=True))
    print(heading("torch", "optuna"))
    print(f"\n{space} on {data}, {flops} FLOPs, {trials} trials, {images} images each, 2 workers\n")
    print("| trainings ended | said to be left | it took | ratio |\n|---|---|---|---|")
    ended = Noted.said[-1][0]
    for count, (moment, left) in enumerate(Noted.said[:-1]):
        if count in SHOWN:
            took = ended - moment
            print(f"| {count} | {duration(left)} | {duration(took)} | {left / took:.2f} |")


if __name__ == "__main__":
    main()
