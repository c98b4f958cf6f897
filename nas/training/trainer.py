"""Trains one network of a search: its result, whatever comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from safetensors.torch import save

from nas.process.errors import first_line
from nas.records.recipe import Recipe
from nas.records.scores import ClassCounts
from nas.records.trial import Period
from nas.training.allocator import is_for_room
from nas.training.brief import Diverged, Verdict, train
from nas.training.device_data import DeviceData
from space import Arch, Task, compact, cost


@dataclass(frozen=True, slots=True)
class Finished:
    """A network is trained, to its end or until it was stopped. `weights`: safetensors. `counts`: what it tells right
    of the validation split; a stand-in for training may know its accuracy alone."""

    accuracy: float
    seconds: float
    stopped: bool
    weights: bytes
    counts: ClassCounts | None = None

    @property
    def balanced(self) -> float | None:
        return self.counts.balanced if self.counts else None


@dataclass(frozen=True, slots=True)
class Failed:
    """A training that came to nothing; `reason` in one line."""

    reason: str
    seconds: float


Result = Finished | Failed
Found = TypeVar("Found")


class Trainer(Protocol):
    """Trains a network. After each period `on_period` says how to go on; `abandoned` is looked at before each step.
    Raises Interrupted where one of them ends the training, and what is not the network's own."""

    def __call__(
        self, arch: Arch, seed: int, on_period: Callable[[Period], Verdict], abandoned: Callable[[], bool]
    ) -> Result: ...


@dataclass(frozen=True, slots=True)
class BriefTrainer:
    """Brief training on data that is in place."""

    task: Task
    data: DeviceData
    recipe: Recipe

    def __call__(
        self, arch: Arch, seed: int, on_period: Callable[[Period], Verdict], abandoned: Callable[[], bool]
    ) -> Result:
        work = partial(self._train, arch, seed, on_period, abandoned)
        return attempt(work, partial(describe_size, arch, self.task))

    def _train(
        self, arch: Arch, seed: int, on_period: Callable[[Period], Verdict], abandoned: Callable[[], bool]
    ) -> Finished:
        trained = train(arch, self.task, self.data, self.recipe, seed=seed, on_period=on_period, abandoned=abandoned)
        weights = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
        return Finished(trained.accuracy, trained.seconds, trained.stopped, save(weights), trained.counts)


def attempt(work: Callable[[], Found], size: Callable[[], str]) -> Found | Failed:
    """What a training gives. A loss that is no number, or a network that the memory does not hold, fails the network,
    of which `size` says how large it is. Anything else, such as a disk that cannot be read or a fault in this program,
    says nothing of the network and is raised."""
    started = time.perf_counter()
    try:
        return work()
    except Diverged as error:
        return Failed(str(error), time.perf_counter() - started)
    except (RuntimeError, MemoryError) as error:  # RuntimeError: torch's
        if not is_for_room(error):
            raise
        return Failed(f"out of memory: {first_line(error)} ({size()})", time.perf_counter() - started)


def describe_size(arch: Arch, task: Task) -> str:
    """A network that could not be trained: its key, FLOPs, parameters and activations."""
    counts = cost(arch, task)
    return (
        f"network {arch.key}, {compact(counts.flops)} FLOPs, {compact(counts.params)} parameters, "
        f"{compact(counts.activations)} activations"
    )
