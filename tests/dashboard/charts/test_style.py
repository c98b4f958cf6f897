"""Axes that charts share."""

from __future__ import annotations

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pytest

from dashboard.charts.style import layout, log_axis, plotly_figure


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(5e5, 5e6, "~s"), (0.06, 0.24, "~g"), (0.5, 30.0, "~g"), (2.0, 9.0, "~s")]
)
def test_ticks_below_one_are_not_said_in_thousandths(low: float, high: float, ticks: str) -> None:
    """0.08 ms as plotly's `~s` is `80m`, which reads as 80 ms."""
    made = go.layout.XAxis(log_axis(low, high, "ms"))
    assert made.tickformat == ticks
    assert 10 ** made.range[0] < low < high < 10 ** made.range[1]


@pytest.mark.parametrize("word", ["1.5k", "20k", "500k"])
def test_thousands_are_said_with_the_letter_that_all_else_has(word: str) -> None:
    made = go.layout.XAxis(log_axis(2e5, 4e6, "FLOPs"))
    assert made.labelalias[word] == word.upper()
    assert go.layout.XAxis(log_axis(2e6, 4e6, "FLOPs")).labelalias is None, "no thousands on it: the figure stays small"


def test_captions_have_room_over_the_chart() -> None:
    """plotly writes a title in 1.4 times the chart's letters, and lines of it 1.3 times as high as those."""
    figure = plotly_figure({"data": [], "layout": layout(300)}, "name", "words " * 200)
    lines = 1 + figure.layout.title.text.count("<br>")
    assert lines > 10
    assert figure.layout.margin.t > 14 + lines * 1.3 * 1.4 * figure.layout.font.size
    assert figure.layout.height - figure.layout.margin.t > 400
