"""The dashboard's entry: which folder, which study, which page. Streamlit runs this file; `nas dashboard` starts it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboard import address
from dashboard.beside import SHELF
from dashboard.compare_page import compare_page
from dashboard.frame import EVERY, Scene, choose, study_page
from dashboard.front_page import front_page
from dashboard.live import study_names
from dashboard.network_page import network_page
from dashboard.progress_page import progress_page
from dashboard.server import RUNS
from dashboard.space_page import space_page
from dashboard.studies_page import studies_page
from dashboard.trials_page import trials_page
from dashboard.verbatim import verbatim
from dashboard.words import FIRST_SEARCH

_CSS = """
.stMainBlockContainer { padding: 3.6rem 2.2rem 4rem; max-width: 1500px; }
.stMainBlockContainer h1 { font-size: 1.6rem; padding: 0 0 .5rem; }
.stMainBlockContainer h2 { font-size: 1.25rem; padding: .2rem 0; }
[data-testid="stMetricValue"] { font-size: 1.5rem; }
[class*="st-key-facts"] [data-testid="stText"] { font-size: .85rem; opacity: .8; }
[class*="-mark"][class*="st-key-"] { display: none; }
.st-key-head { row-gap: .2rem; }
[data-tag] { background: color-mix(in srgb, currentColor 14%, transparent) !important; color: inherit !important; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding: 3.6rem 1rem 3rem; }
  .stMainBlockContainer h1 { font-size: 1.3rem; }
  [data-testid="stMetricValue"] { font-size: 1.2rem; }
}
"""
Body = Callable[[Scene], None]
PAGES: tuple[tuple[str, str, str, Body], ...] = (
    ("front", "Front", "What is the best network under my budget?", front_page),
    ("network", "Network", "What is this network, can I use it?", network_page),
    ("trials", "Trials", "Where is trial X, why did it fail?", trials_page),
    ("progress", "Progress", "Is it still improving?", progress_page),
    ("space", "Space", "Which choices matter?", space_page),
)


def main() -> None:
    st.set_page_config(page_title="nas", layout="wide", initial_sidebar_state=240)
    st.html(f"<style>{_CSS}</style>")
    runs = Path(os.environ.get(RUNS, "runs"))
    names = study_names(runs)
    if not names:
        _nothing(runs)
        return
    pages = _pages(runs)
    page = st.navigation(list(pages.values()))
    address.turn(page.url_path)
    st.session_state["pages"] = pages
    _pick(names)
    with st.sidebar, st.container(key="facts-side"):
        st.text(f"Studies in {runs}. This page only reads: a search goes on whether it is open or not.")
    page.run()


def _pages(runs: Path) -> dict[str, st.Page]:
    """Front comes first in the menu where there is nothing to choose from; else Studies."""

    def draw(question: str, body: Body) -> Callable[[], None]:
        return lambda: study_page(SHELF, runs, st.session_state["study"], question, body)

    pages = {"studies": st.Page(lambda: studies_page(SHELF, runs), title="Studies", url_path="studies")}
    for name, title, question, body in PAGES:
        pages[name] = st.Page(draw(question, body), title=title, url_path=name, default=name == "front")
    pages["compare"] = st.Page(lambda: compare_page(SHELF, runs), title="Compare", url_path="compare")
    return pages


def _pick(names: list[str]) -> str:
    """The study: from the page's address where a person changed that, else from the box; and back into the address."""
    state = st.session_state
    if (news := address.news("study")) and news[0] in names:
        state["study"] = news[0]
    elif news and news[0]:
        state["unknown"] = news[0]
    if (asked := state.pop("study_next", None)) in names:
        state["study"] = asked
    if state.get("study") not in names:
        state["study"] = names[0]
    study = str(st.sidebar.selectbox("Study", names, key="study", on_change=_changed))
    if "unknown" in state:
        st.warning("The address asks for a study that is not here. This is the latest one; choose another on the left.")
        verbatim(state["unknown"][:200], "unknown")
    if news := address.news("trial"):
        choose(number(news[0]))
    if news := address.news("pin"):
        state["pin"] = number(news[0])
    address.write("study", study)
    choose(state.get("trial"))
    address.write("pin", None if state.get("pin") is None else str(state["pin"]))
    return study


def number(asked: str | None) -> int | None:
    """A trial's number in an address."""
    return int(asked) if asked and re.fullmatch(r"[0-9]{1,9}", asked) else None


def _changed() -> None:
    """Another study was chosen in the box: a trial of the last one means nothing there."""
    st.session_state.pop("unknown", None)
    st.session_state.pop("pin", None)
    choose(None)


@st.fragment(run_every=EVERY)
def _nothing(runs: Path) -> None:
    """No study: what to type. Looks again every EVERY seconds."""
    if study_names(runs):
        st.rerun()
    st.title("No study yet", anchor=False)
    there = "has no study in it" if runs.is_dir() else "does not exist yet"
    st.text(f"The folder {runs} {there}. A first search appears here as it runs:")
    verbatim(FIRST_SEARCH + ("" if runs == Path("runs") else f" --runs {shlex.quote(str(runs))}"), "first")
    st.text("If your studies are elsewhere, end the dashboard and start it with their folder:")
    verbatim("nas dashboard --runs FOLDER", "other")


if __name__ == "__main__":
    main()
