"""What all pages of a study share: its name, whether it runs, how old it is, what is wrong with it; and the redrawing.

A page is a question and a function that answers it for a study that can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import streamlit as st

from dashboard.derived import baseline
from dashboard.number_format import ago
from dashboard.pages import export
from dashboard.pages.elements import text_box
from dashboard.snapshot import Mode, Snapshot
from dashboard.study_cache import StudyCache, study_names
from nas.records.settings import Settings, with_extent

EVERY = 1.0  # seconds between looks at the journal
FIRST_SEARCH = "nas search digits --data digits --flops 1M..4M --trials 30"
COLOURS: dict[Mode, Literal["green", "gray", "red", "orange"]] = {
    "running": "green", "idle": "gray", "empty": "gray", "away": "orange", "gone": "orange", "error": "red",
    "broken": "red", "missing": "red",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What a page is about."""

    cache: StudyCache
    runs: Path
    snapshot: Snapshot
    settings: Settings
    beside: Snapshot | None  # random search beside it


def study_page(
    cache: StudyCache, runs: Path, study: str, question: str, body: Callable[[Scene], None], early: bool = False
) -> None:
    """The head of a page and `body`, which needs a trial of the study unless `early`. Drawn anew when that changes."""
    with st.spinner(f"Reading {study}: a study of ten thousand trials takes seconds, once."):
        snapshot = cache.read(runs / study)
        beside = baseline(cache, snapshot)
    with st.container(horizontal=True, vertical_alignment="center", key="head", gap="small"):
        _name(snapshot.name)
        st.badge(snapshot.mode, color=COLOURS[snapshot.mode])
        _watch_study(cache, runs, snapshot, beside)
    st.title(question, anchor=False)
    if snapshot.settings is None:
        _broken(snapshot, runs)
        return
    if snapshot.mode == "away":
        st.warning(f"The study cannot be reached now; this is what was last read, {ago(snapshot.read)}.")
        text_box(snapshot.problem)
    for each in (snapshot, beside):
        if each:
            say_gone(each)
    if snapshot.mode == "error":
        st.error("The last search of this study ended with an error:")
        text_box(snapshot.problem)
    if not snapshot.trials:
        st.info("This study has no trial yet. The first appears here as soon as a search draws it.")
        resume(snapshot)
        if not early:
            return
    body(Scene(cache, runs, snapshot, snapshot.settings, beside))


def _name(name: str) -> None:
    """Bold, or for a name that `nas` would not give as plain text, which no Markdown is read in."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        st.markdown("**" + re.sub(r"([_.-])", r"\\\1", name) + "**", width="content")
    else:
        st.text(name, width="content")


def _watch_study(cache: StudyCache, runs: Path, snapshot: Snapshot, beside: Snapshot | None) -> None:
    listed, busy = set(study_names(runs)), export.busy()

    def unchanged() -> bool:
        now = cache.read(snapshot.folder)
        other = baseline(cache, now)
        alike = other.same(beside) if other and beside else other is beside
        return now.same(snapshot) and alike and set(study_names(runs)) == listed and export.busy() == busy

    watch(unchanged, lambda: cache.read(snapshot.folder).updated)


def watch(unchanged: Callable[[], bool], updated: Callable[[], datetime | None]) -> None:
    """A switch "Live". While it is on, looks every EVERY seconds and has the page drawn anew where something has
    changed. Beside it stands when what the page shows was `updated`, where it shows anything."""
    live = st.toggle("Live", value=True, key="live", persist_state="session", help="Off: nothing changes under you")

    @st.fragment(run_every=EVERY if live else None)
    def look() -> None:
        if live and not unchanged():
            st.rerun()
        said = [] if live else ["paused"]
        if latest := updated():
            said.append(f"updated {ago(latest)}")
        if said:
            st.text("; ".join(said), width="content")

    look()


def nearest_name(name: str, names: Sequence[str]) -> str:
    """Of at least one study, the one that is written most like `name`."""
    return get_close_matches(name[:200], names, n=1, cutoff=0.0)[0]


def say_gone(snapshot: Snapshot) -> None:
    """Where a study's folder is gone: that it is, and what was read last, when."""
    if snapshot.mode != "gone":
        return
    st.warning(
        "The folder of this study is gone: moved, renamed or removed. What was read of it last stays on this page, "
        "which goes on once the folder is back."
    )
    when = "" if snapshot.read is None else f"{snapshot.read:%Y-%m-%d %H:%M:%S} UTC"
    text_box(f"{snapshot.folder}: last read {when}, {snapshot.counts or 'no trial'}")


def resume(snapshot: Snapshot) -> None:
    settings = snapshot.read_settings
    started = f"Started {settings.created} with the command below"
    further = with_extent(settings, snapshot.extent)
    if snapshot.mode == "gone":
        st.text(f"{started}. While its folder is gone, the command would begin another study.")
    elif further == settings.command:
        st.text(f"{started}; the same command goes on where the study stopped.")
    else:
        st.text(f"{started}:")
    text_box(settings.command)
    if snapshot.mode != "gone" and further != settings.command:
        st.text("How far it shall go was said anew since; this goes on where the study stopped:")
        text_box(further)


def _broken(snapshot: Snapshot, runs: Path) -> None:
    st.error("This study cannot be read. What is wrong, and what to do:")
    text_box(snapshot.problem)
    if [name for name in study_names(runs) if name != snapshot.name]:
        st.text("Other studies can be chosen on the left.")
    else:
        st.text("Or begin a new one:")
        text_box(FIRST_SEARCH)
