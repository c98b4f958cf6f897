"""Brief training of one network: data on the device, augmented on the device, read back once per period.

The same code runs on CPU and CUDA, where the step is captured once as a CUDA graph and replayed. Every random choice
comes from the seed. On a CPU a re-run on the same machine with the same versions and thread count repeats to the last
bit; of several threads `Threads.fit` may take but one while the machine is busy, so that one thread alone repeats for
certain. On CUDA none does: torch's kernels there, cuDNN's gradients among them, may add in another order each time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

import torch
from torch import nn

from nas.records.recipe import Recipe
from nas.records.scores import METRICS, ClassCounts
from nas.records.trial import Period
from nas.training.allocator import forget_locals, give_back_memory, keep_freed_memory, only_new_garbage
from nas.training.device import own_stream
from nas.training.device_data import DeviceData
from nas.training.evaluation import chance_level, count_classes
from nas.training.steps import Interrupted, Training
from nas.training.threads import THREADS
from space import Arch, Task
from space.network import Network

STEPS_TO_LEARN = 100  # fewer do not tell a network that cannot learn from one that has hardly begun

Module = TypeVar("Module", bound=nn.Module)
Verdict = Literal["go on", "stop", "interrupt"]


class Diverged(Exception):
    """The training came to nothing: its loss is no longer a number, or it has learnt nothing."""


@dataclass(frozen=True, slots=True)
class Trained(Generic[Module]):
    """A trained network, what it tells right of the validation split after the last period, and its curve."""

    network: Module
    counts: ClassCounts
    curve: tuple[Period, ...]
    seconds: float
    stopped: bool = False  # before the recipe's last period

    @property
    def accuracy(self) -> float:
        """Top-1, 0 to 1."""
        return self.counts.accuracy


def train(
    arch: Arch,
    task: Task,
    data: DeviceData,
    recipe: Recipe,
    *,
    seed: int,
    on_period: Callable[[Period], Verdict] = lambda period: "go on",
    abandoned: Callable[[], bool] = lambda: False,
) -> Trained[Network]:
    """Trains a fresh network of ours; see `train_module`."""
    build = partial(Network, arch, task, recipe.drop_path)
    return train_module(build, data, recipe, seed=seed, on_period=on_period, abandoned=abandoned)


def train_module(
    build: Callable[[], Module],
    data: DeviceData,
    recipe: Recipe,
    *,
    seed: int,
    on_period: Callable[[Period], Verdict] = lambda period: "go on",
    abandoned: Callable[[], bool] = lambda: False,
) -> Trained[Module]:
    """Trains what `build` makes, images (N, C, H, W) -> logits (N, classes) with weights from torch's generator, for
    the recipe's images, or until `on_period` says "stop".

    Raises Diverged, for a loss that is no number at once and, at the end of STEPS_TO_LEARN steps or more, where neither
    accuracy nor balanced accuracy has ever left chance; Interrupted where `on_period` says "interrupt" before the last
    period, and at the next step once `abandoned`.
    """
    keep_freed_memory()
    with only_new_garbage():
        try:
            with own_stream(data.device):
                return _train(build, data, recipe, seed, on_period, abandoned)
        except BaseException as error:
            forget_locals(error)  # its traceback holds network and maps for as long as someone looks at the error
            raise
        finally:
            THREADS.release()
            give_back_memory()


def _train(
    build: Callable[[], Module], data: DeviceData, recipe: Recipe, seed: int, on_period: Callable[[Period], Verdict],
    abandoned: Callable[[], bool],
) -> Trained[Module]:  # fmt: skip
    recipe = recipe.settled(len(data.train))
    torch.manual_seed(seed)
    with data.device:
        network = build()
    training = Training(network, data, recipe, torch.Generator(data.device).manual_seed(seed), abandoned)
    started = time.perf_counter()  # once the optimizer is there, for whose first one a process imports much of torch
    curve: list[Period] = []
    for number in range(1, recipe.periods + 1):
        loss = training.period()
        if not math.isfinite(loss):
            raise Diverged(f"loss became {loss} within {number * recipe.period:,} of {recipe.length:,} images")
        counts = count_classes(training.evaluated, data.validation, recipe.precision)
        seconds = time.perf_counter() - started
        curve.append(Period(number, number * recipe.period, loss, counts.accuracy, seconds, counts.balanced))
        verdict = on_period(curve[-1])
        if number == recipe.periods:
            break
        if verdict == "interrupt":
            raise Interrupted
        if verdict == "stop":
            break
    stopped = len(curve) < recipe.periods
    had_time = not stopped and training.steps >= STEPS_TO_LEARN
    if had_time and not any(_has_learnt(period, counts) for period in curve):
        best = max(period.accuracy for period in curve)
        guess = f"where guessing has up to {min(1, chance_level(counts, 'accuracy')):.2%} of {sum(counts.images):,}"
        raise Diverged(f"accuracy never left chance, {best:.2%} at best in {recipe.length:,} images, {guess}")
    return Trained(training.evaluated, counts, tuple(curve), curve[-1].seconds, stopped)


def _has_learnt(period: Period, split: ClassCounts) -> bool:
    """By either score: where most images are of one class, accuracy alone may have no room above chance."""
    return any(period.score(metric) > chance_level(split, metric) for metric in METRICS)
