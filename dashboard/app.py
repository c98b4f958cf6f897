"""The dashboard's entry: which folder, which study, which page. Streamlit runs this file; `nas dashboard` starts it."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import streamlit as st

from dashboard import address
from dashboard.front_page import EVERY, choose, front_page
from dashboard.live import Shelf, study_names
from dashboard.server import RUNS
from dashboard.words import FIRST_SEARCH

_CSS = """
.stMainBlockContainer { padding: 2.4rem 2.5rem 4rem; }
.stAppHeader { background: transparent; }
.stMainBlockContainer h1 { font-size: 2rem; padding: 0; }
[data-testid="stMetricValue"] { font-size: 1.7rem; }
.st-key-facts [data-testid="stText"] { font-size: .85rem; opacity: .75; }
"""


def main() -> None:
    st.set_page_config(page_title="nas", layout="wide", initial_sidebar_state=240)
    st.html(f"<style>{_CSS}</style>")
    runs = Path(os.environ.get(RUNS, "runs"))
    names = study_names(runs)
    if not names:
        _nothing(runs)
        return
    study = _pick(names)
    with st.sidebar:
        st.text(f"Studies in {runs}")
        st.caption("This page only reads. A search goes on whether it is open or not.")
    pages = [st.Page(lambda: front_page(_shelf(), runs, study), title="Front", url_path="front", default=True)]
    st.navigation(pages, position="hidden" if len(pages) == 1 else "sidebar").run()


@st.cache_resource
def _shelf() -> Shelf:
    return Shelf()


def _pick(names: list[str]) -> str:
    """The study: from the page's address where a person changed that, else from the box; and back into the address."""
    state = st.session_state
    if (news := address.news("study")) and news[0] in names:
        state["study"] = news[0]
    elif news and news[0]:
        state["unknown"] = news[0]
    if state.get("study") not in names:
        state["study"] = names[0]
    study = str(st.sidebar.selectbox("Study", names, key="study", on_change=_changed))
    if "unknown" in state:
        st.warning("The address asks for a study that is not here. This is the latest one; choose another on the left.")
        st.code(state["unknown"][:200], language=None)
    if news := address.news("trial"):
        asked = news[0] or ""
        choose(int(asked) if re.fullmatch(r"[0-9]{1,9}", asked) else None)
    address.write("study", study)
    return study


def _changed() -> None:
    """Another study was chosen in the box: a trial of the last one means nothing there."""
    st.session_state.pop("unknown", None)
    choose(None)


@st.fragment(run_every=EVERY)
def _nothing(runs: Path) -> None:
    """No study: what to type. Looks again every EVERY seconds."""
    if study_names(runs):
        st.rerun()
    st.title("No study yet", anchor=False)
    there = "has no study in it" if runs.is_dir() else "does not exist yet"
    st.text(f"The folder {runs} {there}. A first search appears here as it runs:")
    st.code(FIRST_SEARCH + ("" if runs == Path("runs") else f" --runs {shlex.quote(str(runs))}"), language="bash")
    st.text("If your studies are elsewhere, end the dashboard and start it with their folder:")
    st.code("nas dashboard --runs FOLDER", language="bash")


if __name__ == "__main__":
    main()
