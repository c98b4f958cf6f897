"""What a search will take, before it is begun: a few networks of the band are trained for some steps, and timed."""

from __future__ import annotations

import math
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
import torch

from nas.analysis.wording import duration
from nas.data.dataset import Data
from nas.records.recipe import Recipe
from nas.records.trial import ENDED, Period, Trial
from nas.training.allocator import is_for_room
from nas.training.brief import Diverged, Trained, Verdict, train
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import count_classes, eval_batch
from space import Band, Budget, Task, cost
from space.draw import Drawable

STEPS = 6  # that a network is timed for; the median of the latter half counts. On CUDA the first ones go before the
# captured ones
BUSY = 0.4  # of the cores, from which load on a timing is rough
LONGEST = 3.0  # seconds, after which two steps are enough
FEWEST, LATEST = 3, 8  # trainings that the time left goes by
START = 4.0  # seconds of one core until a worker trains: torch, the data, the first look; measured on the digits
DRAWS = 64  # networks among which those nearest to the ends and the middle of the band are found


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that a whole training takes, evaluations included, of networks by rising FLOPs; `memory`: bytes of the
    largest one's worker at its peak; None where the system does not say. `load`: of the machine before, in parts of
    its cores."""

    flops: tuple[int, ...]
    seconds: tuple[float, ...]
    memory: int | None
    load: float = 0.0

    def of(self, flops: int) -> float:
        """Seconds of a network, straight between those that were timed."""
        return float(np.interp(flops, self.flops, self.seconds))

    def mean(self, band: Band) -> float:
        """Of networks drawn uniformly in log FLOPs."""
        return float(np.mean([self.of(round(flops)) for flops in np.geomspace(band.low, band.high, 33)]))

    def describe(self, trainings: int, band: Band, at_once: int, start: float = 0.0, stops: bool = True) -> str:
        """A line for people; `at_once`: trainings that run side by side; `start`: seconds until they begin; `stops`:
        whether some are to be stopped early."""
        if not trainings:
            return "estimate: nothing is left to train"
        low, high = duration(self.seconds[0]), duration(self.seconds[-1])
        whole = start + trainings * self.mean(band) / max(1, min(at_once, trainings))
        what = f"{trainings} training{'s' * (trainings > 1)}{f', {at_once} at once' * (at_once > 1)}"
        memory = "" if self.memory is None else f"; {self.memory / 1e9:.1f} GB of memory a worker"
        less = ", less what early stopping saves" * stops
        return (
            f"estimate: training takes {low} for the smallest networks, {high} for the largest; {what}: "
            f"{duration(whole)}{less}{memory}{'; rough, as the machine was busy before' * (self.load > BUSY)}"
        )


def estimate(
    space: Drawable, data: Data, placed: DeviceData, recipe: Recipe, budget: Budget, task: Task
) -> Estimate | None:
    """Trains the networks nearest to the ends and the middle of the band, STEPS each, in seconds. None where none of
    them can be trained; `recipe`: settled; `budget`: with a band of FLOPs."""
    load = _load()
    rng = random.Random(0)
    archs = (space.random_arch(rng, task, budget) for _ in range(DRAWS))
    drawn = {cost(arch, task).flops: arch for arch in archs}
    band = budget.bands[0][1]
    wanted = (band.low, math.sqrt(band.low * band.high), band.high)
    chosen = sorted({min(drawn, key=lambda flops: abs(math.log(flops / each))) for each in wanted})
    found = {flops: timed(partial(train, drawn[flops], task), data, placed, recipe) for flops in chosen}
    known = {flops: seconds for flops, seconds in found.items() if seconds is not None}
    if not known:
        return None
    rising = tuple(float(seconds) for seconds in np.maximum.accumulate(list(known.values())))
    return Estimate(tuple(known), rising, _peak_memory(placed.device), load)


def timed(work: Callable[..., Trained[Any]], data: Data, placed: DeviceData, recipe: Recipe) -> float | None:
    """Seconds of a whole training; None for a network that would fail as one of the search, for memory or in what it
    learns. `work`: `train` or `train_module` of the network, all but data and recipe given."""
    batch, judged = min(recipe.batch_size, len(placed.train)), min(len(placed.validation), eval_batch(data.image_size))
    one, some = (DeviceSplit(data.validation, data, placed.device, np.arange(count)) for count in (1, judged))
    short = replace(recipe, images=STEPS * batch, period_images=batch)  # a step, and a look at one image, each period
    try:
        trained = work(replace(placed, validation=one), short, seed=0, on_period=_until_known)
        look, evaluation = (
            _quickest(partial(count_classes, trained.network, split, recipe.precision)) for split in (one, some)
        )
    except Diverged:
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_for_room(error):
            raise
        return None
    took = np.diff([0.0, *(period.seconds for period in trained.curve)])
    whole = float(np.median(took[len(took) // 2 :]))
    step = max(whole - look, whole / 2)  # a look takes less, if it was not held up when it was timed
    return recipe.length / batch * step + recipe.periods * len(placed.validation) / judged * evaluation


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


def _load() -> float:
    """Of the last minute, in parts of the machine's cores; 0 where the system does not say."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0


def _peak_memory(device: torch.device) -> int | None:
    """Bytes: on a GPU of its tensors, on a CPU of this process, which holds torch, the data and the largest network
    just as a worker does."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def starting(workers: int, cores: int) -> float:
    """Seconds until processes that begin at once train; one that searches alone has begun when this is asked."""
    return START * max(1.0, workers / cores) if workers > 1 else 0.0


def trials_within(
    limit: float, found: Estimate, band: Band, at_once: int, repeats: int, trials: Sequence[Trial]
) -> int:
    """How many networks in all, at least one, a search of `limit` seconds trains beside `repeats` further seeds; those
    on record count, and the time they took."""
    ended = [trial for trial in trials if trial.state in ENDED]
    again = sum(trial.repeat_of is not None for trial in ended)
    more = math.floor((limit - _worked(ended)) * at_once / found.mean(band)) - max(0, repeats - again)
    return max(1, len(ended) - again + max(0, more))


def _worked(ended: Sequence[Trial]) -> float:
    """Seconds in which one training or more went on."""
    spans = sorted(
        (trial.finished.timestamp() - trial.seconds, trial.finished.timestamp())
        for trial in ended
        if trial.finished and trial.seconds
    )
    total, until = 0.0, -math.inf
    for begun, over in spans:
        total += max(0.0, over - max(begun, until))
        until = max(until, over)
    return total


class TimeLeft:
    """Seconds that a search still takes: by what its latest trainings took, stopped ones included, and until there are
    some by an estimate. A sampler that learns goes where it likes in the band, so that its own trials foretell best."""

    def __init__(self, trainings: int, band: Band, at_once: int, found: Estimate) -> None:
        """`at_once`: trainings that run side by side."""
        self.trainings, self.at_once, self.mean = trainings, at_once, found.mean(band)
        self.ended, self.latest = 0, deque[float](maxlen=LATEST)

    def add(self, trial: Trial) -> None:
        """A training that has ended."""
        self.ended += 1
        if trial.seconds:
            self.latest.append(trial.seconds)

    def seconds(self, running: float) -> float:
        """`running`: of those that train, the parts that are done, summed up."""
        rest = max(self.trainings - self.ended - running, 0.0)
        each = fmean(self.latest) if len(self.latest) >= FEWEST else self.mean
        return rest * each / max(1, min(self.at_once, math.ceil(rest)))
