"""A trainer: jobs go in, epochs and results come out. It trains in a thread, so that the search can do its part.

After every epoch it asks whether to go on.
"""

from __future__ import annotations

import atexit
import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
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
        once the training has ended."""

    def close(self) -> None:
        """What it trains is lost."""


class Thread:
    """A trainer in this process."""

    def __init__(self, task: Task, data: DeviceData, recipe: Recipe) -> None:
        self.data = data
        self.pipe, inner = Pipe()
        self.closed = threading.Event()
        self.thread = threading.Thread(target=work, args=(inner, task, data, recipe, self.closed), daemon=True)
        self.thread.start()

    def start(self, job: Job) -> None:
        self.pipe.send(job)

    def listen(self, answer: Answer, timeout: float) -> Result | None:
        if not self.pipe.poll(timeout):
            return None
        said: tuple[Job, Epoch] | Result = self.pipe.recv()
        if not isinstance(said, tuple):
            return said
        self.pipe.send(answer(*said))
        return None

    def close(self) -> None:
        """Waits for the step that runs: torch aborts a process that ends while a thread of it computes."""
        self.closed.set()
        self.pipe.close()
        self.thread.join(PATIENCE)
        gc.unfreeze()  # see `work`


def work(pipe: Connection, task: Task, data: DeviceData, recipe: Recipe, closed: threading.Event) -> None:
    """Trains what comes through the pipe until it closes."""
    with suppress(EOFError, OSError):  # the other end is gone
        while isinstance(job := pipe.recv(), Job):
            pipe.send(_train(pipe, job, task, data, recipe, closed))
            if not gc.get_freeze_count():
                gc.freeze()  # what was imported is no garbage: looking through it after each training took 0.2 s
                atexit.register(gc.unfreeze)  # or libraries call it leaked
    pipe.close()


def _train(pipe: Connection, job: Job, task: Task, data: DeviceData, recipe: Recipe, closed: threading.Event) -> Result:
    started = time.perf_counter()

    def on_epoch(epoch: Epoch) -> Verdict:
        pipe.send((job, epoch))
        verdict: Verdict = pipe.recv()
        return verdict

    try:
        trained = train(job.arch, task, data, recipe, seed=job.seed, on_epoch=on_epoch, abandoned=closed.is_set)
    except Interrupted:
        return Left(job)
    except Diverged as error:
        return Failed(job, str(error), time.perf_counter() - started)
    except (RuntimeError, MemoryError) as error:  # RuntimeError: torch's, out of memory included
        first = (str(error).splitlines() or [""])[0]
        return Failed(job, f"{type(error).__name__}: {first} ({size(job.arch, task)})", time.perf_counter() - started)
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
    return Finished(job, trained.accuracy, trained.seconds, trained.stopped, save(weights))


def size(arch: Arch, task: Task) -> str:
    """A network that could not be trained: its key, FLOPs, parameters and activations."""
    counts = cost(arch, task)
    return (
        f"network {arch.key}, {compact(counts.flops)} FLOPs, {compact(counts.params)} parameters, "
        f"{compact(counts.activations)} activations"
    )
