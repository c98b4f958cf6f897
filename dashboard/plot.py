"""A plotly chart that keeps zoom and selection while its data grow.

`st.plotly_chart` mounts anew whenever its figure changes. This component stays, and calls `Plotly.react` with a
constant `uirevision`. Plotly is fetched once from PLOTLY_URL, which `server.py` serves, and not sent with every figure.
Until it has drawn, a canvas shows the points (sketch.js).
The selected point is a component of its own, so that choosing another sends a few bytes and no figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import streamlit as st

from dashboard.style import Figure

PLOTLY_URL = f"/plotly-{version('plotly')}.js"
_HTML = """<div class="nas-scroll"><div class="nas-plot"></div>
<canvas class="nas-sketch" aria-hidden="true" hidden></canvas></div>"""
_CSS = """
.nas-scroll { overflow-x: auto; overflow-y: hidden; position: relative; }
.nas-sketch { position: absolute; top: 0; left: 0; pointer-events: none; }
.nas-plot { width: 100%; } .nas-plot p { opacity: .7; }
.nas-plot:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; border-radius: 4px; }
"""
_JS = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("sketch.js", "plot.js"))
_MARK = """
export default function ({ data }) {
  (globalThis.nasMarks ??= {})[data.key] = data.number;
  globalThis.nasMark?.(data.key, data.number);
}
"""

_component = st.components.v2.component("nas_plot", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)
_mark = st.components.v2.component("nas_mark", html="<span></span>", js=_MARK, isolate_styles=False)


def plot(
    figure: Figure | str,
    alt: str,
    *,
    key: str,
    on_click: Callable[[int], None] | None = None,
    order: Sequence[int] = (),
    height: int | None = None,
    view: str = "",
    least: int = 0,
) -> None:
    """Draws `figure`, or the text that `packed` made of it (then with its `height`); `alt` says it in words.

    `on_click` gets the customdata (a trial's number) of a clicked point. `order`: the numbers that the arrow keys step
    through. `view`: what is looked at; zoom and selection outlive new data, not another view or another study.
    `least`: its width in px on a narrow screen, which then scrolls.
    """

    def clicked() -> None:
        number = st.session_state[key].get("trial")
        if on_click is not None and isinstance(number, int):
            on_click(number)

    high = height or (figure["layout"]["height"] if isinstance(figure, dict) else 400)
    text = figure if isinstance(figure, str) else packed(figure)
    # No list among them: Streamlit asks pandas whether one is a frame, and loads it for that.
    data = {
        "figure": text, "alt": alt, "plotly": PLOTLY_URL, "key": key, "order": tuple(order), "height": high,
        "least": least, "view": f"{st.session_state.get('study')} {view}",
    }  # fmt: skip
    _component(key=key, data=data, height=high, on_trial_change=clicked)


def mark(key: str, number: int | None) -> None:
    """Rings the point of that number in the chart of that key, and no other."""
    _mark(key=f"{key}-mark", data={"key": key, "number": number}, height=1)


def packed(figure: Figure) -> str:
    """The figure as JSON: made once, it is quick to send again."""
    return json.dumps(figure, allow_nan=False, separators=(",", ":"), default=lambda array: array.tolist())
