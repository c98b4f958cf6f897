"""One search from a command's options: data, settings, folder, then the loop, here or in workers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console

from nas.analysis.pareto import outcome
from nas.data.dataset import Data
from nas.data.sheet import sheet
from nas.data.sources import name_of_source
from nas.data.study_data import describe_data, described_as, like, load_with_progress, said
from nas.records.errors import terminable
from nas.records.files import write_whole
from nas.records.recipe import Recipe
from nas.records.scores import METRICS, WORDS, Metric
from nas.records.settings import (
    AS_FOUND,
    FILE,
    SAMPLES,
    DataCard,
    Reading,
    Sampler,
    Settings,
    Stop,
    check_name,
    name_of,
)
from nas.searching.fleet import Fleet, Worker
from nas.searching.loop import Search, Watch
from nas.searching.processes import Process
from nas.searching.progress import SearchProgress, Stopping
from nas.searching.worker import on_record
from nas.storage.artifacts import parse_artifacts
from nas.storage.postgres import environment, parse_server, remember_server
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder, open_study, package_versions, set_goal
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.steps import fitting_batch
from nas.training.trainer import BriefTrainer, Trainer
from space import Band, Budget, InputError, Space, Task
from space.processor import cores

DEFAULT_SAMPLER: Sampler = "ehvi"
BASELINE = "-random"  # behind the name of the study that it stands beside


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """What a search is to do: all that the command says beside the space, the data and the budget."""

    trials: int  # networks in all, earlier runs of the study included
    repeats: int = 0  # further seeds of them
    baseline: bool = False  # then as many epochs of random search, in a study beside
    workers: int | None = None  # processes that train at once; None: one, or one per GPU
    recipe_file: Path | None = None
    epochs: int | None = None
    name: str | None = None
    runs: Path = Path("runs")
    seed: int = 0
    sampler: Sampler = DEFAULT_SAMPLER
    metric: Metric = "accuracy"  # which score is maximised
    stop: Stop | None = None  # None: quantile, but none for random search, which is what others are compared with
    device: str = "auto"
    image_size: int | None = None
    storage: str | None = None  # a server's URL; None: a journal in the study's folder
    artifacts: str | None = None  # an S3 store's URL; None: the study's folder
    on: str | None = None  # a Ray cluster; None: this machine
    cpus_per_worker: float = 1.0  # on Ray
    gpus_per_worker: float | None = None  # None: one, on the CPU none
    reading: Reading = AS_FOUND
    command: str = ""

    def __post_init__(self) -> None:
        """Raises InputError for what no search can be."""
        for name, least in (("trials", 1), ("repeats", 0), ("seed", 0), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"{name} must be a whole number from {least} on, got {value!r}; use e.g. {least}")
        words = (("sampler", get_args(Sampler)), ("metric", METRICS), ("stop", (None, *get_args(Stop))))
        for name, known in words:
            if (word := getattr(self, name)) not in known:
                choices = ", ".join(each for each in known if each)
                raise InputError(f"{name} must be one of {choices}, got {word!r}; choose one")

    @property
    def rule(self) -> Stop:
        return self.stop or default_stop(self.sampler)


def default_stop(sampler: Sampler) -> Stop:
    """The stopping rule of a sampler that was given none."""
    return "none" if sampler == "random" else "quantile"


def run_search(space: Space, source: str, band: Band, plan: SearchPlan, console: Console) -> tuple[Path, bool]:
    """Runs or resumes a study up to the plan. Returns its folder, and False if it was asked to stop before."""
    if plan.baseline and (plan.sampler, plan.rule) == ("random", "none"):
        raise InputError("baseline must stand beside another search, got one of sampler random itself; leave it out")
    name = check_name(plan.name) if plan.name else study_name(space, name_of_source(source), band, plan)
    if plan.baseline:
        check_name(f"{name}{BASELINE}")
    if plan.storage:
        remember_server(plan.storage)
    with ExitStack() as stack:
        stack.enter_context(terminable())
        if plan.on:
            from nas.searching.on_ray import cluster

            ray = stack.enter_context(cluster(plan.on))
            target = _device_on(ray, plan.device)
        else:
            ray, target = None, choose_device(plan.device)
        recipe = Recipe.load(plan.recipe_file, epochs=plan.epochs)
        size = plan.image_size or space.image_size
        space.check_size(size, f"space {space.name}")
        data, card = _data(source, size, plan, plan.runs / name, console)
        space.check_budget(Budget(flops=band), Task(card.image_size, card.channels, len(card.classes)))
        for line in said(data, recipe.crop, recipe.flip):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        settings = Settings(
            name=name,
            created=datetime.now(UTC).isoformat(timespec="seconds"), command=plan.command, space_name=space.name,
            space=space.to_dict(), flops_low=band.low, flops_high=band.high, data=card, recipe=recipe.to_dict(),
            sampler=plan.sampler, stop=plan.rule, metric=plan.metric, seed=plan.seed, device=str(target),
            versions=package_versions(), artifacts=parse_artifacts(plan.artifacts) if plan.artifacts else None,
        )  # fmt: skip
        if plan.storage:
            settings = replace(settings, server=parse_server(plan.storage, f"{settings.name}-{secrets.token_hex(4)}"))
        folder = plan.runs / settings.name
        both = [folder, plan.runs / f"{name}{BASELINE}"][: 1 + plan.baseline]
        samples = b"" if all((each / SAMPLES).exists() for each in both) else sheet(data)
        stopping = stack.enter_context(Stopping(console).listening())
        workers = plan.workers or (torch.cuda.device_count() if target.type == "cuda" and not ray else 1)
        begin: Begin
        # placed in either case: a recipe that does not fit the data is refused here, not by each worker
        alone = workers == 1 and not ray
        placed = DeviceData.place(data, recipe, target if alone else torch.device("cpu"))
        fitting_batch(recipe.batch_size, len(placed.train), on_note=partial(_say, console))
        if alone:
            begin = partial(_alone, BriefTrainer(settings.task, placed, recipe))
        else:
            del data, placed  # workers read it themselves
            begin = _on_ray(ray, source, target, plan) if ray else _in_processes(source, target, workers, console)
        return folder, _run_both(folder, settings, plan, begin, console, stopping, samples)


def _say(console: Console, note: str) -> None:
    console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


Begin = Callable[[Path, Watch, int, int], bool]  # runs a study in a folder up to trials and repeats


def _alone(trainer: Trainer, folder: Path, watch: Watch, trials: int, repeats: int) -> bool:
    """In this process."""
    search = Search(folder, trainer, watch)
    set_goal(search.study, search.reader, trials, repeats)
    return search.run(trials, repeats)


def _together(
    workers: int, start: Callable[[Path, int], Worker], folder: Path, watch: Watch, trials: int, repeats: int
) -> bool:
    """By workers, each of which `start` begins on the study at a place of its own."""
    study, storage = open_study(folder, watch.on_note)
    reader = Reader(folder, storage)
    set_goal(study, reader, trials, repeats)
    return Fleet(reader, workers, partial(start, folder), watch).run()


def _in_processes(source: str, target: torch.device, workers: int, console: Console) -> Begin:
    """In worker processes that share the device, or the devices of its kind."""
    if target.type == "cpu" and workers > cores():
        console.print(f"note: {workers} workers on {cores()} cores hold each other up", highlight=False)
    threads = max(1, torch.get_num_threads() // workers)
    devices = [str(target)]
    if str(target) == "cuda":
        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]

    def start(folder: Path, place: int) -> Process:
        return Process(place, [
            "worker", str(folder), "--data", source, "--device", devices[place % len(devices)],
            "--threads", str(threads), "--place", str(place), "--tied",
        ], environment(Settings.read(folder).server))  # fmt: skip

    return partial(_together, workers, start)


def _on_ray(ray: Any, source: str, target: torch.device, plan: SearchPlan) -> Begin:
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


def _run_both(
    folder: Path, settings: Settings, plan: SearchPlan, begin: Begin, console: Console, stopping: Stopping,
    samples: bytes,
) -> bool:  # fmt: skip
    """The study, then its baseline where there shall be one. False if it was asked to stop before."""
    finished = _run(folder, settings, plan.trials, plan.repeats, begin, console, stopping, samples)
    if finished and plan.baseline:
        epochs = outcome(Reader(folder).trials(), settings).epochs
        beside = replace(settings, name=f"{settings.name}{BASELINE}", sampler="random", stop="none")
        if server := Settings.read(folder).server:
            beside = replace(beside, server=replace(server, study=f"{server.study}{BASELINE}"))
        total = max(1, round(epochs / int(settings.recipe["epochs"])))
        console.print(
            f"baseline: random search with the same {epochs} epoch{'s' * (epochs > 1)} of training", highlight=False
        )
        finished = _run(plan.runs / beside.name, beside, total, 0, begin, console, stopping, samples)
    return finished


def _run(
    folder: Path, settings: Settings, trials: int, repeats: int, begin: Begin, console: Console, stopping: Stopping,
    samples: bytes,
) -> bool:  # fmt: skip
    """One study, up to its total. False if it was asked to stop before."""
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
    notes = open_folder(folder, settings)
    if samples and not (folder / SAMPLES).exists():
        write_whole(folder / SAMPLES, samples)
    epochs = int(settings.recipe["epochs"])
    what = f"{trials} trial{'s' * (trials > 1)}, {settings.band} FLOPs, {epochs} epoch{'s' * (epochs > 1)}"
    what += "" if settings.metric == "accuracy" else f" for {WORDS[settings.metric]}"
    console.print(f"study {folder}: {what} on {settings.device}", highlight=False)
    with SearchProgress(console, trials, epochs, stopping) as progress:
        watch = progress.watch()
        for note in notes:
            watch.on_note(note)
        progress.resumed(Reader(folder).trials())
        with on_record(folder):
            return begin(folder, watch, trials, repeats)


def _data(source: str, size: int, plan: SearchPlan, folder: Path, console: Console) -> tuple[Data, DataCard]:
    """The data, and its card; read, and augmented, as the study in the folder has it where there is one."""
    known = None
    if (folder / FILE).exists():
        settings = Settings.read(folder)
        settings.check_resumable()
        known = settings.data
    reading = known.reading if known and plan.reading == AS_FOUND else plan.reading
    data = load_with_progress(source, size, console, reading)
    if known is None:
        return data, describe_data(data)
    data = like(data, known)
    return data, described_as(data, known)


def study_name(space: Space, data: str, band: Band, plan: SearchPlan) -> str:
    """`digits-1M-4M`, `cifar-cifar10-5M-40M-random`: the same command finds the same study. Always a valid name."""
    words = [space.name] + [data] * (data != space.name) + str(band).split("..")
    words += [plan.sampler] * (plan.sampler != DEFAULT_SAMPLER)
    words += [plan.metric] * (plan.metric != "accuracy")
    words += [f"stop-{plan.stop}"] * (plan.rule != default_stop(plan.sampler))
    words += [f"seed{plan.seed}"] * (plan.seed != 0)
    return name_of(words)
