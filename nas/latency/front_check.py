"""The front of a study with a budget in latency, measured for real: whether the forecast held."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nas.analysis.cost_axes import cost_of
from nas.analysis.pareto import pareto_front
from nas.latency.device_names import runtime_of, threads_of
from nas.latency.front import rows
from nas.latency.measurements import around
from nas.latency.measuring import MeasureOptions, measure_study, names_of
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.storage.reader import Reader
from space import Band, InputError
from space.budget import LATENCY, MEASURES, time_words, words
from space.latency_model import LatencyModel


@dataclass(frozen=True, slots=True)
class Checked:
    """A network of the study, by what was forecast and what was measured, in nanoseconds."""

    trial: int
    forecast: int
    measured: float
    band: Band
    error: float  # of the model, of |forecast / measured - 1|: 95% of networks are within it
    mark: str = ""  # of the measurement, as `cost_axes.mark` has it
    slowdown: float = 1.0  # of the reference kernel meanwhile, which is taken off, as it was for the model

    @property
    def busy(self) -> bool:
        """Whether other work held the measurement up, so that it tells nothing."""
        return self.mark.startswith("busy")

    @property
    def outside(self) -> bool:
        """Whether it was measured outside the band, but for what the reference kernel lost meanwhile."""
        return not self.busy and not self.band.low <= self.quiet <= self.band.high

    @property
    def quiet(self) -> float:
        """What it would have taken on a machine that does nothing else."""
        return self.measured / self.slowdown

    @property
    def left(self) -> bool:
        """Whether it is outside by more than the model's error: even a forecast at the band's end would be further off
        than 95% are."""
        over, under = 1 - self.band.high / self.quiet, self.band.low / self.quiet - 1
        return self.outside and max(over, under) > self.error

    def __str__(self) -> str:
        said = f"trial {self.trial}: forecast {time_words(self.forecast)}, measured {time_words(self.measured)}"
        if self.mark:
            said += f" ({self.mark})"
        elif time_words(self.quiet) != time_words(self.measured):
            said += f" ({time_words(self.quiet)} without what a reference kernel lost beside it)"
        if not self.outside:
            return said
        how = "by more than" if self.left else "within"
        return f"{said}, outside {words(MEASURES.index(LATENCY), self.band)} {how} the model's error"


def how_measured(model: LatencyModel, device: str) -> MeasureOptions | None:
    """As the model's device was, where it is at hand; None where it is not. `device`: that is trained on."""
    threads = threads_of(model.device)
    how = MeasureOptions(
        device=device if threads is None else "cpu", batches=(model.batch,), threads=threads or 1,
        runtime=runtime_of(model.device),
    )  # fmt: skip
    try:
        return how if model.device in names_of(how) else None
    except InputError:  # no such device, runtime or so many threads here
        return None


def check_front(
    folder: Path, settings: Settings, device: str, on_network: Callable[[int, int], None] = lambda done, total: None
) -> list[Checked] | None:
    """Measures the networks of the front of a study with a budget in latency, and keeps it beside the study. None where
    the model's device is not at hand."""
    band, model = settings.budget.latency, settings.budget.model
    how = None if model is None else how_measured(model, device)
    if band is None or model is None or how is None:
        return None
    front = pareto_front(Reader(folder).trials(), cost_of(settings).of)
    if not front:
        return []
    measure_study(folder, front, settings.task, how, on_network)
    return checked_networks(folder, settings, front)


def checked_networks(folder: Path, settings: Settings, trials: Iterable[Trial]) -> list[Checked]:
    """Of these networks of a study with a budget in latency those that were measured as it is forecast, wherever that
    was; of a study without one none."""
    band, model, found = settings.budget.latency, settings.budget.model, list(trials)
    if band is None or model is None:
        return []
    known = around(folder)
    try:
        measured = rows(folder, found, model.device, model.batch, known)
    except InputError:  # none of them was
        return []
    return [
        Checked(
            row.trial.number, row.trial.latency, 1e9 * row.median, band, model.error.p95, row.mark, row.slowdown or 1.0
        )
        for row in measured
        if row.trial.latency is not None
    ]


def outside_words(
    folder: Path, settings: Settings, trials: Iterable[Trial], shown: tuple[str, int] | None = None
) -> list[str]:
    """Which of these networks were measured outside the study's budget in latency, and the command that keeps to it as
    measured, where there is such a network; nothing where none was outside. `shown`: a device and batch, where only
    measurements of these are looked at."""
    model = settings.budget.model
    if shown and model and shown != (model.device, model.batch):
        return []
    found = [each for each in checked_networks(folder, settings, trials) if each.outside]
    return [*map(str, found), *(advice(folder, settings) if found else [])]


def advice(folder: Path, settings: Settings) -> list[str]:
    """The command that exports the best network of those within the budget as measured; nothing where none is known."""
    model, found = settings.budget.model, checked_networks(folder, settings, Reader(folder).trials())
    if model is None or not any(not each.busy and each.band.low <= each.measured <= each.band.high for each in found):
        return []
    study = settings.name if folder.parent == Path("runs") else str(folder)
    low, high = found[0].band.low, found[0].band.high
    band = f"{'' if low == 1 else f'{low / 1e6:.15g}ms'}..{high / 1e6:.15g}ms"
    options = ["--by", f"{LATENCY}@{model.device}", "--latency", band]
    options += ["--batch", str(model.batch)] * (model.batch != 1) + ["--out", f"exports/{settings.name}"]
    return [f"within it as measured: {shlex.join(['nas', 'export', study, *options])}"]
