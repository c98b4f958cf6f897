"""Where a search trains: in this process, in worker processes, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nas.records.extent import Extent
from nas.records.settings import Settings
from nas.searching.fleet import Fleet, Worker
from nas.searching.loop import Search, Watch
from nas.searching.plan import LogLevel, SearchPlan
from nas.searching.processes import Process
from nas.storage.postgres import environment
from nas.storage.reader import Reader
from nas.storage.study_folder import open_study, set_extent
from nas.training.device import choose_device
from nas.training.threads import THREADS
from nas.training.trainer import Trainer

Begin = Callable[[Path, Watch, Extent], bool]  # runs a study in a folder as far as that


BUSY = (
    "other programs kept the cores busy, so that one thread trained for a while: the same search may give somewhat "
    "other accuracies (with OMP_NUM_THREADS=1 it repeats)"
)


def alone(trainer: Trainer, folder: Path, watch: Watch, extent: Extent) -> bool:
    """In this process."""
    search = Search(folder, trainer, watch)
    set_extent(search.study, search.reader, extent)
    try:
        return search.run(*extent)
    finally:
        if THREADS.fell:
            watch.on_note(BUSY)


def _together(workers: int, start: Callable[[Path, int], Worker], folder: Path, watch: Watch, extent: Extent) -> bool:
    """By workers, each of which `start` begins on the study at a place of its own."""
    study, storage = open_study(folder, watch.on_note)
    reader = Reader(folder, storage)
    set_extent(study, reader, extent)
    return Fleet(reader, workers, partial(start, folder), watch).run()


def in_processes(source: str, target: torch.device, workers: int, level: LogLevel) -> Begin:
    """In worker processes that share the device, or the devices of its kind."""
    threads = max(1, torch.get_num_threads() // workers)
    devices = [str(target)]
    if str(target) == "cuda":
        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]

    def start(folder: Path, place: int) -> Process:
        return Process(place, [
            "worker", str(folder), "--data", source, "--device", devices[place % len(devices)],
            "--threads", str(threads), "--place", str(place), "--tied", "--log-level", level,
        ], environment(Settings.read(folder).server))  # fmt: skip

    return partial(_together, workers, start)


def on_ray(ray: Any, source: str, target: torch.device, plan: SearchPlan) -> Begin:
    """In actors of a Ray cluster."""
    from nas.searching.on_ray import Share, start

    gpus = plan.gpus_per_worker if plan.gpus_per_worker is not None else float(target.type == "cuda")
    share, there = Share(plan.cpus_per_worker, gpus), ray.cluster_resources()
    workers = plan.workers or share.fit(there.get("CPU", 0.0), there.get("GPU", 0.0))
    return partial(_together, workers, partial(start, ray, share, source, str(target)))


def _device_on(ray: Any, device: str) -> torch.device:
    """What workers of a cluster train on: each sees its own share of a machine's devices as the first ones."""
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if ray.cluster_resources().get("GPU") else "cpu")


def where(plan: SearchPlan, stack: ExitStack) -> tuple[Any, torch.device]:
    """The Ray cluster, None for this machine, and the device that is trained on."""
    if not plan.on:
        return None, choose_device(plan.device)
    from nas.searching.on_ray import cluster

    ray = stack.enter_context(cluster(plan.on))
    return ray, _device_on(ray, plan.device)
