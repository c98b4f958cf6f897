"""The front of one study: what it is, the chart with its axes and filters, and beside it the network that is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import address, charts, tables
from dashboard.beside import design_of, measures_of, networks_of, outcome_of, shut_out, varied_of
from dashboard.charts import KINDS, View
from dashboard.frame import Scene, choose, chosen, resume, way
from dashboard.grid import grid
from dashboard.live import Snapshot, kept
from dashboard.network_page import drawing, export_of, pin, place_on, same_network
from dashboard.plot import mark, packed, plot
from dashboard.verbatim import verbatim
from dashboard.words import FLOPS, count, evidence, percent, seeds_per_network, short
from nas.design import within
from nas.front import accuracy, pareto_front
from nas.measures import COUNTED, Measure
from nas.measures import FLOPS as FLOPS_MEASURE
from nas.settings import Settings
from nas.trials import State, Trial
from nas.words import signed
from space import InputError, compact

_REST: tuple[State, ...] = ("stopped", "waiting", "interrupted", "outside", "repeat")
COUNTS = {measure.name for measure in COUNTED}
HEIGHT = 430  # of the chart, px
_STEPS = 20  # of the budget's slider, per factor of ten
_MEMBERS = {
    "top-1, %": st.column_config.NumberColumn(format="%.2f", help="Validation accuracy, mean of the network's seeds"),
    "± 95%": st.column_config.NumberColumn(format="%.2f", help="Half of the 95% interval over seeds, in points"),
    "FLOPs": st.column_config.NumberColumn(format="compact", help=FLOPS),
    "params": st.column_config.NumberColumn(format="compact"),
    "on front": st.column_config.NumberColumn(format="%.0f%%", help="Probability of being on the true front"),
}


@dataclass(frozen=True)
class Asked:
    """What a person asked to see: hashable, so that a figure is made once."""

    measure: str
    colour: str
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()


def front_page(scene: Scene) -> None:
    _numbers(scene)
    _explore(scene)
    with st.expander("What this study is, how it was started, and how to go on"):
        st.text(_facts(scene.snapshot, scene.settings))
        resume(scene.settings)


def numbers_of(snapshot: Snapshot) -> dict[str, str]:
    """What stands over the chart, by name."""
    best = snapshot.best
    return {
        "Best accuracy": percent(accuracy(best.trial) if best else None),
        "On the front": f"{len(snapshot.front)}",
        "Finished": f"{snapshot.number_in('complete')}",
        "Running": f"{len(snapshot.running)}",
        "Failed": f"{snapshot.number_in('failed')}",
        "Hypervolume": f"{outcome_of(snapshot).hypervolume:.3f}",
    }


def _numbers(scene: Scene) -> None:
    snapshot, settings, beside = scene.snapshot, scene.settings, scene.beside
    own = outcome_of(snapshot)
    helps = {
        "Best accuracy": evidence(settings, snapshot.best.seeds if snapshot.best else 1),
        "On the front": "Networks that no other beats in both accuracy and FLOPs",
        "Hypervolume": "Area under the front over log FLOPs across the budget, 0 to 1; more is better",
    }
    deltas = {}
    if beside:
        deltas["Hypervolume"] = f"{signed(own.hypervolume - outcome_of(beside).hypervolume, 3)} to random"
    with st.container(key="facts-numbers", horizontal=True, gap="medium"):
        for name, value in numbers_of(snapshot).items():
            st.metric(
                name, value, delta=deltas.get(name), delta_color="off", delta_arrow="off", help=helps.get(name),
                width="content",
            )  # fmt: skip
    with st.container(key="facts"):
        st.text(basis_of(snapshot, settings))


def basis_of(snapshot: Snapshot, settings: Settings) -> str:
    """What the numbers rest on."""
    seeds = seeds_per_network(snapshot.trials)
    best = f", the best network's of {count(snapshot.best.seeds, 'seed')}" if snapshot.best and seeds[1] > 1 else ""
    return f"Accuracy: {evidence(settings, seeds)}{best}. Budget: {settings.band} {FLOPS}."


def _facts(snapshot: Snapshot, settings: Settings) -> str:
    """Data, sampler, and the trials that are neither finished, running nor failed."""
    data, classes = settings.data, count(len(settings.data.classes), "class", "classes")
    words = [
        f"Data: {data.name}, {data.image_size} px, {classes}; each network saw {settings.training}",
        f"Space: {settings.space_name}, drawn by {settings.sampler}, seed {settings.seed}",
    ]
    rest = [f"{n} {s}" for s in _REST if (n := snapshot.number_in(s))]
    if left := snapshot.number_in("running") - len(snapshot.running):
        rest.append(f"{left} left unfinished by a process that has ended")
    return ". ".join([*words, *([f"Besides: {', '.join(rest)}"] if rest else [])]) + "."


@st.fragment
def _explore(scene: Scene) -> None:
    """Chart and panel: choosing a point draws no more than these anew."""
    snapshot = scene.snapshot
    if not snapshot.scored:
        _none_finished(snapshot)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        asked = _controls(snapshot, scene.beside)
        view = _view(snapshot, scene.beside, asked)
        budget = _budget(view) if view.trials else None
    if snapshot.unmeasured:
        st.warning("The measured latencies cannot be read.")
        verbatim(snapshot.unmeasured, "unmeasured")
    for words in shut_out(snapshot, scene.beside):
        st.text(words)
    if asked.filters:
        only = "; ".join(f"{axis} {' or '.join(wanted)}" for axis, wanted in asked.filters)
        st.text(f"Only {only}{', of random search too' if scene.beside else ''}.")
    if not view.trials:
        st.info("No finished network is left by these filters; take one off.")
        return
    number = chosen(snapshot)
    pick = next((t for t in reversed(view.front) if budget is None or view.measure.on(t) <= budget), None)
    left, right = st.columns([1.65, 1], gap="medium")
    with left:
        _chart(scene, asked, view, number, pick)
    with right:
        _panel(scene, view, number, pick, budget)
    _members(scene, view)


def _none_finished(snapshot: Snapshot) -> None:
    st.text(charts.front_caption(snapshot.trials, snapshot.front))
    if snapshot.mode == "running":
        st.info("The first network is in training. Its point appears here when it is done.")
        return
    st.warning("No trial has finished. Mend what the reasons name, then search on.")
    for n, reason in enumerate(list(dict.fromkeys(t.reason for t in reversed(snapshot.trials) if t.reason))[:3]):
        verbatim(reason, f"reason-{n}")


def _controls(snapshot: Snapshot, beside: Snapshot | None) -> Asked:
    """x axis, colours and filters; all of them in the page's address."""
    known, axes = measures_of(snapshot, beside), varied_of(snapshot)
    plain: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
    x = st.selectbox("Accuracy over", list(known), key="x", width=190, **plain)
    colour = st.selectbox("Colour", [KINDS, *axes], key="colour", width=170, **plain)
    filters = []
    with st.popover("Filters", icon=":material/filter_list:"):
        st.text("Networks whose every stage has one of these: as if the space had been narrowed.")
        for axis, choices in axes.items():
            if wanted := st.multiselect(axis, choices, key=f"only.{axis}", placeholder="any", **plain):
                filters.append((axis, tuple(wanted)))
    return Asked(x or FLOPS_MEASURE.name, colour or KINDS, tuple(filters))


@dataclass(frozen=True, eq=False)
class Seen:
    """The networks that the filters leave: their trials, their front over the measure, what of them is in training, and
    the baseline's."""

    measure: Measure
    filtered: bool
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    running: tuple[Trial, ...]
    beside: tuple[Trial, ...]

    @property
    def whole(self) -> bool:
        """Whether its front is the study's own."""
        return self.measure is FLOPS_MEASURE and not self.filtered

    def place(self, trial: Trial) -> str:
        """Where a finished trial's network stands among those shown: `on the front, 2 of 6 by FLOPs`."""
        among = " of the networks shown" if self.filtered else ""
        if not any(same_network(trial, other) for other in self.trials):
            return "not among the networks shown"
        return place_on(trial, self.front, self.measure.name, among)


@kept
def _view(snapshot: Snapshot, beside: Snapshot | None, asked: Asked) -> Seen:
    x, wanted = measures_of(snapshot, beside)[asked.measure], dict(asked.filters)

    def left(trials: Iterable[Trial]) -> tuple[Trial, ...]:
        return tuple(t for t in trials if x.of(t) and (not wanted or within(design_of(t), wanted)))

    trials = left(snapshot.scored)
    front = tuple(pareto_front(trials, x.on))
    return Seen(x, bool(wanted), trials, front, left(snapshot.running), left(beside.scored if beside else ()))


def _budget(view: Seen) -> float | None:
    """The slider: at most so much; None at its upper end. Its steps are the same for every study, so that a link with
    one of them says the same tomorrow."""
    measure, last = view.measure, "no limit"
    low, high = measure.on(view.front[0]), max(map(measure.on, view.trials))
    ends = math.floor(_STEPS * math.log10(low)), math.ceil(_STEPS * math.log10(high))
    steps = [value for i in range(*ends) if low <= (value := float(f"{10 ** (i / _STEPS):.3g}")) < high]
    if len(view.front) < 2 or not steps:
        return None
    words = {measure.words(value): value for value in steps}
    picked = st.select_slider(
        f"My budget, {measure.name} at most", [*words, last], last, key=f"budget.{measure.name}"[:80],
        on_change=choose, args=(None,), help="The most accurate network within it is picked on the right", width=330,
        bind="query-params", persist_state="session",
    )  # fmt: skip
    return words.get(str(picked))


def _chart(scene: Scene, asked: Asked, view: Seen, number: int | None, pick: Trial | None) -> None:
    snapshot, beside = scene.snapshot, scene.beside
    caption = _caption(scene, asked, view)
    row = networks_of(snapshot).of(snapshot.trials[number]) if number is not None else None
    ringed = row.trial.number if row else number
    figure = figure_of(snapshot, asked, beside)
    order = [trial.number for trial in view.front]
    plot(figure, caption, key="front", on_click=choose, order=order, height=HEIGHT, view=asked.measure)
    mark("front", pick.number if ringed is None and pick else ringed)
    with st.container(key="facts-front"):
        st.text(caption)
    running = [compact(t.flops) for t in view.running if t.flops]
    if running:
        st.text(f"In training: {count(len(running), 'network')} of {', '.join(running[:8])} FLOPs (dotted).")


@kept
def figure_of(snapshot: Snapshot, asked: Asked, beside: Snapshot | None) -> str:
    """The chart, packed."""
    assert snapshot.settings is not None
    view = _view(snapshot, beside, asked)
    figure = charts.front_figure(
        view.trials, snapshot.settings.band, view=View(view.measure, asked.colour), running=view.running,
        found=networks_of(snapshot), beside=view.beside,
    )  # fmt: skip
    return packed(figure)


def _caption(scene: Scene, asked: Asked, view: Seen) -> str:
    snapshot, beside = scene.snapshot, scene.beside
    found = networks_of(snapshot)
    if view.whole:
        return charts.front_caption(snapshot.trials, snapshot.front, found, outcome_of(beside) if beside else None)
    kept = f"{count(len({t.key or t.number for t in view.trials}), 'network')} shown. " if asked.filters else ""
    none = " Random search has no such network." if beside and not view.beside else ""
    return kept + charts.measure_caption(view.measure, view.front, view.beside, found) + none


def _panel(scene: Scene, view: Seen, number: int | None, pick: Trial | None, budget: float | None) -> None:
    """The chosen network, or the one that the budget picks."""
    snapshot = scene.snapshot
    trial = snapshot.trial(number) or (snapshot.trial(pick.number) if pick else None)
    if trial is None:
        st.info("No network of the front costs so little; raise the budget.")
        return
    limit = "the most accurate"
    if budget is not None:
        limit = f"the best up to {view.measure.words(budget)} {view.measure.name}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Trial {trial.number}", anchor=False, width="content")
        st.badge("chosen" if number is not None else "picked", color="blue")
    why, row = [] if number is not None else [limit], networks_of(snapshot).of(trial)
    st.text(" · ".join([*why, view.place(trial) if trial.state == "complete" else trial.state]))
    with st.container(horizontal=True, gap="medium", key="facts-panel"):
        mean, times = (row.trial.accuracy, row.seeds) if row else (trial.accuracy, 1)
        st.metric("Accuracy", percent(mean, 2), help=evidence(scene.settings, times), width="content")
        st.metric("FLOPs", short(trial.flops), help=FLOPS, width="content")
        st.metric("Parameters", short(trial.params), width="content")
        if view.measure.name not in COUNTS and (value := view.measure.of(trial)):
            st.metric("Latency", view.measure.words(value), help=_timed(view.measure, trial), width="content")
    if seeds := charts.seed_lines(row):
        st.text("; ".join(seeds) + ".")
    if trial.reason:
        st.text(f"{trial.state}: {trial.reason}")
    try:
        drawing(scene.settings, trial.network(), key="sketch", brief=True)
    except InputError as error:
        st.text(f"Its network cannot be shown: {error}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        way("network", "Open", "schema", study=snapshot.name, trial=trial.number)
        pinned = st.session_state.get("pin") == trial.number
        held = None if pinned else trial.number
        st.button("Unpin" if pinned else "Pin", icon=":material/push_pin:", on_click=pin, args=(held,), key="pin-front")
        if number is not None:
            st.button("Back to the pick", on_click=choose, args=(None,), key="back")
    export_of(scene.runs, snapshot, trial)


def _timed(latency: Measure, trial: Trial) -> str:
    """What the number is, with its quartiles."""
    label = latency.label[0].upper() + latency.label[1:]
    if latency.quartiles is None:
        return label
    low, high = map(latency.words, latency.quartiles(trial))
    return f"{label}; quartiles {low} to {high}"


def _members(scene: Scene, view: Seen) -> None:
    """The front as a table: the chart's points for those who cannot point."""
    st.header("The front", anchor=False)
    frame = tables.front_frame(view.front, networks_of(scene.snapshot), chances=view.whole)

    def choose_member() -> None:
        state = st.session_state["members"]["selection"]["rows"]
        choose(view.front[state[0]].number if state and state[0] < len(view.front) else None)

    grid(frame, "members", on_select=choose_member, selection_mode="single-row", column_config=_MEMBERS)
    st.download_button(
        "Download as CSV", lambda: tables.csv(frame), file_name=f"{address.plain(scene.snapshot.name)}-front.csv",
        mime="text/csv", on_click="ignore", icon=":material/download:", key="front-csv",
    )  # fmt: skip
