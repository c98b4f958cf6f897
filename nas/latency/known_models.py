"""The latency model that a budget goes by: a file that is named, one in `devices/`, or one that is made now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from nas.latency.device_names import ONNX, meant, runtime_of
from nas.latency.measuring import MeasureOptions, measure_arch, names_of
from nas.latency.modelling import DEVICES, measure_space, model_path
from nas.latency.reach import by_measuring, flops_within
from nas.process.files import write_asked
from nas.process.progress import StepLine
from space import Arch, Budget, InputError, Space, Task
from space.latency_model import LatencyModel
from space.measure_command import check_images, measure_command, options_of

if TYPE_CHECKING:
    from nas.latency.device_names import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which model. None: as the model has it, of a new one batch 1, torch, and the device at hand."""

    batch: int | None = None
    runtime: Runtime | None = None
    named: str | None = None  # words of the name of a device that was measured
    file: Path | None = None
    device: str = "auto"  # at hand

    def check(self, model: LatencyModel) -> None:
        """Raises InputError where it is another one than this."""
        other = "give --study another name" if self.file is None else "leave --device-model out"
        for name, asked, has in (
            ("batch", self.batch, model.batch),
            ("runtime", self.runtime, runtime_of(model.device)),
        ):
            if asked not in (None, has):
                raise InputError(
                    f"{name} must be {has}, which the latency model is of, got {asked}; leave it out, or {other}"
                )
        if self.named is not None and meant([model.device], self.named) is None:
            raise InputError(
                f"latency must be on {model.device}, which the latency model is of, got @{self.named}; leave that out, "
                f"or {other}"
            )


def model_for(
    space: Space, task: Task, budget: Budget, wanted: Wanted, console: Console, *, may_measure: bool = True
) -> LatencyModel:
    """Raises InputError for a file that is none, a device that was not measured, a model of images of another size."""
    if wanted.file is not None:
        model = LatencyModel.load(wanted.file)
        wanted.check(model)
    elif wanted.named is not None:
        model = _named(space, task, wanted, console)
    else:
        model = _at_hand(space, task, budget, wanted, console, may_measure)
    check_images(model, space, task)
    return model


def known_models(space: str, task: Task, wanted: Wanted, console: Console) -> dict[str, LatencyModel]:
    """The latest in `devices/` of each device, of this space, size of image, batch and runtime. Files that are no model
    are left out, and said."""
    models, like = list[LatencyModel](), (space, task.image_size, task.channels, wanted.batch or 1)
    for path in sorted(DEVICES.glob("*.json")):
        try:
            models.append(LatencyModel.load(path))
        except (InputError, OSError) as error:
            console.print(f"note: {path} is left out: {error}", markup=False, highlight=False, soft_wrap=True)
    return {
        m.device: m
        for m in sorted(models, key=lambda model: model.created)
        if (m.space, m.image_size, m.channels, m.batch) == like and wanted.runtime in (None, runtime_of(m.device))
    }


def _named(space: Space, task: Task, wanted: Wanted, console: Console) -> LatencyModel:
    models = known_models(space.name, task, wanted, console)
    found = meant(list(models), wanted.named or "")
    if found is None:
        runtime = f" --runtime {ONNX}" * (wanted.runtime == ONNX)
        raise InputError(
            f"latency must name one device that was measured on space {space.name} at {task.image_size} px and batch "
            f"{wanted.batch or 1}, got @{wanted.named}; measured: {'; '.join(models) or 'none'}; there: "
            f"{measure_command(space, task, wanted.batch or 1, runtime)}"
        )
    return models[found.name]


def _at_hand(
    space: Space, task: Task, budget: Budget, wanted: Wanted, console: Console, may_measure: bool
) -> LatencyModel:  # fmt: skip
    how = MeasureOptions(
        device=wanted.device, batches=(wanted.batch or 1,), runtime=wanted.runtime or "torch"
    )  # fmt: skip
    usual = _usual_device(how.device)
    name = names_of(how)[-1]  # on a GPU the CUDA graph
    known = known_models(space.name, task, wanted, console)
    if name in known:
        return known[name]
    if not may_measure:
        options = options_of(name) + ("" if usual else f" --device {how.device}")
        raise InputError(
            f"latency must have a model before a dry run, got none of {name} at batch {wanted.batch or 1}; "
            f"{measure_command(space, task, wanted.batch or 1, options)} makes one"
        )
    console.print(
        f"latency model: there is none of {name} at batch {wanted.batch or 1} yet; networks of space {space.name} are "
        "measured first",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if budget.flops is None:
        assert budget.latency is not None, "one of the two is given"
        with StepLine(console, "finding the FLOPs").step():
            takes = partial(_measured, task=task, how=how)
            fits = by_measuring(space, task, budget.latency, takes)
            budget = replace(budget, flops=flops_within(space, task, fits))
    made = make_models(space, task, budget, how, console)
    return next(model for model, _ in made if model.device == name)


def _usual_device(device: str) -> bool:
    """Whether it is the one that `auto` means here. Raises InputError for one that only workers elsewhere have."""
    from nas.training.device import choose_device

    try:
        return choose_device(device) == choose_device("auto")
    except InputError as error:
        raise InputError(
            f"latency must be of a device that is here, or of one that was measured, got {device}; write e.g. "
            "--latency ..5ms@DEVICE, or give --device-model"
        ) from error


def _measured(arch: Arch, task: Task, how: MeasureOptions) -> float:
    """Nanoseconds of a batch."""
    return 1e9 * measure_arch(arch, task, how)[-1].median


def make_models(
    space: Space, task: Task, budget: Budget | None, how: MeasureOptions, console: Console, networks: int | None = None,
    out: Path | None = None, seed: int = 0,
) -> list[tuple[LatencyModel, Path]]:  # fmt: skip
    """Measures, and keeps each model where `model_path` says, or in the folder `out`."""
    flops = None if budget is None else Budget(flops=budget.flops)  # limits apart: they are of the search
    with StepLine(console, f"measuring {space.name}").step(unit="networks") as report:
        models = measure_space(space, task, flops, how, seed=seed, on_network=report, networks=networks)
    paths = [model_path(model, out or DEVICES) for model in models]
    for model, path in zip(models, paths, strict=True):
        write_asked(path, model.to_json() + "\n", "devices" if out is None else "out")
    return list(zip(models, paths, strict=True))
