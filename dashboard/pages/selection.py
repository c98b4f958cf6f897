"""Which trial is selected and which is pinned, in the session and in the page's address; and links between pages."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import address
from dashboard.snapshot import Snapshot


def choose(number: int | None) -> None:
    """Selects a trial."""
    _set("trial", number)


def pin(number: int | None) -> None:
    """Remembers a trial to be compared with others."""
    _set("pin", number)


def pinned() -> int | None:
    number = st.session_state.get("pin")
    return number if isinstance(number, int) else None


def _set(name: str, number: int | None) -> None:
    st.session_state[name] = number
    address.write(name, None if number is None else str(number))


def chosen(snapshot: Snapshot) -> int | None:
    """The selected trial's number, if the study has it; says so where it has not."""
    number = st.session_state.get("trial")
    if number is not None and snapshot.trial(number) is None:
        st.warning(f"This study has no trial {number}. Choose one in the chart or the table.")
        return None
    return number if isinstance(number, int) else None


def link(page: str, label: str, icon: str, **parameters: Any) -> None:
    """A link to another page, with what its address shall say."""
    asked = {name: str(value) for name, value in parameters.items() if value is not None}
    st.page_link(st.session_state["pages"][page], label=label, icon=f":material/{icon}:", query_params=asked)
