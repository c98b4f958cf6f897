"""Every trial: filters, reasons of failure, where each was stopped and against what, and all of it as CSV."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import streamlit as st

from dashboard import address, tables
from dashboard.beside import networks_of
from dashboard.frame import Scene, choose, chosen, way
from dashboard.live import Snapshot, kept
from dashboard.verbatim import verbatim
from dashboard.words import FLOPS, cell, count, evidence, percent, seeds_per_network
from nas.stopping import build_rule
from nas.trials import Trial
from space import InputError

TABLE = {
    "front": st.column_config.TextColumn(width=46, help="On the front: none beats it in both accuracy and FLOPs"),
    "trial": st.column_config.NumberColumn(width=50),
    "accuracy": st.column_config.NumberColumn(
        "top-1, %", width=68, format="%.2f", help="Validation accuracy in percent"
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
    frame = shown(snapshot, tuple(wanted), (text or "").strip().lower()[:80])
    st.text(
        f"{count(len(frame), 'trial')} of {len(snapshot.trials):,}; select a row to open its network. "
        f"Accuracy: {evidence(scene.settings, seeds_per_network(snapshot.trials))}."
    )
    _table(frame, number)
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
def _frame(snapshot: Snapshot) -> pd.DataFrame:
    found = networks_of(snapshot)
    front = {row.trial.number for row in found.front}
    seeds = {t.number for t in snapshot.scored if (row := found.of(t)) and row.trial.number in front}
    return tables.with_rungs(tables.trials_frame(snapshot.trials, seeds, found), snapshot.trials)


@kept
def shown(snapshot: Snapshot, states: tuple[str, ...], text: str) -> pd.DataFrame:
    """The rows of those states whose reason, blocks or worker hold the text."""
    frame = _frame(snapshot)
    if states:
        frame = frame[frame["state"].isin(states)]
    if text:
        columns = frame["reason"].str.lower() + " " + frame["blocks"].str.lower() + " " + frame["worker"].str.lower()
        frame = frame[columns.str.contains(text, regex=False)]
    return frame


def _table(frame: pd.DataFrame, number: int | None) -> None:
    """Choosing a row is the way to a trial by keyboard."""
    numbers = list(frame["trial"])
    rows = [numbers.index(number)] if number in numbers else []
    if selected_rows() != rows:
        st.session_state["table"] = {"selection": {"rows": rows, "columns": [], "cells": []}}

    def choose_row() -> None:
        rows = selected_rows()
        choose(int(numbers[rows[0]]) if rows and rows[0] < len(numbers) else None)

    st.dataframe(
        frame, hide_index=True, height=480, placeholder="", key="table", on_select=choose_row,
        selection_mode="single-row", column_config=TABLE,
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
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="decisions")


def _failures(snapshot: Snapshot) -> None:
    """Reasons of failure by how often."""
    found = Counter(t.reason or "no reason on record" for t in snapshot.trials if t.state == "failed")
    if not found:
        return
    st.header("Why trials failed", anchor=False)
    rows = [{"times": times, "reason": cell(reason)} for reason, times in found.most_common(50)]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="failures", column_config={"times": {"width": 60}})
