"""The learning curve of one training."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.charts.style import BLUE, VERMILLION, Figure, finite, layout
from dashboard.number_format import count, percent
from nas.records.trial import Epoch


def curve_figure(epochs: Sequence[Epoch]) -> Figure:
    """Validation accuracy in percent above, mean training loss below, by epoch."""
    chart = layout(300)
    x = [e.epoch for e in epochs]
    panels = (("accuracy", [100 * e.accuracy for e in epochs], BLUE), ("loss", [e.loss for e in epochs], VERMILLION))
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": finite(y), "yaxis": axis,
            "line": {"color": colour, "width": 2}, "marker": {"size": 5 if len(x) > 1 else 9}, "showlegend": False,
            "hovertemplate": f"epoch %{{x}}<br>{name} %{{y:.4g}}<extra></extra>",
        }
        for (name, y, colour), axis in zip(panels, ("y", "y2"), strict=True)
    ]  # fmt: skip
    chart["yaxis"] |= {"domain": [0.56, 1], "title": {"text": "top-1, %"}, "nticks": 5}
    chart["yaxis2"] = chart["yaxis"] | {"domain": [0, 0.44], "title": {"text": "loss"}, "anchor": "x"}
    chart["xaxis"] |= {
        "title": {"text": "epoch", "standoff": 6},
        "anchor": "y2",
        "tick0": 1,
        "dtick": -(-len(x) // 10) or 1,
    }
    return {"data": data, "layout": chart}


def curve_caption(epochs: Sequence[Epoch]) -> str:
    """The curve in a sentence."""
    last, top = epochs[-1], max(epochs, key=lambda e: e.accuracy)
    return (
        f"After {count(len(epochs), 'epoch')} and {last.seconds:.1f} s: {percent(last.accuracy)}, training loss "
        f"{last.loss:.3g}; highest {percent(top.accuracy)} in epoch {top.epoch}. Of this training's one seed."
    )
