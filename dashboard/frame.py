"""The frame of a page: which study, whether it runs, how old it is, what is wrong with it; and the ways between pages.

A page is a question and a function that answers it for a study that can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from dashboard import address, export
from dashboard.beside import baseline
from dashboard.live import Mode, Shelf, Snapshot, study_names
from dashboard.verbatim import verbatim
from dashboard.words import FIRST_SEARCH, ago, heading
from nas.settings import Settings

EVERY = 1.0  # seconds between looks at the journal
COLOURS: dict[Mode, Literal["green", "gray", "red", "orange"]] = {
    "running": "green", "resting": "gray", "empty": "gray", "away": "orange", "error": "red", "broken": "red",
    "missing": "red",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What a page is about."""

    shelf: Shelf
    runs: Path
    snapshot: Snapshot
    settings: Settings
    beside: Snapshot | None  # random search beside it


def study_page(
    shelf: Shelf, runs: Path, study: str, question: str, body: Callable[[Scene], None], *, least: int = 1
) -> None:
    """The head of a page and, where the study has `least` trials, `body`. Drawn anew when the study has changed."""
    snapshot = shelf.read(runs / study)
    beside = baseline(shelf, snapshot)
    with st.container(horizontal=True, vertical_alignment="center", key="head", gap="small"):
        if (name := heading(snapshot.name)) is not None:
            st.markdown(f"**{name}**", width="content")
        else:
            st.text(snapshot.name, width="content")
        st.badge(snapshot.mode, color=COLOURS[snapshot.mode])
        live = switch()
        listed, busy = set(study_names(runs)), export.busy()

        def unchanged() -> bool:
            now = shelf.read(snapshot.folder)
            same = now.same(snapshot) and baseline(shelf, now) is beside
            return same and set(study_names(runs)) == listed and export.busy() == busy

        def updated() -> str:
            return f"updated {ago(shelf.read(snapshot.folder).updated)}"

        watch(live, unchanged, updated)
    st.title(question, anchor=False)
    if snapshot.settings is None:
        broken(snapshot, runs)
        return
    if snapshot.mode == "away":
        st.warning(f"The study cannot be reached now; this is what was last read, {ago(snapshot.updated)}.")
        verbatim(snapshot.problem, "problem")
    if snapshot.mode == "error":
        st.error("The last search of this study ended with an error:")
        verbatim(snapshot.problem, "problem")
    if len(snapshot.trials) < least:
        empty(snapshot.settings)
        return
    body(Scene(shelf, runs, snapshot, snapshot.settings, beside))


def switch() -> bool:
    """Whether the page follows its study."""
    return st.toggle("Live", value=True, key="live", persist_state="session", help="Off: nothing changes under you")


def watch(live: bool, unchanged: Callable[[], bool], updated: Callable[[], str]) -> None:
    """Looks every EVERY seconds and has the page drawn anew where something has changed; a quiet look sends a line."""

    @st.fragment(run_every=EVERY if live else None)
    def look() -> None:
        if live and not unchanged():
            st.rerun()
        st.text(updated() if live else f"paused; {updated()}", width="content")

    look()


def choose(number: int | None) -> None:
    """Selects a trial, here and in the page's address."""
    st.session_state["trial"] = number
    address.write("trial", None if number is None else str(number))


def chosen(snapshot: Snapshot) -> int | None:
    """The selected trial's number, if the study has it; says so where it has not."""
    number = st.session_state.get("trial")
    if number is not None and snapshot.trial(number) is None:
        st.warning(f"This study has no trial {number}. Choose one in the chart or the table.")
        return None
    return number if isinstance(number, int) else None


def way(page: str, label: str, icon: str, **parameters: Any) -> None:
    """A link to another page, with what its address shall say."""
    asked = {name: str(value) for name, value in parameters.items() if value is not None}
    st.page_link(st.session_state["pages"][page], label=label, icon=f":material/{icon}:", query_params=asked)


def resume(settings: Settings) -> None:
    st.text(f"Started {settings.created} with the command below; the same command goes on where the study stopped.")
    verbatim(settings.command, "command")


def empty(settings: Settings) -> None:
    st.info("This study has no trial yet. The first appears here as soon as a search draws it.")
    resume(settings)


def broken(snapshot: Snapshot, runs: Path) -> None:
    st.error("This study cannot be read. What is wrong, and what to do:")
    verbatim(snapshot.problem, "problem")
    if [name for name in study_names(runs) if name != snapshot.name]:
        st.text("Other studies can be chosen on the left.")
    else:
        st.text("Or begin a new one:")
        verbatim(FIRST_SEARCH, "first")
