"""What results are of, for `--json`: an object says it once, beside its `rows`. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.analysis.baseline import baseline_of
from nas.analysis.cost_axes import FLOPS, CostAxis, cost_of
from nas.analysis.pareto import outcome, pareto_front
from nas.analysis.wording import FLOPS_WORDS
from nas.storage.reader import Reader
from space.budget import MEASURES

if TYPE_CHECKING:
    from nas.records.data_card import DataCard
    from nas.records.settings import Settings
    from nas.records.trial import Trial
    from space import Budget, Space, Task

OF_NETWORKS, OF_ROWS = "mean of each network's seeds", "1, of the row"


def about_study(settings: Settings, seeds: str) -> dict[str, Any]:
    """A study: its space, data, task, budget and FLOPs convention, and what its accuracies are of. `seeds`: OF_NETWORKS
    or OF_ROWS."""
    return {
        "study": settings.name, "space": settings.space_name, "data": about_data(settings.data),
        "task": asdict(settings.task), "budget": about_budget(settings.budget), "minimize": settings.minimize,
        "flops_convention": FLOPS_WORDS,
        "score": {
            "metric": settings.metric, "split": "validation", "n": settings.data.validation, "seeds": seeds,
            "training": settings.training,
        },
    }  # fmt: skip


def about_space(space: Space, task: Task, budget: Budget | None) -> dict[str, Any]:
    """A space at a task, and the budget where there is one."""
    return {
        "space": space.name, "task": asdict(task), "budget": about_budget(budget), "flops_convention": FLOPS_WORDS,
    }  # fmt: skip


def about_data(card: DataCard) -> dict[str, Any]:
    """Which images, and how many by split."""
    names = ("name", "fingerprint", "train", "validation", "test")
    return {name: getattr(card, name) for name in names}


def about_budget(budget: Budget | None) -> dict[str, list[int]] | None:
    """The bands that there are, low and high by what they are of; of latency in nanoseconds."""
    return None if budget is None else {MEASURES[i]: [band.low, band.high] for i, band in budget.bands}


def about_outcome(folder: Path, trials: Sequence[Trial], settings: Settings, cost: CostAxis = FLOPS) -> dict[str, Any]:
    """The hypervolume of a study, which is over what it minimises alone, and what it took, and the same of the random
    search beside it; None without one. `cost`: what the front is over."""
    beside, found = baseline_of(folder), _outcome(trials, settings, cost)
    del found["study"], found["front"]  # said already; its rows
    baseline = None
    if beside:
        reader = Reader(beside)
        baseline = {**_outcome(reader.trials(), reader.settings, cost), "sampler": reader.settings.sampler}
    return {**found, "baseline": baseline}


def _outcome(trials: Sequence[Trial], settings: Settings, cost: CostAxis) -> dict[str, Any]:
    found = asdict(outcome(trials, settings)) | {"front": len(pareto_front(trials, cost.of))}
    if cost is not cost_of(settings):
        del found["hypervolume"]
    return found
