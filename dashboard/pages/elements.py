"""What pages are made of: tables, rows of numbers, charts with their sentences, text to copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd
import streamlit as st
from pandas.api.types import is_float_dtype

from dashboard.charts.progress import COSTS
from dashboard.charts.style import Figure
from dashboard.frames import BALANCED, OWN, csv_name
from dashboard.live_chart import live_chart
from dashboard.number_format import short
from dashboard.pages.address import choose
from nas.analysis.cost_axes import FLOPS
from nas.analysis.csv_text import as_csv, rounded

Metric = tuple[str, str, str | None]  # name, value, what it is
KEPT: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}  # of a choice that the address holds too
COLUMNS = {
    "trial": st.column_config.NumberColumn(width=50),
    OWN: st.column_config.NumberColumn(
        "1 seed, %", width=72, format="%.2f", help="Validation accuracy in percent of this trial's own seed"
    ),
    "top-1, %": st.column_config.NumberColumn(format="%.2f", help="Validation accuracy, mean of the network's seeds"),
    BALANCED: st.column_config.NumberColumn(
        "balanced, 1 seed, %",
        width=130,
        format="%.2f",
        help="Balanced accuracy: mean of each class's share of validation images told right; of this trial's own seed",
    ),
    "balanced, %": st.column_config.NumberColumn(
        format="%.2f", help="Balanced accuracy: mean of each class's share told right; mean of the network's seeds"
    ),
    "mean": st.column_config.NumberColumn(
        width=60, format="%.2f", help="Of what the study maximises: mean of the network's seeds, in percent"
    ),
    "± 95%": st.column_config.NumberColumn(
        width=54, format="%.2f", help="Half of its interval over seeds, in points; seed noise pooled over the study"
    ),
    "seeds": st.column_config.NumberColumn(width=48, format="%d"),
    "on front": st.column_config.NumberColumn(width=60, format="%.0f%%", help="Probability of being on the true front"),
    "state": st.column_config.TextColumn(width=82),
    "blocks": st.column_config.TextColumn(width=150),
    "front, points": st.column_config.NumberColumn(
        format="%+.1f", help="How much more accurate the front's network is expected to be, in points"
    ),
    "front, % of its FLOPs": st.column_config.NumberColumn(format="%.0f%%"),
    "seed": st.column_config.NumberColumn(format="%d"),
    "seconds": st.column_config.NumberColumn(format="%.1f", help="Training and evaluation"),
    "reason": st.column_config.TextColumn(width="large"),
}
COUNTS: dict[str, dict[str, Any]] = {
    "FLOPs": {"width": 62, "help": FLOPS.label},
    "params": {},
    "attention products": {"help": "Multiply-accumulates, no part of FLOPs"},
}
STYLED = 1000  # rows whose counts Python writes, in .1 s; the browser writes more, in two digits and not three


def table(frame: pd.DataFrame, key: str, columns: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """`columns`: how those are shown that are not in COLUMNS. Rounded as CSV is, which its corner saves too. Returns
    what `st.dataframe` does."""
    data: Any = rounded(frame)
    few = len(data) <= STYLED and any(name in data for name in COUNTS)
    counts = {
        name: st.column_config.NumberColumn(format=None if few else "compact", **said) for name, said in COUNTS.items()
    }
    if few:
        rest = {name: "{:g}".format for name in data if is_float_dtype(data[name])}
        data = data.style.format(rest | {name: short for name in COUNTS if name in data}, na_rep="")
    known = COLUMNS | counts | dict(columns or {})
    shown: dict[str, Any] = {"hide_index": True, "placeholder": "", "column_config": known}
    return st.dataframe(data, key=key, **(shown | options))


def wrapped_table(frame: pd.DataFrame) -> None:
    """A short one, of words: its cells wrap, and no word is cut, on a phone either."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in frame)
    rows = ("".join(f"<td>{escape(str(value))}</td>" for value in row) for row in frame.itertuples(index=False))
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    st.html(f'<table class="nas-words"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def trial_table(frame: pd.DataFrame, key: str, columns: Mapping[str, Any] | None = None, **options: Any) -> None:
    """Choosing a row selects its trial: the way to one by keyboard."""
    numbers = frame["trial"].tolist()

    def choose_row() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        choose(numbers[rows[0]] if rows and rows[0] < len(numbers) else None)

    table(frame, key, columns, on_select=choose_row, selection_mode="single-row", **options)


def download(frame: Callable[[], pd.DataFrame], study: str, what: str) -> None:
    """`frame`: made where it is asked for."""
    st.download_button(
        "Download as CSV", lambda: as_csv(frame()), file_name=csv_name(study, what), mime="text/csv",
        on_click="ignore", icon=":material/download:", key=f"{what}-csv",
    )  # fmt: skip


def metrics(key: str, rows: Iterable[Metric], deltas: Mapping[str, str] | None = None) -> None:
    """Side by side; `deltas`: what stands below a value, by its name."""
    with st.container(key=f"facts-{key}", horizontal=True, gap="medium"):
        for name, value, said in rows:
            delta = (deltas or {}).get(name)
            st.metric(name, value, delta=delta, delta_color="off", delta_arrow="off", help=said, width="content")


def captioned_chart(figure: Figure, caption: str, key: str, **options: Any) -> None:
    """A chart below the sentence that says the same; the sentence alone where there is nothing to draw."""
    st.text(caption)
    if figure["data"]:
        live_chart(figure, caption, key=key, **options)


def cost_choice(label: str, known: Iterable[str] = COSTS) -> str:
    """What hypervolume is drawn over: a key of COSTS."""
    chosen = st.segmented_control(
        label, list(known), default="images", format_func=COSTS.__getitem__, key="cost", required=True, **KEPT
    )
    return str(chosen or "images")


def text_box(text: str | None) -> None:
    """A command or a reason, letter by letter, with a button that copies it; nothing where there is none."""
    if text:
        st.code(text, language=None, wrap_lines=True)
