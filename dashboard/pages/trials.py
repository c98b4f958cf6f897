"""Every trial: filters, reasons of failure, where each was stopped and against what, and all of it as CSV."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.derived import networks_of
from dashboard.frames import BALANCED, cell, trials_frame, with_classes
from dashboard.number_format import count, evidence, percent
from dashboard.pages.address import choose, chosen, link
from dashboard.pages.elements import KEPT, download, table, text_box, trial_table, wrapped_table
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from nas.analysis.cost_axes import cost_of
from nas.records.scores import WORDS
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.samplers.early_stopping import build_rule

# What the table of all trials leaves to the page Network, to the words on the chosen trial below it, to its own menu of
# columns and to the CSV: so that reasons are seen without scrolling from 1,400 px on.
_HIDDEN = ("params", "seconds", "worker", "rung", "had", "needed", "rivals")
STOPPED = 50  # trials whose reasons stand below the table
_REASON = st.column_config.TextColumn(width=215)


def trials_page(scene: Scene) -> None:
    snapshot = scene.snapshot
    number = chosen(snapshot, "Choose one in the table.")
    _counts(scene)
    states = sorted({t.state for t in snapshot.trials})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.multiselect("States", states, key="state", width=380, placeholder="all", **KEPT)
        text = st.text_input(
            "Reason or network holds", key="holds", width=260, placeholder="e.g. nan, modulation", **KEPT
        )
        last = max(len(snapshot.trials) - 1, 0)
        st.number_input("Go to trial", 0, last, None, key="goto", width=140, on_change=_go)
    frame = shown(snapshot, tuple(wanted), (text or "").strip().lower()[:80])
    noise = networks_of(snapshot).noise
    alone = ", with a 95% interval of each by itself" if noise and noise.known else ""
    what = WORDS[scene.settings.metric].capitalize()
    st.text(
        f"{count(len(frame), 'trial')} of {len(snapshot.trials):,}; select a row to open its network. {what}: "
        f"{evidence(scene.settings)}, the trial's own; a network's is the mean of its seeds{alone}."
    )
    _table(frame, number, scene.settings)
    with st.container(horizontal=True, vertical_alignment="center"):
        download(lambda: with_classes(frame, snapshot.trials, scene.settings.data.classes), snapshot.name, "trials")
        if number is not None:
            link("network", f"Open trial {number}", "schema", study=snapshot.name, trial=number)
    if number is not None and (trial := snapshot.trial(number)):
        _trial(trial)
    _failures(snapshot)
    _stopped(frame)


def _go() -> None:
    """Selects the trial whose number was typed in, once: a row or the address may select another later."""
    if (asked := st.session_state["goto"]) is not None:
        choose(int(asked))


def _counts(scene: Scene) -> None:
    found = Counter(trial.state for trial in scene.snapshot.trials)
    st.text(", ".join(f"{n:,} {state}" for state, n in found.most_common()) + ".")
    recipe = scene.settings.build_recipe()
    rule = build_rule(scene.settings.stop, recipe.periods, scene.settings.seed)
    st.text(f"Stopping rule: {rule.describe(recipe.period)}.")


@once
def _frame(snapshot: Snapshot) -> pd.DataFrame:
    found = networks_of(snapshot)
    front = {row.trial.number for row in found.front}
    seeds = {t.number for t in snapshot.scored if (row := found.of(t)) and row.trial.number in front}
    return trials_frame(snapshot.trials, seeds, found)


@once
def shown(snapshot: Snapshot, states: tuple[str, ...], text: str) -> pd.DataFrame:
    """The rows of those states whose reason, blocks or worker hold the text, which is in lower case."""
    frame = _frame(snapshot)
    if states:
        frame = frame[frame["state"].isin(states)]
    if text:
        words = frame["reason"] + " " + frame["blocks"] + " " + frame["worker"]
        frame = frame[words.str.lower().str.contains(text, regex=False)]
    return frame


def columns(settings: Settings) -> dict[str, Any]:
    """How columns are shown, None for those that are hidden; so is the score that is not maximised."""
    said = f"On the front: none beats it in both {cost_of(settings).name} and what is maximised"
    hidden = _HIDDEN if settings.metric == "balanced" else (*_HIDDEN, BALANCED)
    return {
        "front": st.column_config.TextColumn(width=46, help=said), "reason": _REASON, **dict.fromkeys(hidden)
    }  # fmt: skip


def _table(frame: pd.DataFrame, number: int | None, settings: Settings) -> None:
    """With the row of the selected trial marked, wherever it was selected."""
    numbers = frame["trial"].tolist()
    rows = [numbers.index(number)] if number in numbers else []
    state = st.session_state.get("table")
    if (state["selection"]["rows"] if state else []) != rows:
        st.session_state["table"] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    trial_table(frame, "table", columns(settings), height=480)


def _trial(trial: Trial) -> None:
    """What happened to the selected trial, in words."""
    st.header(f"Trial {trial.number}: {trial.state}", anchor=False)
    text_box(trial.reason)
    if not trial.decisions:
        return
    st.text("What the stopping rule said of it:")
    rows = [
        {
            "after images": d.get("images"), "had": percent(d.get("accuracy")),
            "needed": percent(d.get("threshold")), "rivals": d.get("rivals"), "so it was": cell(str(d.get("why"))),
            "stopped": "yes" if d.get("stop") else "no",
        }
        for d in trial.decisions
    ]  # fmt: skip
    table(pd.DataFrame(rows), "decisions")


def _stopped(frame: pd.DataFrame) -> None:
    """Of the trials that are shown the latest that were stopped, with their reasons, which the table above cuts: its
    rows are too low for cells that wrap."""
    rows = frame.loc[frame["state"] == "stopped", ["trial", "reason"]]
    if rows.empty:
        return
    st.header("Why trials were stopped", anchor=False)
    if len(rows) > STOPPED:
        st.text(f"The latest {STOPPED} of {len(rows):,}.")
    wrapped_table(rows.tail(STOPPED))


def _failures(snapshot: Snapshot) -> None:
    """Reasons of failure by how often."""
    found = Counter(t.reason or "no reason on record" for t in snapshot.trials if t.state == "failed")
    if not found:
        return
    st.header("Why trials failed", anchor=False)
    rows = [{"times": times, "reason": cell(reason)} for reason, times in found.most_common(50)]
    table(pd.DataFrame(rows), "failures", {"times": st.column_config.NumberColumn(width=60)})
