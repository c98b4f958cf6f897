"""A chart of the dashboard as a plotly figure that stands alone, for notebooks and scripts."""

from __future__ import annotations

import json
import textwrap

import plotly.graph_objects as go  # type: ignore[import-untyped]

from dashboard.charts.style import Figure

THEME = {"@text": "#262730", "@grid": "#d0d0d6", "@back": "#ffffff", "inherit": "system-ui, sans-serif"}
WIDTH = 110  # letters a line of the caption


def plotly_figure(figure: Figure, title: str, *captions: str) -> go.Figure:
    """With a light theme's colours, a title, and below it the captions: what the numbers rest on."""
    plain = json.dumps(figure)
    for name, value in THEME.items():
        plain = plain.replace(f'"{name}"', f'"{value}"')
    found = go.Figure(json.loads(plain))
    lines = [line for caption in captions for line in textwrap.wrap(caption, WIDTH)]
    text = f"{title}<br><sup>{'<br>'.join(lines)}</sup>"
    above = 16 * len(lines)
    found.update_layout(
        title={"text": text, "x": 0.01, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 14}},
        margin={"t": 90 + above}, height=520 + above, template="none", paper_bgcolor=THEME["@back"],
        plot_bgcolor=THEME["@back"],
    )  # fmt: skip
    return found
