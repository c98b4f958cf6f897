"""A search within a latency: what forecasts it, and at its end what the networks of the front take in truth."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from nas.latency.device_names import runtime_of
from nas.latency.front_check import check_front
from nas.latency.known_models import Wanted, model_for
from nas.latency.reach import flops_within
from nas.records.progress import Notes, Steps
from nas.records.settings import Settings
from nas.searching.plan import SearchPlan
from space import Budget, InputError, Space, Task
from space.budget import LATENCY
from space.draw import Drawable
from space.latency_model import LatencyModel


def with_model(
    space: Drawable, task: Task, budget: Budget, plan: SearchPlan, began: Settings | None, device: str, notes: Notes
) -> Budget:
    """The budget with what forecasts its latency: the study's model, where one was begun; a file's; else that of the
    device, which is made where there is none. Without FLOPs, with those that the latency leaves room for. Raises
    InputError as `known_models.model_for`."""
    if budget.latency is None:
        for name, value in (("device-model", plan.device_model), ("batch", plan.batch), ("runtime", plan.runtime)):
            if value not in (None, 1, "torch"):
                raise InputError(f"{name} must stand beside a latency, got {value} alone; add --latency")
        if plan.minimize == LATENCY:
            raise InputError(
                "minimize must have a latency to forecast, got latency without a band; add --latency ..5ms"
            )
        return budget
    if began is not None and began.budget.model is not None and plan.device_model is None:
        return replace(budget, flops=budget.flops or began.band).forecast_by(_same(began.budget.model, plan))
    assert isinstance(space, Space), "steps are at equal FLOPs"
    wanted = Wanted(
        batch=plan.batch, device=device, runtime=plan.runtime, named=plan.latency_device, file=plan.device_model
    )
    model = model_for(space, task, budget, wanted, notes.console)
    if budget.flops is None:
        band = flops_within(space, task, budget.latency.high, partial(model.of, task=task))
        notes.console.print(f"flops: {band}, which the latency leaves room for", highlight=False)
        budget = replace(budget, flops=band)
    return budget.forecast_by(model)


def _same(model: LatencyModel, plan: SearchPlan) -> LatencyModel:
    """The study's model. Raises InputError where another is asked for now."""
    has = {"batch": model.batch, "runtime": runtime_of(model.device)}
    for name, value in has.items():
        if getattr(plan, name) != value:
            raise InputError(
                f"{name} must be {value}, which the study's latency is of, got {getattr(plan, name)}; give --study "
                "another name"
            )
    return model


def say_measured(folder: Path, device: str, console: Console) -> None:
    """What the networks of the front take in truth, where the device of the forecast is at hand."""
    settings = Settings.read(folder)
    with Steps(console, "measuring the front").step(unit="networks") as report:
        checked = check_front(folder, settings, device, report)
    if checked is None:
        assert settings.budget.model is not None
        said = [f"the front is not measured here: its latency is of {settings.budget.model.device}"]
    else:
        said = [str(each) for each in checked]
    for line in said:
        console.print(f"latency: {line}", highlight=False, soft_wrap=True)
