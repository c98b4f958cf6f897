"""The page's address (`?study=NAME&trial=N`) and the session, kept equal both ways.

A rerun carries the address that the browser showed when it asked for it. That may be older than what was last written
here, and is then not taken for a person's change.
"""

from __future__ import annotations

import streamlit as st

_Known = dict[str, tuple[str | None, ...]]  # (last seen or written,) or (written, what stood there before)


def changed(name: str) -> tuple[str | None] | None:
    """`(value,)` where a person changed that parameter of the address; None where nothing is new.

    Untrusted: to be looked up among what exists, never made a path of.
    """
    asked, known = st.query_params.get(name), _known()
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
    _known()[name] = (value, before)
    if value is None:
        del st.query_params[name]
    else:
        st.query_params[name] = value


def _known() -> _Known:
    found: _Known = st.session_state.setdefault("address", {})
    return found
