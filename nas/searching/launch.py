"""One search from a command's options: data, settings, folder, then the loop, here or in workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from nas.analysis.accuracy_goal import AccuracyGoal
from nas.analysis.cost_axes import cost_of
from nas.analysis.pareto import outcome
from nas.data.sheet import sheet
from nas.data.sources import name_of_source
from nas.process.errors import terminable
from nas.process.files import write_whole
from nas.process.progress import Notes
from nas.records.extent import Extent
from nas.records.scores import WORDS
from nas.records.settings import FILE, SAMPLES, Settings, check_not_archived
from nas.records.study_name import check_name
from nas.records.trial import ENDED, Trial
from nas.searching.beginning import data_and_settings, of_baseline, of_rival
from nas.searching.estimate import TimeLeft
from nas.searching.latency_budget import say_measured
from nas.searching.listener import OnTrial, heard
from nas.searching.loop import Watch
from nas.searching.plan import SearchPlan, names_beside, study_name
from nas.searching.progress import SearchProgress, Stopping
from nas.searching.runners import Begin, alone, in_processes, on_ray, where
from nas.searching.schedule import Schedule, schedule
from nas.searching.search_log import SearchLog
from nas.searching.worker import on_record
from nas.storage.moving import at_work
from nas.storage.postgres import remember_server
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder
from nas.training.allocator import give_back_memory
from nas.training.device_data import DeviceData
from nas.training.steps import fitting_batch
from nas.training.trainer import BriefTrainer
from space import Budget, InputError
from space.draw import Drawable
from space.processor import cores


def run_search(
    space: Drawable, source: str, budget: Budget, plan: SearchPlan, console: Console, on_trial: OnTrial | None = None
) -> tuple[Path, bool]:
    """Runs or resumes a study up to the plan. Returns its folder, and False if it was asked to stop before, or if only
    the plan was to be said. `on_trial` hears of the study's trials, and not of its baseline's."""
    if plan.baseline and (plan.sampler, plan.rule) == ("random", "none"):
        raise InputError("baseline must stand beside another search, got one of sampler random itself; leave it out")
    folder = folder_of_search(space, source, budget, plan)
    folders = [folder, *(plan.runs / check_name(name) for name in names_beside(folder.name, plan))]
    if plan.storage and not plan.dry_run:
        remember_server(plan.storage)
    with ExitStack() as stack:
        stack.enter_context(terminable())
        for study in folders:
            _take(study, plan, stack)
        notes = Notes(console)
        ray, target = where(plan, stack)
        data, settings = data_and_settings(space, source, budget, plan, folder, str(target), notes)
        rivals = [of_rival(settings, plan.rival)] if plan.rival else []
        samples = b"" if all((study / SAMPLES).exists() for study in folders) else sheet(data)
        stopping = stack.enter_context(Stopping(console).listening())
        workers = plan.workers or (torch.cuda.device_count() if target.type == "cuda" and not ray else 1)
        # also for workers: it is timed here, and a recipe that does not fit the data is refused once
        recipe = settings.build_recipe()
        placed = DeviceData.place(data, recipe, torch.device("cpu") if ray else target)
        fitting_batch(recipe.batch_size, len(placed.train), on_note=notes)
        for each in (settings, *rivals, *[of_baseline(settings)] * plan.baseline):
            if (plan.runs / each.name / FILE).exists():
                open_folder(plan.runs / each.name, each)  # refused before anything is timed
        if target.type == "cpu" and not ray and workers > cores():
            notes(f"{workers} workers on {cores()} core{'s' * (cores() > 1)} hold each other up")
        schedules = []
        for each in (settings, *rivals):
            if rivals:
                console.print(f"space {each.space_name}, seed {each.seed}:", highlight=False)
            schedules.append(schedule(each.drawable(), each, plan, data, placed, workers, bool(ray), notes))
        if plan.dry_run:
            for each, found in zip((settings, *rivals), schedules, strict=True):
                what = f"{_what(each, plan.extent(found.trials))}; nothing is trained"
                console.print(f"study {plan.runs / each.name}: {what}", soft_wrap=True)
        if plan.dry_run or stopping.asked:
            return folder, False
        log = partial(SearchLog, who="search", level=plan.log_level, on_trouble=notes)
        if workers == 1 and not ray:
            begin: Begin = partial(alone, BriefTrainer(settings.task, placed, recipe))
        else:
            del data, placed  # workers read it themselves
            give_back_memory()
            begin = on_ray(ray, source, target, plan) if ray else in_processes(source, target, workers, plan.log_level)
        logs_trials = workers == 1 or bool(ray)  # else their workers do
        shared = Shared(begin, notes, stopping, samples, log, logs_trials)
        turns = _turns([settings, *rivals], schedules, plan, console)
        finished = all(_run(turn, plan.runs, shared, None if i else on_trial) for i, turn in enumerate(turns))
        if finished and settings.latency:
            say_measured(folder, plan.device, notes.console, stopping)
        return folder, finished


def folder_of_search(space: Drawable, source: str, budget: Budget, plan: SearchPlan) -> Path:
    """Where a search's study is, or will be."""
    if plan.name is not None:
        return plan.runs / check_name(plan.name)
    return plan.runs / study_name(space, name_of_source(source), budget, plan)


def _take(folder: Path, plan: SearchPlan, stack: ExitStack) -> None:
    """Sees to it that nobody moves a study away from now on, where there is one. Raises InputError for an archived one,
    and one that can only be read."""
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
        if not plan.dry_run:
            stack.enter_context(at_work(folder))
    elif not folder.exists():
        check_not_archived(folder.name, plan.runs)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the studies of a search have in common. `notes`: what was said before their logs begin. `samples`: the
    picture of their data, empty where each has one. `logs_trials`: their workers do not."""

    begin: Begin
    notes: Notes
    stopping: Stopping
    samples: bytes
    log: Callable[[Path], SearchLog]
    logs_trials: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A study of a search, and how far it shall go."""

    settings: Settings
    found: Schedule
    extent: Extent


def _turns(
    searched: Sequence[Settings], schedules: Sequence[Schedule], plan: SearchPlan, console: Console
) -> Iterator[Turn]:
    """One after the other: how far the baseline goes is known when the search that it stands beside has ended."""
    for settings, found in zip(searched, schedules, strict=True):
        yield Turn(settings, found, plan.extent(found.trials))
    if plan.baseline:
        settings, found = searched[0], schedules[0]
        folder = plan.runs / settings.name
        images = outcome(Reader(folder).trials(), settings).images
        total = max(1, round(images / settings.build_recipe().length))
        console.print(f"baseline: random search, trained on the same {images:,} images", highlight=False)
        beside = of_baseline(replace(settings, server=Settings.read(folder).server))
        yield Turn(beside, found, Extent(total))


def _run(turn: Turn, runs: Path, shared: Shared, on_trial: OnTrial | None) -> bool:
    """One study, up to its total. False if it was asked to stop before."""
    folder = runs / turn.settings.name
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
    folder.mkdir(parents=True, exist_ok=True)
    with at_work(folder):  # before there is a study.yaml: none is moved away between two of these lines
        return _run_held(folder, turn, shared, on_trial)


def _run_held(folder: Path, turn: Turn, shared: Shared, on_trial: OnTrial | None) -> bool:
    settings, found, extent = turn.settings, turn.found, turn.extent
    notes = open_folder(folder, settings)
    if shared.samples and not (folder / SAMPLES).exists():
        write_whole(folder / SAMPLES, shared.samples)
    recipe, trials = settings.build_recipe(), extent.trials
    shared.notes.console.print(f"study {folder}: {_what(settings, extent)}", highlight=False)
    before, told = Reader(folder).trials(), shared.log(folder)
    told.begins(f"{_what(settings, extent)}; {settings.command}", sum(trial.state in ENDED for trial in before))
    told.notes(shared.notes.said)
    time_left = None
    if found.estimate:
        time_left = TimeLeft(trials + extent.further, settings.band, found.at_once, found.estimate)
    with SearchProgress(shared.notes.console, trials, recipe, shared.stopping, time_left) as progress:
        watch = told.watch(progress.watch(), shared.logs_trials)
        for note in notes:
            watch.on_note(note)
        progress.resumed(before)
        goal = None if extent.accuracy is None else AccuracyGoal(extent.accuracy, settings)
        if goal:
            watch = _following(goal, watch, Reader(folder))
        with on_record(folder), told.with_errors(), heard(folder, watch, on_trial) as watch:
            finished = shared.begin(folder, watch, extent)
    if goal:
        ended = Reader(folder).trials()
        said = goal.final_words(ended, trials) if finished else goal.words(ended)
        shared.notes.console.print(said, highlight=False, soft_wrap=True)
        told.notes([said])
    told.ends(finished)
    return finished


def _following(goal: AccuracyGoal, watch: Watch, reader: Reader) -> Watch:
    """Tells which network has the accuracy, whenever that is another one, whoever trained it."""
    before = goal.reached(reader.trials())
    said = before.point.trial.number if before else None

    def on_finish(trial: Trial, done: int) -> None:
        nonlocal said
        watch.on_finish(trial, done)
        trials = reader.trials()
        found = goal.reached(trials)
        number = found.point.trial.number if found else None
        if number != said:
            said = number
            watch.on_note(goal.words(trials))

    return replace(watch, on_finish=on_finish)


def _what(settings: Settings, extent: Extent) -> str:
    """What a search does, in a line."""
    score = WORDS[settings.metric] + (f" of {extent.accuracy:.2%}" if extent.accuracy is not None else "")
    aim = f" for {score}" if score != "accuracy" else ""
    if settings.minimize != "flops":
        aim = f" for {score} against {cost_of(settings).name}"
    many = f"{extent.trials} trial{'s' * (extent.trials > 1)}"
    return f"{many}, {settings.budget}, {settings.training}{aim} on {settings.device}"
