"""What of a study the page Front shows: the networks that the filters leave, over the measure that was chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.charts.front import KINDS, View, front_figure
from dashboard.charts.front_caption import front_caption, measure_caption
from dashboard.charts.style import Figure
from dashboard.derived import cost_axes_of, design_of, networks_of, outcome_of
from dashboard.number_format import count
from dashboard.pages.network import place_on, same_network
from dashboard.snapshot import Snapshot, once
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.design_choices import within
from nas.analysis.pareto import pareto_front
from nas.records.trial import Trial


@dataclass(frozen=True)
class Asked:
    """What a person asked to see: hashable, so that a figure is made once."""

    measure: str = FLOPS.name
    colour: str = KINDS
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, eq=False)
class Seen:
    """The networks that the filters leave: their trials, their front over the measure, what of them is in training, and
    the baseline's."""

    measure: CostAxis
    filtered: bool
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    running: tuple[Trial, ...]
    beside: tuple[Trial, ...]

    @property
    def whole(self) -> bool:
        """Whether its front is the study's own."""
        return self.measure is FLOPS and not self.filtered

    def place(self, trial: Trial) -> str:
        """Where a finished trial's network stands among those shown: `on the front, 2 of 6 by FLOPs`."""
        among = " of the networks shown" if self.filtered else ""
        if not any(same_network(trial, other) for other in self.trials):
            return "not among the networks shown"
        return place_on(trial, self.front, self.measure.name, among)


@once
def view_of(snapshot: Snapshot, beside: Snapshot | None, asked: Asked) -> Seen:
    x, wanted = cost_axes_of(snapshot, beside)[asked.measure], dict(asked.filters)

    def left(trials: Iterable[Trial]) -> tuple[Trial, ...]:
        return tuple(t for t in trials if x.of(t) and (not wanted or within(design_of(t), wanted)))

    trials = left(snapshot.scored)
    front = tuple(pareto_front(trials, x.on))
    return Seen(x, bool(wanted), trials, front, left(snapshot.running), left(beside.scored if beside else ()))


@once
def figure_of(snapshot: Snapshot, asked: Asked, beside: Snapshot | None) -> Figure:
    assert snapshot.settings is not None
    view = view_of(snapshot, beside, asked)
    return front_figure(
        view.trials, snapshot.settings.band, view=View(view.measure, asked.colour), running=view.running,
        found=networks_of(snapshot), beside=view.beside,
    )  # fmt: skip


def caption_of(snapshot: Snapshot, beside: Snapshot | None, asked: Asked, view: Seen) -> str:
    found = networks_of(snapshot)
    if view.whole:
        return front_caption(snapshot.trials, snapshot.front, found, outcome_of(beside) if beside else None)
    kept = f"{count(len({t.key or t.number for t in view.trials}), 'network')} shown. " if asked.filters else ""
    none = " Random search has no such network." if beside and not view.beside else ""
    return kept + measure_caption(view.measure, view.front, view.beside, found) + none
