"""Every study under the folder: what it is, whether it runs, what it found; ways to open one and to compare several."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.derived import history_of
from dashboard.frames import typed
from dashboard.number_format import FLOPS, ago, count
from dashboard.pages.address import choose
from dashboard.pages.elements import table, text_box
from dashboard.pages.study_page import say_gone, watch
from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache, study_names
from nas.analysis.history import pace
from nas.analysis.pareto import score
from nas.records.scores import WORDS
from space import compact

_TABLE = {
    "state": st.column_config.TextColumn(width=90, help="running: a process that lives works on it"),
    "best, %": st.column_config.NumberColumn(
        format="%.2f",
        width=64,
        help="Validation top-1, or balanced accuracy, of the most accurate network: mean of its seeds",
    ),
    "seeds": st.column_config.NumberColumn(format="%d", width=48, help="Of the most accurate network"),
    "hypervolume": st.column_config.NumberColumn(
        format="%.4f", width=92, help="Area under the front over log FLOPs across the budget, 0 to 1"
    ),
    "history": st.column_config.LineChartColumn(width=110, help="Hypervolume as trials ended", y_min=0),
    "trials": st.column_config.TextColumn(help="by state; the page Trials has the others", width=170),
    "rate": st.column_config.TextColumn(width=80),
    "budget": st.column_config.TextColumn(help=FLOPS, width=90),
    "updated": st.column_config.TextColumn(width=90),
}
PATIENCE = 1.0  # seconds that a page may spend on reading studies that were not read before


def studies_page(cache: StudyCache, runs: Path) -> None:
    """Drawn anew when any study has changed; studies that are slow to read come one after another."""
    names = study_names(runs)
    found = _read(cache, runs, names)
    with st.container(horizontal=True, vertical_alignment="center", key="head", gap="small"):
        st.markdown("**All studies**", width="content")

        def unchanged() -> bool:
            same = all(cache.read(runs / name).same(snapshot) for name, snapshot in found.items())
            return same and study_names(runs) == names and len(found) == len(names)

        latest = max((s.updated for s in found.values() if s.updated), default=None)
        watch(unchanged, lambda: f"updated {ago(latest)}")
    st.title("Which search do I open?", anchor=False)
    waiting = len(names) - len(found)
    st.text(
        f"{count(len(names), 'study', 'studies')} in {runs}." + (f" {waiting} still to be read." if waiting else "")
    )
    st.text("Tick one to open it, two or more to compare them.")
    if (study := st.session_state.get("study")) and cache.has(runs / study):
        say_gone(cache.read(runs / study))
    frame = typed([_row(snapshot) for snapshot in found.values()])
    chosen = table(frame, "studies", _TABLE, on_select="rerun", selection_mode="multi-row")
    rows = [name for i, name in enumerate(found) if i in set(chosen["selection"]["rows"])]
    _ways(rows)
    _troubles(found)


def _read(cache: StudyCache, runs: Path, names: list[str]) -> dict[str, Snapshot]:
    begun, found = time.monotonic(), {}
    for name in names:
        if cache.has(runs / name) or time.monotonic() - begun < PATIENCE:
            with st.spinner(f"Reading {name}"):
                found[name] = cache.read(runs / name)
    return found


def _row(snapshot: Snapshot) -> dict[str, Any]:
    settings = snapshot.settings
    row: dict[str, Any] = {"study": snapshot.name, "state": snapshot.mode, "updated": ago(snapshot.updated)}
    row |= {"best, %": None, "seeds": None, "hypervolume": None, "history": [], "trials": "", "rate": ""}
    row |= {"budget": "", "data": "", "sampler": ""}
    if settings is None:
        return row
    steps = history_of(snapshot)
    if snapshot.best:
        best = {"best, %": 100 * score(snapshot.best.trial), "seeds": snapshot.best.seeds}
        row |= best | {"hypervolume": steps[-1].hypervolume}
    every = max(1, len(steps) // 60)
    row["history"] = [step.hypervolume for step in steps[::every]] if len(steps) > 1 else []
    row["trials"] = snapshot.counts
    if snapshot.running:
        speed = pace(snapshot.trials, settings, snapshot.goal).per_hour
        row["rate"] = f"{speed:,.1f} / h" if speed else ""
    row["budget"] = "..".join(compact(end) for end in (settings.band.low, settings.band.high))
    by = "" if settings.metric == "accuracy" else f", by {WORDS[settings.metric]}"
    return row | {"data": settings.data.name, "sampler": f"{settings.sampler}, stop {settings.stop}{by}"}


def _ways(rows: list[str]) -> None:
    pages = st.session_state["pages"]
    with st.container(horizontal=True):
        label = f"Open {rows[0]}" if len(rows) == 1 else "Open"
        if st.button(label[:60], type="primary", disabled=len(rows) != 1, icon=":material/scatter_plot:", key="open"):
            choose(None)
            st.session_state["study_next"] = rows[0]
            st.switch_page(pages["front"], query_params={"study": rows[0]})
        if st.button("Compare", disabled=len(rows) < 2, icon=":material/compare_arrows:", key="compare"):
            st.session_state["with"] = rows
            st.switch_page(pages["compare"])


def _troubles(found: dict[str, Snapshot]) -> None:
    """What is wrong with studies that cannot be read, or whose last search ended with an error, and what to do."""
    for snapshot in found.values():
        if snapshot.problem:
            how = "its last search ended with an error" if snapshot.mode == "error" else snapshot.mode
            st.text(f"{snapshot.name}: {how}")
            text_box(snapshot.problem)
