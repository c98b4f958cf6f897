"""Several studies over each other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dashboard.charts import compare
from dashboard.pages.compare import methods
from nas.analysis.comparison import Edf, Growth
from tests.dashboard.charts.figures import TRIALS, as_plotly
from tests.dashboard.studies import HOSTILE, make_settings


def test_fronts_edfs_and_growth_of_several_studies() -> None:
    fronts: Any = {"one": TRIALS[:2], HOSTILE: TRIALS[3:], "none": []}
    figure = compare.fronts_figure(fronts)
    as_plotly(figure)
    assert "<img" not in json.dumps(figure)
    assert len(figure["data"]) == 2
    told = compare.fronts_caption(fronts)
    assert told.startswith(f"Best: within 3.1M FLOPs {HOSTILE} (96.70%, 2.7 points ahead)")
    assert compare.fronts_caption({"one": TRIALS}).startswith("Fewer than two")
    rows = [
        Edf("one", np.array([0.5, 0.6]), np.array([0.5, 1.0]), 2),
        Edf(HOSTILE, np.array([0.7]), np.array([1.0]), 1),
    ]
    as_plotly(compare.edf_figure(rows))
    assert "<img" not in json.dumps(compare.edf_figure(rows))
    shared = f"Networks in the FLOPs that they share: one 2, {HOSTILE} 1."
    assert compare.edf_caption(rows, {"one": 0}) == shared
    lost = replace(rows[0], accuracy=np.array([-np.inf, 0.6]))
    assert compare.edf_caption([lost, rows[1]], {"one": 0, HOSTILE: 1_234}) == (
        f"{shared} Failed to train, and below all others: one 1. "
        f"Stopped early, and in no line, which looks the better for it: {HOSTILE} 1,234."
    )
    level = {"one": TRIALS[:2], "two": [replace(TRIALS[1], accuracy=0.9396)]}
    told = compare.fronts_caption(level)
    assert "one (94.00%, less than 0.1 points ahead)" in told
    assert "one and two (94.00%, level)" in compare.fronts_caption({"one": TRIALS[:2], "two": TRIALS[1:2]})
    ahead = "Two is ahead. One run each: seeds may tell otherwise."
    assert compare.fronts_caption(level, ahead=ahead).count("otherwise") == 1
    cost = np.array([0.0, 10.0, 20.0])
    rows_of_growth = [
        Growth("one", cost, cost / 40, None, 1),
        Growth("five", cost[:2], cost[:2] / 20, cost[:2] / 100, 5),
    ]
    figure = compare.growth_figure(rows_of_growth, "images")
    as_plotly(figure)
    assert figure["data"][1]["y"] == pytest.approx([0, 0.6, 0.4, 0])
    assert compare.growth_caption(rows_of_growth, "images") == (
        "Hypervolume after 10 training images: one 0.2500; five 0.5000 ± 0.1000. ±: 95%, at each cost by itself. "
        "Too few runs for an interval, 5 are needed: one 1."
    )
    assert compare.growth_caption([], "images") == "None of these studies has a front yet."


def test_studies_that_differ_in_the_seed_only_are_one_method() -> None:
    settings = {
        "a": make_settings("a", seed=0),
        "b": make_settings("b", seed=1),
        "c": make_settings("c", sampler="random"),
    }
    assert methods(settings) == {"tpe: a, b": ["a", "b"], "c": ["c"]}
