"""The front of accuracy against a cost, as a plotly figure in plain dictionaries: pure, without plotly or a browser.

FLOPs: conv + linear multiply-accumulates, batch 1; accuracies are in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from dashboard.charts.blocks import hover
from dashboard.charts.front_colours import KINDS, bar_title, groups, scale_ends
from dashboard.charts.references import name_stars, stars
from dashboard.charts.style import ABOVE, GREY, SCALE, SHARE, Figure, layout, log_axis, title
from nas.analysis.against_front import ReferenceResult
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.pareto import knee, merged, pareto_front, score
from nas.analysis.seed_noise import NetworkResults
from nas.records.scores import SHORT
from nas.records.trial import Trial
from space import Band

ON_FRONT = 12  # size of a marker, px
HEIGHT = 430  # of the chart, px
BLUE_FILL, BLUE_EDGE = "rgba(0,114,178,.07)", "rgba(0,114,178,.55)"
BASELINE = "random search's front"
MANY = 1500  # points from which WebGL draws; below, SVG is crisper


def front_figure(
    trials: Sequence[Trial],
    band: Band | None,
    *,
    x: CostAxis = FLOPS,
    colour: str = KINDS,
    running: Sequence[Trial] = (),
    found: NetworkResults | None = None,
    beside: Sequence[Trial] = (),
    references: Sequence[ReferenceResult] = (),
    whole: bool = False,
) -> Figure:
    """Every finished network over its log cost `x`, at the mean of its seeds; the front as a staircase, with its 95%
    intervals where `found` has them; over the cost of `found` (FLOPs without it), which the study minimises, also its
    `band` in the budget, shaded. `colour`: what colours say, one of `front_colours.choices`. The y axis leaves out
    networks far below (`reach`) unless the `whole` is asked for.

    Trials in training, whose accuracy is not known yet, are dotted lines at their cost; stopped ones have none and are
    not drawn. `beside` are the trials of the baseline: its front is a second, quiet staircase. `references` are stars,
    over FLOPs alone.
    """
    of_flops, own = x is FLOPS, x is (found.cost if found else FLOPS)
    ends = (band.low / x.unit, band.high / x.unit) if band and own else None
    points = [t for t in merged(trials) if x.of(t)]
    front, other = pareto_front(points, x.on), pareto_front(beside, x.of)
    kind = "scatter" if len(points) < MANY else "scattergl"
    quiet = {"width": 1.5, "color": GREY, "dash": "dash"}
    in_training = [value for t in running if (value := x.of(t))]
    bars = [end for t in front for end in x.quartiles(t)] if x.quartiles else []
    marked = stars(references, found) if of_flops else []
    spread = [*map(x.on, [*points, *other]), *in_training, *bars, *(each for star in marked for each in star["x"])]
    high = max([*spread, *([ends[1]] if ends else [])], default=1.0)
    data = [_staircase(other, x, high, kind) | {"name": BASELINE, "line": {"shape": "hv", **quiet}}] if other else []
    data += [_staircase(front, x, high, kind), *_clouds(points, {t.number for t in front}, kind, found, x, colour)]
    data += marked
    chart = layout(HEIGHT)
    bar = {
        "title": {"text": bar_title(colour), "side": "right", "font": {"size": 12}},
        "thickness": 10,
        "outlinewidth": 0,
        "len": 0.9,
    }
    chart["coloraxis"] = {"colorscale": SCALE, "colorbar": bar} | scale_ends(colour)
    low = min([*spread, high])
    if band and ends:
        low = low if ends[0] < low / 1000 else min(low, ends[0])  # `..4M` begins at 1
        chart["shapes"] = _band_shapes(ends)
        chart["annotations"] = _band_labels(ends, band.ends() if x.unit == 1 else [*map(x.words, ends)])
    chart["shapes"] = chart.get("shapes", []) + [_line(x, "rgba(128,128,128,.5)", "dot") for x in in_training]
    chart["annotations"] = chart.get("annotations", []) + (_knee_label(front, x) if own else [])
    chart["xaxis"] |= log_axis(low, high, x.label)
    chart["yaxis"] |= {"title": title(score_label([*points, *other])), "nticks": 8} | SHARE
    if axis := reach(points, front, found, beside=other, also=references if of_flops else (), whole=whole):
        chart["yaxis"]["range"] = list(axis)
        for star in marked:
            name_stars(star, [*map(x.on, points)], [100 * score(t) for t in points], chart["xaxis"]["range"], axis)
    chart["legend"] = ABOVE | {"itemsizing": "constant", "y": 1.08}  # over the words at the budget's ends
    return {"data": data, "layout": chart}


def score_label(trials: Iterable[Trial]) -> str:
    """Of an axis of what these trials' studies maximise."""
    metrics = {trial.metric for trial in trials}
    return f"validation {'score' if len(metrics) > 1 else SHORT[metrics.pop() if metrics else 'accuracy']}, %"


def reach(
    points: Sequence[Trial],
    front: Sequence[Trial],
    found: NetworkResults | None = None,
    *,
    beside: Sequence[Trial] = (),
    also: Sequence[ReferenceResult] = (),
    whole: bool = False,
) -> tuple[float, float] | None:
    """The y axis in percent, known before plotly has looked at any point: around the front with its intervals and, of
    the networks, all or those that are not far below. Far is twice as far below their median as the best is above it,
    and at least two points: at most half of them, such as those of a search's first minutes. A point tall at least
    where there is room, within 0 to 100. None without a network. `also`: references, all of which are shown, as
    somebody asked for each."""
    if not points:
        return None
    scores = [100 * score(trial) for trial in points]
    middle, best = median(scores), max(scores)
    floor = min([middle - 2 * max(best - middle, 1.0), *(100 * score(trial) for trial in front)])
    bars = [row.interval for t in front if found and (row := found.rows.get(t.number)) and row.interval]
    shown = [*scores, *(100 * score(trial) for trial in beside)]
    bars += [(each.score, each.score) for each in also if each.score is not None]
    ends = [end for end in shown if whole or end >= floor] + [100 * end for bar in bars for end in bar]
    span = max(ends) - min(ends)
    margin = max(0.05 * span, (1 - span) / 2)
    return max(min(ends) - margin, 0), min(max(ends) + margin, 100)


def below(points: Sequence[Trial], axis: Sequence[float] | None) -> list[Trial]:
    """The networks that a y axis leaves out."""
    return [trial for trial in points if axis and 100 * score(trial) < axis[0]]


def _staircase(front: Sequence[Trial], x: CostAxis, end: float, kind: str) -> dict[str, Any]:
    """The best accuracy for at most so much; it goes on to the end of the axis."""
    across, up = [x.on(t) for t in front], [100 * score(t) for t in front]
    if front and across[-1] < end:
        across, up = [*across, end], [*up, up[-1]]
    return {
        "type": kind, "mode": "lines", "name": "front", "x": across, "y": up, "hoverinfo": "skip",
        "line": {"shape": "hv", "width": 2, "color": "@text"},
    }  # fmt: skip


def _clouds(
    points: Sequence[Trial], front: set[int], kind: str, found: NetworkResults | None, x: CostAxis, axis: str
) -> list[dict[str, Any]]:
    """Two traces per group of networks, those off and those on the front: colour and symbol say which group, size and
    outline which place. Single values and not one per point, so that ten thousand points stay quick; only an axis of
    numbers has a colour for each point. The legend has each group once."""
    brief = len(points) >= MANY
    rows, over = (found.rows, found.cost) if found else ({}, FLOPS)
    clouds = []
    for name, colour, symbol, group in groups(points, axis):
        for on in (False, True):
            members = [trial for trial in group if (trial.number in front) is on]
            if not members:
                continue
            cloud = _cloud(name, on, members, kind, x, colour, symbol)
            cloud["showlegend"] = isinstance(colour, str) and (not on or len(members) == len(group))
            cloud["text"] = [hover(trial, rows.get(trial.number), over, brief=brief) for trial in members]
            plain = colour if isinstance(colour, str) else "@text"
            if on and found and found.noise and found.noise.known:
                intervals = [found.rows[t.number].interval or (score(t), score(t)) for t in members]
                ends = [(100 * low, 100 * high) for low, high in intervals]
                cloud["error_y"] = _bars([100 * score(t) for t in members], ends, plain)
            if on and x.quartiles:
                cloud["error_x"] = _bars(cloud["x"], [x.quartiles(t) for t in members], plain)
            clouds.append(cloud)
    return sorted(clouds, key=lambda cloud: cloud["marker"]["size"] == ON_FRONT)


def _bars(middles: Sequence[float], ends: Sequence[tuple[float, float]], colour: str) -> dict[str, Any]:
    """From low to high around each point: 95% intervals over seeds, quartiles of what was measured many times."""
    return {
        "type": "data", "symmetric": False, "color": colour, "thickness": 1.2, "width": 4,
        "array": [high - middle for middle, (_, high) in zip(middles, ends, strict=True)],
        "arrayminus": [middle - low for middle, (low, _) in zip(middles, ends, strict=True)],
    }  # fmt: skip


def _cloud(
    name: str, on: bool, group: Sequence[Trial], kind: str, x: CostAxis, colour: Any, symbol: str
) -> dict[str, Any]:
    marker = {"color": colour, "symbol": symbol, "size": ON_FRONT if on else 7}
    # An edge in the ground's colour tells points apart that lie over each other.
    marker["line"] = {"color": "@text", "width": 1.5} if on else {"color": "@back", "width": 0.75}
    if not isinstance(colour, str):
        marker |= {"color": [colour[trial.number] for trial in group], "coloraxis": "coloraxis"}
    whole = {"cliponaxis": False} if kind == "scatter" else {}  # points at 100% too, where the axis ends
    return whole | {
        "type": kind, "mode": "markers", "name": name, "legendgroup": name, "marker": marker,
        "x": [x.on(trial) for trial in group], "y": [round(100 * score(trial), 4) for trial in group],
        "customdata": [trial.number for trial in group], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _band_shapes(ends: tuple[float, float]) -> list[dict[str, Any]]:
    area = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": ends[0], "x1": ends[1], "y0": 0, "y1": 1,
        "layer": "below", "fillcolor": BLUE_FILL, "line": {"width": 0},
    }  # fmt: skip
    return [area, *(_line(edge, BLUE_EDGE, "dash") for edge in ends)]


def _line(x: float, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "layer": "below",
        "line": {"color": colour, "width": 1, "dash": dash},
    }  # fmt: skip


def _band_labels(ends: tuple[float, float], words: Sequence[str]) -> list[dict[str, Any]]:
    """The budget's ends, over the plotted area, where no point is."""
    labels = ((ends[0], f"budget from {words[0]}", "left"), (ends[1], f"to {words[1]}", "right"))
    return [
        {
            "x": math.log10(edge), "y": 1, "xref": "x", "yref": "paper", "text": text, "showarrow": False,
            "xanchor": side, "yanchor": "bottom", "font": {"size": 11, "color": "@text"}, "opacity": 0.75,
            "name": "budget",
        }
        for edge, text, side in labels
    ]  # fmt: skip


def bend(front: Sequence[Trial], x: CostAxis = FLOPS) -> Trial | None:
    """The bend of a front over `x`, where it has one between its ends."""
    middle = knee(front, x.on) if len(front) > 2 else None
    return middle if middle is not None and middle not in (front[0], front[-1]) else None


def _knee_label(front: Sequence[Trial], x: CostAxis) -> list[dict[str, Any]]:
    middle = bend(front, x)
    if middle is None:
        return []
    return [
        {
            "x": math.log10(x.on(middle)), "y": 100 * score(middle), "text": "knee",
            "font": {"size": 12, "color": "@text"}, "showarrow": True, "ax": -26, "ay": -26,
            "arrowhead": 0, "arrowwidth": 1, "arrowcolor": "@text", "standoff": 9,
        }
    ]  # fmt: skip
