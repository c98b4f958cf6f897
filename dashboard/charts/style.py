"""What all charts share: colours, symbols, the layout.

Colours are Okabe-Ito's, the lighter of them darkened to 3:1 against a light ground; those for a dark one are in
theme.js. `@text`, `@grid` and `@back` stand for the theme's colours, which only the browser knows.
"""

from __future__ import annotations

import html
import json
import math
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

Figure = dict[str, Any]
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#008A64", "#B8578F"
ORANGE, SKY, GREY = "#A87400", "#2E93C7", "#757575"
COLOURS = (BLUE, VERMILLION, PURPLE, ORANGE, SKY, GREY, GREEN)
OWN_COLOURS = ("#7A7A16", "#882255", "#4B3FA0", "#1B7B7B")  # of a person's own blocks
OWN_SYMBOLS = ("star", "hexagram", "bowtie", "hourglass")
# Plasma's part that stands out from a light ground; theme.js has the part for a dark one.
SCALE = [[0, "#0D0887"], [0.25, "#5302A3"], [0.5, "#8F10A1"], [0.75, "#BE3985"], [1, "#DA5A6A"]]
SYMBOLS = ("circle", "square", "triangle-up", "triangle-down", "pentagon", "cross", "diamond")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
ABOVE = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}  # a legend over the chart
SHARE = {"minallowed": 0, "maxallowed": 100}  # of an axis in percent: it shows no accuracy that there cannot be
THEME = {"@text": "#262730", "@grid": "#d0d0d6", "@back": "#ffffff", "inherit": "system-ui, sans-serif"}
WIDTH, LINE = 110, 24  # letters a line of the caption, and its px
# Ticks as all else writes them, `10K`: plotly knows thousands as `k` alone.
THOUSANDS = {f"{n:g}k": f"{n:g}K" for n in (*(tenths / 10 for tenths in range(1, 1000)), *range(100, 1000))}


def hatched(shape: str) -> dict[str, Any]:
    """A pattern over a bar's colour, for those who do not see colours: `/`, `x`, `.`, or none."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "@back", "solidity": 0.25, "size": 7}


def layout(height: int) -> dict[str, Any]:
    """Of a chart with an x and a y axis."""
    axis = {"gridcolor": "@grid", "linecolor": "@grid", "zeroline": False, "automargin": True, "tickcolor": "@grid"}
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 36, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@text", "size": 13, "family": "inherit"},
        "hoverlabel": {"bgcolor": "@back", "bordercolor": "@grid", "font": {"color": "@text"}, "align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@grid", "activecolor": "@text"},
        "hovermode": "closest",
        "dragmode": "zoom",
        "uirevision": "same",  # zoom and hidden traces outlive new data
        "xaxis": dict(axis),
        "yaxis": dict(axis),
    }


def title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8, "font": {"size": 12.5}}


def log_axis(low: float, high: float, name: str) -> dict[str, Any]:
    """A log axis from `low` to `high` with a margin, its ticks as `500K`, `1M`; below 1 as `0.08`, not as thousandths.
    They do not run into each other: as plotly likes within a decade, then at 1, 2, 5, then at powers of 10."""
    margin = 0.04 * max(math.log10(high / low), 0.25)
    start, end = math.log10(low) - margin, math.log10(high) + margin
    ticks = {"nticks": 8} if end - start < 1 else {"dtick": "D2" if end - start < 2.5 else 1}
    return {
        "type": "log",
        "range": [start, end],
        **ticks,
        "title": title(name),
        "tickformat": "~s" if low >= 1 else "~g",
        **({"labelalias": THOUSANDS} if low >= 1 and start < 6 else {}),
    }


def finite(values: Iterable[float | None]) -> list[float | None]:
    """JSON has no nan: such a value is a gap."""
    return [value if value is not None and math.isfinite(value) else None for value in values]


def escape(text: object, longest: int = 120) -> str:
    """Text for plotly, which reads tags in labels: `&`, `<` and `>` become entities; long text is cut."""
    plain = str(text)
    return html.escape(plain if len(plain) <= longest else plain[: longest - 1] + "…", quote=False)


def plotly_figure(figure: Figure, title: str, *captions: str) -> go.Figure:
    """With a light theme's colours, a title, and below it the captions: what the numbers rest on.
    For notebooks and scripts."""
    import plotly.graph_objects as go

    plain = json.dumps(figure)
    for name, value in THEME.items():
        plain = plain.replace(f'"{name}"', f'"{value}"')
    found = go.Figure(json.loads(plain))
    lines = [line for caption in captions for line in textwrap.wrap(caption, WIDTH)]
    text = f"{title}<br><sup>{'<br>'.join(lines)}</sup>"
    above = LINE * len(lines)
    found.update_layout(
        title={"text": text, "x": 0.01, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 14}},
        margin={"t": 100 + above}, height=530 + above, template="none", paper_bgcolor=THEME["@back"],
        plot_bgcolor=THEME["@back"],
    )  # fmt: skip
    return found
