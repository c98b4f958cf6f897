"""A trainer: jobs go in, epochs and results come out. It trains in a thread, so that the search can do its part.

After every epoch it asks whether to go on.
"""

from __future__ import annotations

import atexit
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from safetensors.torch import save

from nas.recipe import Recipe
from nas.train import DeviceData, Diverged, Interrupted, Verdict, train
from nas.trials import Epoch
from space import Arch, Task, compact, cost

PATIENCE = 30.0  # seconds that a step, or the evaluation after an epoch, may take when the trainer is closed


@dataclass(frozen=True, slots=True)
class Job:
    """A network to train."""

    number: int
    arch: Arch
    seed: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A network is trained, to its end or until it was stopped. `weights`: safetensors."""

    job: Job
    accuracy: float
    seconds: float
    stopped: bool
    weights: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A training that came to nothing; `reason` in one line."""

    job: Job
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """A training that was interrupted on demand."""

    job: Job


Result = Finished | Failed | Left
Answer = Callable[[Job, Epoch], Verdict]


class Trainer(Protocol):
    """Trains one job at a time."""

    def start(self, job: Job) -> None:
        """Begins to train; returns at once."""

    def listen(self, answer: Answer, timeout: float) -> Result | None:
        """Waits until the training says something, or `timeout` seconds. An epoch that is over is answered; the result
        once the training has ended. Raises what ended a training and is not the network's."""

    def close(self) -> None:
        """What it trains is lost."""


class Thread:
    """A trainer in this process."""

    def __init__(self, task: Task, data: DeviceData, recipe: Recipe) -> None:
        self.data = data
        self.told: SimpleQueue[Job | Verdict | None] = SimpleQueue()  # None: it is closed
        self.said: SimpleQueue[tuple[Job, Epoch] | Result | BaseException] = SimpleQueue()
        self.closed = threading.Event()
        words = (self.told, self.said, task, data, recipe, self.closed)
        self.thread = threading.Thread(target=work, args=words, daemon=True)
        self.thread.start()

    def start(self, job: Job) -> None:
        self.told.put(job)

    def listen(self, answer: Answer, timeout: float) -> Result | None:
        """Raises what ended the training and is not the network's: with the traceback of the thread."""
        try:
            said = self.said.get(timeout=timeout)
        except Empty:
            return None
        if isinstance(said, BaseException):
            raise said
        if not isinstance(said, tuple):
            return said
        self.told.put(answer(*said))
        return None

    def close(self) -> None:
        """Waits for the step that runs: torch aborts a process that ends while a thread of it computes."""
        self.closed.set()
        self.told.put(None)
        self.thread.join(PATIENCE)
        gc.unfreeze()  # see `work`


def work(
    told: SimpleQueue[Job | Verdict | None], said: SimpleQueue[tuple[Job, Epoch] | Result | BaseException],
    task: Task, data: DeviceData, recipe: Recipe, closed: threading.Event,
) -> None:  # fmt: skip
    """Trains what it is told until it is closed. Every training ends with a result or an error, whatever that is."""

    def on_epoch(job: Job, epoch: Epoch) -> Verdict:
        said.put((job, epoch))
        verdict = told.get()
        assert not isinstance(verdict, Job), "a job is told once the last one has ended"
        return verdict or "interrupt"

    while not closed.is_set() and isinstance(job := told.get(), Job):
        try:
            said.put(_train(job, task, data, recipe, partial(on_epoch, job), closed))
        except BaseException as error:
            said.put(error)
        if not gc.get_freeze_count():
            gc.freeze()  # what was imported is no garbage: looking through it after each training took 0.2 s
            atexit.register(gc.unfreeze)  # or libraries call it leaked


def _train(
    job: Job, task: Task, data: DeviceData, recipe: Recipe, on_epoch: Callable[[Epoch], Verdict],
    closed: threading.Event,
) -> Result:  # fmt: skip
    """What is the network's own fails it. Anything else, such as a disk that cannot be read or a mistake in this
    program, says nothing of the network and is raised."""
    started = time.perf_counter()
    try:
        trained = train(job.arch, task, data, recipe, seed=job.seed, on_epoch=on_epoch, abandoned=closed.is_set)
        weights = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
        return Finished(job, trained.accuracy, trained.seconds, trained.stopped, save(weights))
    except Interrupted:
        return Left(job)
    except Diverged as error:
        return Failed(job, str(error), time.perf_counter() - started)
    except (NotImplementedError, RecursionError):  # Python's own kinds of RuntimeError
        raise
    except (RuntimeError, MemoryError) as error:  # RuntimeError: torch's, out of memory included
        first = (str(error).splitlines() or [""])[0]
        return Failed(job, f"{type(error).__name__}: {first} ({size(job.arch, task)})", time.perf_counter() - started)


def size(arch: Arch, task: Task) -> str:
    """A network that could not be trained: its key, FLOPs, parameters and activations."""
    counts = cost(arch, task)
    return (
        f"network {arch.key}, {compact(counts.flops)} FLOPs, {compact(counts.params)} parameters, "
        f"{compact(counts.activations)} activations"
    )
