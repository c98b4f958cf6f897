"""The best of so many networks of two spaces."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dashboard.charts.compare import edf_figure
from dashboard.charts.spaces import best_of_caption, best_of_figure, shares_caption
from nas.analysis.comparison import Sample
from nas.analysis.space_comparison import SpaceComparison, compare_samples
from space import Band
from tests.dashboard.charts.figures import as_plotly
from tests.dashboard.studies import HOSTILE


def compared(networks: int) -> SpaceComparison:
    rng = np.random.default_rng(0)
    flops = 2e6 * 2 ** rng.uniform(size=(2, networks))
    one, other = rng.normal(0.5, 0.02, networks), rng.normal(0.55, 0.02, networks)
    return compare_samples(Sample("one", one, flops[0]), Sample(HOSTILE, other, flops[1]), Band(2_000_000, 4_000_000))


def test_the_best_of_so_many_is_drawn_with_its_interval() -> None:
    found = compared(40)
    figure = best_of_figure(found)
    as_plotly(figure)
    assert "<img" not in json.dumps(figure)
    shade, line = figure["data"][:2]
    assert line["x"] == list(range(1, 11)), "up to a quarter of the networks"
    assert line["y"] == pytest.approx(100 * found.one.best)
    assert shade["x"] == [1, 2, 3, 4, 4, 3, 2, 1], "an interval up to a tenth"
    assert shade["y"][:4] == pytest.approx(100 * found.one.high)
    assert len({each["line"]["color"] for each in figure["data"]}) == 2


def test_a_line_begins_above_the_networks_that_failed_to_train() -> None:
    flops = np.full(10, 3e6)
    half, none = (Sample("half", np.array([-np.inf] * 5 + [0.5, 0.6, 0.7, 0.8, 0.9]), flops),
                  Sample("none", np.full(10, -np.inf), flops))  # fmt: skip
    found = compare_samples(half, none, Band(2_000_000, 4_000_000))
    figure = edf_figure([found.one.edf, found.other.edf])
    as_plotly(figure)
    assert figure["data"][0]["x"] == pytest.approx([50, 60, 70, 80, 90])
    assert figure["data"][0]["y"] == pytest.approx([60, 70, 80, 90, 100])
    assert figure["data"][1]["x"] == []
    as_plotly(best_of_figure(found))


def test_the_sentences_say_what_the_charts_show() -> None:
    found = compared(40)
    best = found.other.best_of(10)
    assert best
    assert f"of the best of 10 one {found.one.best[9]:.2%}, {HOSTILE} {best.value:.2%}." in best_of_caption(found)
    assert "of 20" not in best_of_caption(found)
    said = shares_caption(found)
    assert said.startswith(
        f"At equal FLOPs {found.one.ahead.value:.0%} of the networks of one are above the median of "
    )
    assert f"{found.other.ahead.value:.0%} of those of {HOSTILE} above that of one. Networks: 40 and 40." in said
