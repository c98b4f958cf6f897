"""Distributions at equal complexity and hypervolume over cost, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, t  # type: ignore[import-untyped]

from nas.analysis.comparison import Sample, edf, equal_complexity, gaps, growth, growths
from nas.analysis.history import Step


def sample(name: str, rows: list[tuple[float, float]]) -> Sample:
    accuracy, flops = np.array(rows, dtype=float).reshape(-1, 2).T
    return Sample(name, accuracy, flops)


def test_each_bin_has_the_same_weight_in_every_study() -> None:
    one = sample("one", [(0.5, 1.0), (0.6, 1.0), (0.7, 1.0), (0.9, 2.0)])  # three small, one large
    other = sample("other", [(0.6, 1.0), (0.8, 2.0), (0.9, 2.0), (0.99, 9.0)])  # the last lies outside
    first, second = equal_complexity([one, other], bins=2)
    assert list(first.weight) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert list(second.weight) == pytest.approx([1 / 2, 1 / 4, 1 / 4])
    curve = edf(first)
    assert list(curve.accuracy) == [0.5, 0.6, 0.7, 0.9]
    assert list(curve.share) == pytest.approx([1 / 6, 1 / 3, 1 / 2, 1])
    assert curve.networks == 4


def test_a_bin_that_one_study_has_nothing_in_is_left_out() -> None:
    one = sample("one", [(0.5, 1.0), (0.6, 4.0), (0.7, 16.0)])
    other = sample("other", [(0.5, 1.0), (0.7, 16.0)])
    first, _ = equal_complexity([one, other], bins=3)
    assert list(first.sample.accuracy) == [0.5, 0.7]
    assert equal_complexity([sample("a", [(0.5, 1.0)]), sample("b", [(0.5, 2.0)])]) == []
    assert equal_complexity([sample("a", []), one]) == []


def test_the_larger_gap_is_kolmogorovs_and_smirnovs() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 0.1, 60), rng.normal(0.58, 0.1, 40)
    one, other = equal_complexity([sample("x", [(a, 1.0) for a in x]), sample("y", [(a, 1.0) for a in y])])
    found, known = gaps(one, other, rng), ks_2samp(x, y)
    assert found.other_ahead > found.one_ahead
    assert found.other_ahead == pytest.approx(known.statistic)
    assert found.p(found.other_ahead) == pytest.approx(known.pvalue, rel=0.5, abs=0.01)


def test_ties_are_one_step() -> None:
    one, other = equal_complexity([sample("x", [(0.5, 1.0)] * 3), sample("y", [(0.5, 1.0)] * 2)])
    found = gaps(one, other, np.random.default_rng(0))
    assert found.one_ahead == pytest.approx(0)
    assert found.other_ahead == pytest.approx(0)
    assert found.p(0.0) == 1


def test_growth_is_the_mean_over_seeds_with_students_interval() -> None:
    def steps(*volumes: float) -> list[Step]:
        return [Step(i, 10 * (i + 1), 0.0, None, volume, None) for i, volume in enumerate(volumes)]

    ends = (0.3, 0.5, 0.4, 0.35, 0.45)
    found = growth("five", [steps(end - 0.2, end) for end in ends], "images")
    assert found is not None
    assert found.half is not None
    assert (found.cost[0], found.cost[-1], found.mean[0]) == (0, 20, 0)
    assert found.mean[-1] == pytest.approx(0.4)
    assert found.mean[60] == pytest.approx(0.2), "what was reached at 12 images"
    plain = np.std(ends, ddof=1) / np.sqrt(5)
    assert found.half[-1] == pytest.approx(t.ppf(0.975, 4) * plain, rel=1e-3)
    four = growth("four", [steps(end) for end in ends[:4]], "images")
    assert four is not None
    assert (four.half, four.studies) == (None, 4), "too few for an interval"
    methods = {"one": [steps(end) for end in ends], "other": [steps(end) for end in ends], "few": [steps(0.1)]}
    for row in growths(methods, "images")[:2]:
        assert row.half is not None
        assert row.half[-1] == pytest.approx(t.ppf(1 - 0.025 / 2, 4) * plain, rel=1e-3), "both hold together"
    alone = growth("one", [steps(0.1, 0.3)], "images")
    assert alone is not None
    assert (list(alone.cost), list(alone.mean), alone.half) == ([0, 10, 20], [0, 0.1, 0.3], None)
    assert growth("none", [[]], "images") is None
    assert growth("no clock", [steps(0.1)], "clock") is None
