"""The frame around every page: which folder, which study, which page. Streamlit runs this file for `nas dashboard`.

It stands beside the pages: a folder `pages` beside the script would be Streamlit's own way to list them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboard import RUNS
from dashboard.pages import address
from dashboard.pages.compare import compare_page
from dashboard.pages.elements import text_box
from dashboard.pages.front import front_page
from dashboard.pages.network import network_page
from dashboard.pages.progress import progress_page
from dashboard.pages.space import space_page
from dashboard.pages.studies import studies_page
from dashboard.pages.study_page import EVERY, FIRST_SEARCH, Scene, study_page
from dashboard.pages.trials import trials_page
from dashboard.study_cache import SHARED, study_names

Body = Callable[[Scene], None]
PAGES: tuple[tuple[str, str, str, Body], ...] = (
    ("front", "Front", "What is the best network under my budget?", front_page),
    ("network", "Network", "What is this network, can I use it?", network_page),
    ("trials", "Trials", "Where is trial X, why did it fail?", trials_page),
    ("progress", "Progress", "Is it still improving?", progress_page),
    ("space", "Space", "Which choices matter?", space_page),
)


def main(first: str = "front") -> None:
    """`first`: the page that is shown where the address names none."""
    st.set_page_config(page_title="nas", layout="wide", initial_sidebar_state=240)
    st.html(Path(__file__).with_suffix(".css"))
    runs = Path(os.environ.get(RUNS, "runs"))
    names = study_names(runs)
    if not names:
        _no_study(runs)
        return
    pages = _pages(runs, first)
    page = st.navigation(list(pages.values()))
    address.open_page(page.url_path)
    st.session_state["pages"] = pages
    _pick(names)
    with st.sidebar, st.container(key="facts-side"):
        st.text(f"Studies in {runs}. This page only reads: a search goes on whether it is open or not.")
    page.run()


def _pages(runs: Path, first: str) -> dict[str, st.Page]:
    """By name, in the order of the menu."""

    def draw(question: str, body: Body) -> Callable[[], None]:
        return lambda: study_page(SHARED, runs, st.session_state["study"], question, body)

    rows: list[tuple[str, str, Callable[[], None]]] = [("studies", "Studies", lambda: studies_page(SHARED, runs))]
    rows += [(name, title, draw(question, body)) for name, title, question, body in PAGES]
    rows += [("compare", "Compare", lambda: compare_page(SHARED, runs))]
    return {name: st.Page(show, title=title, url_path=name, default=name == first) for name, title, show in rows}


def _pick(names: list[str]) -> None:
    """The study: from the page's address where a person changed that, else from the box; and back into the address."""
    state = st.session_state
    if (asked := address.changed("study")) and asked[0] in names:
        state["study"] = asked[0]
    elif asked and asked[0]:
        state["unknown"] = asked[0]
    if (opened := state.pop("study_next", None)) in names:
        state["study"] = opened
    if state.get("study") not in names:
        state["study"] = names[0]
    study = str(st.sidebar.selectbox("Study", names, key="study", on_change=_changed))
    if "unknown" in state:
        st.warning("The address asks for a study that is not here. This is the latest one; choose another on the left.")
        text_box(state["unknown"][:200])
    for name, take in (("trial", address.choose), ("pin", address.pin)):
        if asked := address.changed(name):
            take(number(asked[0]))
    address.write("study", study)
    address.choose(state.get("trial"))
    address.pin(address.pinned())


def number(asked: str | None) -> int | None:
    """A trial's number in an address."""
    return int(asked) if asked and re.fullmatch(r"[0-9]{1,9}", asked) else None


def _changed() -> None:
    """Another study was chosen in the box: a trial of the last one means nothing there."""
    st.session_state.pop("unknown", None)
    address.pin(None)
    address.choose(None)


@st.fragment(run_every=EVERY)
def _no_study(runs: Path) -> None:
    """What to type. Looks again every EVERY seconds."""
    if study_names(runs):
        st.rerun()
    st.title("No study yet", anchor=False)
    there = "has no study in it" if runs.is_dir() else "does not exist yet"
    st.text(f"The folder {runs} {there}. A first search appears here as it runs:")
    text_box(FIRST_SEARCH + ("" if runs == Path("runs") else f" --runs {shlex.quote(str(runs))}"))
    st.text("If your studies are elsewhere, end the dashboard and start it with their folder:")
    text_box("nas dashboard --runs FOLDER")


if __name__ == "__main__":
    main()
