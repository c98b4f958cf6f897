"""The front of accuracy against a cost, as a plotly figure in plain dictionaries: pure, without plotly or a browser.

FLOPs: conv + linear multiply-accumulates, batch 1; accuracies are in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.charts.blocks import MIXES, mix
from dashboard.charts.hover import brief_hover, hover
from dashboard.charts.style import (
    ABOVE,
    BLUE_EDGE,
    BLUE_FILL,
    COLOURS,
    GREY,
    LOOKS,
    SYMBOLS,
    Figure,
    escape,
    layout,
    log_axis,
    title,
)
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.design_choices import is_numeric, number, one_word, traits_of
from nas.analysis.pareto import accuracy, flops, knee, merged, pareto_front
from nas.analysis.seed_noise import NetworkResults
from nas.records.trial import Trial
from space import Band, compact

ON_FRONT = 12  # size of a marker, px
HEIGHT = 430  # of the chart, px
BASELINE = "random search's front"
MANY = 1500  # points from which WebGL draws; below, SVG is crisper
KINDS = "kind of blocks"  # what colours show unless an axis is chosen


@dataclass(frozen=True)
class View:
    """How the front is looked at: what is on the x axis, and what colours show."""

    measure: CostAxis = FLOPS
    colour: str = KINDS  # or an axis of the space


def front_figure(
    trials: Sequence[Trial],
    band: Band,
    *,
    view: View | None = None,
    running: Sequence[Trial] = (),
    found: NetworkResults | None = None,
    beside: Sequence[Trial] = (),
) -> Figure:
    """Every finished network over its log cost, at the mean of its seeds; the front as a staircase, with its 95%
    intervals where `found` has them; over FLOPs the budget as a shaded band.

    Trials in training, whose accuracy is not known yet, are dotted lines at their cost; stopped ones have none and are
    not drawn. `beside` are the trials of the baseline: its front is a second, quiet staircase.
    """
    view = view or View()
    x, of_flops = view.measure, view.measure is FLOPS
    points = [t for t in merged(trials) if x.of(t)]
    front, other = pareto_front(points, x.on), pareto_front([t for t in beside if x.of(t)], x.on)
    kind = "scatter" if len(points) < MANY else "scattergl"
    quiet = {"width": 1.5, "color": GREY, "dash": "dash"}
    in_training = [value for t in running if (value := x.of(t))]
    bars = [end for t in front for end in x.quartiles(t)] if x.quartiles else []
    spread = [*map(x.on, [*points, *other]), *in_training, *bars]
    high = max([*spread, *([band.high] if of_flops else [])], default=1.0)
    data = [_staircase(other, x, high, kind) | {"name": BASELINE, "line": {"shape": "hv", **quiet}}] if other else []
    data += [_staircase(front, x, high, kind), *_clouds(points, {t.number for t in front}, kind, found, view)]
    _show_each_kind_once(data)
    chart = layout(HEIGHT)
    low = min([*spread, high])
    if of_flops:
        low = low if band.low < low / 1000 else min(low, band.low)  # `..4M` begins at 1
        chart["shapes"] = _band_shapes(band)
        chart["annotations"] = _band_labels(band)
    chart["shapes"] = chart.get("shapes", []) + [_line(x, "rgba(128,128,128,.5)", "dot") for x in in_training]
    chart["annotations"] = chart.get("annotations", []) + _knee_label(front, x)
    chart["xaxis"] |= log_axis(low, high, x.label)
    chart["yaxis"] |= {"title": title("validation top-1, %"), "nticks": 8, **_reach([*points, *other], front, found)}
    chart["legend"] = ABOVE | {"itemsizing": "constant"}
    return {"data": data, "layout": chart}


def _reach(points: Sequence[Trial], front: Sequence[Trial], found: NetworkResults | None) -> dict[str, Any]:
    """The y axis, around all points and the front's intervals: known before plotly has looked at any of them."""
    if not points:
        return {}
    bars = [row.interval for t in front if found and (row := found.rows.get(t.number)) and row.interval]
    ends = [100 * end for end in [*map(accuracy, points), *(end for bar in bars for end in bar)]]
    margin = 0.05 * max(max(ends) - min(ends), 1.0)
    return {"range": [min(ends) - margin, max(ends) + margin]}


def _staircase(front: Sequence[Trial], x: CostAxis, end: float, kind: str) -> dict[str, Any]:
    """The best accuracy for at most so much; it goes on to the end of the axis."""
    across, up = [x.on(t) for t in front], [100 * accuracy(t) for t in front]
    if front and across[-1] < end:
        across, up = [*across, end], [*up, up[-1]]
    return {
        "type": kind, "mode": "lines", "name": "front", "x": across, "y": up, "hoverinfo": "skip",
        "line": {"shape": "hv", "width": 2, "color": "@text"},
    }  # fmt: skip


def _clouds(
    points: Sequence[Trial], front: set[int], kind: str, found: NetworkResults | None, view: View
) -> list[dict[str, Any]]:
    """Two traces per group of networks, those off and those on the front: colour and symbol say which group, size and
    outline which place. Single values and not one per point, so that ten thousand points stay quick; only an axis of
    numbers has a colour for each point."""
    label = hover if len(points) < MANY else brief_hover
    rows = found.rows if found else {}
    clouds = []
    for name, colour, symbol, group in _groups(points, view.colour):
        for on in (False, True):
            members = [trial for trial in group if (trial.number in front) is on]
            if members:
                cloud = _cloud(name, on, members, kind, view.measure, colour, symbol)
                cloud["text"] = [label(trial, rows.get(trial.number)) for trial in members]
                if on and found and found.noise and found.noise.known:
                    cloud["error_y"] = _bars(members, found, colour)
                if on and (quartiles := view.measure.quartiles):
                    cloud["error_x"] = _across(cloud["x"], map(quartiles, members), colour)
                clouds.append(cloud)
    clouds.sort(key=lambda cloud: cloud["marker"]["size"] == ON_FRONT)
    if clouds and not isinstance(clouds[0]["marker"]["color"], str):
        _scale(clouds, view.colour)
    return clouds


def _groups(points: Sequence[Trial], axis: str) -> list[tuple[str, Any, str, list[Trial]]]:
    """(name, colour, symbol, trials): by kind of blocks, or by the choices of an axis. An axis of numbers is one group,
    its colours the mean over blocks."""
    if axis == KINDS:
        kinds: dict[str, list[Trial]] = {name: [] for name in MIXES}
        for trial in points:
            kinds[mix(trial)].append(trial)
        return [(name, *LOOKS[name], group) for name, group in kinds.items() if group]
    shares = [traits_of(trial.arch).get(axis, {}) for trial in points]
    if is_numeric(list({word for share in shares for word in share})):
        values = {trial.number: number(share) for trial, share in zip(points, shares, strict=True)}
        return [(axis, values, "circle", list(points))]
    named: dict[str, list[Trial]] = {}
    for trial, share in zip(points, shares, strict=True):
        named.setdefault(one_word(share), []).append(trial)
    looks = zip(COLOURS * 9, SYMBOLS * 9, sorted(named), strict=False)
    return [(escape(f"{axis} {name}"), colour, symbol, named[name]) for colour, symbol, name in looks]


def _bars(members: Sequence[Trial], found: NetworkResults, colour: Any) -> dict[str, Any]:
    """95% intervals of means over seeds."""
    arms: list[tuple[float, float]] = []
    for trial in members:
        low, high = found.rows[trial.number].interval or (accuracy(trial), accuracy(trial))
        arms.append((100 * (accuracy(trial) - low), 100 * (high - accuracy(trial))))
    plain = colour if isinstance(colour, str) else "@text"
    return {
        "type": "data", "symmetric": False, "array": [up for _, up in arms], "arrayminus": [down for down, _ in arms],
        "color": plain, "thickness": 1.2, "width": 4,
    }  # fmt: skip


def _across(middles: Sequence[float], quartiles: Iterable[tuple[float, float]], colour: Any) -> dict[str, Any]:
    """Quartiles of what was measured many times."""
    ends = list(zip(middles, quartiles, strict=True))
    return {
        "type": "data", "symmetric": False, "array": [high - middle for middle, (_, high) in ends],
        "arrayminus": [middle - low for middle, (low, _) in ends],
        "color": colour if isinstance(colour, str) else "@text", "thickness": 1.2, "width": 4,
    }  # fmt: skip


def _cloud(
    name: str, on: bool, group: Sequence[Trial], kind: str, x: CostAxis, colour: Any, symbol: str
) -> dict[str, Any]:
    shade = colour if isinstance(colour, str) else [colour[trial.number] for trial in group]
    return {
        "type": kind,
        "mode": "markers",
        "name": name,
        "legendgroup": name,
        "x": [x.on(trial) for trial in group],
        "y": [round(100 * accuracy(trial), 4) for trial in group],
        "customdata": [trial.number for trial in group],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": shade, "symbol": symbol, "size": ON_FRONT if on else 7}
        | ({"line": {"color": "@text", "width": 1.5}} if on else {"opacity": 0.6}),
    }


def _scale(clouds: Sequence[dict[str, Any]], axis: str) -> None:
    """One colour scale for all, which the colour-blind can read as well (Cividis), with its bar."""
    values = [value for cloud in clouds for value in cloud["marker"]["color"] if value is not None]
    bar = {"title": {"text": axis, "side": "right"}, "thickness": 10, "outlinewidth": 0, "len": 0.9}
    for place, cloud in enumerate(clouds):
        cloud["marker"] |= {"colorscale": "Cividis", "cmin": min(values, default=0), "cmax": max(values, default=1)}
        cloud["showlegend"] = False
        if place == 0:
            cloud["marker"] |= {"showscale": True, "colorbar": bar}


def _show_each_kind_once(data: list[dict[str, Any]]) -> None:
    """In the legend: by its trace off the front, if it has one."""
    seen: set[str] = set()
    for trace in data:
        if (group := trace.get("legendgroup")) and "showlegend" not in trace:
            trace["showlegend"] = group not in seen
            seen.add(group)


def _band_shapes(band: Band) -> list[dict[str, Any]]:
    area = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": band.low, "x1": band.high, "y0": 0, "y1": 1,
        "layer": "below", "fillcolor": BLUE_FILL, "line": {"width": 0},
    }  # fmt: skip
    return [area, *(_line(edge, BLUE_EDGE, "dash") for edge in (band.low, band.high))]


def _line(x: float, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "layer": "below",
        "line": {"color": colour, "width": 1, "dash": dash},
    }  # fmt: skip


def _band_labels(band: Band) -> list[dict[str, Any]]:
    """The budget's ends, inside it, at the bottom."""
    ends = ((band.low, f"budget from {compact(band.low)}", "left"), (band.high, f"to {compact(band.high)}", "right"))
    return [
        {
            "x": math.log10(edge), "y": 0.01, "xref": "x", "yref": "paper", "text": text, "showarrow": False,
            "xanchor": side, "yanchor": "bottom", "font": {"size": 11, "color": "@text"}, "opacity": 0.75,
        }
        for edge, text, side in ends
    ]  # fmt: skip


def bend(front: Sequence[Trial]) -> Trial | None:
    """The front's bend, where it has one between its ends."""
    middle = knee(front) if len(front) > 2 else None
    return middle if middle is not None and middle not in (front[0], front[-1]) else None


def _knee_label(front: Sequence[Trial], x: CostAxis) -> list[dict[str, Any]]:
    middle = bend(front) if x is FLOPS else None
    if middle is None:
        return []
    return [
        {
            "x": math.log10(flops(middle)), "y": 100 * accuracy(middle), "text": "knee",
            "font": {"size": 12, "color": "@text"}, "showarrow": True, "ax": -26, "ay": -26,
            "arrowhead": 0, "arrowwidth": 1, "arrowcolor": "@text", "standoff": 9,
        }
    ]  # fmt: skip
