"""What a search will take, before it is begun: a few networks of the band are trained for some steps, and timed."""

from __future__ import annotations

import math
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from nas.analysis.wording import duration
from nas.data.dataset import Data
from nas.records.recipe import Recipe
from nas.records.trial import ENDED, Period, Trial
from nas.training.allocator import is_for_room
from nas.training.brief import Diverged, Verdict, train
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import count_classes, eval_batch
from space import Band, Budget, Space, Task, cost

STEPS = 6  # that a network is timed for; the quickest counts. On CUDA the first ones go before the captured ones
LONGEST = 3.0  # seconds for the steps of one
DRAWS = 64  # networks among which those nearest to the ends and the middle of the band are found


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that a whole training takes, evaluations included, of networks by rising FLOPs; `memory`: bytes of the
    largest one's worker at its peak."""

    flops: tuple[int, ...]
    seconds: tuple[float, ...]
    memory: int

    def of(self, flops: int) -> float:
        """Seconds of a network, straight between those that were timed."""
        return float(np.interp(flops, self.flops, self.seconds))

    def mean(self, band: Band) -> float:
        """Of networks drawn uniformly in log FLOPs."""
        return float(np.mean([self.of(round(flops)) for flops in np.geomspace(band.low, band.high, 33)]))

    def describe(self, trainings: int, band: Band, workers: int) -> str:
        """A line for people."""
        low, high = self.seconds[0], self.seconds[-1]
        whole = trainings * self.mean(band) / workers
        by = f" with {workers} workers" if workers > 1 else ""
        return (
            f"estimate: {duration(low)} for the smallest networks, {duration(high)} for the largest; {trainings} "
            f"trainings{by}: {duration(whole)}, less what early stopping saves; {self.memory / 1e9:.1f} GB of memory a "
            "worker"
        )


def estimate(space: Space, data: Data, placed: DeviceData, recipe: Recipe, band: Band, task: Task) -> Estimate | None:
    """Trains the networks nearest to the ends and the middle of the band, STEPS each, in seconds. None where none of
    them can be trained."""
    rng = random.Random(0)
    drawn = {cost(arch, task).flops: arch for arch in
             (space.random_arch(rng, task, Budget(flops=band)) for _ in range(DRAWS))}  # fmt: skip
    wanted = (band.low, math.sqrt(band.low * band.high), band.high)
    chosen = sorted({min(drawn, key=lambda flops: abs(math.log(flops / each))) for each in wanted})
    part = np.arange(min(len(placed.validation), eval_batch(task.image_size)))
    few = replace(placed, validation=DeviceSplit(data.validation, data, placed.device, part))
    size = min(recipe.batch_size, len(placed.train))
    short = replace(recipe, images=STEPS * size, period_images=size)
    timed, seconds = [], []
    for flops in chosen:
        try:
            trained = train(drawn[flops], task, few, short, seed=0, on_period=_until_known)
        except (
            Diverged,
            RuntimeError,
            MemoryError,
        ) as error:  # it fails as a network of the search does, if it comes up
            if not isinstance(error, Diverged) and not is_for_room(error):
                raise
            continue
        ends = [0.0, *(period.seconds for period in trained.curve)]
        evaluation = _quickest(partial(count_classes, trained.network, few.validation, recipe.precision))
        step = max(min(np.diff(ends)) - evaluation, 0.0)
        steps, evaluated = recipe.length // size, len(placed.validation) / len(part)
        seconds.append(steps * step + recipe.periods * evaluated * evaluation)
        timed.append(flops)
    if not timed:
        return None
    return Estimate(tuple(timed), tuple(np.maximum.accumulate(seconds)), _peak_memory(placed.device))


def _until_known(period: Period) -> Verdict:
    """Two steps, then as many as fit into LONGEST seconds."""
    return "stop" if period.period > 1 and period.seconds > LONGEST else "go on"


def _quickest(call: Callable[[], object], times: int = 2) -> float:
    """Seconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def _peak_memory(device: torch.device) -> int:
    """Bytes: on a GPU of its tensors, on a CPU of this process, which holds torch, the data and the largest network
    just as a worker does."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def trials_within(limit: float, found: Estimate, band: Band, workers: int, trials: Sequence[Trial]) -> int:
    """How many networks in all, at least one, a search of `limit` seconds trains, those on record and their time
    included."""
    ended = [trial for trial in trials if trial.state in ENDED]
    left = limit - sum(trial.seconds or 0.0 for trial in ended) / workers
    networks = sum(trial.repeat_of is None for trial in ended)
    return max(1, networks + max(0, math.floor(left * workers / found.mean(band))))


class TimeLeft:
    """Seconds that a search still takes: by an estimate, held to what trainings have taken so far."""

    def __init__(self, trainings: int, band: Band, workers: int, found: Estimate) -> None:
        self.trainings, self.workers, self.found = trainings, workers, found
        self.mean = found.mean(band)
        self.ended, self.taken, self.foreseen = 0, 0.0, 0.0

    def add(self, trial: Trial) -> None:
        """A training that has ended."""
        self.ended += 1
        if trial.seconds and trial.flops:
            self.taken += trial.seconds
            self.foreseen += self.found.of(trial.flops)

    def seconds(self, running: float) -> float:
        """`running`: of those that train, the parts that are done, summed up."""
        rest = max(self.trainings - self.ended - running, 0.0)
        pace = self.taken / self.foreseen if self.foreseen else 1.0
        return rest * self.mean * pace / max(1, min(self.workers, math.ceil(rest)))
