"""One search from a command's options: data, settings, folder, then the loop, here or in workers."""

from __future__ import annotations

import random
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from nas.data import Data, load
from nas.fault import Fault, line_of, terminable
from nas.fleet import Fleet
from nas.folder import goal_to_join, goes_on, open_folder, open_study, package_versions, put_error, set_goal
from nas.front import outcome
from nas.processes import Process, tie_to_parent
from nas.progress import SearchProgress, Stopping
from nas.recipe import Recipe
from nas.server import parse_server
from nas.settings import FILE, DataCard, Sampler, Settings, Stop, check_name
from nas.store import parse_artifacts
from nas.study import Search, Watch
from nas.train import DeviceData, choose_device
from nas.trainer import Thread, Trainer
from nas.trials import Reader
from space import Band, Budget, InputError, Space, Task
from space.processor import cores

DEFAULT_SAMPLER: Sampler = "ehvi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a search is to do: all that the command says beside the space, the data and the budget."""

    trials: int  # networks in all, earlier runs of the study included
    repeats: int = 0  # further seeds of them
    baseline: bool = False  # then as many epochs of random search, in a study beside
    workers: int | None = None  # processes that train at once; None: one, or one a GPU
    recipe_file: Path | None = None
    epochs: int | None = None
    name: str | None = None
    runs: Path = Path("runs")
    seed: int = 0
    sampler: Sampler = DEFAULT_SAMPLER
    stop: Stop | None = None  # None: quantile, but none for random search, which is what others are compared with
    device: str = "auto"
    image_size: int | None = None
    storage: str | None = None  # a server's URL; None: a journal in the study's folder
    artifacts: str | None = None  # an S3 store's URL; None: the study's folder
    on: str | None = None  # a Ray cluster; None: this machine
    cpus_per_worker: float = 1.0  # on Ray
    gpus_per_worker: float | None = None  # None: one, on the CPU none
    command: str = ""

    @property
    def rule(self) -> Stop:
        return self.stop or default_stop(self.sampler)


def default_stop(sampler: Sampler) -> Stop:
    """The stopping rule of a sampler that was given none."""
    return "none" if sampler == "random" else "quantile"


def run_search(space: Space, source: str, band: Band, plan: Plan, console: Console) -> tuple[Path, bool]:
    """Runs or resumes a study up to the plan. Returns its folder, and False if it was asked to stop before."""
    if plan.baseline and (plan.sampler, plan.rule) == ("random", "none"):
        raise InputError("baseline must stand beside another search, got one of sampler random itself; leave it out")
    with ExitStack() as stack:
        stack.enter_context(terminable())
        cluster = stack.enter_context(_cluster(plan.on)) if plan.on else None
        target = _device_on(cluster, plan.device) if cluster else choose_device(plan.device)
        recipe = Recipe.load(plan.recipe_file, epochs=plan.epochs)
        size = plan.image_size or space.image_size
        space.check_size(size, f"space {space.name}")
        data = _load(source, size, console)
        card = describe_data(data)
        space.check_budget(Budget(flops=band), Task(card.image_size, card.channels, len(card.classes)))
        settings = Settings(
            name=check_name(plan.name) if plan.name else study_name(space, data, band, plan),
            created=datetime.now(UTC).isoformat(timespec="seconds"), command=plan.command, space_name=space.name,
            space=space.to_dict(), flops_low=band.low, flops_high=band.high, data=card, recipe=recipe.to_dict(),
            sampler=plan.sampler, stop=plan.rule, seed=plan.seed, device=str(target), versions=package_versions(),
            artifacts=parse_artifacts(plan.artifacts) if plan.artifacts else None,
        )  # fmt: skip
        if plan.storage:
            settings = replace(settings, server=parse_server(plan.storage, f"{settings.name}-{secrets.token_hex(4)}"))
        folder = plan.runs / settings.name
        stopping = stack.enter_context(Stopping(console).listening())
        workers = plan.workers or (torch.cuda.device_count() if target.type == "cuda" and not cluster else 1)
        begin: Begin
        # placed in either case: a recipe that does not fit the data is refused here, not by each worker
        alone = workers == 1 and not cluster
        placed = DeviceData.place(data, recipe, target if alone else torch.device("cpu"))
        if alone:
            trainer = stack.enter_context(closing(Thread(settings.task, placed, recipe)))
            begin = partial(_alone, trainer)
        else:
            del data, placed  # workers read it themselves
            if cluster:
                begin = partial(_on_ray, cluster, source, target, plan)
            else:
                if target.type == "cpu" and workers > cores():
                    console.print(f"note: {workers} workers on {cores()} cores hold each other up", highlight=False)
                begin = partial(_together, source, target, workers)
        return folder, _run_both(folder, settings, plan, begin, console, stopping)


Begin = Callable[[Path, Watch, int, int], bool]  # runs a study in a folder up to trials and repeats


def _alone(trainer: Trainer, folder: Path, watch: Watch, trials: int, repeats: int) -> bool:
    """In this process."""
    search = Search(folder, trainer, watch)
    set_goal(search.study, search.reader, trials, repeats)
    return search.run(trials, repeats)


def _together(
    source: str, target: torch.device, workers: int, folder: Path, watch: Watch, trials: int, repeats: int
) -> bool:
    """In worker processes that share the device, or the devices of its kind."""
    study, storage = open_study(folder, watch.on_note)
    set_goal(study, Reader(folder, storage), trials, repeats)
    threads = max(1, torch.get_num_threads() // workers)
    devices = [str(target)]
    if str(target) == "cuda":
        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]

    def start(place: int) -> Process:
        return Process(place, [
            "worker", str(folder), "--data", source, "--device", devices[place % len(devices)],
            "--threads", str(threads), "--place", str(place), "--tied",
        ])  # fmt: skip

    return Fleet(Reader(folder, storage), workers, start, watch).run()


def _on_ray(
    ray: Any, source: str, target: torch.device, plan: Plan, folder: Path, watch: Watch, trials: int, repeats: int
) -> bool:
    """In actors of a Ray cluster."""
    from nas.on_ray import Assignment, Share, environment, starter

    study, storage = open_study(folder, watch.on_note)
    set_goal(study, Reader(folder, storage), trials, repeats)
    gpus = plan.gpus_per_worker if plan.gpus_per_worker is not None else float(target.type == "cuda")
    share, there = Share(plan.cpus_per_worker, gpus), ray.cluster_resources()
    workers = plan.workers or share.fit(there.get("CPU", 0.0), there.get("GPU", 0.0))
    place = Path(source)
    start = starter(ray, share, lambda number: Assignment(
        str(folder.absolute()), Settings.read(folder), str(place.absolute()) if place.exists() else source,
        str(target), number, max(1, int(share.cpus)), environment(),
    ))  # fmt: skip
    return Fleet(Reader(folder, storage), workers, start, watch).run()


def _cluster(address: str) -> AbstractContextManager[Any]:
    from nas.on_ray import cluster

    return cluster(address)


def _device_on(ray: Any, device: str) -> torch.device:
    """What workers of a cluster train on: each sees its own share of a machine's devices as the first ones."""
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if ray.cluster_resources().get("GPU") else "cpu")


def _run_both(folder: Path, settings: Settings, plan: Plan, begin: Begin, console: Console, stopping: Stopping) -> bool:
    """The study, then its baseline where there shall be one. False if it was asked to stop before."""
    finished = _run(folder, settings, plan.trials, plan.repeats, begin, console, stopping)
    if finished and plan.baseline:
        epochs = outcome(Reader(folder).trials(), settings).epochs
        beside = replace(settings, name=check_name(f"{settings.name}-random"), sampler="random", stop="none")
        if server := Settings.read(folder).server:
            beside = replace(beside, server=replace(server, study=f"{server.study}-random"))
        total = max(1, round(epochs / int(settings.recipe["epochs"])))
        console.print(f"baseline: random search with the same {epochs} epochs of training", highlight=False)
        finished = _run(plan.runs / beside.name, beside, total, 0, begin, console, stopping)
    return finished


def _run(
    folder: Path, settings: Settings, trials: int, repeats: int, begin: Begin, console: Console, stopping: Stopping
) -> bool:
    """One study, up to its total. False if it was asked to stop before."""
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
    notes = open_folder(folder, settings)
    epochs = int(settings.recipe["epochs"])
    console.print(
        f"study {folder}: {trials} trials, {settings.band} FLOPs, {epochs} epochs on {settings.device}", highlight=False
    )
    with SearchProgress(console, trials, epochs, stopping) as progress:
        watch = progress.watch()
        for note in notes:
            watch.on_note(note)
        progress.resumed(Reader(folder).trials())
        with on_record(folder):
            return begin(folder, watch, trials, repeats)


@contextmanager
def on_record(folder: Path, *, search: bool = True) -> Iterator[None]:
    """An error that ends a search is put on record in its study; of a fault of nas itself the traceback goes into a log
    in the folder. `search` False: a worker, which only has the log, as its parent tells."""
    try:
        yield
    except Exception as error:
        line = line_of(error, folder)
        if search:
            put_error(folder, line, error)
        if isinstance(error, (InputError, OSError, Fault)):
            raise
        raise Fault(line) from error


Join = Callable[[list[str], int], Watch]  # what a worker reports to; notes on what is new, and the trials in all


def work(
    folder: Path, source: str | None, device: str, place: int, threads: int | None, join: Join, console: Console,
    on_search: Callable[[Search], None] | None = None,
) -> bool:  # fmt: skip
    """One more worker on a study that was begun, until that reaches its goal. False if it was asked to stop before.
    `on_search`, of a worker with a parent, is given the search before it runs."""
    settings = Settings.read(folder)
    settings.check_resumable()
    with on_record(folder, search=False):
        if threads:
            torch.set_num_threads(threads)
        target, recipe = choose_device(device), settings.build_recipe()
        data = _load(source or settings.data.source, settings.data.image_size, console)
        notes = open_folder(
            folder, replace(settings, data=describe_data(data), device=str(target), versions=package_versions())
        )
        with closing(Thread(settings.task, DeviceData.place(data, recipe, target), recipe)) as trainer:
            aim = goal_to_join(Reader(folder))
            search = Search(folder, trainer, join(notes, aim[0]), place)
            if on_search:
                on_search(search)
                return search.run(*aim)
            goes_on(search.study)
            with on_record(folder):
                return search.run(*aim)


def run_worker(
    folder: Path, source: str | None, device: str, place: int | None, threads: int | None, tied: bool, console: Console
) -> bool:
    """`work` as a command, in a terminal or, `tied`, for the parent that started it, which reads its stderr.
    `place` None: any other than the study's own workers have."""
    place = random.SystemRandom().randrange(1000, 10**6) if place is None else place
    if tied:
        asked = threading.Event()
        watch = Watch(on_note=lambda note: print(f"note: {note}", file=sys.stderr), stop=asked.is_set)

        def tie(search: Search) -> None:
            tie_to_parent(place, asked.set, lambda: search.leave("the process that started its worker ended"))

        with terminable():
            return work(folder, source, device, place, threads, lambda notes, trials: watch, console, tie)
    shown: list[SearchProgress] = []
    with ExitStack() as stack:
        stack.enter_context(terminable())
        stopping = stack.enter_context(Stopping(console).listening())

        def join(notes: list[str], trials: int) -> Watch:
            epochs = Settings.read(folder).build_recipe().epochs
            shown.append(stack.enter_context(SearchProgress(console, trials, epochs, stopping)))
            watch = shown[0].watch()
            for note in notes:
                watch.on_note(note)
            return watch

        finished = work(folder, source, device, place, threads, join, console)
    if finished and not shown[0].begun:
        console.print(f"nothing was left to do: {folder.name} has all that `nas search` asked for", highlight=False)
    return finished


def _load(source: str, size: int, console: Console) -> Data:
    with console.status(f"reading {source}") as status:
        data = load(
            source, size,
            on_progress=lambda done, total: status.update(f"decoding {source}: {done:,} of {total:,} images"),
            on_note=lambda note: console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True),
        )  # fmt: skip
    if data.image_size != size:
        raise InputError(f"image_size must be {size} px, got {data.image_size} px from {source}; use --image-size")
    return data


def describe_data(data: Data) -> DataCard:
    """The card of a data set as it is frozen in a study."""
    return DataCard(
        source=data.source, name=data.name, fingerprint=data.fingerprint, image_size=data.image_size,
        channels=data.channels, classes=data.classes, train=len(data.train.labels),
        validation=len(data.validation.labels), test=len(data.test.labels),
    )  # fmt: skip


def study_name(space: Space, data: Data, band: Band, plan: Plan) -> str:
    """`digits-1M-4M`, `cifar-cifar10-5M-40M-random`: the same command finds the same study."""
    words = [space.name] + [data.name] * (data.name != space.name) + str(band).split("..")
    words += [plan.sampler] * (plan.sampler != DEFAULT_SAMPLER)
    words += [f"stop-{plan.stop}"] * (plan.rule != default_stop(plan.sampler))
    words += [f"seed{plan.seed}"] * (plan.seed != 0)
    return check_name("-".join(words))
