"""A table on a page."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import streamlit as st

from dashboard.tables import Table, arrow


def grid(table: Table | pa.Table, key: str, **options: Any) -> Any:
    """`st.dataframe` of a table, or of what `arrow` made of it; all at once: for a lazy one Streamlit loads pandas."""
    sent = table if isinstance(table, pa.Table) else arrow(table)
    return st.dataframe(sent, hide_index=True, lazy=False, key=key, **options)
