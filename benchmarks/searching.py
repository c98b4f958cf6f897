"""What a search costs beside training: drawing, recording and telling at growing study sizes.

    python -m benchmarks.searching

Trainers are replaced by ones that answer at once with a made-up accuracy, so that what is left is the search itself:
the sampler's proposal, the journal, curves, weights and the stopping rule.
"""

from __future__ import annotations

import itertools
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import get_args

import optuna

from benchmarks.machine import heading
from nas.records.recipe import Recipe
from nas.records.settings import Sampler, Settings
from nas.records.trial import Period
from nas.searching.ask import Begun
from nas.searching.loop import Search, Watch
from nas.storage.study_folder import open_folder
from nas.training.brief import Verdict
from nas.training.trainer import Finished, Result
from space import Arch
from tests.dashboard.studies import make_settings

EPOCHS = 10
SIZES = (100, 1000, 5000)  # trials of a study
MEASURED = 20  # trials at each size


@dataclass(frozen=True)
class MadeUp:
    """A trainer that does not train but sleeps, `seconds` in all: accuracy grows with log FLOPs, with noise."""

    periods: int
    seconds: float
    weights: bytes

    def __call__(
        self, arch: Arch, seed: int, on_period: Callable[[Period], Verdict], abandoned: Callable[[], bool]
    ) -> Result:
        final = 0.4 + 0.02 * math.log(sum(stage.width for stage in arch.stages)) + random.Random(seed).gauss(0, 0.01)
        for period in range(1, self.periods + 1):
            time.sleep(self.seconds / self.periods)
            accuracy = final * (1 - math.exp(-3 * period / self.periods))
            if on_period(Period(period, 1000 * period, 2 - accuracy, accuracy, float(period))) == "stop":
                return Finished(accuracy, self.seconds * period / self.periods, True, b"")
        return Finished(accuracy, self.seconds, False, self.weights)


def settings(recipe: Recipe, sampler: Sampler) -> Settings:
    return make_settings("bench", flops_low=200_000, recipe=recipe.to_dict(), sampler=sampler, stop="quantile")


class TimedSearch(Search):
    """Notes how many milliseconds each ask, each decision and each record of an ended training takes."""

    def reset(self) -> None:
        self.asked: list[float] = []
        self.told: list[float] = []
        self.judged: list[float] = []

    def grow(self, size: int) -> None:
        """To so many trials, by random ones, which are quick."""
        own, self.study.sampler = self.study.sampler, optuna.samplers.RandomSampler(seed=size)
        self.reset()
        self.run(size)
        self.study.sampler = own

    def _next(self, total: int, repeats: int) -> Begun | None:
        with timing(self.asked):
            return super()._next(total, repeats)

    def _tell(self, begun: Begun, result: Result | None, curve: list[Period]) -> None:
        with timing(self.told):
            super()._tell(begun, result, curve)

    def _judge(self, begun: Begun, curve: list[Period]) -> Verdict:
        with timing(self.judged if len(curve) in self.rule.rungs else []):
            return super()._judge(begun, curve)


@contextmanager
def timing(into: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into.append(1000 * (time.perf_counter() - began))


def overhead(sampler: Sampler) -> Iterator[tuple[int, list[float]]]:
    """(trials, median milliseconds of ask, tell, a decision and all of a trial) at each of SIZES."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        open_folder(folder, settings(Recipe(epochs=EPOCHS), sampler))
        ticks: list[float] = []
        watch = Watch(on_finish=lambda trial, done: ticks.append(time.perf_counter()))
        search = TimedSearch(folder, MadeUp(EPOCHS, 0, b"0" * 1_000_000), watch)
        for size in SIZES:
            search.grow(size)
            search.run(size + 1)  # a sampler that learns reads all the random ones
            search.reset()
            ticks.clear()
            search.run(size + 1 + MEASURED)
            gaps = [1000 * (b - a) for a, b in itertools.pairwise(ticks)]
            yield size, [median(times) for times in (search.asked, search.told, search.judged, gaps)]


def resident() -> float:
    """This process's memory in MB."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 1e6


def main() -> None:
    print(heading("optuna", "torch"))
    print("milliseconds beside training, medians: ask (a network in the budget, its cost, on record), tell (curve,")
    print("weights of the front, on record), a decision at a rung, and a trial in all, with those of 10 periods")
    print(f"{'sampler':8s}{'trials':>8s}{'ask':>8s}{'tell':>8s}{'rung':>8s}{'all':>8s}")
    for sampler in get_args(Sampler):
        for size, row in overhead(sampler):
            print(f"{sampler:8s}{size:>8,}{''.join(f'{number:8.1f}' for number in row)}", flush=True)


if __name__ == "__main__":
    main()
