"""The network beside the front's chart: the one that is chosen, or the best within the budget."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.hover import seed_lines
from dashboard.derived import networks_of
from dashboard.pages.elements import metrics
from dashboard.pages.front_view import Seen
from dashboard.pages.network import drawing, export_of, numbers_of, pin_button
from dashboard.pages.selection import choose, link
from dashboard.pages.study_page import Scene
from nas.analysis.cost_axes import COUNTED, CostAxis
from nas.records.trial import Trial
from space import InputError


def panel(scene: Scene, view: Seen, number: int | None, pick: Trial | None, budget: float | None) -> None:
    """`number`: the trial that was chosen; `pick`: the one that the budget picks."""
    snapshot = scene.snapshot
    trial = snapshot.trial(number) or (snapshot.trial(pick.number) if pick else None)
    if trial is None:
        st.info("No network of the front costs so little; raise the budget.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Trial {trial.number}", anchor=False, width="content")
        st.badge("chosen" if number is not None else "picked", color="blue")
    why, row = [] if number is not None else [_limit(view, budget)], networks_of(snapshot).of(trial)
    st.text(" · ".join([*why, view.place(trial) if trial.state == "complete" else trial.state]))
    numbers = numbers_of(scene.settings, trial, row)
    if view.measure not in COUNTED and (value := view.measure.of(trial)):
        numbers.append(("Latency", view.measure.words(value), _timed(view.measure, trial)))
    metrics("panel", numbers)
    if seeds := seed_lines(row):
        st.text("; ".join(seeds) + ".")
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
    export_of(scene.runs, snapshot, trial)


def _limit(view: Seen, budget: float | None) -> str:
    if budget is None:
        return "the most accurate"
    return f"the best up to {view.measure.words(budget)} {view.measure.name}"


def _timed(latency: CostAxis, trial: Trial) -> str:
    """What the number is, with its quartiles."""
    label = latency.label[0].upper() + latency.label[1:]
    if latency.quartiles is None:
        return label
    low, high = map(latency.words, latency.quartiles(trial))
    return f"{label}; quartiles {low} to {high}"
