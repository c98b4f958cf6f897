"""The page's address (`?study=NAME&trial=N`) and the session, kept equal both ways: which study and trial is selected,
which is pinned; and links between pages.

A rerun carries the address that the browser showed when it asked for it. That may be older than what was last written
here, and is then not taken for a person's change.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.snapshot import Snapshot

_Known = dict[str, tuple[str | None, ...]]  # (last seen or written,) or (written, what stood there before)


def changed(name: str) -> tuple[str | None] | None:
    """`(value,)` where a person changed that parameter of the address; None where nothing is new.

    Untrusted: to be looked up among what exists, never made a path of.
    """
    asked = st.query_params.get(name)
    known: _Known = st.session_state.setdefault("address", {})
    if asked is None and name in known and st.session_state.get("turned"):  # another page's address begins without
        known[name] = (None,)
        return None
    seen = known.get(name, (None,))
    if asked == seen[0]:
        known[name] = (asked,)
        return None
    if len(seen) == 2 and asked == seen[1]:  # an older address than what was written since
        return None
    known[name] = (asked,)
    return (asked,)


def open_page(page: str) -> None:
    """Which page this run is of: a page chosen in the menu comes with an empty address, which nobody meant."""
    st.session_state["turned"] = st.session_state.get("page", page) != page
    st.session_state["page"] = page


def write(name: str, value: str | None) -> None:
    """Puts `value` into the address, or takes the parameter out."""
    before = st.query_params.get(name)
    if before == value:
        return
    st.session_state.setdefault("address", {})[name] = (value, before)
    if value is None:
        del st.query_params[name]
    else:
        st.query_params[name] = value


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
    write(name, None if number is None else str(number))


def chosen(snapshot: Snapshot, instead: str = "Choose one in the chart or the table.") -> int | None:
    """The selected trial's number, if the study has it; says so where it has not, and what to do `instead`."""
    number = st.session_state.get("trial")
    if number is not None and snapshot.trial(number) is None:
        st.warning(f"This study has no trial {number}. {instead}")
        return None
    return number if isinstance(number, int) else None


def link(page: str, label: str, icon: str, **parameters: Any) -> None:
    """A link to another page, with what its address shall say."""
    asked = {name: str(value) for name, value in parameters.items() if value is not None}
    st.page_link(st.session_state["pages"][page], label=label, icon=f":material/{icon}:", query_params=asked)
