"""How far a search goes: by its plan, and by an estimate of what that takes, which is said before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nas.analysis.accuracy_goal import AccuracyGoal
from nas.data.dataset import Data
from nas.process.progress import Notes
from nas.records.extent import Extent
from nas.records.settings import BASELINE, FILE, Settings
from nas.records.trial import ENDED, Trial
from nas.searching.estimate import Estimate, estimate, starting, trials_within
from nas.searching.plan import SearchPlan, parse_time
from nas.storage.reader import Reader
from nas.training.device_data import DeviceData
from nas.training.threads import THREADS
from space import InputError
from space.draw import Drawable
from space.processor import cores, memory


@dataclass(frozen=True, slots=True)
class Schedule:
    """How far a search goes, and what it takes; `estimate` None where that is not known. `at_once`: trainings that run
    side by side without holding each other up."""

    trials: int
    at_once: int
    estimate: Estimate | None


def schedule(
    space: Drawable, settings: Settings, plan: SearchPlan, data: Data, placed: DeviceData, workers: int,
    elsewhere: bool, notes: Notes,
) -> Schedule:  # fmt: skip
    """By the plan, and by an estimate, which is said. `elsewhere`: it trains on other machines."""
    console = notes.console
    known, beside = (_trials(plan.runs / name) for name in (settings.name, f"{settings.name}{BASELINE}"))
    if plan.trials is not None and not plan.baseline and not _left(known, settings, plan.extent(plan.trials)):
        console.print("estimate: nothing is left to train", highlight=False)
        return Schedule(plan.trials, workers, None)
    at_once = min(workers, cores() if placed.device.type == "cpu" else max(1, torch.cuda.device_count()))
    found = None if elsewhere else _estimate(space, settings, data, placed, workers)
    if found is None:
        why = "it trains on other machines" if elsewhere else "no network that was tried for it could be trained"
        if plan.trials is None:
            raise InputError(f"time must be one that can be estimated, got {plan.time}, but {why}; give --trials")
        notes(f"how long it takes is not known before: {why}")
        return Schedule(plan.trials, workers, None)
    trials, start = plan.trials, starting(workers, cores())
    if trials is None:
        assert plan.time is not None
        limit = parse_time(plan.time) / (1 + plan.baseline) - start
        trials = trials_within(limit, found, settings.band, at_once, plan.extent(1).further, known)
        said = f"for {trials} trial{'s' * (trials > 1)} in all, as estimated"
        if not known and found.mean(settings.band) > limit:
            said = "leaves room for no whole training; one network is trained all the same"
        console.print(f"time: {plan.time} {said}", highlight=False)
    extent = plan.extent(trials)
    left = _left(known, settings, extent)
    if plan.baseline:  # as many trainings
        left += max(0, trials + extent.further - sum(trial.state in ENDED for trial in beside))
    if (
        found.memory
        and placed.device.type == "cpu"
        and (there := memory())
        and workers > 1
        and workers * found.memory > there
    ):
        notes(
            f"{workers} workers take up to {workers * found.memory / 1e9:.0f} GB of memory, and this machine has "
            f"{there / 1e9:.0f}: fewer --workers"
        )
    said = found.describe(left, settings.band, at_once, start * (1 + plan.baseline), settings.stop != "none")
    console.print(said, highlight=False, soft_wrap=True)
    return Schedule(trials, at_once, found)


def _left(known: Sequence[Trial], settings: Settings, extent: Extent) -> int:
    """Trainings that are planned for and have not ended."""
    if extent.accuracy is not None:
        return AccuracyGoal(extent.accuracy, settings).left(known, extent)
    return max(0, extent.trials + extent.further - sum(trial.state in ENDED for trial in known))


def _trials(folder: Path) -> list[Trial]:
    """Of the study in the folder, where there is one."""
    return Reader(folder).trials() if (folder / FILE).exists() else []


def _estimate(space: Drawable, settings: Settings, data: Data, placed: DeviceData, workers: int) -> Estimate | None:
    """With as many threads as a worker has."""
    threads = torch.get_num_threads()
    if placed.device.type == "cpu":
        THREADS.use(max(1, threads // workers))
    try:
        return estimate(space, data, placed, settings.build_recipe(), settings.budget, settings.task)
    finally:
        THREADS.use(threads)
        THREADS.release()
