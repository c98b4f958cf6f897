"""One search from a command's options: data, settings, folder, then the loop, here or in workers."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from nas.analysis.cost_axes import cost_of
from nas.analysis.pareto import outcome
from nas.data.dataset import Data
from nas.data.sheet import sheet
from nas.data.sources import name_of_source
from nas.data.study_data import describe_data, described_as, like, load_with_progress, said
from nas.records.errors import terminable
from nas.records.extent import Extent
from nas.records.files import write_whole
from nas.records.progress import Notes
from nas.records.recipe import Recipe
from nas.records.scores import WORDS, parse_share
from nas.records.settings import (
    ARCHIVE,
    AS_FOUND,
    BASELINE,
    DESIGN,
    FILE,
    SAMPLES,
    DataCard,
    Settings,
    check_name,
    find_study,
)
from nas.records.trial import ENDED
from nas.searching.accuracy_goal import AccuracyGoal
from nas.searching.estimate import TimeLeft
from nas.searching.fleet import Fleet, Worker
from nas.searching.goal import Goal, plan_goal
from nas.searching.latency_budget import say_measured, with_model
from nas.searching.listener import OnTrial, heard
from nas.searching.loop import Search, Watch
from nas.searching.plan import LogLevel, Rival, SearchPlan, study_name
from nas.searching.processes import Process
from nas.searching.progress import SearchProgress, Stopping
from nas.searching.search_log import SearchLog
from nas.searching.worker import on_record
from nas.storage.artifacts import parse_artifacts
from nas.storage.moving import at_work
from nas.storage.postgres import environment, parse_server, remember_server
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder, open_study, package_versions, set_goal
from nas.training.allocator import give_back_memory
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.steps import fitting_batch
from nas.training.trainer import BriefTrainer, Trainer
from space import Band, Budget, InputError, Task
from space.draw import Drawable
from space.processor import cores
from space.steps import Steps


def run_search(
    space: Drawable, source: str, budget: Budget, plan: SearchPlan, console: Console, on_trial: OnTrial | None = None
) -> tuple[Path, bool]:
    """Runs or resumes a study up to the plan. Returns its folder, and False if it was asked to stop before, or if only
    the plan was to be said. `on_trial` hears of the study's trials, and not of its baseline's."""
    if plan.baseline and (plan.sampler, plan.rule) == ("random", "none"):
        raise InputError("baseline must stand beside another search, got one of sampler random itself; leave it out")
    folder = folder_of_search(space, source, budget, plan)
    name = folder.name
    if plan.baseline:
        check_name(f"{name}{BASELINE}")
    if plan.storage:
        remember_server(plan.storage)
    if not folder.exists() and (plan.runs / ARCHIVE / name).exists():
        find_study(name, plan.runs)  # says how to bring it back
    with ExitStack() as stack:
        stack.enter_context(terminable())
        if (folder / FILE).exists() and not plan.dry_run:
            stack.enter_context(at_work(folder))  # from now on nobody moves it away
        notes = Notes(console)
        ray, target = _where(plan, stack)
        data, settings = _data_and_settings(space, source, budget, plan, folder, str(target), notes)
        second = [_of_rival(settings, plan.rival, plan, stack)] if plan.rival else []
        others = [f"{name}{BASELINE}"] * plan.baseline + [each.name for each in second]
        both = [folder, *(plan.runs / other for other in others)]
        samples = b"" if all((each / SAMPLES).exists() for each in both) else sheet(data)
        stopping = stack.enter_context(Stopping(console).listening())
        workers = plan.workers or (torch.cuda.device_count() if target.type == "cuda" and not ray else 1)
        # also for workers: it is timed here, and a recipe that does not fit the data is refused once
        recipe = settings.build_recipe()
        placed = DeviceData.place(data, recipe, torch.device("cpu") if ray else target)
        fitting_batch(recipe.batch_size, len(placed.train), on_note=notes)
        for each in (settings, *second):
            if (plan.runs / each.name / FILE).exists():
                open_folder(plan.runs / each.name, each)  # refused before anything is timed
        goals = []
        for each in (settings, *second):
            if second:
                console.print(f"space {each.space_name}, seed {each.seed}:", highlight=False)
            goals.append(plan_goal(each.drawable(), each, plan, data, placed, workers, bool(ray), notes))
        if plan.dry_run:
            for each, goal in zip((settings, *second), goals, strict=True):
                what = f"{_what(each, goal.trials)}; nothing is trained"
                console.print(f"study {plan.runs / each.name}: {what}", soft_wrap=True)
        if plan.dry_run or stopping.asked:
            return folder, False
        log = partial(SearchLog, who="search", level=plan.log_level, on_trouble=notes)
        if workers == 1 and not ray:
            begin: Begin = partial(_alone, BriefTrainer(settings.task, placed, recipe))
        else:
            del data, placed  # workers read it themselves
            give_back_memory()
            begin = (
                _on_ray(ray, source, target, plan)
                if ray
                else _in_processes(source, target, workers, plan.log_level, notes)
            )
        logs_trials = workers == 1 or bool(ray)  # else their workers do
        shared = Shared(begin, notes, stopping, samples, log, logs_trials)
        finished = _run_both(folder, settings, plan, goals[0], shared, on_trial)
        for each, goal in zip(second, goals[1:], strict=True):
            finished = finished and _run(plan.runs / each.name, each, goal, Extent(goal.trials), shared)
        if finished and settings.latency:
            say_measured(folder, plan.device, notes.console, stopping)
        return folder, finished


def folder_of_search(space: Drawable, source: str, budget: Budget, plan: SearchPlan) -> Path:
    """Where a search's study is, or will be."""
    if plan.name is not None:
        return plan.runs / check_name(plan.name)
    return plan.runs / study_name(space, name_of_source(source), budget, plan)


def _where(plan: SearchPlan, stack: ExitStack) -> tuple[Any, torch.device]:
    """The Ray cluster, None for this machine, and the device that is trained on."""
    if not plan.on:
        return None, choose_device(plan.device)
    from nas.searching.on_ray import cluster

    ray = stack.enter_context(cluster(plan.on))
    return ray, _device_on(ray, plan.device)


def _data_and_settings(
    space: Drawable, source: str, budget: Budget, plan: SearchPlan, folder: Path, device: str, notes: Notes
) -> tuple[Data, Settings]:
    """The data, read as the study in the folder has it where there is one, and what the study is begun with."""
    began = _began(folder)
    recipe = Recipe.load(
        plan.recipe_file, began=began.recipe if began else None, images=plan.images, epochs=plan.epochs
    )
    size = plan.image_size or space.image_size
    space.check_size(size, f"space {space.name}")
    data, card = _data(source, size, plan, began, notes)
    task = Task(card.image_size, card.channels, len(card.classes))
    budget = with_model(space, task, budget, plan, began, device, notes)
    space.check_budget(budget, task)
    if len(budget.bands) > 1:  # each can be met, perhaps not all at once
        space.random_arch(random.Random(0), task, budget)
    for line in said(data, recipe):
        notes.console.print(line, markup=False, highlight=False, soft_wrap=True)
    settled, flops = recipe.settled(card.train), budget.flops
    assert flops is not None, "every search has a band of FLOPs"
    if recipe.images is not None and settled.length > recipe.images:
        notes(f"images {recipe.images} is less than a batch, so each network sees {settled.length}")
    settings = Settings(
        name=folder.name, created=datetime.now(UTC).isoformat(timespec="seconds"), command=plan.command,
        space_name=space.name, space=space.to_dict(), flops_low=flops.low, flops_high=flops.high, data=card,
        params=_ends(budget.params), activations=_ends(budget.activations), latency=_ends(budget.latency),
        latency_model=None if budget.model is None else budget.model.to_dict(),
        recipe=settled.to_dict(), sampler=DESIGN if isinstance(space, Steps) else plan.sampler, stop=plan.rule,
        metric=plan.metric, minimize=plan.minimize, seed=plan.seed, device=device, versions=package_versions(),
        artifacts=parse_artifacts(plan.artifacts) if plan.artifacts else None,
    )  # fmt: skip
    if plan.storage:
        settings = replace(settings, server=parse_server(plan.storage, f"{settings.name}-{secrets.token_hex(4)}"))
    return data, settings


def _ends(band: Band | None) -> tuple[int, int] | None:
    return None if band is None else (band.low, band.high)


def _of_rival(settings: Settings, rival: Rival, plan: SearchPlan, stack: ExitStack) -> Settings:
    """What the rival's study is begun with: the same but for the space. Raises InputError where its space cannot be
    searched so."""
    rival.space.check_size(settings.data.image_size, f"space {rival.space.name}")
    rival.space.check_budget(settings.budget, settings.task)
    folder = plan.runs / check_name(rival.name)
    if not folder.exists() and (plan.runs / ARCHIVE / rival.name).exists():
        find_study(rival.name, plan.runs)  # says how to bring it back
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
        if not plan.dry_run:
            stack.enter_context(at_work(folder))
    return replace(
        settings, name=rival.name, seed=rival.seed, space_name=rival.space.name, space=rival.space.to_dict()
    )  # fmt: skip


Begin = Callable[[Path, Watch, Extent], bool]  # runs a study in a folder as far as that


def _alone(trainer: Trainer, folder: Path, watch: Watch, extent: Extent) -> bool:
    """In this process."""
    search = Search(folder, trainer, watch)
    set_goal(search.study, search.reader, extent)
    return search.run(*extent)


def _together(workers: int, start: Callable[[Path, int], Worker], folder: Path, watch: Watch, extent: Extent) -> bool:
    """By workers, each of which `start` begins on the study at a place of its own."""
    study, storage = open_study(folder, watch.on_note)
    reader = Reader(folder, storage)
    set_goal(study, reader, extent)
    return Fleet(reader, workers, partial(start, folder), watch).run()


def _in_processes(
    source: str, target: torch.device, workers: int, level: LogLevel, on_note: Callable[[str], None]
) -> Begin:
    """In worker processes that share the device, or the devices of its kind."""
    if target.type == "cpu" and workers > cores():
        on_note(f"{workers} workers on {cores()} cores hold each other up")
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


@dataclass(frozen=True, slots=True)
class Shared:
    """What a study and its baseline have in common. `notes`: what was said before their logs begin. `samples`: the
    picture of its data, empty where each has one. `logs_trials`: their workers do not."""

    begin: Begin
    notes: Notes
    stopping: Stopping
    samples: bytes
    log: Callable[[Path], SearchLog]
    logs_trials: bool


def _run_both(
    folder: Path, settings: Settings, plan: SearchPlan, goal: Goal, shared: Shared, on_trial: OnTrial | None
) -> bool:
    """The study, then its baseline where there shall be one. False if it was asked to stop before."""
    least = None if plan.accuracy is None else parse_share(plan.accuracy, "accuracy")
    finished = _run(folder, settings, goal, Extent(goal.trials, plan.further, least), shared, on_trial)
    if finished and plan.baseline:
        images = outcome(Reader(folder).trials(), settings).images
        beside = replace(settings, name=f"{settings.name}{BASELINE}", sampler="random", stop="none")
        if server := Settings.read(folder).server:
            beside = replace(beside, server=replace(server, study=f"{server.study}{BASELINE}"))
        total = max(1, round(images / settings.build_recipe().length))
        shared.notes.console.print(f"baseline: random search, trained on the same {images:,} images", highlight=False)
        finished = _run(plan.runs / beside.name, beside, goal, Extent(total), shared)
    return finished


def _run(
    folder: Path, settings: Settings, goal: Goal, extent: Extent, shared: Shared, on_trial: OnTrial | None = None
) -> bool:
    """One study, up to its total. False if it was asked to stop before."""
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
    folder.mkdir(parents=True, exist_ok=True)
    with at_work(folder):  # before there is a study.yaml: none is moved away between two of these lines
        return _run_held(folder, settings, goal, extent, shared, on_trial)


def _run_held(
    folder: Path, settings: Settings, goal: Goal, extent: Extent, shared: Shared, on_trial: OnTrial | None
) -> bool:
    notes = open_folder(folder, settings)
    if shared.samples and not (folder / SAMPLES).exists():
        write_whole(folder / SAMPLES, shared.samples)
    recipe, trials = settings.build_recipe(), extent.trials
    shared.notes.console.print(f"study {folder}: {_what(settings, trials)}", highlight=False)
    before, told = Reader(folder).trials(), shared.log(folder)
    told.begins(f"{_what(settings, trials)}; {settings.command}", sum(trial.state in ENDED for trial in before))
    told.notes(shared.notes.said)
    found = goal.estimate
    time_left = None if found is None else TimeLeft(trials + extent.repeats, settings.band, goal.at_once, found)
    with SearchProgress(shared.notes.console, trials, recipe, shared.stopping, time_left) as progress:
        watch = told.watch(progress.watch(), shared.logs_trials)
        for note in notes:
            watch.on_note(note)
        progress.resumed(before)
        with on_record(folder), told.with_errors(), heard(folder, watch, on_trial) as watch:
            finished = shared.begin(folder, watch, extent)
    if extent.accuracy is not None:
        said = AccuracyGoal(extent.accuracy, settings).words(Reader(folder).trials())
        shared.notes.console.print(said, highlight=False, soft_wrap=True)
        told.notes([said])
    told.ends(finished)
    return finished


def _what(settings: Settings, trials: int) -> str:
    """What a search does, in a line."""
    aim = "" if settings.metric == "accuracy" else f" for {WORDS[settings.metric]}"
    if settings.minimize != "flops":
        aim = f" for {WORDS[settings.metric]} against {cost_of(settings).name}"
    many = f"{trials} trial{'s' * (trials > 1)}"
    return f"{many}, {settings.budget}, {settings.training}{aim} on {settings.device}"


def _began(folder: Path) -> Settings | None:
    """Those of the study in the folder, where there is one. Raises InputError where it can only be read."""
    if not (folder / FILE).exists():
        return None
    settings = Settings.read(folder)
    settings.check_resumable()
    return settings


def _data(source: str, size: int, plan: SearchPlan, began: Settings | None, notes: Notes) -> tuple[Data, DataCard]:
    """The data, and its card; read, and augmented, as the study that was begun has it."""
    known = None if began is None else began.data
    reading = known.reading if known and plan.reading == AS_FOUND else plan.reading
    data = load_with_progress(source, size, notes.console, reading, notes)
    if known is None:
        return data, describe_data(data)
    data = like(data, known)
    return data, described_as(data, known)
