"""What steps between two networks do: an order's path through the cloud of all other networks, each step's gain, one
step in every context, and how steps change each other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from dashboard.charts.style import ABOVE, BLUE, COLOURS, GREY, VERMILLION, Figure, escape, layout, title
from nas.analysis.multiple_comparisons import bonferroni_note
from nas.analysis.step_effects import GREEDY, StepAnswers, contexts_of
from nas.analysis.wording import signed
from space.factorial import along

LONGEST = 28  # letters of a step's name
FEW = 16  # contexts, which are dots; of more a histogram
MOST = 1500  # networks of the cloud that are drawn


def walk_figure(answers: StepAnswers, order: Sequence[int]) -> Figure:
    """The paper's figure 2 with what it leaves out: accuracies along an order, in front of every trained network, which
    lies at the number of steps that it has taken."""
    rows, model = along(tuple(order)), answers.model
    names = [answers.names[i] for i in order]
    path = [100 * each for each in model.accuracy(rows).tolist()]
    fill = BLUE if model.whole else "@back"
    return _with_cloud(
        answers, len(rows), ["start", *names], [_line(f"this order, {_way(answers)}", path, names, BLUE, fill)]
    )


def paths_figure(answers: StepAnswers) -> Figure:
    """The given orders, network by network, as measured; a step that is not trained yet is left out."""
    orders, most = answers.steps.design.orders, 1 + len(answers.names)
    lines = []
    for place, order in enumerate(orders):
        path = [answers.model.measured.get(row) for row in along(order)]
        words = [answers.names[i] for i in order]
        name = "this order" if len(orders) == 1 else f"order {place + 1}"
        colour = COLOURS[place % len(COLOURS)]
        lines.append(_line(name, [each and 100 * each for each in path], words, colour, colour))
    names = [answers.names[i] for i in orders[0]] if len(orders) == 1 else [f"step {i}" for i in range(1, most)]
    return _with_cloud(answers, most, ["start", *names], lines)


def paths_caption(answers: StepAnswers) -> str:
    """Where each order starts and ends."""
    orders, measured = answers.steps.design.orders, answers.model.measured
    said = []
    for place, order in enumerate(orders, 1):
        way = [measured[row] for row in along(order) if row in measured]
        if len(way) == len(order) + 1:
            said.append(f"Order {place}: from {way[0]:.2%} to {way[-1]:.2%}.")
        else:
            said.append(f"Order {place}: {len(way)} of {len(order) + 1} networks are trained.")
    return f"{' '.join(said)} Networks as measured; given orders alone tell no effects of steps."


def _line(name: str, path: Sequence[float | None], words: Sequence[str], colour: str, fill: str) -> dict[str, Any]:
    """An order's networks from the top down."""
    return {
        "type": "scatter", "mode": "lines+markers", "name": name, "x": list(path), "y": list(range(len(path))),
        "line": {"color": colour, "width": 2},
        "marker": {"size": 11, "color": fill, "line": {"color": colour, "width": 2}},
        "text": ["start", *(f"+ {escape(word, LONGEST)}" for word in words)],
        "hovertemplate": "%{text}: %{x:.2f}%<extra></extra>",
    }  # fmt: skip


def _with_cloud(answers: StepAnswers, rows: int, names: Sequence[str], lines: list[dict[str, Any]]) -> Figure:
    """Lines over so many rows, in front of every trained network."""
    rng = random.Random(0)
    cloud = list(answers.model.networks.values())
    drawn = cloud if len(cloud) <= MOST else rng.sample(cloud, MOST)
    chart = layout(150 + 30 * rows)
    chart["xaxis"] |= {"title": title("top-1 validation accuracy, %")}
    chart["yaxis"] |= {
        "tickvals": list(range(rows)), "ticktext": [escape(name, LONGEST) for name in names],
        "range": [rows - 0.4, -0.6], "showgrid": False,
    }  # fmt: skip
    chart["legend"] = ABOVE
    networks = {
        "type": "scatter", "mode": "markers", "name": f"all {len(cloud):,} networks by steps taken, measured",
        "x": [100 * each.accuracy for each in drawn],
        "y": [sum(each.row) + rng.uniform(-0.3, 0.3) for each in drawn],
        "marker": {"color": GREY, "size": 6, "opacity": 0.45},
        "text": [escape(answers.steps.words(each.row), 300) for each in drawn],
        "customdata": [each.trial for each in drawn],
        "hovertemplate": "trial %{customdata}, %{x:.2f}%<br>%{text}<extra></extra>",
    }  # fmt: skip
    return {"data": [networks, *lines], "layout": chart}


def walk_caption(answers: StepAnswers, name: str, order: Sequence[int]) -> str:
    """Where the order starts and ends, and whether it is special."""
    found = answers.order(order, chosen=name == GREEDY)
    first, last = found.accuracies[0], found.accuracies[-1]
    said = f"From {first:.2%} to {last:.2%} ({_way(answers)}): {found.sentence}."
    if answers.model.whole:
        return said
    return (
        f"{said} The line is the model's, fitted to all networks; dots are as measured, so that a network's own need "
        "not lie on it."
    )


def _way(answers: StepAnswers) -> str:
    """What an order's values are: the model's unless every set of steps is trained."""
    return "measured" if answers.model.whole else "fitted by the model"


def effects_figure(answers: StepAnswers) -> Figure:
    """Each step's mean gain with its interval, in front of the range of its gains over 90% of contexts."""
    names = [escape(step.name, LONGEST) for step in answers.effects]
    gains = [100 * step.gain.value for step in answers.effects]
    halves = [100 * (step.gain.half or 0) for step in answers.effects]
    ends = [[100 * end for end in step.range] for step in answers.effects]
    chart = layout(110 + 30 * len(names))
    chart["xaxis"] |= {"title": title("gain, points of accuracy"), "zeroline": True, "zerolinecolor": "@text"}
    chart["yaxis"] |= {"autorange": "reversed", "showgrid": False}
    chart["legend"] = ABOVE
    return {"data": [
        {
            "type": "bar", "orientation": "h", "name": "90% of contexts", "y": names,
            "base": [low for low, _ in ends], "x": [high - low for low, high in ends],
            "marker": {"color": GREY, "opacity": 0.35}, "width": 0.5, "hoverinfo": "skip",
        },
        {
            "type": "scatter", "mode": "markers", "name": "mean gain, 95%", "y": names, "x": gains,
            "error_x": {"type": "data", "array": halves, "color": BLUE, "thickness": 2},
            "marker": {"size": 10, "color": [BLUE if step.gain.told else "@back" for step in answers.effects],
                       "line": {"color": BLUE, "width": 2}},
            "customdata": list(range(len(names))),
            "text": [f"{escape(step.before, 60)} to {escape(step.after, 60)}" for step in answers.effects],
            "hovertemplate": "%{y}: %{x:+.2f} points<br>%{text}<extra></extra>",
        },
    ], "layout": chart}  # fmt: skip


def effects_caption(answers: StepAnswers) -> str:
    """Which steps gain, which lose, and which are not told."""
    ranked = sorted(answers.effects, key=lambda step: -step.gain.value)
    told = [(f"{step.name} {signed(100 * step.gain.value, 1)}", step.gain.value) for step in ranked if step.gain.told]
    gain, lose = ([words for words, value in told if (value > 0) == up] for up in (True, False))
    left = [step.name for step in ranked if not step.gain.told]
    parts = [f"Gain on average: {', '.join(gain) or 'none'}.", f"Lose: {', '.join(lose) or 'none'}."]
    parts += [f"Not told from nothing (hollow): {', '.join(left)}."] if left else []
    return f"{' '.join(parts)} {bonferroni_note(answers.statements, 'effects and pairs of steps')}."


def contexts_figure(answers: StepAnswers, place: int) -> Figure:
    """One step's gain in every set of the other steps, apart by the step that changes it most."""
    step, partner, split = _split(answers, place)
    other, chart = escape(partner, LONGEST), layout(260)
    chart["xaxis"] |= {"title": title(f"gain of {escape(step.name, LONGEST)}, points"), "zeroline": True,
                       "zerolinecolor": "@text"}  # fmt: skip
    chart["legend"] = ABOVE
    if len(step.contexts) <= FEW:
        chart["yaxis"] |= {"showgrid": False, "range": [-0.6, 1.6]}
        dots = [
            {
                "type": "scatter", "mode": "markers", "x": (100 * step.contexts[chosen]).tolist(), "name": name,
                "y": [name] * int(chosen.sum()), "marker": {"color": colour, "size": 11},
                "hovertemplate": "%{x:+.2f} points<extra></extra>",
            }
            for name, chosen, colour in ((f"without {other}", ~split, VERMILLION), (f"with {other}", split, BLUE))
        ]  # fmt: skip
        return {"data": dots, "layout": chart}
    chart["yaxis"] |= {"title": title("contexts")}
    chart["barmode"] = "overlay"
    data: list[dict[str, Any]] = [
        {
            "type": "histogram", "x": (100 * step.contexts[chosen]).tolist(), "name": name, "opacity": 0.6,
            "nbinsx": 40, "marker": {"color": colour}, "hovertemplate": "%{y} contexts at %{x}<extra></extra>",
        }
        for name, chosen, colour in ((f"without {other}", ~split, VERMILLION), (f"with {other}", split, BLUE))
    ]  # fmt: skip
    return {"data": data, "layout": chart}


def contexts_caption(answers: StepAnswers, place: int) -> str:
    """In how many contexts it gains, and what changes it most."""
    step, partner, split = _split(answers, place)
    way = "as measured" if answers.model.whole else "by the model of effects and pairs"
    apart = [f"{signed(100 * float(step.contexts[chosen].mean()), 2)} {word} it" for word, chosen in
             (("without", ~split), ("with", split))]  # fmt: skip
    level = bonferroni_note(answers.statements, "effects and pairs of steps")
    alone = "" if answers.model.by_model else ", of seeds alone"
    held = "" if step.gain.half is None else f" ±: {level}{alone}."
    return (
        f"{step.name} ({step.before} to {step.after}) gains in {step.helps:.0%} of {len(step.contexts):,} contexts "
        f"({way}), {step.gain.points} points on average. {partner} changes it most: {' and '.join(apart)}.{held}"
    )


def _split(answers: StepAnswers, place: int) -> tuple[Any, str, Any]:
    """A step's effect, its strongest partner, and in which of its contexts that is taken."""
    step = answers.effects[place]
    pair = next(each for each in answers.interactions if step.name in (each.first, each.second))
    partner = pair.second if pair.first == step.name else pair.first
    other = answers.names.index(partner)
    rows = np.array(contexts_of(len(answers.names)), dtype=bool)
    return step, partner, rows[:, other - (other > place)]


def pairs_figure(answers: StepAnswers) -> Figure:
    """How many points more (blue) or less (red) the step of a row gains where that of the column is taken; full colour
    at the farthest end of an interval, so that what is not told is pale."""
    names = [escape(name, LONGEST) for name in answers.names]
    places = {name: i for i, name in enumerate(answers.names)}
    z: list[list[float | None]] = [[None] * len(names) for _ in names]
    text = [[""] * len(names) for _ in names]
    for pair in answers.interactions:
        i, j = places[pair.first], places[pair.second]
        for row, column in ((i, j), (j, i)):
            z[row][column] = 100 * pair.change.value
            text[row][column] = signed(100 * pair.change.value, 1) + ("*" if pair.change.told else "")
    most = 100 * max(abs(pair.change.value) + (pair.change.half or 0) for pair in answers.interactions)
    chart = layout(160 + 30 * len(names))
    ticks = {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False}
    chart["xaxis"] |= {**ticks, "tickangle": -40}
    chart["yaxis"] |= {**ticks, "autorange": "reversed"}
    data = {
        "type": "heatmap", "z": z, "x": list(range(len(names))), "y": list(range(len(names))), "zmin": -most,
        "zmax": most, "colorscale": [[0, VERMILLION], [0.5, "@back"], [1, BLUE]], "showscale": False, "text": text,
        "texttemplate": "%{text}", "xgap": 1, "ygap": 1,
        "hovertemplate": "%{y} where %{x} is taken: %{z:+.2f} points<extra></extra>",
    }  # fmt: skip
    return {"data": [data], "layout": chart}


def pairs_caption(answers: StepAnswers) -> str:
    """Which pairs are told."""
    told = [pair for pair in answers.interactions if pair.change.told]
    many = f"{len(told)} of {len(answers.interactions)} pairs of steps are told from nothing (*)"
    words = [f"{p.first} with {p.second} {signed(100 * p.change.value, 1)}" for p in told[:3]]
    said = f"{many}{': ' if words else ''}{', '.join(words)}."
    return f"{said} In a cell: points more or less that the step of the row gains where that of the column is taken."
