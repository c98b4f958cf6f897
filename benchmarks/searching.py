"""What a search costs beside training: drawing, recording and telling at growing study sizes, and its memory.

    python -m benchmarks.searching

Trainers are replaced by ones that answer at once with a made-up accuracy, so that what is left is the search itself:
the sampler's proposal, the journal, curves, weights and the stopping rule. Memory is measured with real trainings.
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
import torch

from benchmarks.machine import heading
from nas.data.dataset import load
from nas.data.study_data import describe_data
from nas.records.recipe import Recipe
from nas.records.settings import Sampler, Settings
from nas.records.trial import Epoch, Trial
from nas.searching.ask import Begun
from nas.searching.loop import Search, Watch
from nas.storage.study_folder import open_folder, package_versions
from nas.training.brief import DeviceData, Verdict
from nas.training.trainer import BriefTrainer, Finished, Result
from space import Arch, Band, Space

EPOCHS = 10
SIZES = (100, 1000, 5000)  # trials of a study
MEASURED = 20  # trials at each size
LOOKS = (10, 50, 100, 200, 300, 400, 500)  # trainings after which memory is read


@dataclass(frozen=True)
class MadeUp:
    """A trainer that does not train but sleeps, `seconds` in all: accuracy grows with log FLOPs, with noise."""

    epochs: int
    seconds: float
    weights: bytes

    def __call__(
        self, arch: Arch, seed: int, on_epoch: Callable[[Epoch], Verdict], abandoned: Callable[[], bool]
    ) -> Result:
        final = 0.4 + 0.02 * math.log(sum(stage.width for stage in arch.stages)) + random.Random(seed).gauss(0, 0.01)
        for epoch in range(1, self.epochs + 1):
            time.sleep(self.seconds / self.epochs)
            accuracy = final * (1 - math.exp(-3 * epoch / self.epochs))
            if on_epoch(Epoch(epoch, 2 - accuracy, accuracy, float(epoch))) == "stop":
                return Finished(accuracy, self.seconds * epoch / self.epochs, True, b"")
        return Finished(accuracy, self.seconds, False, self.weights)


def settings(space: str, band: Band, recipe: Recipe, sampler: Sampler) -> Settings:
    chosen = Space.load(space)
    card = describe_data(load("digits"))
    return Settings(
        name="bench", created="", command="", space_name=space, space=chosen.to_dict(), flops_low=band.low,
        flops_high=band.high, data=card, recipe=recipe.to_dict(), sampler=sampler, stop="quantile", seed=0,
        device="cpu", versions=package_versions(),
    )  # fmt: skip


class TimedSearch(Search):
    """Notes how many milliseconds each ask, each decision and each record of an ended training takes."""

    asked: list[float]
    told: list[float]
    judged: list[float]

    def reset(self) -> None:
        self.asked, self.told, self.judged = [], [], []

    def grow(self, size: int) -> None:
        """To so many trials, by random ones, which are quick."""
        own, self.study.sampler = self.study.sampler, optuna.samplers.RandomSampler(seed=size)
        self.reset()
        self.run(size)
        self.study.sampler = own

    def _next(self, total: int, repeats: int) -> Begun | None:
        with timing(self.asked):
            return super()._next(total, repeats)

    def _tell(self, begun: Begun, result: Result | None, curve: list[Epoch]) -> None:
        with timing(self.told):
            super()._tell(begun, result, curve)

    def _judge(self, begun: Begun, curve: list[Epoch]) -> Verdict:
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
        open_folder(folder, settings("digits", Band.parse("200K..4M"), Recipe(epochs=EPOCHS), sampler))
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


def memory() -> list[tuple[int, float]]:
    """MB after some real trainings of different networks in this process."""
    recipe = Recipe(epochs=1, train_images=256)
    digits = load("digits")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        plan = settings("digits", Band.parse("200K..4M"), recipe, "random")
        open_folder(folder, plan)
        found: list[tuple[int, float]] = []

        def look(trial: Trial, done: int) -> None:
            if done in LOOKS:
                found.append((done, resident()))

        trainer = BriefTrainer(plan.task, DeviceData.place(digits, recipe, torch.device("cpu")), recipe)
        Search(folder, trainer, Watch(on_finish=look)).run(LOOKS[-1])
        return found


def main() -> None:
    print(heading("optuna", "torch"))
    print("milliseconds beside training, medians: ask (a network in the budget, its cost, on record), tell (curve,")
    print("weights of the front, on record), a decision at a rung, and a trial in all, with those of 10 epochs")
    print(f"{'sampler':8s}{'trials':>8s}{'ask':>8s}{'tell':>8s}{'rung':>8s}{'all':>8s}")
    for sampler in get_args(Sampler):
        for size, row in overhead(sampler):
            print(f"{sampler:8s}{size:>8,}{''.join(f'{number:8.1f}' for number in row)}", flush=True)
    print(f"memory of one process over {LOOKS[-1]} trainings")
    print(*(f"{done:>4} trials {megabytes:6.0f} MB" for done, megabytes in memory()), sep="\n")


if __name__ == "__main__":
    main()
