"""The charts of Progress, Space and Compare, checked against plotly's schema and the numbers put in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from dashboard import compare_charts, progress_charts, space_charts
from dashboard.compare_page import methods
from dashboard.progress_page import duration, losses
from nas.compare import Distance, Edf, Growth
from nas.course import Span, Step
from nas.design import traits, varied
from nas.importance import Cell, Importance
from nas.trials import Trial
from space import Band
from tests.dashboard.studies import make_settings
from tests.dashboard.test_charts import TRIALS, as_plotly

HOSTILE = "<img src=x onerror=alert(1)>"
STEPS = [Step(i, 10 * (i + 1), float(i), i / 2, volume, 0.5) for i, volume in enumerate([0.0, 0.4, 0.4, 0.6, 0.6])]
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
BANDS = [Band(1, 10), Band(10, 100)]


def test_growth_begins_with_a_front_and_keeps_where_it_rises() -> None:
    figure = progress_charts.growth_figure(STEPS, "epochs", STEPS[:3])
    as_plotly(figure)
    own, random = figure["data"]
    assert (own["x"], own["y"]) == ([20, 40, 50], [0.4, 0.6, 0.6])
    assert (random["line"]["dash"], random["x"]) == ("dash", [20, 30])
    told = progress_charts.growth_caption(STEPS, STEPS[:3])
    assert told == (
        "Hypervolume 0.6000 after 50 epochs; 99% of it stood after 40, and it rose last with trial 3, after 40. "
        "Random search's 0.4000 after 30 epochs was reached after 20."
    )
    assert progress_charts.growth_caption(STEPS[:3], STEPS).endswith("0.6000 after 50 epochs has not been reached.")
    assert progress_charts.growth_caption([]).startswith("No front yet")
    assert progress_charts.growth_caption(STEPS[1:2]).startswith("Hypervolume 0.4000 after 20 epochs")


def test_timeline_has_a_row_a_worker_and_a_bar_a_trial() -> None:
    spans = [
        Span(0, "a:1", "complete", BEGUN, BEGUN + timedelta(seconds=60)),
        Span(1, "b:2", "stopped", BEGUN, BEGUN + timedelta(seconds=30)),
        Span(2, "b:2", "running", BEGUN + timedelta(seconds=30), BEGUN + timedelta(seconds=60)),
    ]
    figure = progress_charts.timeline_figure(spans)
    as_plotly(figure)
    bars = {t["name"]: t for t in figure["data"]}
    assert bars["complete"]["x"] == [60_000]
    assert bars["running"]["base"] == [(BEGUN + timedelta(seconds=30)).isoformat()]
    assert len({t["marker"]["pattern"]["shape"] for t in figure["data"]}) == 3, "not colours alone"
    told = progress_charts.timeline_caption(spans)
    assert told == "2 workers, at work 100% of the time: 1 complete, 1 stopped, 1 running."
    assert progress_charts.timeline_caption([]) == "No worker is on record."
    assert progress_charts.timeline_caption(spans * 200).endswith("The latest 500 are drawn.")


def test_losses_and_times_in_words() -> None:
    trials = (Trial(number=0, state="stopped", epochs=2), Trial(number=1, state="stopped", epochs=2),
              Trial(number=2, state="stopped", epochs=4), Trial(number=3, state="failed"))  # fmt: skip
    assert losses(trials) == [
        "Stopped early: 2 after epoch 2, 1 after epoch 4.", "Failed: 1 trial; the page Trials has the reasons.",
    ]  # fmt: skip
    assert losses(()) == ["Nothing was stopped, and nothing failed."]
    for seconds, words in ((5, "5 s"), (600, "10 min"), (12_000, "3 h 20 min"), (400_000, "4 days")):
        assert duration(timedelta(seconds=seconds)) == words


def test_importances_with_what_chance_has() -> None:
    rows = [Importance("kernel", 0.30, 0.10, 0.02, 0.05), Importance("act", 0.05, 0.10, 0.40, 0.05)]
    figure = space_charts.importance_figure(rows)
    as_plotly(figure)
    assert [t["x"] for t in figure["data"]] == [[30, 5], [2, 40], [10, 10]]
    assert space_charts.importance_caption(rows, 60) == (
        "At equal FLOPs accuracy follows kernel 30% of its variance. FLOPs follow act most (40%). "
        "Chance: 95% for all 4 bars together (Bonferroni). Based on 60 networks, one axis at a time."
    )
    assert space_charts.importance_caption(rows[1:], 60).startswith("No axis explains more")


def test_cells_are_hollow_without_interval_where_too_few() -> None:
    cells = [
        Cell("kernel", "3", BANDS[0], 0.8, 0.02, 9), Cell("kernel", "11", BANDS[0], 0.9, 0.01, 8),
        Cell("kernel", "11", BANDS[1], 0.9, float("inf"), 1),
    ]  # fmt: skip
    figure = space_charts.cells_figure(cells, BANDS)
    as_plotly(figure)
    first, second = figure["data"]
    assert figure["layout"]["xaxis"]["ticktext"] == ["3", "11"], "numbers by size"
    assert (first["y"], first["error_y"]["array"]) == ([80, 90], [2, 1])
    assert (second["marker"]["symbol"], second["error_y"]["array"]) == (["square-open"], [None])
    assert space_charts.cells_caption("kernel", cells, BANDS) == (
        "Mean accuracy by kernel in parts of the budget. 1..10: 11 highest with 90.0 ± 1.0%; "
        "10..100: too few networks to say. ±: 95% for all 2 intervals together (Bonferroni)."
    )


def test_parallel_coordinates_have_an_axis_a_choice() -> None:
    designs = [traits(t) for t in TRIALS]
    figure = space_charts.coordinates_figure(TRIALS, designs, varied(designs))
    as_plotly(figure)
    dimensions = {d["label"]: d for d in figure["data"][0]["dimensions"]}
    assert dimensions["top-1, %"]["values"] == pytest.approx([96.7, 94, 93, 90]), "the best first"
    assert dimensions["block"]["ticktext"] == ["convnext", "modulation", "mixed"]
    assert dimensions["block"]["values"] == [0, 1, 2, 0]
    assert "(4)" in space_charts.coordinates_caption(TRIALS)


def test_fronts_edfs_and_growth_of_several_studies() -> None:
    fronts: Any = {"one": TRIALS[:2], HOSTILE: TRIALS[3:], "none": []}
    figure = compare_charts.fronts_figure(fronts)
    as_plotly(figure)
    assert "<img" not in json.dumps(figure)
    assert len(figure["data"]) == 2
    told = compare_charts.fronts_caption(fronts)
    assert told.startswith(f"Best: up to 3.1M FLOPs {HOSTILE} (96.7%, 2.7 points ahead)")
    assert compare_charts.fronts_caption({"one": TRIALS}).startswith("Fewer than two")
    rows = [
        Edf("one", np.array([0.5, 0.6]), np.array([0.5, 1.0]), 2),
        Edf(HOSTILE, np.array([0.7]), np.array([1.0]), 1),
    ]
    as_plotly(compare_charts.edf_figure(rows))
    assert "<img" not in json.dumps(compare_charts.edf_figure(rows))
    assert compare_charts.edf_caption(rows, [Distance("one", "two", 0.5, 0.004)]) == (
        "At equal FLOPs one and two are 0.50 apart (Kolmogorov-Smirnov; p < 0.01). "
        f"Networks in the FLOPs that they share: one 2, {HOSTILE} 1."
    )
    three = [Distance("one", "two", 0.5, 0.03), Distance("one", "six", 0.4, 0.2), Distance("two", "six", 0.1, 1.0)]
    assert "p 1.00). p: of 3 pairs together (Bonferroni). Networks" in compare_charts.edf_caption(rows, three)
    level = {"one": TRIALS[:2], "two": [replace(TRIALS[1], accuracy=0.9396)]}
    told = compare_charts.fronts_caption(level)
    assert "one (94.0%, less than 0.1 points ahead)" in told
    assert "one (94.0%, level)" in compare_charts.fronts_caption({"one": TRIALS[:2], "two": TRIALS[1:2]})
    cost = np.array([0.0, 10.0, 20.0])
    rows_of_growth = [
        Growth("one", cost, cost / 40, None, 1),
        Growth("five", cost[:2], cost[:2] / 20, cost[:2] / 100, 5),
    ]
    figure = compare_charts.growth_figure(rows_of_growth, "epochs")
    as_plotly(figure)
    assert figure["data"][1]["y"] == pytest.approx([0, 0.6, 0.4, 0])
    assert compare_charts.growth_caption(rows_of_growth, "epochs") == (
        "Hypervolume after 10 epochs trained: one 0.2500; five 0.5000 ± 0.1000. ±: 95%, at each cost by itself. "
        "Too few runs for an interval, 5 are needed: one 1."
    )
    assert compare_charts.growth_caption([], "epochs") == "None of these studies has a front yet."


def test_studies_that_differ_in_the_seed_only_are_one_method() -> None:
    settings = {
        "a": make_settings("a", seed=0),
        "b": make_settings("b", seed=1),
        "c": make_settings("c", sampler="random"),
    }
    assert methods(settings) == {"tpe: a, b": ["a", "b"], "c": ["c"]}
