"""Trainers: jobs go in, epochs and results come out. A thread of this process, or several processes on one device.

A trainer asks after every epoch whether to go on. Processes stay for many trials, since each costs seconds and, on a
GPU, half a gigabyte to start; one that dies takes its trial with it and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Protocol

import torch
from safetensors.torch import save

from nas.data import Data, load
from nas.recipe import Recipe
from nas.settings import Settings
from nas.train import DeviceData, Diverged, Interrupted, Verdict, choose_device, train
from nas.trials import Epoch
from space import Arch, InputError, Task


@dataclass(frozen=True, slots=True)
class Job:
    """A network to train."""

    number: int
    arch: Arch
    seed: int


@dataclass(frozen=True, slots=True)
class Passed:
    """An epoch is over; the trainer waits for a Verdict."""

    job: Job
    epoch: Epoch


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


Event = Passed | Finished | Failed | Left


def work(pipe: Connection, task: Task, data: DeviceData, recipe: Recipe) -> None:
    """Trains what comes through the pipe until it closes."""
    try:
        while isinstance(job := pipe.recv(), Job):
            pipe.send(_train(pipe, job, task, data, recipe))
    except (EOFError, OSError):  # the other end is gone
        pass
    finally:
        pipe.close()


def _train(pipe: Connection, job: Job, task: Task, data: DeviceData, recipe: Recipe) -> Event:
    started = time.perf_counter()

    def on_epoch(epoch: Epoch) -> Verdict:
        pipe.send(Passed(job, epoch))
        verdict: Verdict = pipe.recv()
        return verdict

    try:
        trained = train(job.arch, task, data, recipe, seed=job.seed, on_epoch=on_epoch)
    except Interrupted:
        return Left(job)
    except Diverged as error:
        return Failed(job, str(error), time.perf_counter() - started)
    except (RuntimeError, MemoryError) as error:  # RuntimeError: torch's, out of memory included
        first = (str(error).splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {first} (network {job.arch.key})"
        return Failed(job, reason, time.perf_counter() - started)
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
    return Finished(job, trained.accuracy, trained.seconds, trained.stopped, save(weights))


class Trainer(Protocol):
    """One trainer's end of its pipe."""

    pipe: Connection

    def restart(self) -> str:
        """A new one in place of one that died, of which it says how."""

    def close(self) -> None:
        """Ends it; what it trains is lost."""


class Thread:
    """A trainer in this process: the data is where it is already."""

    def __init__(self, task: Task, data: DeviceData, recipe: Recipe) -> None:
        self.data = data
        self.pipe, inner = Pipe()
        threading.Thread(target=work, args=(inner, task, data, recipe), daemon=True).start()

    def restart(self) -> str:
        raise AssertionError("a thread does not die: it reports its errors")

    def close(self) -> None:
        self.pipe.close()


class Process:
    """A trainer in a process of its own, which loads the data itself."""

    def __init__(self, settings: Settings, source: str, device: torch.device, threads: int) -> None:
        self._order = (settings, source, str(device), threads)
        self._start()

    def _start(self) -> None:
        self.pipe, inner = Pipe()
        context = multiprocessing.get_context("spawn")  # CUDA and OpenMP do not survive a fork
        self.process = context.Process(target=_process, args=(inner, *self._order), daemon=True)
        self.process.start()
        inner.close()  # so that its death closes the pipe

    def restart(self) -> str:
        self.pipe.close()
        self.process.join()
        code = self.process.exitcode or 0
        self._start()
        return f"its process died of {signal.Signals(-code).name}" if code < 0 else f"its process ended with {code}"

    def close(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _process(pipe: Connection, settings: Settings, source: str, device: str, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the search, which tells its trainers
    torch.set_num_threads(threads)
    data = load(source, settings.data.image_size)
    assert data.fingerprint == settings.data.fingerprint, "data changed while the search started"
    recipe = settings.build_recipe()
    work(pipe, settings.task, DeviceData.place(data, recipe, choose_device(device)), recipe)


class Crew:
    """Trainers, and who trains what."""

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.trainers = list(trainers)
        self.jobs: dict[int, Job] = {}  # place of a trainer: what it trains

    @property
    def idle(self) -> bool:
        """Whether a trainer has nothing to do."""
        return len(self.jobs) < len(self.trainers)

    def start(self, job: Job) -> None:
        """Gives a job to an idle trainer."""
        place = next(i for i in range(len(self.trainers)) if i not in self.jobs)
        self.jobs[place] = job
        try:
            self.trainers[place].pipe.send(job)
        except OSError:  # it died with nothing to do
            self.trainers[place].restart()
            self.trainers[place].pipe.send(job)

    def listen(self, answer: Callable[[Passed], Verdict], timeout: float | None = None) -> list[Event]:
        """Waits until a trainer says something; epochs are answered at once. All that was said."""
        ready = wait([self.trainers[place].pipe for place in self.jobs], timeout)
        events: list[Event] = []
        for place, job in list(self.jobs.items()):
            pipe = self.trainers[place].pipe
            if pipe not in ready:
                continue
            try:
                event: Event = pipe.recv()
            except (EOFError, OSError):
                event = Failed(job, f"{self.trainers[place].restart()} (network {job.arch.key})", 0.0)
            if isinstance(event, Passed):
                verdict = answer(event)  # its errors are the search's own
                with suppress(OSError):  # a trainer that died meanwhile is met when it is listened to again
                    pipe.send(verdict)
            else:
                del self.jobs[place]
            events.append(event)
        return events

    def close(self) -> None:
        """Ends all trainers."""
        for trainer in self.trainers:
            trainer.close()


def build_crew(workers: int, settings: Settings, source: str, data: Data) -> Crew:
    """One thread, or `workers` processes that share this machine's cores. Raises InputError for more than there are."""
    recipe, device = settings.build_recipe(), choose_device(settings.device)
    if workers == 1:
        return Crew([Thread(settings.task, DeviceData.place(data, recipe, device), recipe)])
    DeviceData.place(data, recipe, torch.device("cpu"))  # refuses a recipe that does not fit; nothing moves
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers > cores:
        raise InputError(f"workers must be at most the {cores} cores of this machine, got {workers}; lower it")
    threads = max(1, torch.get_num_threads() // workers)
    return Crew([Process(settings, source, device, threads) for _ in range(workers)])
