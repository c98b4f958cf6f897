"""Importances, accuracy by choice, parallel coordinates."""

from __future__ import annotations

import pytest

from dashboard.charts import space
from nas.analysis.design_choices import Traits, traits_of, varied
from nas.analysis.importance import Cell, Importance
from space import Band
from tests.dashboard.charts.figures import TRIALS, as_plotly

BANDS = [Band(1, 10), Band(10, 100)]


def test_importances_with_what_chance_has() -> None:
    rows = [Importance("kernel", 0.30, 0.10, 0.02, 0.05), Importance("act", 0.05, 0.10, 0.40, 0.05)]
    figure = space.importance_figure(rows)
    as_plotly(figure)
    assert [t["x"] for t in figure["data"]] == [[30, 5], [2, 40], [10, 10]]
    assert space.importance_caption(rows, 60) == (
        "Axes that explain variance of accuracy at equal FLOPs: kernel (30%). Of the variance of log FLOPs, act explains most (40%). "
        "Permutation threshold: 95% for all 4 bars together (Bonferroni). Based on 60 networks, one axis at a time."
    )
    assert space.importance_caption(rows[1:], 60).startswith("No axis explains more")


def test_cells_are_hollow_without_interval_where_too_few() -> None:
    cells = [
        Cell("kernel", "3", BANDS[0], 0.8, 0.02, 9), Cell("kernel", "11", BANDS[0], 0.9, 0.01, 8),
        Cell("kernel", "11", BANDS[1], 0.9, float("inf"), 1),
    ]  # fmt: skip
    figure = space.cells_figure(cells, BANDS)
    as_plotly(figure)
    first, second = figure["data"]
    assert figure["layout"]["xaxis"]["ticktext"] == ["3", "11"], "numbers by size"
    assert (first["y"], first["error_y"]["array"]) == ([80, 90], [2, 1])
    assert (second["marker"]["symbol"], second["error_y"]["array"]) == (["square-open"], [None])
    assert space.cells_caption("kernel", cells, BANDS) == (
        "Mean accuracy by kernel in thirds of the budget (of equal ratio). 1..10 FLOPs: 11 has the highest mean, 90.0% ± 1.0 points; "
        "10..100 FLOPs: too few networks. ±: 95% for all 2 intervals together (Bonferroni)."
    )


def test_parallel_coordinates_have_an_axis_a_choice() -> None:
    designs = [traits_of(t.arch) for t in TRIALS]
    figure = space.coordinates_figure(TRIALS, designs, varied(designs))
    assert figure["layout"]["paper_bgcolor"] == "@back", "a ground for tick labels, which lines cross"
    as_plotly(figure)
    dimensions = {d["label"]: d for d in figure["data"][0]["dimensions"]}
    assert dimensions["top-1, %"]["values"] == pytest.approx([96.7, 94, 93, 90]), "the best first"
    assert dimensions["block"]["ticktext"] == ["convnext", "modulation", "mixed"]
    assert dimensions["block"]["values"] == [0, 1, 2, 0]
    for label, low, high in (("top-1, %", "90.0", "96.7"), ("FLOPs (log)", "1M", "3.1M")):
        ticks = dimensions[label]["ticktext"]
        assert (ticks[0], ticks[-1], len(ticks)) == (low, high, 5), "its own ends, which plotly then does not write too"
    assert all("tickvals" in dimension for dimension in dimensions.values())
    assert "(4)" in space.coordinates_caption(TRIALS)


def test_an_axis_of_numbers_has_room_for_all_its_ticks() -> None:
    shares = ({"3": 0.5, "7": 0.5}, {"7": 1.0}, {"3": 0.75, "7": 0.25}, {"3": 0.75, "7": 0.25})
    designs: list[Traits] = [{"kernel": each} for each in shares]
    figure = space.coordinates_figure(
        TRIALS, designs, {"kernel": ["3", "7"], "width": [str(8 * i) for i in range(1, 12)]}
    )
    as_plotly(figure)
    kernel, width, *_ = figure["data"][0]["dimensions"]
    assert (kernel["range"], kernel["ticktext"]) == ([3, 7], ["3", "7"]), "no network has kernels of 3 alone"
    assert len(width["tickvals"]) == 1, "of many choices the range of the networks, here one"
