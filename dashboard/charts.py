"""Records -> plotly figures, as plain dicts: pure functions that need neither a browser nor plotly itself.

Colours are Okabe-Ito's. `@text`, `@grid` and `@back` stand for the theme's colours, which only the browser knows.
FLOPs are conv + linear multiply-accumulates, batch 1; accuracies are drawn in percent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dashboard import words
from dashboard.words import MIXES, count, percent, short
from nas.certainty import Network, Networks
from nas.front import Outcome, accuracy, by_network, flops, knee, merged, pareto_front
from nas.trials import Epoch, Trial
from space import Band, Part, compact

Figure = dict[str, Any]
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#7F7F7F"
_COLOURS = (BLUE, VERMILLION, PURPLE, ORANGE, SKY, GREY, GREEN)
_SYMBOLS = ("circle", "square", "triangle-up", "triangle-down", "pentagon", "cross", "diamond")
LOOKS = dict(zip(MIXES, zip(_COLOURS, _SYMBOLS, strict=True), strict=True))
ON_FRONT = 12  # size of a marker, px
BASELINE = "random search's front"
MANY = 1500  # points from which WebGL draws; below, SVG is crisper


def front_figure(
    trials: Sequence[Trial],
    band: Band,
    *,
    selected: int | None = None,
    running: Sequence[Trial] = (),
    found: Networks | None = None,
    beside: Sequence[Trial] = (),
) -> Figure:
    """Every finished network over log FLOPs, at the mean of its seeds; the front as a staircase, with its 95% intervals
    where `found` has them; the budget as a shaded band, the selected ringed.

    Trials in training, whose accuracy is not known yet, are dotted lines at their FLOPs; stopped ones have none and are
    not drawn. `beside` are the members of the baseline's front: a second, quiet staircase.
    """
    points, front = merged(trials), pareto_front(trials)
    kind = "scatter" if len(points) < MANY else "scattergl"
    quiet = {"width": 1.5, "color": GREY, "dash": "dash"}
    data = [_staircase(beside, band, kind) | {"name": BASELINE, "line": {"shape": "hv", **quiet}}] if beside else []
    data += [_staircase(front, band, kind), *_clouds(points, {t.number for t in front}, kind, found)]
    _show_each_kind_once(data)
    ringed = {t.number: group[0].number for group in by_network(trials) for t in group}.get(
        -1 if selected is None else selected
    )
    data += [_ring(trial, kind) for trial in points if trial.number == ringed]
    in_training = [t.flops for t in running if t.flops]
    layout = _layout(410)
    span = _log_range([*map(flops, [*points, *beside]), *in_training, band.high], band)
    layout["xaxis"] |= {
        "type": "log",
        "range": span,
        **_log_ticks(span[1] - span[0]),
        "title": {"text": words.FLOPS, "standoff": 8},
        "tickformat": "~s",
    }
    layout["yaxis"] |= {"title": {"text": "validation top-1, %", "standoff": 8}, "nticks": 8}
    layout["shapes"] = _band_shapes(band) + [_line(x, "rgba(128,128,128,.5)", "dot") for x in in_training]
    layout["annotations"] = _band_labels(band) + _knee_label(front)
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"}
    return {"data": data, "layout": layout}


def front_caption(
    trials: Sequence[Trial], front: Sequence[Trial], found: Networks | None = None, beside: Outcome | None = None
) -> str:
    """The chart in sentences, with its numbers, what its bars are, and the baseline; also its alt text."""
    return " ".join(filter(None, [_front_words(trials, front), _noise_words(found), _baseline_words(beside)]))


def _noise_words(found: Networks | None) -> str:
    if found is None or found.noise is None:
        return ""
    ties = sum(row.tie is not None for row in found.front)
    tied = f" {count(ties, 'member')} of the front cannot be told from the next cheaper one." if ties else ""
    return f"Bars: 95% intervals of the mean over seeds, seed noise pooled ({100 * found.noise.sd:.2f} points).{tied}"


def _baseline_words(beside: Outcome | None) -> str:
    if beside is None:
        return ""
    return (
        f"Dashed: {BASELINE}, {beside.front} of {count(beside.networks, 'network')}, hypervolume "
        f"{beside.hypervolume:.3f}, after {beside.epochs:,} epochs and {beside.seconds:,.0f} s of training."
    )


def _front_words(trials: Sequence[Trial], front: Sequence[Trial]) -> str:
    finished = len(by_network(trials))
    if not front:
        return f"No finished network yet, of {count(len(trials), 'trial')}."
    best = front[-1]
    reaches = f"reaches {percent(best.accuracy)} at {compact(flops(best))} FLOPs"
    if finished == 1:
        return f"1 network finished, alone on the front: it {reaches}."
    if len(front) == 1:
        return f"1 of {finished:,} networks is on the front: it {reaches}."
    bend = _knee(front)
    last = "" if bend is None else f"; at the knee, {percent(bend.accuracy)} at {compact(flops(bend))}"
    return f"{len(front):,} of {finished:,} networks are on the front: the best {reaches}{last}."


def curve_figure(epochs: Sequence[Epoch]) -> Figure:
    """Validation accuracy in percent above, mean training loss below, by epoch."""
    layout = _layout(300)
    x = [e.epoch for e in epochs]
    panels = (("accuracy", [100 * e.accuracy for e in epochs], BLUE), ("loss", [e.loss for e in epochs], VERMILLION))
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": _finite(y), "yaxis": axis,
            "line": {"color": colour, "width": 2}, "marker": {"size": 5 if len(x) > 1 else 9}, "showlegend": False,
            "hovertemplate": f"epoch %{{x}}<br>{name} %{{y:.4g}}<extra></extra>",
        }
        for (name, y, colour), axis in zip(panels, ("y", "y2"), strict=True)
    ]  # fmt: skip
    layout["yaxis"] |= {"domain": [0.56, 1], "title": {"text": "top-1, %"}, "nticks": 5}
    layout["yaxis2"] = layout["yaxis"] | {"domain": [0, 0.44], "title": {"text": "loss"}, "anchor": "x"}
    layout["xaxis"] |= {
        "title": {"text": "epoch", "standoff": 6},
        "anchor": "y2",
        "tick0": 1,
        "dtick": -(-len(x) // 10) or 1,
    }
    return {"data": data, "layout": layout}


def curve_caption(epochs: Sequence[Epoch]) -> str:
    """The curve in a sentence."""
    last, top = epochs[-1], max(epochs, key=lambda e: e.accuracy)
    return (
        f"After {count(len(epochs), 'epoch')} and {last.seconds:.1f} s: {percent(last.accuracy)}, training loss "
        f"{last.loss:.3g}; highest {percent(top.accuracy)} in epoch {top.epoch}."
    )


def parts_figure(parts: Sequence[Part]) -> Figure:
    """FLOPs and parameters of each part of a network, in percent of the whole."""
    layout = _layout(300)
    totals = {"FLOPs": [part.cost.flops for part in parts], "parameters": [part.cost.params for part in parts]}
    data = [
        {
            "type": "bar", "name": name, "x": [part.name for part in parts], "y": shares(values), "customdata": values,
            "marker": {"color": colour},
            "hovertemplate": f"%{{x}}: %{{y:.1f}}% of {name}, %{{customdata:,}}<extra></extra>",
        }
        for (name, values), colour in zip(totals.items(), (BLUE, PURPLE), strict=True)
    ]  # fmt: skip
    layout["yaxis"] |= {"title": {"text": "% of the network"}, "rangemode": "tozero", "nticks": 5}
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    return {"data": data, "layout": layout | {"bargap": 0.3, "bargroupgap": 0.08}}


def parts_caption(parts: Sequence[Part]) -> str:
    """Where the FLOPs are, in a sentence."""
    part, share = max(zip(parts, shares([p.cost.flops for p in parts]), strict=True), key=lambda pair: pair[1])
    return f"{part.name.capitalize()} takes {share:.0f}% of the FLOPs."


def shares(values: Sequence[int]) -> list[float]:
    """Each value in percent of their sum."""
    total = sum(values) or 1
    return [100 * value / total for value in values]


def hover(trial: Trial, row: Network | None = None) -> str:
    """A trial's design in a few lines, escaped for plotly; with what its network's seeds tell, if there are any."""
    head = "<br>".join([f"<b>trial {trial.number}</b>  {percent(trial.accuracy, 2)}", *seed_lines(row)])
    cost = f"{short(trial.flops)} FLOPs, {short(trial.params)} parameters"
    return "<br>".join([head, cost, *(words.escape(words.stage_line(stage), 90) for stage in words.stages(trial)[:8])])


def seed_lines(row: Network | None) -> list[str]:
    """`mean of 3 seeds, 95% interval 92.10% to 93.90%`, `on the front with probability 58%`; none without repeats."""
    if row is None or row.interval is None or row.probability is None:
        return []
    low, high = (percent(end, 2) for end in row.interval)
    tie = "" if row.tie is None else f", a tie with trial {row.tie}"
    seeds = "1 seed" if row.seeds == 1 else f"mean of {row.seeds} seeds"
    return [f"{seeds}, 95% interval {low} to {high}", f"on the front with probability {row.probability:.0%}{tie}"]


def brief_hover(trial: Trial, row: Network | None = None) -> str:
    """The same in short lines, for charts of thousands: `c3x64k7` is 3 ConvNeXt blocks 64 wide, kernel 7."""
    rows = (
        f"{str(s.get('block'))[:1]}{s.get('depth')}x{s.get('width')}" + (f"k{s['kernel']}" if "kernel" in s else "")
        for s in words.stages(trial)
    )
    head = f"<b>trial {trial.number}</b>  {percent(trial.accuracy, 2)}"
    return "<br>".join([head, *seed_lines(row), words.escape(" ".join(rows), 90)])


def _staircase(front: Sequence[Trial], band: Band, kind: str) -> dict[str, Any]:
    """The best accuracy for at most so many FLOPs; it goes on to the band's end."""
    x, y = [flops(t) for t in front], [100 * accuracy(t) for t in front]
    if front and x[-1] < band.high:
        x, y = [*x, band.high], [*y, y[-1]]
    return {
        "type": kind, "mode": "lines", "name": "front", "x": x, "y": y, "hoverinfo": "skip",
        "line": {"shape": "hv", "width": 2, "color": "@text"},
    }  # fmt: skip


def _clouds(points: Sequence[Trial], front: set[int], kind: str, found: Networks | None = None) -> list[dict[str, Any]]:
    """Two traces per kind of network, those off and those on the front: colour and symbol say which kind, size and
    outline which place. Single values and not one per point, so that ten thousand points stay quick."""
    groups: dict[tuple[bool, str], list[Trial]] = {(on, name): [] for on in (False, True) for name in MIXES}
    for trial in points:
        groups[trial.number in front, words.mix(trial)].append(trial)
    label = hover if len(points) < MANY else brief_hover
    rows = found.rows if found else {}
    clouds = [
        _cloud(name, on, group, kind, lambda trial: label(trial, rows.get(trial.number)))
        for (on, name), group in groups.items()
        if group
    ]
    for cloud in clouds:
        if found and found.noise and cloud["marker"]["size"] == ON_FRONT:
            half = [100 * found.noise.half_width(rows[number].seeds) for number in cloud["customdata"]]
            cloud["error_y"] = {
                "type": "data",
                "array": half,
                "color": cloud["marker"]["color"],
                "thickness": 1.2,
                "width": 4,
            }
    return clouds


def _cloud(name: str, on: bool, group: Sequence[Trial], kind: str, label: Callable[[Trial], str]) -> dict[str, Any]:
    colour, symbol = LOOKS[name]
    return {
        "type": kind,
        "mode": "markers",
        "name": name,
        "legendgroup": name,
        "x": [flops(trial) for trial in group],
        "y": [round(100 * accuracy(trial), 4) for trial in group],
        "customdata": [trial.number for trial in group],
        "text": [label(trial) for trial in group],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": colour, "symbol": symbol, "size": ON_FRONT if on else 7}
        | ({"line": {"color": "@text", "width": 1.5}} if on else {"opacity": 0.6}),
    }


def _show_each_kind_once(data: list[dict[str, Any]]) -> None:
    """In the legend: by its trace off the front, if it has one."""
    seen: set[str] = set()
    for trace in data:
        if group := trace.get("legendgroup"):
            trace["showlegend"] = group not in seen
            seen.add(group)


def _ring(trial: Trial, kind: str) -> dict[str, Any]:
    return {
        "type": kind, "mode": "markers", "name": f"trial {trial.number}", "hoverinfo": "skip", "showlegend": False,
        "x": [flops(trial)], "y": [100 * accuracy(trial)],
        "marker": {"symbol": "circle-open", "size": 24, "color": "@text", "line": {"width": 2.5}},
    }  # fmt: skip


def _log_ticks(decades: float) -> dict[str, Any]:
    """Ticks that do not run into each other: as plotly likes within a decade, then at 1, 2, 5, then at powers of 10."""
    if decades < 1:
        return {"nticks": 8}
    return {"dtick": "D2" if decades < 2.5 else 1}


def _log_range(values: Iterable[float], band: Band) -> list[float]:
    """Of a log axis: all values, and the band where its lower end is meant (`..4M` begins at 1)."""
    found = list(values)
    low = min(found) if band.low < min(found) / 1000 else min(*found, band.low)
    margin = 0.04 * max(math.log10(max(found) / low), 0.25)
    return [math.log10(low) - margin, math.log10(max(found)) + margin]


def _band_shapes(band: Band) -> list[dict[str, Any]]:
    area = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": band.low, "x1": band.high, "y0": 0, "y1": 1,
        "layer": "below", "fillcolor": "rgba(0,114,178,.07)", "line": {"width": 0},
    }  # fmt: skip
    return [area, *(_line(edge, "rgba(0,114,178,.55)", "dash") for edge in (band.low, band.high))]


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


def _knee(front: Sequence[Trial]) -> Trial | None:
    """The front's bend, where it has one between its ends."""
    bend = knee(front) if len(front) > 2 else None
    return bend if bend is not None and bend not in (front[0], front[-1]) else None


def _knee_label(front: Sequence[Trial]) -> list[dict[str, Any]]:
    bend = _knee(front)
    if bend is None:
        return []
    return [
        {
            "x": math.log10(flops(bend)), "y": 100 * accuracy(bend), "text": "knee",
            "font": {"size": 12, "color": "@text"}, "showarrow": True, "ax": -26, "ay": -26,
            "arrowhead": 0, "arrowwidth": 1, "arrowcolor": "@text", "standoff": 9,
        }
    ]  # fmt: skip


def _finite(values: Iterable[float]) -> list[float | None]:
    """JSON has no nan: a diverged loss is a gap."""
    return [value if math.isfinite(value) else None for value in values]


def _layout(height: int) -> dict[str, Any]:
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
