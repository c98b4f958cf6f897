"""Text letter by letter, with a button that copies it."""

from __future__ import annotations

import streamlit as st


def text_box(text: str | None) -> None:
    """A command or a reason; nothing where there is none."""
    if text:
        st.code(text, language=None, wrap_lines=True)
