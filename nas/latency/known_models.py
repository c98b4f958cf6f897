"""The latency model that a budget goes by: a file that is named, one in `devices/`, or one that is made now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from nas.latency.device_names import meant
from nas.latency.measuring import MeasureOptions, measure_arch, target_of
from nas.latency.modelling import DEVICES, measure_space, model_path
from nas.latency.reach import flops_within
from nas.records.files import write_asked
from nas.records.progress import Steps
from space import Arch, Band, Budget, InputError, Space, Task, compact
from space.latency_model import LatencyModel

if TYPE_CHECKING:
    from nas.latency.runtimes import Runtime


FAR = 2.0  # times the FLOPs that it was fitted to, beyond which a forecast is said to be less sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which model: of a batch, on a device by words of its name, or on the one at hand."""

    batch: int = 1
    device: str = "auto"  # at hand
    runtime: Runtime = "torch"
    named: str | None = None  # words of the name of a device that was measured
    file: Path | None = None


def model_for(space: Space, task: Task, budget: Budget, wanted: Wanted, console: Console) -> LatencyModel:
    """Raises InputError for a file that is none, a device that was not measured, a model of images of another size."""
    if wanted.file is not None:
        model = LatencyModel.load(wanted.file)
        if wanted.batch not in (1, model.batch):
            raise InputError(
                f"batch must be {model.batch}, which {wanted.file} is of, got {wanted.batch}; leave it out"
            )
    elif wanted.named is not None:
        model = _named(space, task, wanted)
    else:
        model = _at_hand(space, task, budget, wanted, console)
    model.check_task(task)
    console.print(f"latency model: {model.where}; {model.error}", highlight=False, soft_wrap=True)
    most = Band(*model.flops).high
    if budget.flops is not None and budget.flops.high > FAR * most:
        console.print(
            f"note: it was fitted to networks of up to {compact(most)} FLOPs, and is less sure beyond: nas measure "
            f"{space.name} --flops {budget.flops} measures those that are searched",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    return model


def known_models(space: str, task: Task, batch: int) -> list[LatencyModel]:
    """Those in `devices/` that were measured on this space, at this size of image and batch."""
    models = [LatencyModel.load(path) for path in sorted(DEVICES.glob("*.json"))]
    like = (space, task.image_size, task.channels, batch)
    return [m for m in models if (m.space, m.image_size, m.channels, m.batch) == like]


def _named(space: Space, task: Task, wanted: Wanted) -> LatencyModel:
    models = {model.device: model for model in known_models(space.name, task, wanted.batch)}
    found = meant(list(models), wanted.named or "")
    if found is None:
        raise InputError(
            f"latency must name one device that was measured on space {space.name} at {task.image_size} px and batch "
            f"{wanted.batch}, got @{wanted.named}; measured: {'; '.join(models) or 'none'}; there: nas measure "
            f"{space.name} --networks 100 --batch {wanted.batch}"
        )
    return models[found.name]


def _at_hand(space: Space, task: Task, budget: Budget, wanted: Wanted, console: Console) -> LatencyModel:
    from nas.latency.reference_kernel import threads
    from nas.latency.timing import device_names

    how = MeasureOptions(device=wanted.device, batches=(wanted.batch,), runtime=wanted.runtime)
    with threads(how.threads):
        name = device_names(target_of(how), how.runtime)[-1]  # on a GPU the CUDA graph
    for model in known_models(space.name, task, wanted.batch):
        if model.device == name:
            return model
    console.print(
        f"latency model: there is none of {name} at batch {wanted.batch} yet; networks of space {space.name} are "
        "measured first",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if budget.flops is None:
        assert budget.latency is not None, "one of the two is given"
        takes = partial(_measured, task=task, how=how)
        budget = replace(budget, flops=flops_within(space, task, budget.latency.high, takes))
    made = make_models(space, task, budget, how, console)
    return next(model for model, _ in made if model.device == name)


def _measured(arch: Arch, task: Task, how: MeasureOptions) -> float:
    """Nanoseconds of a batch."""
    return 1e9 * measure_arch(arch, task, how)[-1].median


def make_models(
    space: Space, task: Task, budget: Budget | None, how: MeasureOptions, console: Console, networks: int | None = None,
    out: Path | None = None, seed: int = 0,
) -> list[tuple[LatencyModel, Path]]:  # fmt: skip
    """Measures, and keeps each model where `model_path` says, or in the folder `out`."""
    flops = None if budget is None else Budget(flops=budget.flops)  # limits apart: they are of the search
    with Steps(console, f"measuring {space.name}").step(unit="networks") as report:
        models = measure_space(space, task, flops, how, seed=seed, on_network=report, networks=networks)
    paths = [model_path(model, out or DEVICES) for model in models]
    for model, path in zip(models, paths, strict=True):
        write_asked(path, model.to_json() + "\n", "out")
    return list(zip(models, paths, strict=True))
