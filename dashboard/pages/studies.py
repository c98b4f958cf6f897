"""Every study under the folder: what it is, whether it runs, what it found; ways to open one and to compare several."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.charts.compare import MOST
from dashboard.derived import leads_over
from dashboard.number_format import count
from dashboard.pages.elements import KEPT, text_box
from dashboard.pages.studies_table import studies_table
from dashboard.pages.study_page import say_gone, watch
from dashboard.snapshot import Snapshot
from dashboard.study_cache import StudyCache, study_names
from nas.analysis.baseline import why_not
from nas.analysis.cost_axes import FLOPS
from nas.analysis.leads import points_words
from nas.analysis.pareto import score
from nas.analysis.wording import ends_words
from nas.records.settings import BASELINE


def _changed(snapshot: Snapshot) -> float:
    """When, in seconds since 1970; a study that runs is changing now."""
    if snapshot.mode == "running":
        return time.time()
    return snapshot.updated.timestamp() if snapshot.updated else 0.0


ORDERS: dict[str, Callable[[Snapshot], Any]] = {
    "latest": lambda snapshot: -_changed(snapshot),
    "name": lambda snapshot: snapshot.name.lower(),
    "most accurate": lambda snapshot: -score(snapshot.best.trial) if snapshot.best else 0,
    "most trials": lambda snapshot: -len(snapshot.trials),
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
        watch(unchanged, lambda: latest)
    st.title("Which search do I open?", anchor=False)
    waiting = len(names) - len(found)
    st.text(
        f"{count(len(names), 'study', 'studies')} in {runs}." + (f" {waiting} still to be read." if waiting else "")
    )
    if words := _ahead(found):
        st.text(words)
    if (study := st.session_state.get("study")) and cache.has(runs / study):
        say_gone(cache.read(runs / study))
    order = st.segmented_control("Order", list(ORDERS), default="latest", key="order", required=True, **KEPT)
    rows = sorted(found.values(), key=ORDERS[str(order)])
    st.html(studies_table(rows, st.session_state["pages"]["front"].url_path))
    known = dict.fromkeys(ends_words(each.settings) for each in rows if each.settings)
    over = " or ".join(known) or "log FLOPs across the budget"
    with st.container(key="facts"):
        st.text(
            "Best: on the validation split, the most accurate network, mean of its seeds; n: images. Hypervolume: area "
            f"under the front over {over}, 0 to 1, beside it as trials ended. Running: a process "
            f"that lives works on it. Budget: {FLOPS.label}."
        )
    _comparison(list(found))
    _troubles(found)


def _read(cache: StudyCache, runs: Path, names: list[str]) -> dict[str, Snapshot]:
    begun, found = time.monotonic(), {}
    for name in names:
        if cache.has(runs / name) or time.monotonic() - begun < PATIENCE:
            with st.spinner(f"Reading {name}"):
                found[name] = cache.read(runs / name)
    return found


def _ahead(found: Mapping[str, Snapshot]) -> str:
    """Of which studies' fronts the random search beside them is ahead somewhere, and by how much."""
    said = []
    for name, snapshot in found.items():
        beside = found.get(f"{name}{BASELINE}")
        if not (snapshot.settings and beside and beside.settings) or why_not(snapshot.settings, beside.settings):
            continue
        if there := leads_over(snapshot, beside):
            said.append(f"{name} ({points_words(max(lead.points for lead in there))})")
    return f"Random search is ahead in places of {', '.join(said)}; the page Front says where." if said else ""


def _comparison(names: list[str]) -> None:
    if len(names) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.multiselect(
            "Compare", names, key="compared", width=420, max_selections=MOST, placeholder="two to six studies"
        )
        if st.button("Compare", disabled=len(wanted) < 2, icon=":material/compare_arrows:", key="compare"):
            st.session_state["with"] = wanted
            st.switch_page(st.session_state["pages"]["compare"])


def _troubles(found: dict[str, Snapshot]) -> None:
    """What is wrong with studies that cannot be read, or whose last search ended with an error, and what to do."""
    for snapshot in found.values():
        if snapshot.problem:
            how = "its last search ended with an error" if snapshot.mode == "error" else snapshot.mode
            st.text(f"{snapshot.name}: {how}")
            text_box(snapshot.problem)
