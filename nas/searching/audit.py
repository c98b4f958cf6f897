"""Audit: a FLOPs-spread sample of a study's networks trained for longer, to see what brief training is worth.

Kept in the study's folder as audit.json, network by network, so that an audit that was killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from nas.analysis.pareto import flops, merged, score
from nas.analysis.rank_agreement import NEEDED, Agreement, Audited, agreement
from nas.data.study_data import load_study_data
from nas.process.files import write_whole
from nas.process.progress import Report, StepLine
from nas.records.scores import score_of
from nas.records.settings import Settings
from nas.records.trial import Period, Trial
from nas.searching.ask import trial_seed
from nas.storage.moving import at_work
from nas.storage.reader import Reader
from nas.training.brief import Verdict
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.trainer import BriefTrainer, Failed, Result
from space import InputError, compact
from space.budget import parse_count
from space.reading import check

FILE = "audit.json"
FEWEST = 4  # networks, to fit what depends on FLOPs and have some left


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """What an audit was begun with; `sample` are numbers of trials by rising FLOPs."""

    networks: int
    images: int  # of the long training
    seed: int
    sample: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A plan and what was trained of it. `failed`: trial -> why its long training gave no accuracy."""

    plan: AuditPlan
    rows: tuple[Audited, ...] = ()
    failed: dict[int, str]

    def left(self) -> list[int]:
        """Trials still to train, in the plan's order."""
        done = {row.number for row in self.rows} | set(self.failed)
        return [number for number in self.plan.sample if number not in done]

    def report(self) -> Agreement:
        return agreement(self.rows, self.plan.seed)

    def to_json(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """For `--json`: the plan and the report; and every network."""
        plain = [asdict(row) for row in self.rows]
        rows = [{"trial": row["number"], **{k: row[k] for k in row if k not in ("number", "arch")}} for row in plain]
        return {**asdict(self.plan), "agreement": asdict(self.report()), "failed": self.failed}, rows

    def write(self, folder: Path) -> None:
        write_whole(folder / FILE, json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(folder: Path) -> Audit | None:
        """The audit in a study's folder, if one was begun. Raises InputError for a damaged file."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if "epochs" in plain["plan"]:  # of an earlier release
                period = Settings.read(folder).build_recipe().period
                plain["plan"]["images"] = plain["plan"].pop("epochs") * period
            return check(Audit, plain)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} must be a whole audit, got a part ({error}); remove it to begin another"
            ) from error


def run_audit(
    reader: Reader, *, networks: int, images: str, seed: int, data_source: str | None, device: str, console: Console
) -> Audit:
    """Begins an audit, or goes on with the one in the study's folder, until every network of the sample is trained.

    Networks are trained as in the study but for `images` (`5x` or `150K`), with a seed that is not the trial's, so that
    luck in brief training is not repeated. Raises InputError for an audit begun with other settings.
    """
    settings = reader.settings
    trials = {trial.number: trial for trial in merged(reader.trials())}
    brief = settings.build_recipe()
    many = parse_images(images, brief.length)
    audit = Audit.read(reader.folder)
    if audit is None:
        sample = spread(list(trials.values()), networks, seed)
        audit = Audit(plan=AuditPlan(networks=networks, images=many, seed=seed, sample=tuple(sample)), failed={})
    for field, value in (("networks", networks), ("images", many), ("seed", seed)):
        if (old := getattr(audit.plan, field)) != value:
            raise InputError(
                f"{field} must be {old} to go on with the audit of {settings.name}, got {value}; "
                f"remove {reader.folder / FILE} to begin another"
            )
    if not audit.left():
        return audit
    if (found := len(audit.plan.sample)) < NEEDED:
        begun = f"; to begin another, remove {reader.folder / FILE}" if audit.rows or audit.failed else ""
        note = f"{found} networks are too few for intervals, {NEEDED} are needed"
        console.print(
            f"note: {note}; {_more(NEEDED, len(trials))}{begun}", markup=False, highlight=False, soft_wrap=True
        )
    target = choose_device(device)
    recipe = replace(brief, images=many, period_images=None)
    data = DeviceData.place(load_study_data(reader.settings, data_source, console), recipe, target)
    trainer = BriefTrainer(settings.task, data, recipe)
    weights = {number: trials[number].seconds or 1.0 for number in audit.left()}  # what each takes, in proportion
    done = 0.0
    with (
        at_work(reader.folder),
        StepLine(console, f"auditing {settings.name}").step(total=sum(weights.values()), unit="%") as report,
    ):
        for number, weight in weights.items():
            trial, own_seed = trials[number], trial_seed(seed, -1 - number)  # no trial has a negative number
            on_period = partial(_on_period, report, done, weight / many)
            trained = trainer(trial.to_arch(), own_seed, on_period, lambda: False)
            audit = _with(audit, trial, trained, own_seed, console)
            audit.write(reader.folder)
            done += weight
            report(done)
    return audit


def _on_period(report: Report, done: float, weight: float, period: Period) -> Verdict:
    """`weight`: of an image."""
    report(done + weight * period.images)
    return "go on"


def _with(audit: Audit, trial: Trial, trained: Result, seed: int, console: Console) -> Audit:
    """The audit with what long training of a trial's network gave, which is said."""
    if isinstance(trained, Failed):
        said = f"trial {trial.number} has failed, the audit goes on: {trained.reason}"
        console.print(said, markup=False, highlight=False)
        return replace(audit, failed=audit.failed | {trial.number: trained.reason})
    long = score_of(trained, trial.metric)
    assert long is not None
    row = Audited(
        number=trial.number, arch=trial.to_arch().to_dict(), flops=flops(trial), brief=score(trial), long=long,
        seconds=trained.seconds, seed=seed,
    )  # fmt: skip
    audit = replace(audit, rows=(*audit.rows, row))
    done = f"{len(audit.rows) + len(audit.failed)} of {len(audit.plan.sample)}"
    console.print(
        f"network {done}: trial {row.number}, {row.brief:.2%} after brief training, {row.long:.2%} after "
        f"{audit.plan.images:,} images ({row.seconds:.0f} s)",
        highlight=False,
    )
    return audit


def parse_images(text: str, brief: int) -> int:
    """`5x` (times the study's) or `150K`. Raises InputError unless it is more than `brief`."""
    times = text.removesuffix("x")
    many = (
        int(times) * brief
        if text != times and times.isascii() and times.isdigit()
        else parse_count(text, "images", "150K")
    )
    if many <= brief:
        raise InputError(
            f"images must be more than the study's {brief:,}, got {text}; write e.g. 5x or {compact(5 * brief)}"
        )
    return many


def _more(needed: int, there: int) -> str:
    """The step to an audit of so many networks, of a study with those `there`."""
    return "raise --networks" if there >= needed else "search for more networks first"


def spread(trials: Sequence[Trial], count: int, seed: int) -> list[int]:
    """Numbers of `count` trials, or all if there are fewer, by rising FLOPs: a random one of each of `count` groups of
    neighbours in FLOPs. Raises InputError where there are too few."""
    ordered = sorted(trials, key=lambda trial: (flops(trial), trial.number))
    if min(count, len(ordered)) < FEWEST:
        raise InputError(
            f"networks must be {FEWEST} or more of those that finished, got {count} of {len(ordered)}; "
            f"{_more(FEWEST, len(ordered))}"
        )
    rng = np.random.default_rng(seed)
    groups = np.array_split(np.arange(len(ordered)), min(count, len(ordered)))
    return [ordered[int(rng.choice(group))].number for group in groups]
