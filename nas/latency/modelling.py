"""Making a latency model: random networks of a space are measured on the device at hand, untrained, and the rates are
fitted; on further ones it is told how far off the model is."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nas.analysis.cost_axes import is_busy
from nas.latency.device_names import runtime_of
from nas.latency.fitting import error_of, fit
from nas.latency.measuring import MeasureOptions, target_of, timings_of
from space import Arch, Budget, InputError, Space, Task, cost
from space.latency_model import LatencyModel
from space.work import work

if TYPE_CHECKING:
    from nas.latency.reference_kernel import ReferenceKernel
    from nas.latency.timing import Timing

NETWORKS = 100  # that a model is fitted to
POOL = 20  # times as many are drawn, so that every kind of layer is met
UNSEEN = 2  # one further network for so many, to tell the error by
FEWEST = 10  # of them, and of those it is fitted to
PASSES = 3  # over the networks: those that were measured while the machine was busy are measured again
SECONDS = 0.2  # of measuring, per network and batch size
DEVICES = Path("devices")  # where models are kept

Sample = dict[tuple[str, int], dict[int, float]]  # device and batch -> place of a network -> nanoseconds


def measure_space(
    space: Space, task: Task, budget: Budget | None, how: MeasureOptions, networks: int | None = None,
    unseen: int | None = None, seed: int = 0, on_network: Callable[[int, int], None] = lambda done, total: None,
) -> list[LatencyModel]:  # fmt: skip
    """One for each name of the device and batch size, fitted to `networks` and told on `unseen` others. `budget`: where
    they are drawn. Raises InputError for a machine that is too busy."""
    count = NETWORKS if networks is None else networks
    if count < FEWEST:
        raise InputError(f"networks must be at least {FEWEST}, got {count}; use e.g. {NETWORKS}")
    archs, seen = _drawn(space, task, budget, count, unseen or max(FEWEST, count // UNSEEN), seed)
    found = _measured(archs, task, how, seed, on_network)
    return [_model(space, task, archs, seen, device, batch, took) for (device, batch), took in found.items()]


def model_path(model: LatencyModel, folder: Path = DEVICES) -> Path:
    """Where it is kept: `devices/convnext_32-amd-epyc-1-thread-32px-3ch-batch1.json`."""
    images = f"{model.image_size}px {model.channels}ch batch{model.batch}"
    words = re.sub(r"[^a-z0-9_]+", "-", f"{model.space} {model.device} {images}".casefold())
    return folder / f"{words.strip('-')}.json"


def _drawn(
    space: Space, task: Task, budget: Budget | None, count: int, unseen: int, seed: int
) -> tuple[list[Arch], int]:  # fmt: skip
    """Random networks to measure, and how many of them, the first ones, a model is fitted to. (A D-optimal design of
    them, on the same amounts, told no more of others.)"""
    rng, every = random.Random(seed), dict[str, Arch]()
    space.check_size(task.image_size, f"space {space.name}")
    for _ in range(POOL * count):
        arch = space.random_arch(rng, task, budget)
        every.setdefault(arch.key, arch)
    archs = list(every.values())
    if len(archs) < FEWEST + unseen:
        raise InputError(
            f"space must hold {FEWEST + unseen} networks to measure, got {len(archs)} different ones of "
            f"{POOL * count} draws; ask for fewer --networks, or widen the space or its FLOPs"
        )
    anywhere = (space.random_arch(rng, task) for _ in range(POOL * count))  # for layers that the budget leaves out
    further = [*sorted(anywhere, key=lambda arch: cost(arch, task).flops), *archs[-unseen:]]
    first, rest = _of_every_kind(archs[:-unseen], further, task)
    if len(first) > count:
        raise InputError(
            f"networks must be at least {len(first)} to have every kind of layer of space {space.name}, got {count}; "
            f"use e.g. {max(NETWORKS, 2 * len(first))}"
        )
    fitted = [*first, *rest][:count]
    return [*fitted, *(arch for arch in archs[-unseen:] if arch not in first)], len(fitted)


def _of_every_kind(archs: Sequence[Arch], further: Sequence[Arch], task: Task) -> tuple[list[Arch], list[Arch]]:
    """Those of all that bring a kind of layer which none before has, and the rest of `archs`, in the same order."""
    known, first, rest = set[str](), list[Arch](), list[Arch]()
    for place, arch in enumerate([*archs, *further]):
        kinds = {kind for kind, _ in work(arch, task)}
        if not kinds <= known:
            first.append(arch)
        elif place < len(archs):
            rest.append(arch)
        known |= kinds
    return first, rest


def _measured(
    archs: Sequence[Arch], task: Task, how: MeasureOptions, seed: int, on_network: Callable[[int, int], None]
) -> Sample:
    """In random order, so that what changes meanwhile is not mistaken for what networks do; without those that were
    measured while the machine was busy, PASSES times in a row."""
    from nas.latency.reference_kernel import ReferenceKernel, threads

    found: dict[tuple[str, int], dict[int, Timing]] = defaultdict(dict)
    order = random.Random(seed).sample(range(len(archs)), len(archs))
    target, done, total = target_of(how), 0, len(order)
    with threads(how.threads):
        reference = ReferenceKernel(target)
        for _ in range(PASSES):
            for place in order:
                on_network(done, total)
                done += 1
                for timing in timings_of(archs[place], task, how.batches, how.runtime, reference, SECONDS):
                    there = found[timing.device, timing.batch]  # one may have been quiet where another was not
                    there[place] = min(timing, there.get(place, timing), key=lambda each: each.reference)
                if done == FEWEST and not any(_quiet(timings, reference) for timings in found.values()):
                    raise _busy(f"the first {done} networks", 0, next(iter(found))[0])  # not after minutes
            busy = {i for timings in found.values() for i in timings.keys() - _quiet(timings, reference).keys()}
            order = [place for place in order if place in busy]
            total += len(order)
        on_network(done, done)
    return {which: _quiet(timings, reference) for which, timings in found.items()}


def _quiet(timings: Mapping[int, Timing], reference: ReferenceKernel) -> dict[int, float]:
    """Nanoseconds of the networks that were measured while the machine was not busy, as it is known by now; what the
    reference kernel lost meanwhile, up to the limit, is taken off."""
    slowdowns = {i: timing.reference / reference.best for i, timing in timings.items()}
    return {i: 1e9 * timings[i].median / by for i, by in slowdowns.items() if not is_busy(by)}


def _busy(which: str, quiet: int, device: str) -> InputError:
    return InputError(
        f"machine must be quiet for most of {which}, got {quiet} on {device}; end other programs and measure "
        "again, or give --device-model a file that was made in a quiet hour"
    )


def _model(
    space: Space, task: Task, archs: Sequence[Arch], seen: int, device: str, batch: int, took: dict[int, float]
) -> LatencyModel:
    from nas.latency.runtimes import versions_of
    from nas.storage.study_folder import package_versions

    known, unseen = [i for i in took if i < seen], [i for i in took if i >= seen]
    lost = {k for arch in archs for k, _ in work(arch, task)} - {k for i in known for k, _ in work(archs[i], task)}
    if len(known) < max(FEWEST, seen // 2) or len(unseen) < FEWEST // 2:
        raise _busy(f"{len(archs)} networks", len(took), device)
    if lost:
        raise InputError(
            f"machine must be quiet for a network of every kind of layer, got none with {min(lost)} on {device}; end "
            "other programs and measure again"
        )
    fitted = fit([work(archs[i], task) for i in known], [took[i] for i in known])
    error = error_of(fitted, [archs[i] for i in unseen], task, [took[i] for i in unseen])
    flops = [cost(archs[i], task).flops for i in known]
    rates: dict[str, dict[str, float]] = defaultdict(dict)
    for amount, rate in fitted.rates.items():
        rates[amount.kind][amount.unit] = rate
    return LatencyModel(
        device=device, batch=batch, space=space.name, **asdict(task), networks=len(known), fixed=fitted.fixed,
        flops=(min(flops), max(flops)),
        rates=dict(rates), error=error, created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions() | versions_of(runtime_of(device)),
    )  # fmt: skip
