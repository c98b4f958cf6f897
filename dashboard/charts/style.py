"""What all charts share: colours, symbols, the layout.

Colours are Okabe-Ito's. `@text`, `@grid` and `@back` stand for the theme's colours, which only the browser knows.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from typing import Any

from dashboard.charts.blocks import MIXES

Figure = dict[str, Any]
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#7F7F7F"
COLOURS = (BLUE, VERMILLION, PURPLE, ORANGE, SKY, GREY, GREEN)
SYMBOLS = ("circle", "square", "triangle-up", "triangle-down", "pentagon", "cross", "diamond")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LOOKS = dict(zip(MIXES, zip(COLOURS, SYMBOLS, strict=True), strict=True))
BLUE_FILL, BLUE_EDGE = "rgba(0,114,178,.07)", "rgba(0,114,178,.55)"
ABOVE = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}  # a legend over the chart


def tint(colour: str, opacity: float) -> str:
    """`#0072B2`, .2 -> `rgba(0,114,178,0.2)`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


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


def log_ticks(decades: float) -> dict[str, Any]:
    """Ticks that do not run into each other: as plotly likes within a decade, then at 1, 2, 5, then at powers of 10."""
    if decades < 1:
        return {"nticks": 8}
    return {"dtick": "D2" if decades < 2.5 else 1}


def log_axis(low: float, high: float, name: str) -> dict[str, Any]:
    """A log axis from `low` to `high` with a margin, its ticks as `500k`, `1M`."""
    margin = 0.04 * max(math.log10(high / low), 0.25)
    span = [math.log10(low) - margin, math.log10(high) + margin]
    return {
        "type": "log", "range": span, **log_ticks(span[1] - span[0]), "title": title(name), "tickformat": "~s",
    }  # fmt: skip


def finite(values: Iterable[float | None]) -> list[float | None]:
    """JSON has no nan: such a value is a gap."""
    return [value if value is not None and math.isfinite(value) else None for value in values]


def escape(text: object, longest: int = 120) -> str:
    """Text for plotly, which reads tags in labels: `&`, `<` and `>` become entities; long text is cut."""
    plain = str(text)
    return html.escape(plain if len(plain) <= longest else plain[: longest - 1] + "…", quote=False)
