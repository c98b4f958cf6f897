"""A search within a latency: what forecasts it, and at its end what the networks of the front take in truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from nas.latency.front_check import advice, check_front
from nas.latency.known_models import Wanted, model_for
from nas.latency.reach import by_forecast, flops_within
from nas.process.progress import Notes, StepLine
from nas.records.settings import Settings
from nas.searching.plan import SearchPlan
from nas.searching.progress import Stopping
from space import Budget, InputError, Space, Task, compact
from space.budget import LATENCY
from space.draw import Drawable
from space.latency_model import LatencyModel
from space.measure_command import command_like

POOR = 0.25  # median error of a model from which it is said to be rough
FAR = 2  # times the FLOPs that a model was fitted to, beyond which its forecast is said to be less sure


def with_model(
    space: Drawable, task: Task, budget: Budget, plan: SearchPlan, began: Settings | None, device: str, notes: Notes
) -> Budget:
    """The budget with what forecasts its latency: the study's model, where one was begun; a file's; else that of the
    device, which is made where there is none. Without FLOPs, with those that the latency leaves room for. Raises
    InputError as `known_models.model_for`."""
    wanted = Wanted(
        batch=plan.batch, runtime=plan.runtime, named=plan.latency_device, file=plan.device_model, device=device
    )
    limit = budget.latency
    if limit is None:
        _refuse_alone(wanted)
        if plan.minimize == LATENCY:
            raise InputError(
                "minimize must have a latency to forecast, got latency without a band; add --latency ..5ms"
            )
        return budget
    assert isinstance(space, Space), "steps are at equal FLOPs"
    if began is not None and began.latency is None:
        raise InputError(f"latency must be none, as study {began.name} began, got one; give --study another name")
    if budget.flops is not None:  # what is wrong without a latency, before minutes of measuring
        space.check_budget(replace(budget, latency=None), task)
    if began is not None and plan.device_model is None:
        model = began.budget.model
        assert model is not None, "a study with a latency has its model"
        wanted.check(model)
        budget = replace(budget, flops=budget.flops or began.band)
    else:
        model = model_for(space, task, budget, wanted, notes.console, may_measure=not plan.dry_run)
    if budget.flops is None:
        band = flops_within(space, task, by_forecast(space, task, limit, model))
        notes.console.print(f"flops: {band}, which the latency leaves room for", highlight=False)
        budget = replace(budget, flops=band)
    _say(space, task, model, budget, notes.console)
    return budget.forecast_by(model)


def _refuse_alone(wanted: Wanted) -> None:
    """Raises InputError for what is of a latency only."""
    given = {"device-model": wanted.file, "batch": wanted.batch, "runtime": wanted.runtime}
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name} must stand beside a latency, got {value} alone; add --latency")


def _say(space: Space, task: Task, model: LatencyModel, budget: Budget, console: Console) -> None:
    console.print(f"latency model: {model.where}; {model.error}", highlight=False, soft_wrap=True)
    if model.space != space.name:
        console.print(f"note: it was fitted to networks of {model.space}, whose layers these have", highlight=False)
    if model.error.median > POOR:
        console.print(
            f"note: by so rough a model a limit tells little: {command_like(model, space, task)} on a quiet machine",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    assert budget.flops is not None
    if budget.flops.high > FAR * model.flops[1]:
        console.print(
            f"note: it was fitted to networks of up to {compact(model.flops[1])} FLOPs, and is less sure beyond: "
            f"{command_like(model, space, task)} --flops {budget.flops} measures those that are searched",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def say_measured(folder: Path, device: str, console: Console, stopping: Stopping) -> None:
    """What the networks of the front take in truth, where the device of the forecast is at hand."""
    settings = Settings.read(folder)
    model = settings.budget.model
    assert model is not None, "asked of studies with a latency"

    def on_network(done: int, total: int) -> None:
        report(done, total)
        if stopping.asked:
            raise KeyboardInterrupt

    try:
        with StepLine(console, "measuring the front").step(unit="networks") as report:
            checked = check_front(folder, settings, device, on_network)
        said = [f"the front is not measured here: its latency is of {model.device}"]
        if checked is not None:
            said = [*map(str, checked), *(advice(folder, settings) if any(c.outside for c in checked) else [])]
    except KeyboardInterrupt:
        said = ["the front is not measured: stopped; nas measure does it"]
    except InputError as error:
        said = [f"the front is not measured: {error}"]
    for line in said:
        console.print(f"latency: {line}", highlight=False, soft_wrap=True)
