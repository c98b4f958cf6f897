"""Trials to draw, and plotly's own check of a figure."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

from dashboard.charts.style import Figure
from nas.records.trial import Trial


def trial(number: int, accuracy: float, flops: int, blocks: tuple[str, ...] = ("convnext",), **rest: Any) -> Trial:
    stages = [
        {"block": b, "depth": 2, "width": 64, "kernel": 7, "expansion": 4.0, "norm": "ln", "act": "gelu"}
        for b in blocks
    ]
    plain = {"state": "complete", "params": 1000, "arch": {"stages": stages}}
    return Trial(number=number, accuracy=accuracy, flops=flops, **(plain | rest))  # type: ignore[arg-type]


TRIALS = [
    trial(0, 0.90, 1_000_000),
    trial(1, 0.94, 1_500_000, ("modulation",)),
    trial(2, 0.93, 3_000_000, ("convnext", "modulation")),
    trial(3, 0.967, 3_100_000),
]


def as_plotly(figure: Figure) -> go.Figure:
    """The figure as plotly checks it, the theme's colours put in as the browser does."""
    text = json.dumps(figure, allow_nan=False)
    return go.Figure(json.loads(text.replace("@text", "black").replace("@grid", "gray").replace("@back", "white")))
