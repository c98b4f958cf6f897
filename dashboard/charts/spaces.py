"""Two spaces by random networks: the expected best of so many of each. Their distributions: `compare.edf_figure`."""

from __future__ import annotations

from typing import Any

from dashboard.charts.front import score_label
from dashboard.charts.style import ABOVE, COLOURS, DASHES, SHARE, Figure, escape, layout, title
from nas.analysis.space_comparison import Side, SpaceComparison

SAID = (1, 5, 10, 20)  # networks, in the sentence


def best_of_figure(found: SpaceComparison, label: str = score_label(())) -> Figure:
    """Expected best accuracy over the number of random networks; a shade is the interval, where it holds. `label`: what
    is maximised, of the axis."""
    chart = layout(360)
    data: list[dict[str, Any]] = []
    for place, side in enumerate((found.one, found.other)):
        data += [_shade(side, place), _line(side, place)]
    chart["xaxis"] |= {"title": title("random networks that the best is of"), "rangemode": "tozero", "tickformat": "d"}
    if max(len(found.one.best), len(found.other.best)) <= 10:
        chart["xaxis"]["dtick"] = 1  # no halves of a network
    chart["yaxis"] |= {"title": title(f"best, expected: {label}")} | SHARE
    chart["legend"] = ABOVE
    return {"data": data, "layout": chart}


def _line(side: Side, place: int) -> dict[str, Any]:
    name = escape(side.name, 60)
    return {
        "type": "scatter", "mode": "lines+markers", "name": name, "x": list(range(1, len(side.best) + 1)),
        "y": (100 * side.best).tolist(), "line": {"width": 2, "color": COLOURS[place], "dash": DASHES[place]},
        "marker": {"size": 5, "color": COLOURS[place]},
        "hovertemplate": f"{name}: the best of %{{x}} has %{{y:.2f}}%<extra></extra>",
    }  # fmt: skip


def _shade(side: Side, place: int) -> dict[str, Any]:
    """With an error bar at a single point, which a shade would not show."""
    x, low, high = list(range(1, len(side.low) + 1)), (100 * side.low).tolist(), (100 * side.high).tolist()
    width = 6 if len(x) == 1 else 0
    return {
        "type": "scatter", "mode": "lines", "x": x + x[::-1], "y": high + low[::-1], "fill": "toself",
        "fillcolor": COLOURS[place], "opacity": 0.18, "line": {"width": width, "color": COLOURS[place]},
        "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def best_of_caption(found: SpaceComparison) -> str:
    """The same in words."""
    parts = []
    for count in SAID:
        one, other = (side.best_of(count) for side in (found.one, found.other))
        if one and other:
            what = "one network" if count == 1 else f"the best of {count}"
            parts.append(f"{what} {found.one.name} {one.value:.2%}, {found.other.name} {other.value:.2%}")
    return f"Expected of {'; of '.join(parts)}."


def shares_caption(found: SpaceComparison) -> str:
    """What the distributions show, beside the verdict."""
    one, other = found.one, found.other
    return (
        f"At equal FLOPs {one.ahead.value:.0%} of the networks of {one.name} are above the median of {other.name}, and "
        f"{other.ahead.value:.0%} of those of {other.name} above that of {one.name}. "
        f"Networks: {one.edf.networks:,} and {other.edf.networks:,}."
    )
