"""What a search is begun with, or goes on with: the data, and the study's settings."""

from __future__ import annotations

import random
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from nas.data.dataset import Data
from nas.data.study_data import describe_data, described_as, like, load_with_progress, said
from nas.process.progress import Notes
from nas.records.data_card import AS_FOUND, DataCard
from nas.records.recipe import Recipe
from nas.records.settings import BASELINE, DESIGN, FILE, Settings
from nas.searching.latency_budget import with_model
from nas.searching.plan import Rival, SearchPlan
from nas.storage.artifacts import parse_artifacts
from nas.storage.postgres import parse_server
from nas.storage.study_folder import package_versions
from space import Band, Budget, Task
from space.draw import Drawable
from space.steps import Steps


def data_and_settings(
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
    elif recipe.images is not None and settled.length < recipe.images:
        periods = f"{settled.periods} periods of {settled.length // settled.periods:,}"
        notes(f"each network sees {settled.length:,} images, {periods}")
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


def of_rival(settings: Settings, rival: Rival) -> Settings:
    """What the rival's study is begun with: the same but for the space. Raises InputError where its space cannot be
    searched so."""
    rival.space.check_size(settings.data.image_size, f"space {rival.space.name}")
    rival.space.check_budget(settings.budget, settings.task)
    return replace(
        settings, name=rival.name, seed=rival.seed, space_name=rival.space.name, space=rival.space.to_dict()
    )  # fmt: skip


def of_baseline(settings: Settings) -> Settings:
    """What the random search beside a study is begun with."""
    server = settings.server and replace(settings.server, study=f"{settings.server.study}{BASELINE}")
    return replace(settings, name=f"{settings.name}{BASELINE}", sampler="random", stop="none", server=server)


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
