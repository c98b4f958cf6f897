"""Studies over each other: fronts, distributions of accuracy at equal complexity, hypervolume over training cost.

Fronts and distributions are over FLOPs or any other measure that all of the studies have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dashboard.charts.front import score_label
from dashboard.charts.progress import COSTS, growth_layout, growth_line
from dashboard.charts.style import ABOVE, COLOURS, DASHES, SHARE, SYMBOLS, Figure, escape, layout, log_axis, title
from dashboard.number_format import percent
from nas.analysis.comparison import Edf, Growth
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.leads import ONE_RUN
from nas.analysis.multiple_comparisons import VALUES, bonferroni_note
from nas.analysis.pareto import score
from nas.records.trial import Trial

MOST = 6  # studies, for as many colours, symbols and dashes
POINTS = 400  # of an EDF


def fronts_figure(fronts: Mapping[str, Sequence[Trial]], over: CostAxis = FLOPS) -> Figure:
    """The staircase of every study's front over this measure; a colour, symbol and dash each."""
    chart = layout(380)
    ends = [over.on(trial) for front in fronts.values() for trial in front]
    data: list[dict[str, Any]] = []
    for place, (name, front) in enumerate(fronts.items()):
        if not front:
            continue
        x, y = [over.on(t) for t in front], [100 * score(t) for t in front]
        said = [f"trial {t.number}<br>{percent(t.score)} at {over.words(over.on(t))}" for t in front]
        data.append(_step_line(place, name, x, y) | {
            "mode": "lines+markers", "marker": {"symbol": SYMBOLS[place], "size": 9, "color": COLOURS[place]},
            "cliponaxis": False, "text": said, "hovertemplate": f"{escape(name, 60)}, %{{text}}<extra></extra>",
        })  # fmt: skip
    if ends:
        chart["xaxis"] |= log_axis(min(ends), max(ends), over.label)
    chart["yaxis"] |= {"title": title(score_label(trial for front in fronts.values() for trial in front))} | SHARE
    chart["legend"] = ABOVE
    return {"data": data, "layout": chart}


def _step_line(place: int, name: str, x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """Of the study in that place."""
    line = {"shape": "hv", "width": 2, "color": COLOURS[place], "dash": DASHES[place]}
    return {"type": "scatter", "mode": "lines", "name": escape(name, 60), "x": x, "y": y, "line": line}


def fronts_caption(fronts: Mapping[str, Sequence[Trial]], over: CostAxis = FLOPS, ahead: str = "") -> str:
    """Who has the best network at three budgets of equal ratio; then `ahead`, which ends in ONE_RUN itself."""
    known = {name: front for name, front in fronts.items() if front}
    if len(known) < 2:
        return "Fewer than two of these studies have a front."
    low = max(over.on(front[0]) for front in known.values())
    high = max(low, *(over.on(front[-1]) for front in known.values()))
    parts = []
    for limit in dict.fromkeys([low, math.sqrt(low * high), high]):
        at = {name: max(score(t) for t in front if over.on(t) <= limit) for name, front in known.items()}
        most, second = sorted(at.values(), reverse=True)[:2]
        best, points = " and ".join(name for name in at if at[name] == most), 100 * (most - second)
        by = f"{points:.1f} points ahead" if points >= 0.05 else "less than 0.1 points ahead" if points else "level"
        parts.append(f"within {over.said(limit)} {best} ({percent(most)}, {by})")
    where = "" if over is FLOPS else f" over {over.name}"
    said = f"Best{where}: {'; '.join(parts)}. {ahead or ONE_RUN}"
    return f"{said} {over.note}" if over.note else said


def edf_figure(rows: Sequence[Edf], label: str = score_label(())) -> Figure:
    """For every accuracy the share of networks that reach it or less; the farther right, the better the space. Networks
    that failed to train have none: a line begins above them. `label`: what is maximised, of the axis."""
    chart = layout(360)
    data = []
    for place, row in enumerate(rows):
        last = len(row.accuracy) - 1
        kept = np.unique(np.linspace(min(row.failed, last), last, POINTS).astype(int))
        kept = kept[kept >= row.failed]
        x, y = (100 * row.accuracy[kept]).tolist(), (100 * row.share[kept]).tolist()
        data.append(_step_line(place, row.name, x, y) | {
            "name": f"{escape(row.name, 60)} ({row.networks:,})",
            "hovertemplate": f"{escape(row.name, 60)}: %{{y:.0f}}% have at most %{{x:.2f}}%<extra></extra>",
        })  # fmt: skip
    chart["xaxis"] |= {"title": title(label)}
    chart["yaxis"] |= {"title": title("networks with at most that, %"), "range": [0, 101]}
    chart["legend"] = ABOVE
    return {"data": data, "layout": chart}


def edf_caption(rows: Sequence[Edf], stopped: Mapping[str, int], over: CostAxis = FLOPS) -> str:
    """How many networks the lines are of, and what they leave out. `stopped`: trials, by study."""
    counts = {
        f"Networks in the {over.name} that they share": {row.name: row.networks for row in rows},
        "Failed to train, and below all others": {row.name: row.failed for row in rows},
        "Stopped early, and in no line, which looks the better for it": stopped,
    }
    said = {words: [f"{name} {number:,}" for name, number in of.items() if number] for words, of in counts.items()}
    return " ".join(f"{words}: {', '.join(each)}." for words, each in said.items() if each)


def growth_figure(rows: Sequence[Growth], cost: str) -> Figure:
    """Mean hypervolume over cost; a shade is the interval over studies that differ in the seed only."""
    data: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        colour, x = COLOURS[place], row.cost.tolist()
        if row.half is not None:
            high, low = (row.mean + row.half).tolist(), (row.mean - row.half).tolist()
            data.append(
                {
                    "type": "scatter", "mode": "lines", "x": x + x[::-1], "y": high + low[::-1], "fill": "toself",
                    "fillcolor": colour, "opacity": 0.18, "line": {"width": 0}, "hoverinfo": "skip",
                    "showlegend": False,
                }
            )  # fmt: skip
        name = escape(row.name, 60) + ("" if row.studies == 1 else f" ({row.studies} seeds)")
        data.append(growth_line(name, x, row.mean.tolist(), cost, colour, DASHES[place]))
    return {"data": data, "layout": growth_layout(360, cost)}


def growth_caption(rows: Sequence[Growth], cost: str) -> str:
    """What each has reached at the cost that all have spent."""
    if not rows:
        return "None of these studies has a front yet."
    common = min(row.cost[-1] for row in rows)
    parts = []
    for row in rows:
        at = int(np.searchsorted(row.cost, common, side="right")) - 1
        half = "" if row.half is None else f" ± {row.half[at]:.4f}"
        parts.append(f"{row.name} {row.mean[at]:.4f}{half}")
    few = [f"{row.name} {row.studies}" for row in rows if row.half is None]
    none = f" Too few runs for an interval, {VALUES} are needed: {', '.join(few)}." if few else ""
    known = len(rows) - len(few)
    held = f" ±: {bonferroni_note(known, 'studies')}, at each cost by itself." if known else ""
    return f"Hypervolume after {common:,.0f} {COSTS[cost]}: {'; '.join(parts)}.{held}{none}"
