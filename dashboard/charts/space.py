"""Which choices of a space matter: importances, accuracy by choice, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dashboard.charts.style import (
    ABOVE,
    BLUE,
    GREEN,
    PURPLE,
    SCALE,
    SHARE,
    VERMILLION,
    Figure,
    escape,
    hatched,
    layout,
    title,
)
from dashboard.number_format import count, short
from nas.analysis.design_choices import Shares, Traits, in_order, is_numeric, number, one_word
from nas.analysis.importance import FEWEST, Cell, Importance
from nas.analysis.multiple_comparisons import bonferroni_note
from nas.analysis.pareto import flops, score
from nas.records.scores import SHORT, WORDS, Metric
from nas.records.trial import Trial
from space import Band

MOST = 1500  # lines of parallel coordinates, the most accurate


def importance_figure(rows: Sequence[Importance], metric: Metric = "accuracy") -> Figure:
    """Bars per axis: share of the variance of accuracy, or what else is maximised, at equal FLOPs, and of log FLOPs,
    explained; ticks: the permutation threshold of the former."""
    chart = layout(110 + 44 * len(rows))
    names = [escape(row.axis, 40) for row in rows]
    chart |= {"barmode": "group", "bargap": 0.35, "bargroupgap": 0.1, "legend": ABOVE}
    data = [
        _importance_bars(f"{WORDS[metric]} at equal FLOPs", BLUE, "", names, [row.accuracy for row in rows]),
        _importance_bars("log FLOPs", PURPLE, "/", names, [row.flops for row in rows]),
        {
            "type": "scatter", "mode": "markers", "name": f"permutation threshold ({WORDS[metric]})", "y": names,
            "x": [100 * row.accuracy_chance for row in rows], "hoverinfo": "skip",
            "marker": {"symbol": "line-ns-open", "size": 18, "color": "@text", "line": {"width": 2}},
        },
    ]  # fmt: skip
    chart["xaxis"] |= {"title": title("explained variance, %"), "rangemode": "tozero"}
    chart["yaxis"] |= {"categoryorder": "array", "categoryarray": names[::-1], "showgrid": False, "fixedrange": True}
    return {"data": data, "layout": chart}


def _importance_bars(name: str, colour: str, hatch: str, names: list[str], shares: list[float]) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "name": name, "y": names, "x": [100 * share for share in shares],
        "marker": {"color": colour, "pattern": hatched(hatch)},
        "hovertemplate": f"%{{y}}: %{{x:.1f}}% of the variance of {name}<extra></extra>",
    }  # fmt: skip


def importance_caption(rows: Sequence[Importance], networks: int, metric: Metric = "accuracy") -> str:
    """Which axes matter beyond chance, in words, or that there are too few networks."""
    if networks < FEWEST:
        return f"Importance needs {FEWEST} networks or more; this study has {networks}."
    known = [row for row in rows if row.matters]
    based = (
        f"Permutation threshold: {bonferroni_note(2 * len(rows), 'bars')}. Based on {count(networks, 'network')}, one "
        "axis at a time."
    )
    if not known:
        return f"No axis explains more variance of {WORDS[metric]} at equal FLOPs than expected by chance. {based}"
    top = ", ".join(f"{row.axis} ({100 * row.accuracy:.0f}%)" for row in known[:4])
    size = max(rows, key=lambda row: row.flops)
    costs = f" Of the variance of log FLOPs, {size.axis} explains most ({100 * size.flops:.0f}%)." if size.sizes else ""
    return f"Axes that explain variance of {WORDS[metric]} at equal FLOPs: {top}.{costs} {based}"


def cells_figure(cells: Sequence[Cell], bands: Sequence[Band], metric: Metric = "accuracy") -> Figure:
    """Mean accuracy of each choice with its interval, a colour and symbol a FLOPs band; hollow: too few."""
    chart = layout(340)
    choices = list(dict.fromkeys(sorted((cell.choice for cell in cells), key=in_order)))
    looks = ((BLUE, "circle"), (VERMILLION, "square"), (GREEN, "diamond"))
    data = []
    for place, (band, (colour, symbol)) in enumerate(zip(bands, looks, strict=False)):
        rows = [cell for cell in cells if cell.band == band]
        if rows:
            data.append(_points(rows, choices, 0.16 * (place - 1), str(band), colour, symbol))
    chart["xaxis"] |= {
        "tickvals": list(range(len(choices))), "ticktext": [escape(word, 24) for word in choices],
        "range": [-0.6, len(choices) - 0.4], "showgrid": False,
    }  # fmt: skip
    chart["yaxis"] |= {"title": title(f"mean validation {SHORT[metric]}, %"), "nticks": 7} | SHARE
    chart["legend"] = ABOVE | {"title": {"text": "FLOPs "}}
    return {"data": data, "layout": chart}


def _points(
    rows: Sequence[Cell], choices: Sequence[str], shift: float, name: str, colour: str, symbol: str
) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [choices.index(cell.choice) + shift for cell in rows],
        "y": [100 * cell.mean for cell in rows],
        "error_y": {
            "type": "data", "array": [None if cell.too_few else 100 * cell.half for cell in rows],
            "thickness": 1.4, "width": 4, "color": colour,
        },
        "marker": {
            "color": colour, "size": 10, "symbol": [f"{symbol}-open" if cell.too_few else symbol for cell in rows],
        },
        "text": [_said(cell) for cell in rows], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _said(cell: Cell) -> str:
    spread = "too few for an interval" if cell.too_few else f"± {100 * cell.half:.2f}"
    many = f"effective number of networks: {cell.networks:.1f}"
    return f"{escape(cell.choice, 40)}, {cell.band} FLOPs<br>{100 * cell.mean:.2f}% {spread}<br>{many}"


def cells_caption(axis: str, cells: Sequence[Cell], bands: Sequence[Band], metric: Metric = "accuracy") -> str:
    """The choice with the highest mean in each band, and those whose intervals overlap with its own."""
    parts = []
    for band in bands:
        known = sorted((c for c in cells if c.band == band and not c.too_few), key=lambda c: -c.mean)
        few = sum(c.band == band and c.too_few for c in cells)
        if not known:
            parts.append(f"{band} FLOPs: too few networks")
            continue
        best = known[0]
        near = [c.choice for c in known[1:] if c.mean + c.half >= best.mean - best.half]
        also = f", intervals overlap with {', '.join(near)}" if near else ""
        alone = ", the only choice with enough networks" if len(known) == 1 else ""
        rest = f" ({count(few, 'choice')} with too few)" if few else ""
        parts.append(
            f"{band} FLOPs: {best.choice} has the highest mean, {100 * best.mean:.1f}% ± {100 * best.half:.1f} points"
            f"{also}{alone}{rest}"
        )
    many = sum(not cell.too_few for cell in cells)
    held = f" ±: {bonferroni_note(many, 'intervals')}." if many else ""
    return f"Mean {WORDS[metric]} by {axis} in thirds of the budget (of equal ratio). {'; '.join(parts)}.{held}"


def coordinates_figure(trials: Sequence[Trial], designs: Sequence[Traits], axes: dict[str, list[str]]) -> Figure:
    """A line a network through its choices, FLOPs and accuracy, its colour the accuracy. Drag along an axis to
    see some only."""
    order = sorted(range(len(trials)), key=lambda i: -score(trials[i]))[:MOST]
    best = [100 * score(trials[i]) for i in order]
    dimensions = [
        _dimension(axis, choices, [designs[i].get(axis, {}) for i in order]) for axis, choices in axes.items()
    ]
    dimensions.append(_log_dimension([flops(trials[i]) for i in order]))
    dimensions.append({"label": f"{SHORT[trials[0].metric]}, %", "values": best} | _even(best, "{:.1f}".format))
    chart = layout(420) | {"margin": {"l": 70, "r": 70, "t": 60, "b": 24}}
    chart["paper_bgcolor"] = "@back"  # plotly's ground of tick labels, which lines cross
    for axis in ("xaxis", "yaxis"):
        del chart[axis]
    return {
        "data": [
            {
                "type": "parcoords", "dimensions": dimensions, "labelfont": {"color": "@text", "size": 13},
                "tickfont": {"color": "@text", "size": 11}, "rangefont": {"color": "@text", "size": 11},
                "line": {"color": best, "colorscale": SCALE, "showscale": False},
                "unselected": {"line": {"color": "#7F7F7F", "opacity": 0.08}},
            }
        ],
        "layout": chart,
    }  # fmt: skip


def _dimension(axis: str, choices: list[str], shares: Sequence[Shares]) -> dict[str, Any]:
    if is_numeric(choices):
        values = [number(share) or 0.0 for share in shares]
        if len(choices) > 8:
            return {"label": axis, "values": values} | _even(values, "{:.3g}".format)
        ticks = [float(word) for word in choices]
        ends = [min(*values, *ticks), max(*values, *ticks)]  # else ticks that no mean reaches lie off the axis
        return {"label": axis, "values": values, "tickvals": ticks, "ticktext": choices, "range": ends}
    known = list(dict.fromkeys([*choices, *(one_word(share) for share in shares)]))
    values = [known.index(one_word(share)) for share in shares]
    return {"label": axis, "values": values, "tickvals": list(range(len(known))), "ticktext": known,
            "range": [-0.2, max(len(known) - 0.8, 0.2)]}  # fmt: skip


def _log_dimension(values: Sequence[int]) -> dict[str, Any]:
    logs = [math.log10(value) for value in values]
    return {"label": "FLOPs (log)", "values": logs} | _even(logs, lambda tick: short(round(10**tick)))


def _even(values: Sequence[float], words: Callable[[float], str]) -> dict[str, Any]:
    """Ticks from the lowest value to the highest; plotly's own run into the two ends, which it writes beside them."""
    low, high = min(values), max(values)
    ticks = [low + (high - low) * i / 4 for i in range(5)] if high > low else [low]
    return {"tickvals": ticks, "ticktext": [words(tick) for tick in ticks]}


def coordinates_caption(trials: Sequence[Trial]) -> str:
    shown = f"the {MOST:,} most accurate of {len(trials):,}" if len(trials) > MOST else f"{len(trials):,}"
    return (
        f"One line per network, at the mean {WORDS[trials[0].metric]} of its seeds ({shown}). "
        "The redder (if dark, yellower) a line, the more accurate. "
        "Where stages differ, a numeric axis shows the mean over blocks and a categorical one shows 'mixed'. "
        "Drag along an axis to select a range, or a label to move the axis."
    )
