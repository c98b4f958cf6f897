"""What a network takes pictures for: the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.charts.style import Figure, escape, layout, title
from dashboard.number_format import count, percent
from nas.export.predictions import Scores

WRITTEN = 25  # classes up to which counts are written into the cells
TICKED = 60  # classes up to which each has its name on the axes
LONGEST = 30  # letters of it


def confusion_figure(scores: Scores, classes: Sequence[str]) -> Figure:
    """A row per class of the pictures, a column per answer; coloured by the share of the row."""
    few = len(classes) <= TICKED
    places: list[Any] = list(range(len(classes))) if few else [escape(name) for name in classes]
    ticks = {"tickvals": places, "ticktext": [escape(name, LONGEST) for name in classes]} if few else {}
    counts, totals = scores.confusion.tolist(), scores.confusion.sum(axis=1, keepdims=True).clip(1)
    chart = layout(min(1400, 160 + 28 * len(classes)))
    axis = {"type": "linear" if few else "category", "showgrid": False, **ticks}
    chart["xaxis"] |= {"title": title("taken for"), **axis}
    chart["yaxis"] |= {"title": title("is"), "autorange": "reversed", **axis}
    data = {
        "type": "heatmap", "x": places, "y": places, "z": (scores.confusion / totals).tolist(), "zmin": 0, "zmax": 1,
        "colorscale": [[0, "@back"], [1, "#0072B2"]], "showscale": False, "customdata": counts,
        "hovertemplate": "%{y} taken for %{x}: %{customdata}, %{z:.1%} of the row<extra></extra>", "xgap": 1, "ygap": 1,
    }  # fmt: skip
    if len(classes) <= WRITTEN:
        data |= {"text": [[str(n) if n else "" for n in row] for row in counts], "texttemplate": "%{text}"}
    return {"data": [data], "layout": chart}


def confusion_caption(scores: Scores, classes: Sequence[str]) -> str:
    """Accuracy, and the class that goes wrong most."""
    accuracies = [(each, name) for each, name in zip(scores.counts.by_class, classes, strict=True) if each is not None]
    worst, name = min(accuracies)
    return (
        f"Accuracy {percent(scores.counts.accuracy)} (top-1, n = {scores.images:,}), balanced accuracy "
        f"{percent(scores.counts.balanced)} (mean over {count(len(accuracies), 'class', 'classes')}); lowest: "
        f"{name}, {percent(worst)}."
    )
