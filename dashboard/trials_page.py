"""Every trial: filters, reasons of failure, where each was stopped and against what, and all of it as CSV."""

from __future__ import annotations

from collections import Counter
from itertools import compress
from typing import Any

import streamlit as st

from dashboard import address, tables
from dashboard.beside import networks_of
from dashboard.frame import Scene, choose, chosen, way
from dashboard.grid import grid
from dashboard.live import Snapshot, kept
from dashboard.verbatim import verbatim
from dashboard.words import FLOPS, cell, count, evidence, percent
from nas.stopping import build_rule
from nas.trials import Trial
from space import InputError

TABLE = {
    "front": st.column_config.TextColumn(width=46, help="On the front: none beats it in both accuracy and FLOPs"),
    "trial": st.column_config.NumberColumn(width=50),
    tables.OWN: st.column_config.NumberColumn(
        "1 seed, %", width=72, format="%.2f", help="Validation accuracy in percent of this trial's own seed"
    ),
    "FLOPs": st.column_config.NumberColumn(width=62, format="compact", help=FLOPS),
    "mean": st.column_config.NumberColumn(width=60, format="%.2f", help="Mean of the network's seeds, in percent"),
    "± 95%": st.column_config.NumberColumn(
        width=54, format="%.2f", help="Half of its interval over seeds, in points; seed noise pooled over the study"
    ),
    "seeds": st.column_config.NumberColumn(width=48, format="%d"),
    "on front": st.column_config.NumberColumn(width=60, format="%.0f%%", help="Probability of being on the true front"),
    "state": st.column_config.TextColumn(width=82),
    "params": st.column_config.NumberColumn(format="compact"),
    "seconds": st.column_config.NumberColumn(format="%.1f", help="Training and evaluation"),
    "reason": st.column_config.TextColumn(width="large"),
    "rung": st.column_config.NumberColumn(help="The epoch after which the stopping rule judged it last"),
    "had": st.column_config.NumberColumn(format="%.2f", help="Its validation accuracy there, %"),
    "needed": st.column_config.NumberColumn(format="%.2f", help="The accuracy that it had to reach there, %"),
    "rivals": st.column_config.NumberColumn(help="Trials of about its FLOPs that it was compared with"),
}


def trials_page(scene: Scene) -> None:
    snapshot = scene.snapshot
    number = chosen(snapshot)
    _counts(scene)
    states = list(dict.fromkeys(t.state for t in snapshot.trials))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.multiselect(
            "States", sorted(states), key="state", bind="query-params", persist_state="session", width=380,
            placeholder="all",
        )  # fmt: skip
        text = st.text_input(
            "Reason or network holds", key="holds", bind="query-params", persist_state="session", width=260,
            placeholder="e.g. nan, modulation",
        )  # fmt: skip
        asked = st.number_input("Go to trial", 0, max(len(snapshot.trials) - 1, 0), None, key="goto", width=140)
        if asked is not None and asked != number:
            choose(int(asked))
            number = int(asked)
    asked_for = tuple(wanted), (text or "").strip().lower()[:80]
    frame = shown(snapshot, *asked_for)
    noise = networks_of(snapshot).noise
    alone = ", with a 95% interval of each by itself" if noise and noise.known else ""
    st.text(
        f"{count(len(frame['trial']), 'trial')} of {len(snapshot.trials):,}; select a row to open its network. "
        f"Accuracy: {evidence(scene.settings)}, the trial's own; a network's is the mean of its seeds{alone}."
    )
    _table(frame, _sent(snapshot, *asked_for), number)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download as CSV", lambda: tables.csv(frame), file_name=f"{address.plain(snapshot.name)}-trials.csv",
            mime="text/csv", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        if number is not None:
            way("network", f"Open trial {number}", "schema", study=snapshot.name, trial=number)
    if number is not None and (trial := snapshot.trial(number)):
        _trial(trial)
    _failures(snapshot)


def _counts(scene: Scene) -> None:
    found = Counter(trial.state for trial in scene.snapshot.trials)
    st.text(", ".join(f"{n:,} {state}" for state, n in found.most_common()) + ".")
    try:
        rule = build_rule(scene.settings.stop, int(scene.settings.recipe["epochs"]), scene.settings.seed)
        st.text(f"Stopping rule: {rule.describe()}.")
    except InputError as error:
        st.text(str(error))


@kept
def _frame(snapshot: Snapshot) -> tables.Table:
    found = networks_of(snapshot)
    front = {row.trial.number for row in found.front}
    seeds = {t.number for t in snapshot.scored if (row := found.of(t)) and row.trial.number in front}
    return tables.with_rungs(tables.trials_frame(snapshot.trials, seeds, found), snapshot.trials)


@kept
def shown(snapshot: Snapshot, states: tuple[str, ...], text: str) -> tables.Table:
    """The rows of those states whose reason, blocks or worker hold the text, which is in lower case."""
    frame = _frame(snapshot)
    cells = zip(*(frame[name] for name in ("state", "reason", "blocks", "worker")), strict=True)
    wanted = [(not states or state in states) and text in " ".join(rest).lower() for state, *rest in cells]
    return {name: list(compress(column, wanted)) for name, column in frame.items()}


@kept
def _sent(snapshot: Snapshot, states: tuple[str, ...], text: str) -> Any:
    return tables.arrow(shown(snapshot, states, text))


def _table(frame: tables.Table, sent: Any, number: int | None) -> None:
    """Choosing a row is the way to a trial by keyboard."""
    numbers = frame["trial"]
    rows = [numbers.index(number)] if number in numbers else []
    if selected_rows() != rows:
        st.session_state["table"] = {"selection": {"rows": rows, "columns": [], "cells": []}}

    def choose_row() -> None:
        rows = selected_rows()
        choose(numbers[rows[0]] if rows and rows[0] < len(numbers) else None)

    grid(
        sent, "table", height=480, placeholder="", on_select=choose_row, selection_mode="single-row",
        column_config=TABLE,
    )  # fmt: skip


def selected_rows() -> list[int]:
    state = st.session_state.get("table")
    return list(state["selection"]["rows"]) if state else []


def _trial(trial: Trial) -> None:
    """What happened to the selected trial, in words."""
    st.header(f"Trial {trial.number}: {trial.state}", anchor=False)
    verbatim(trial.reason, "reason")
    if not trial.decisions:
        return
    st.text("What the stopping rule said of it:")
    rows = [
        {
            "after epoch": d.get("epoch"), "had": percent(d.get("accuracy"), 2),
            "needed": percent(d.get("threshold"), 2), "rivals": d.get("rivals"), "so it was": cell(str(d.get("why"))),
            "stopped": "yes" if d.get("stop") else "no",
        }
        for d in trial.decisions
    ]  # fmt: skip
    grid(tables.table(rows), "decisions")


def _failures(snapshot: Snapshot) -> None:
    """Reasons of failure by how often."""
    found = Counter(t.reason or "no reason on record" for t in snapshot.trials if t.state == "failed")
    if not found:
        return
    st.header("Why trials failed", anchor=False)
    rows = [{"times": times, "reason": cell(reason)} for reason, times in found.most_common(50)]
    grid(tables.table(rows), "failures", column_config={"times": {"width": 60}})
