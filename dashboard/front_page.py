"""The front of one study, live: what it is, the chart, the table, and the selected trial."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import pandas as pd
import streamlit as st

from dashboard import address, charts, detail, export, tables
from dashboard.beside import baseline, networks_of, outcome_of
from dashboard.live import Mode, Shelf, Snapshot, study_names
from dashboard.plot import plot
from dashboard.words import FIRST_SEARCH, FLOPS, ago, count, evidence, heading, percent, seeds_per_network
from nas.settings import Settings
from nas.trials import State, Trial
from space import compact

_REST: tuple[State, ...] = ("stopped", "waiting", "interrupted", "outside", "repeat")
EVERY = 1.5  # seconds between looks at the journal
_COLOURS: dict[Mode, Literal["green", "gray", "red"]] = {
    "running": "green", "resting": "gray", "empty": "gray", "broken": "red", "missing": "red",
}  # fmt: skip
_TABLE = {
    "front": st.column_config.TextColumn(width=46, help="On the front: none beats it in both accuracy and FLOPs"),
    "trial": st.column_config.NumberColumn(width=44),
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
}


def front_page(shelf: Shelf, runs: Path, study: str) -> None:
    """Drawn anew when the study has changed, which `_watch` notices."""
    snapshot = shelf.read(runs / study)
    with st.container(horizontal=True, vertical_alignment="center"):
        title = heading(snapshot.name)
        if title:
            st.title(title, anchor=False, width="content")
        else:
            st.code(snapshot.name, language=None)
        st.badge(snapshot.mode, color=_COLOURS[snapshot.mode])
        beside = baseline(shelf, snapshot)
        _watch(shelf, runs, snapshot, beside, study_names(runs), export.busy())
    if snapshot.settings is None:
        _broken(snapshot, runs)
    elif not snapshot.trials:
        _empty(snapshot.settings)
    else:
        _body(shelf, runs, snapshot, snapshot.settings, beside)


@st.fragment(run_every=EVERY)
def _watch(shelf: Shelf, runs: Path, drawn: Snapshot, beside: Snapshot | None, listed: list[str], busy: int) -> None:
    """Looks at the journals' sizes every EVERY seconds, and has the page drawn anew where something has changed."""
    now, other = shelf.read(drawn.folder), baseline(shelf, drawn)
    if not now.same(drawn) or other is not beside or set(study_names(runs)) != set(listed) or export.busy() != busy:
        st.rerun()
    if now.updated is not None:
        st.text(f"updated {ago(now.updated)}")


def _body(shelf: Shelf, runs: Path, snapshot: Snapshot, settings: Settings, beside: Snapshot | None) -> None:
    _numbers(snapshot, settings, beside)
    number = st.session_state.get("trial")
    chosen = snapshot.trial(number)
    if number is not None and chosen is None:
        st.warning(f"This study has no trial {number}. Choose one in the chart or the table.")
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        _chart(snapshot, chosen, beside)
    with right:
        _table(snapshot, chosen)
    shown = chosen or (snapshot.trial(snapshot.front[-1].number) if snapshot.front else None)
    if shown is not None:
        st.divider()
        why = "chosen" if chosen else "the most accurate so far; choose another in the chart or the table"
        detail.panel(shelf, runs, snapshot, shown, why)
    with st.expander("How this study was started, and how to go on"):
        _resume(settings)


def _numbers(snapshot: Snapshot, settings: Settings, beside: Snapshot | None) -> None:
    best = snapshot.front[-1].accuracy if snapshot.front else None
    own = outcome_of(snapshot)
    values = {
        "Best accuracy": percent(best),
        "On the front": f"{len(snapshot.front)}",
        "Finished": f"{snapshot.number_in('complete')}",
        "Running": f"{len(snapshot.running)}",
        "Failed": f"{snapshot.number_in('failed')}",
        "Hypervolume": f"{own.hypervolume:.3f}",
    }
    helps = {
        "Best accuracy": evidence(settings, seeds_per_network(snapshot.trials)),
        "Hypervolume": "Area under the front over log FLOPs across the budget, 0 to 1; more is better",
    }
    deltas = {"Hypervolume": f"{own.hypervolume - outcome_of(beside).hypervolume:+.3f} to random"} if beside else {}
    for column, (name, value) in zip(st.columns(6), values.items(), strict=True):
        column.metric(name, value, delta=deltas.get(name), delta_color="off", help=helps.get(name))
    with st.container(key="facts", gap="xxsmall"):
        st.text(f"Accuracy: {evidence(settings, seeds_per_network(snapshot.trials))}. Budget: {settings.band} {FLOPS}.")
        st.text(_facts(snapshot, settings))


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


def _chart(snapshot: Snapshot, chosen: Trial | None, beside: Snapshot | None) -> None:
    found = networks_of(snapshot)
    caption = charts.front_caption(snapshot.trials, snapshot.front, found, outcome_of(beside) if beside else None)
    st.text(caption)
    if snapshot.scored:
        plot(_figure(snapshot, chosen and chosen.number, beside), caption, key="front", on_click=choose)
    elif snapshot.mode == "running":
        st.info("The first network is in training. Its point appears here when it is done.")
    else:
        st.warning("No trial has finished. Mend what the reasons name, then search on.")
        for reason in list(dict.fromkeys(t.reason for t in reversed(snapshot.trials) if t.reason))[:3]:
            st.code(reason, language=None, wrap_lines=True)
    running = [compact(t.flops) for t in snapshot.running if t.flops]
    if running:
        st.text(f"In training: {count(len(running), 'network')} of {', '.join(running[:8])} FLOPs (dotted).")


@lru_cache(maxsize=8)
def _figure(snapshot: Snapshot, number: int | None, beside: Snapshot | None) -> charts.Figure:
    assert snapshot.settings is not None
    return charts.front_figure(
        snapshot.trials, snapshot.settings.band, selected=number, running=snapshot.running,
        found=networks_of(snapshot), beside=beside.front if beside else (),
    )  # fmt: skip


def _table(snapshot: Snapshot, chosen: Trial | None) -> None:
    """All trials; choosing a row is the way to a trial by keyboard."""
    st.text("Every trial; select a row to see its network.")
    rows = [] if chosen is None else [chosen.number]  # the frame is by number, so a trial's row is its number
    if _rows() != rows:
        st.session_state["table"] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.dataframe(
        _frame(snapshot), hide_index=True, height=410, placeholder="", key="table", on_select=_choose_row,
        selection_mode="single-row", column_config=_TABLE,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _frame(snapshot: Snapshot) -> pd.DataFrame:
    found = networks_of(snapshot)
    front = {row.trial.number for row in found.front}
    seeds = {t.number for t in snapshot.scored if (row := found.of(t)) and row.trial.number in front}
    return tables.trials_frame(snapshot.trials, seeds, found)


def _rows() -> list[int]:
    state = st.session_state.get("table")
    return list(state["selection"]["rows"]) if state else []


def _choose_row() -> None:
    rows = _rows()
    choose(rows[0] if rows else None)


def choose(number: int | None) -> None:
    """Selects a trial, here and in the page's address."""
    st.session_state["trial"] = number
    address.write("trial", None if number is None else str(number))


def _empty(settings: Settings) -> None:
    st.info("This study has no trial yet. The first appears here as soon as a search draws it.")
    _resume(settings)


def _resume(settings: Settings) -> None:
    st.text(f"Started {settings.created} with the command below; the same command goes on where the study stopped.")
    st.code(settings.command, language="bash", wrap_lines=True)


def _broken(snapshot: Snapshot, runs: Path) -> None:
    st.error("This study cannot be read. What is wrong, and what to do:")
    st.code(snapshot.problem or "", language=None, wrap_lines=True)
    others = [name for name in study_names(runs) if name != snapshot.name]
    if others:
        st.text("Other studies can be chosen on the left.")
    else:
        st.text("Or begin a new one:")
        st.code(FIRST_SEARCH, language="bash")
