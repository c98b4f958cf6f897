"""A plotly chart on a page that keeps zoom and selection while its data grow.

`st.plotly_chart` mounts anew whenever its figure changes. This component stays, and calls `Plotly.react`. The script of
plotly is fetched once from PLOTLY_URL, which `server.py` serves. The selected point is a component of its own, so that
choosing another sends a few bytes and no figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st

from dashboard.charts.style import Figure

PLOTLY_URL = f"/plotly-{version('plotly')}.js"
_HTML = """<div class="nas-scroll"><div class="nas-more" hidden>Scroll sideways for the rest.</div>
<div class="nas-plot"></div></div>"""
_CSS = """
.nas-scroll { overflow-x: auto; overflow-y: hidden; }
.nas-more { position: sticky; left: 0; height: 0; width: max-content; font-size: .85rem; }
.nas-plot { width: 100%; }
.nas-plot .parcoords .tick text {
  paint-order: stroke; stroke: var(--st-background-color); stroke-width: 6px; text-shadow: none !important;
}
.nas-plot:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; border-radius: 4px; }
"""
_HERE = Path(__file__).parent
_JS = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("charts/theme.js", "live_chart.js"))
_MARK = """
export default function ({ data }) {
  const shared = (globalThis.nasCharts ??= { boxes: {}, marks: {} });
  if (shared.mark) shared.mark(data.key, data);
  else shared.marks[data.key] = data;
}
"""

_chart = st.components.v2.component("nas_chart", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)
_mark = st.components.v2.component("nas_mark", html="<span></span>", js=_MARK, isolate_styles=False)


def live_chart(
    figure: Figure,
    alt: str,
    *,
    key: str,
    on_click: Callable[[int], None] | None = None,
    order: Sequence[int] = (),
    view: str = "",
    least: int = 0,
) -> None:
    """Draws `figure`, as high as its layout says; `alt` says it in words.

    `on_click` gets the customdata (a trial's number) of a clicked point. `order`: the numbers that the arrow keys step
    through. `view`: what is looked at; zoom and selection outlive new data, not another view or another study.
    `least`: its width in px on a narrow screen, which then scrolls, and says so.
    """

    def clicked() -> None:
        number = st.session_state[key].get("trial")
        if on_click is not None and isinstance(number, int):
            on_click(number)

    height = figure["layout"]["height"]
    plain = json.dumps(figure, allow_nan=False, separators=(",", ":"))
    data = {
        "figure": plain, "alt": alt, "plotly": PLOTLY_URL, "key": key, "order": list(order), "height": height,
        "least": least, "view": f"{st.session_state.get('study')} {view}",
    }  # fmt: skip
    _chart(key=key, data=data, height=height, on_trial_change=clicked)


class Limit(NamedTuple):
    """A line across an axis, and what it says."""

    axis: Literal["x", "y"]
    at: float
    words: str


def mark(key: str, number: int | None, *, pinned: int | None = None, limit: Limit | None = None) -> None:
    """Rings the point of that number in the chart of that key, and no other; also marks the `pinned` one's and draws
    the `limit`."""
    data = {"key": key, "number": number, "pinned": pinned, "limit": limit._asdict() if limit else None}
    _mark(key=f"{key}-mark", data=data, height=1)
