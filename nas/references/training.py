"""Training of reference networks: exactly as a study's trials are trained, and kept in the study's folder."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from nas.analysis.wording import duration
from nas.data.dataset import Data
from nas.data.study_data import load_study_data
from nas.process.errors import first_line, terminable
from nas.process.progress import Report, StepLine
from nas.records.recipe import Recipe
from nas.records.reference import Reference, alone, read_reference, reference_path
from nas.records.settings import Settings, difference
from nas.records.trial import Period
from nas.references.fitting import Fitted, fit
from nas.references.sources import find_source
from nas.searching.ask import trial_seed
from nas.searching.estimate import timed
from nas.storage.moving import at_work
from nas.storage.study_folder import package_versions
from nas.training.brief import Trained, Verdict, train_module
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.steps import NO_GRAPHS
from nas.training.trainer import Failed, attempt
from space import Arch, InputError, compact

FIRST_SEED = -1_000_001  # in place of a trial's number, and going down: an audit has those from -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePlan:
    """What a person asked for. `target`: FLOPs of `scale`; None: the middle of the band."""

    networks: Sequence[str]
    scale: bool = False
    target: int | None = None
    seeds: int = 1
    data: str | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where all of them are trained."""

    folder: Path
    settings: Settings
    recipe: Recipe
    data: Data
    placed: DeviceData
    console: Console


def train_references(folder: Path, plan: ReferencePlan, console: Console) -> tuple[list[Reference], list[str]]:
    """Trains what is not in the folder yet, the first seeds of all before the second ones. Returns the records of what
    was asked for, and why others were refused. Raises InputError for a name that nothing knows, before anything is
    trained; where all are refused; and for a network that is another now than the one on record."""
    settings = Settings.read(folder)
    settings.check_resumable()
    _check(plan, settings)
    with terminable(), at_work(folder):
        fitted, refused = _fit_all(plan, settings, console)
        wanted = [(each, index) for index in range(plan.seeds) for each in fitted]
        known = {(each.name, index): _on_record(folder, each, index) for each, index in wanted}
        left = [(each, index) for each, index in wanted if known[each.name, index] is None]
        if left:
            bench = _bench(folder, settings, plan, console)
            found = _train_all(left, bench)
            known |= {(each.name, each.index): each for each in found}
    return [record for record in known.values() if record], refused


def _check(plan: ReferencePlan, settings: Settings) -> None:
    if plan.target is None:
        return
    if not plan.scale:
        raise InputError(f"flops must come with --scale, got {compact(plan.target)} without; add --scale")
    if plan.target not in settings.band:
        raise InputError(
            f"flops must be in the study's band {settings.band}, got {compact(plan.target)}; a front has nothing else"
        )


def _fit_all(plan: ReferencePlan, settings: Settings, console: Console) -> tuple[list[Fitted], list[str]]:
    """All that can be trained, and why the others cannot."""
    recipe, task = settings.build_recipe(), settings.task
    sources = [find_source(text, task, recipe.drop_path) for text in dict.fromkeys(plan.networks)]
    fitted, refused = dict[str, Fitted](), list[str]()
    for text, source in zip(dict.fromkeys(plan.networks), sources, strict=True):
        if source.name == f"timm:{text}":
            _say(console, f"note: {text} is taken as {source.name}, since no network of ours is called so")
        try:
            found = fit(source, task, settings.band, scale=plan.scale, target=plan.target)
        except InputError as error:
            refused.append(str(error))
            continue
        _check_alone(found, fitted.get(found.name))
        fitted[found.name] = found
        cost = found.looked.cost
        more = f", {compact(cost.products)} attention products" if cost.products else ""
        _say(
            console,
            f"{found.name}: {compact(cost.flops)} FLOPs{more}, {compact(cost.params)} parameters, "
            f"{found.looked.variant.built}",
        )
        if found.note:
            _say(console, f"note: {found.note}")
    if not fitted:
        raise InputError(refused[0] if len(refused) == 1 else f"all networks are refused: {'; '.join(refused)}")
    for reason in refused:
        _say(console, f"refused: {reason}")
    return list(fitted.values()), refused


def _on_record(folder: Path, fitted: Fitted, index: int) -> Reference | None:
    path, cost = reference_path(folder, fitted.name, index), fitted.looked.cost
    if not path.is_file():
        return None
    found, variant = read_reference(path), fitted.looked.variant
    was, now = (found.name, found.flops, found.params), (fitted.name, cost.flops, cost.params)
    if was != now:
        described = (f"{name} of {flops:,} FLOPs and {params:,} parameters" for name, flops, params in (was, now))
        recorded, built = described
        raise _another(recorded, built, path)
    if found.arch and variant.arch:
        before, after = (Arch.from_dict(dict(each), fitted.name) for each in (found.arch, variant.arch))
        if before.key != after.key and (differs := difference("", _by_part(before), _by_part(after))):
            place, part, other = differs
            raise _another(f"{fitted.name} with {place[1:]} {part}", str(other), path)
    if found.code and found.code != variant.code:
        raise _another(f"{fitted.name} of a file of digest {found.code}", f"one of {variant.code}", path)
    return found


def _by_part(arch: Arch) -> dict[str, Any]:
    plain = arch.to_dict()
    return {f"stages[{i}]": stage for i, stage in enumerate(plain.pop("stages"))} | plain


def _another(was: str, now: str, path: Path) -> InputError:
    return InputError(f"network must be the one on record, {was}, got {now}; rename it, or remove {path}")


def _check_alone(fitted: Fitted, other: Fitted | None) -> None:
    """Raises InputError for a second network of the same name."""
    if other and (other.looked.variant.arch, other.looked.variant.code) != (
        fitted.looked.variant.arch, fitted.looked.variant.code
    ):  # fmt: skip
        texts = f"{other.source.text} and {fitted.source.text}"
        raise InputError(f"names of networks must differ, got {fitted.name} of both {texts}; rename one of the files")


def _bench(folder: Path, settings: Settings, plan: ReferencePlan, console: Console) -> _Bench:
    device, recipe = choose_device(plan.device), settings.build_recipe()
    data = load_study_data(settings, plan.data, console)
    return _Bench(folder, settings, recipe, data, DeviceData.place(data, recipe, device), console)


def _train_all(left: Sequence[tuple[Fitted, int]], bench: _Bench) -> list[Reference]:
    """In a line of progress by what each takes, of which the whole is said before."""
    networks = {each.name: each for each, _ in left}
    seconds = {name: _estimate(each, bench) for name, each in networks.items()}
    whole = sum(seconds[each.name] for each, _ in left)
    trainings = f"{len(left)} training{'s' * (len(left) > 1)}"
    _say(bench.console, f"estimate: {trainings} of {bench.recipe.length:,} images, {duration(whole)}")
    done, found = 0.0, list[Reference]()
    with StepLine(bench.console, f"references of {bench.settings.name}").step(total=100, unit="%") as report:
        for number, (each, index) in enumerate(left, 1):
            part = seconds[each.name] / whole
            with alone(bench.folder, each.name, index) as is_ours:
                record = _on_record(bench.folder, each, index) if is_ours else None  # of another command, meanwhile
                if is_ours and not record:
                    record = _train(each, index, bench, partial(_on_period, report, done, part / bench.recipe.length))
                    record.write(bench.folder)
            done += part
            found += [record] if record else []
            said = f"{each.name}, seed {index}: left to another nas reference, which is at it"
            said = _line(record, bench.settings) if record else said
            _say(bench.console, f"reference {number} of {len(left)}: {said}")
            report(100 * done)
    return found


def _estimate(fitted: Fitted, bench: _Bench) -> float:
    """Seconds of a training; where it cannot be timed, as if it took no time."""
    try:
        return timed(partial(train_module, fitted.looked.build), bench.data, bench.placed, bench.recipe) or 1e-3
    except (Exception, SystemExit):
        if fitted.looked.variant.arch:
            raise
        return 1e-3  # it will fail in its training, which says so


def _on_period(report: Report, done: float, part: float, period: Period) -> Verdict:
    """`part`: of an image in the whole."""
    report(100 * (done + part * period.images))
    return "go on"


def _train(fitted: Fitted, index: int, bench: _Bench, on_period: partial[Verdict]) -> Reference:
    seed, curve = trial_seed(bench.settings.seed, FIRST_SEED - index), list[Period]()

    def keep(period: Period) -> Verdict:
        curve.append(period)
        verdict: Verdict = on_period(period)
        return verdict

    def work() -> Trained[nn.Module]:
        return train_module(fitted.looked.build, bench.placed, bench.recipe, seed=seed, on_period=keep)

    cost, started = fitted.looked.cost, time.perf_counter()
    size = f"{compact(cost.flops)} FLOPs, {compact(cost.params)} parameters"
    try:
        found = attempt(work, lambda: size)
    except (Exception, SystemExit) as error:  # of its own code, such as an operator that a CUDA graph cannot hold
        if fitted.looked.variant.arch:
            raise
        hint = f"; try {NO_GRAPHS}=1" * (bench.placed.device.type == "cuda")
        reason = f"{type(error).__name__}: {first_line(error)}{hint}"
        found = Failed(reason, time.perf_counter() - started)
    return Reference(
        name=fitted.name, source=fitted.source.text, origin=fitted.source.origin, scale=fitted.scale,
        built=fitted.looked.variant.built, task=bench.settings.task, flops=cost.flops, products=cost.products,
        params=cost.params, index=index, seed=seed, curve=tuple(each for each in curve if math.isfinite(each.loss)),
        counts=None if isinstance(found, Failed) else found.counts,
        reason=found.reason if isinstance(found, Failed) else None,
        seconds=round(found.seconds, 2), device=str(bench.placed.device), versions=package_versions(),
        arch=fitted.looked.variant.arch, code=fitted.looked.variant.code,
    )  # fmt: skip


def _line(record: Reference, settings: Settings) -> str:
    score = record.score(settings.metric)
    what = f"has come to nothing: {record.reason}" if score is None else f"{score:.2%}"
    return f"{record.name}, seed {record.index}: {what} ({record.seconds:.0f} s)"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
