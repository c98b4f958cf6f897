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

from dashboard import RUNS_VARIABLE
from dashboard.best_study import best_study
from dashboard.pages import address
from dashboard.pages.compare import compare_page
from dashboard.pages.data import data_page
from dashboard.pages.elements import text_box
from dashboard.pages.front import front_page
from dashboard.pages.network import network_page
from dashboard.pages.predictions import find, predictions_page
from dashboard.pages.progress import progress_page
from dashboard.pages.space import space_page
from dashboard.pages.spaces import spaces_page
from dashboard.pages.steps import steps_page
from dashboard.pages.studies import studies_page
from dashboard.pages.study_page import EVERY, FIRST_SEARCH, Scene, nearest_name, study_page
from dashboard.pages.trials import trials_page
from dashboard.study_cache import SHARED, study_names

PRODUCT = "nas explores ConvNeXt-family networks: the best accuracy at each cost in FLOPs, found by search."
OPENS = "At first a study that is running, else the one with the most accurate network on the largest data"
Body = Callable[[Scene], None]
PAGES: tuple[tuple[str, str, str, Body], ...] = (
    ("front", "Front", "What is the best network under my budget?", front_page),
    ("network", "Network", "What is this network, can I use it?", network_page),
    ("trials", "Trials", "Where is trial X, why did it fail?", trials_page),
    ("progress", "Progress", "Is it still improving?", progress_page),
    ("space", "Space", "Which choices matter?", space_page),
    ("steps", "Steps", "What does each step do?", steps_page),
    ("data", "Data", "What was it trained on?", data_page),
)


def main(first: str = "front") -> None:
    """`first`: the page that is shown where the address names none."""
    st.set_page_config(page_title="nas", layout="wide", initial_sidebar_state=240)
    st.html(Path(__file__).with_suffix(".css"))
    with st.container(key="facts-product"):
        st.text(PRODUCT)
    runs = Path(os.environ.get(RUNS_VARIABLE, "runs"))
    names = study_names(runs)
    if not names and not _opened_before(runs):
        _without_studies(runs, first)
        return
    pages = _pages(runs, first)
    page = st.navigation(list(pages.values()))
    address.open_page(page.url_path)
    st.session_state["pages"] = pages
    _pick(runs, names)
    st.set_page_config(page_title=" - ".join(filter(None, [_study(), page.title, "nas"])))
    with st.sidebar, st.container(key="facts-side"):
        st.text(f"Studies in {runs}. This page writes exports alone: a search goes on whether it is open or not.")
    page.run()


def _pages(runs: Path, first: str) -> dict[str, st.Page]:
    """By name, in the order of the menu."""

    def draw(question: str, body: Body) -> Callable[[], None]:
        def show() -> None:
            if study := _study():
                study_page(SHARED, runs, study, question, body, early=body is data_page)

        return show

    rows: list[tuple[str, str, Callable[[], None]]] = [("studies", "Studies", lambda: studies_page(SHARED, runs))]
    rows += [(name, title, draw(question, body)) for name, title, question, body in PAGES]
    rows += [("compare", "Compare", lambda: compare_page(SHARED, runs))]
    rows += [("spaces", "Spaces", lambda: spaces_page(SHARED, runs))]
    rows += [("predictions", "Predictions", lambda: predictions_page(runs))]
    return {name: st.Page(show, title=title, url_path=name, default=name == first) for name, title, show in rows}


def _study() -> str | None:
    """The study that is looked at; None where the address names one that there never was."""
    return st.session_state.get("study")


def _opened_before(runs: Path) -> bool:
    """Whether this page, or its address, is of a study that was read before all of them were gone."""
    return bool(_study()) or st.query_params.get("study") in SHARED.gone(runs)


def _pick(runs: Path, names: list[str]) -> None:
    """The study: from the page's address where a person changed that, else from the box; and back into the address."""
    state, known = st.session_state, {*names, *SHARED.gone(runs)}
    asked = address.changed("study")
    if (opened := state.pop("study_next", None)) in known:
        _open(opened)
    elif asked and asked[0]:
        _open(asked[0] if asked[0] in known else None, asked[0])
    elif state.get("unknown") in known:
        _open(state["unknown"])
    elif not _study() and "unknown" not in state:
        _open(best_study(SHARED, runs, names))
    study = _study()
    options = names if study in names or study is None else [study, *names]
    index = None if study is None else options.index(study)
    st.sidebar.selectbox("Study", options, index, key="study", on_change=_changed, placeholder="choose one", help=OPENS)
    for name, take in (("trial", address.choose), ("pin", address.pin)):
        if asked := address.changed(name):
            take(number(asked[0]))
    if study is None:
        _say_unknown(runs, names or sorted(known))
        return
    address.write("study", study)
    address.choose(state.get("trial"))
    address.pin(address.pinned())


def _open(study: str | None, unknown: str | None = None) -> None:
    """Has the pages look at a study, or say that there is none of the name that was asked for."""
    state = st.session_state
    state["study"] = study
    state.pop("unknown", None)
    if study is None:
        state["unknown"] = unknown


def _say_unknown(runs: Path, names: list[str]) -> None:
    """That there never was a study of the name in the address, and which name is the nearest."""
    asked = st.session_state["unknown"]
    st.error("There is no study of this name here: it may have been renamed, archived or deleted.")
    text_box(asked[:200])
    near = nearest_name(asked, names)
    st.text(f"The nearest name in {runs} is {near}; the others are on the left.")
    if st.button(f"Open {near}"[:60], type="primary", icon=":material/scatter_plot:", key="nearest"):
        st.session_state["study_next"] = near
        st.rerun()
    _await(runs, asked)


@st.fragment(run_every=EVERY)
def _await(runs: Path, name: str) -> None:
    """Has the page drawn anew once there is such a study."""
    if name in study_names(runs):
        st.rerun()


def number(asked: str | None) -> int | None:
    """A trial's number in an address."""
    return int(asked) if asked and re.fullmatch(r"[0-9]{1,9}", asked) else None


def _changed() -> None:
    """Another study was chosen in the box: a trial of the last one means nothing there."""
    st.session_state.pop("unknown", None)
    address.pin(None)
    address.choose(None)


def _without_studies(runs: Path, first: str) -> None:
    """What to type, and the page of exports where there are any: they need no study."""
    if not find(runs):
        _no_study(runs)
        return
    begin = st.Page(lambda: _no_study(runs), title="Studies", url_path="studies", default=first != "predictions")
    exports = st.Page(
        lambda: predictions_page(runs), title="Predictions", url_path="predictions", default=first == "predictions"
    )
    st.navigation([begin, exports]).run()


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
