"""What of a study the page Front shows: the networks that the filters leave, over the measure that was chosen; and the
one beside the chart, chosen or picked by a goal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st

from dashboard.charts.blocks import seed_lines
from dashboard.charts.front import below, front_figure, reach
from dashboard.charts.front_caption import front_caption, measure_caption
from dashboard.charts.front_colours import KINDS
from dashboard.charts.references import stars_sentence
from dashboard.charts.style import Figure
from dashboard.derived import cost_axes_of, narrowed, networks_of, outcome_of, references_of
from dashboard.number_format import count, percent
from dashboard.pages.address import choose, link
from dashboard.pages.elements import metrics
from dashboard.pages.network import (
    class_lines,
    drawing,
    export_of,
    latencies,
    numbers_of,
    pin_button,
    place_on,
    same_network,
)
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from nas.analysis.cost_axes import FLOPS, CostAxis, cost_of
from nas.analysis.leads import Lead, leads
from nas.analysis.pareto import merged, pareto_front, score
from nas.analysis.seed_noise import NetworkResult
from nas.analysis.wording import tie_words
from nas.records.scores import has
from nas.records.trial import Trial
from space import InputError


@dataclass(frozen=True)
class Asked:
    """What a person asked to see: hashable, so that a figure is made once."""

    measure: str = FLOPS.name
    colour: str = KINDS
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    whole: bool = False  # also networks far below the others


@dataclass(frozen=True)
class Goal:
    """What the picked network must hold: at most so much cost, or at least so much accuracy; neither: it is the most
    accurate."""

    most: float | None = None
    least: float | None = None  # 0 to 1

    def words(self, measure: CostAxis) -> str:
        """Why a network is picked."""
        if self.least is not None:
            return f"the cheapest from {percent(self.least)} up"
        return "the most accurate" if self.most is None else f"the best up to {measure.exact(self.most)} {measure.name}"


@dataclass(frozen=True, eq=False)
class Seen:
    """The networks that the filters leave: their trials, their front over the measure, what of them is in training, and
    the baseline's."""

    part: Snapshot  # the study as if its space had been narrowed to them
    other: Snapshot | None  # the baseline likewise
    measure: CostAxis
    own: bool  # it is what the study minimises
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    running: tuple[Trial, ...]
    beside: tuple[Trial, ...]
    networks: int
    below: tuple[Trial, ...]  # networks that the y axis leaves out unless the whole is asked for

    @property
    def filtered(self) -> bool:
        return self.part.whole is not None

    @cached_property
    def leads(self) -> list[Lead]:
        """Where the baseline is ahead."""
        return leads(self.front, self.beside, self.measure.of)

    def pick(self, goal: Goal) -> Trial | None:
        """The best within a cost, or the cheapest from an accuracy on; None where the front has none."""
        if goal.least is not None:
            return next((trial for trial in self.front if has(score(trial), goal.least)), None)
        most = goal.most
        return next((t for t in reversed(self.front) if most is None or self.measure.on(t) <= most), None)

    def place(self, trial: Trial) -> str:
        """Where a trial's network stands among those shown: `on the front, 2 of 6 by FLOPs`."""
        among = " of the networks shown" if self.filtered else ""
        if trial.state == "complete" and not any(same_network(trial, other) for other in self.trials):
            return "not among the networks shown"
        return place_on(trial, self.front, self.measure.name, among)


@once
def view_of(snapshot: Snapshot, beside: Snapshot | None, asked: Asked) -> Seen:
    x = cost_axes_of(snapshot, beside)[asked.measure]
    part, other = narrowed(snapshot, asked.filters), narrowed(beside, asked.filters) if beside else None

    def left(trials: Iterable[Trial]) -> tuple[Trial, ...]:
        return tuple(t for t in trials if x.of(t))

    trials = left(part.scored)
    front = tuple(pareto_front(trials, x.on))
    others = left(other.scored if other else ())
    points = merged(trials)
    also = references_of(part) if x is FLOPS else ()
    axis = reach(points, front, networks_of(part), beside=pareto_front(others, x.on), also=also)
    low = tuple(below(points, axis))
    own = x is cost_of(snapshot.read_settings)
    return Seen(part, other, x, own, trials, front, left(part.running), others, len(points), low)


@once
def figure_of(snapshot: Snapshot, asked: Asked, beside: Snapshot | None) -> Figure:
    view = view_of(snapshot, beside, asked)
    return front_figure(
        view.trials, snapshot.read_settings.minimised_band, x=view.measure, colour=asked.colour, running=view.running,
        found=networks_of(view.part), beside=view.beside, references=references_of(view.part), whole=asked.whole,
    )  # fmt: skip


def caption_of(snapshot: Snapshot, beside: Snapshot | None, asked: Asked, view: Seen) -> str:
    found = networks_of(view.part)
    marked = stars_sentence(references_of(view.part), found) if view.measure is FLOPS else ""
    if view.own and not view.filtered:
        said = front_caption(snapshot.trials, snapshot.front, found, outcome_of(beside) if beside else None)
        return f"{said} {marked}".strip()
    kept = f"{count(len({t.key or t.number for t in view.trials}), 'network')} shown. " if asked.filters else ""
    none = " Random search has no such network." if beside and not view.beside else ""
    return f"{kept}{measure_caption(view.measure, view.front, view.beside, found)}{none} {marked}".strip()


def panel(scene: Scene, view: Seen, number: int | None, pick: Trial | None, goal: Goal) -> None:
    """`number`: the trial that was chosen; `pick`: the one that the goal picks."""
    snapshot = scene.snapshot
    trial = snapshot.trial(number) or (snapshot.trial(pick.number) if pick else None)
    if trial is None:
        st.info("No network of the front costs so little; raise the budget.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Trial {trial.number}", anchor=False, width="content")
        st.badge("chosen" if number is not None else "picked", color="blue")
    shown = networks_of(view.part).of(trial)
    why, row = [] if number is not None else [goal.words(view.measure)], shown or networks_of(snapshot).of(trial)
    st.text(" · ".join([*why, view.place(trial)]))
    axes = cost_axes_of(snapshot, scene.beside).values()
    metrics("panel", numbers_of(scene.settings, trial, row) + latencies(axes, trial))
    over = networks_of(snapshot).cost
    if seeds := seed_lines(row and replace(row, tie=None), over):  # the tie is said of the front that is shown
        st.text("; ".join(seeds if shown else seeds[:1]) + ".")  # no place on a front that it is not shown beside
    for line in _doubts(view, row, goal if number is None else Goal()):
        st.text(line)
    for line in class_lines(scene.settings, trial, row):
        st.text(line)
    if trial.reason:
        st.text(f"{trial.state}: {trial.reason}")
    try:
        drawing(scene.settings, trial.to_arch(), key="sketch", brief=True)
    except InputError as error:
        st.text(f"Its network cannot be shown: {error}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        link("network", "Open", "schema", study=snapshot.name, trial=trial.number)
        pin_button(trial, "Pin")
        if number is not None:
            st.button("Back to the pick", on_click=choose, args=(None,), key="back")
    export = st.expander("Export", key="export", on_change="rerun")
    if export.open:
        with export:
            export_of(scene.runs, snapshot, trial)


def _doubts(view: Seen, row: NetworkResult | None, goal: Goal) -> Iterator[str]:
    """Whether a network may miss the accuracy that it was picked for, and whether the next cheaper one is as good."""
    if row is None:
        return
    if goal.least is not None and row.interval and not has(row.interval[0], goal.least):
        yield f"Its interval begins at {percent(row.interval[0])}, below {percent(goal.least)}."
    found = networks_of(view.part)
    tie = found.ties(view.front).get(row.trial.number)
    if tie is not None:
        yield f"A tie: {tie_words(found.rows[tie].trial, view.measure)}."
