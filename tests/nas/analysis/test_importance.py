"""Importance and means by choice, against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import f  # type: ignore[import-untyped]
from scipy.stats import t as student

from nas.analysis.design_choices import Traits
from nas.analysis.importance import FEWEST, cells, importances, thirds
from space import Band


def design(**axes: Any) -> Traits:
    return {name: {str(value): 1.0} for name, value in axes.items()}


def test_importance_is_the_adjusted_part_of_the_variance_at_equal_flops() -> None:
    """A balanced design: norm moves accuracy by +-2, act by +-1, noise by +-1; FLOPs move it too, and stem moves FLOPs.

    Everything is orthogonal: sums of squares are 4, 1 and 1 per network once FLOPs' part is out.
    """
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1], [-1, 1], [-1, 1])).reshape(
        5, -1
    )  # norm, act, noise, stem, log FLOPs
    norm, act, noise, stem, size = signs
    flops = np.exp(2.0 * stem + size + 14)
    accuracy = 0.02 * norm + 0.01 * act + 0.01 * noise + 0.05 * (2 * stem + size)
    rows = [design(norm=n, act=a, **{"stem.stride": s}) for n, a, s in zip(norm, act, stem, strict=True)]
    found = {row.axis: row for row in importances(rows, accuracy, flops)}

    def adjusted(part: float, base: int, columns: int) -> float:
        free = 32 - base
        return 1 - (1 - part) * free / (free - columns)

    assert list(found) == ["norm", "act", "stem.stride"]
    assert found["norm"].accuracy == pytest.approx(adjusted(4 / 6, 3, 1))
    assert found["act"].accuracy == pytest.approx(adjusted(1 / 6, 3, 1))
    assert found["stem.stride"].accuracy == pytest.approx(0, abs=1e-9), "FLOPs alone explain what it does"
    assert found["stem.stride"].flops == pytest.approx(adjusted(4 / 5, 1, 1))
    assert found["norm"].flops == 0
    assert found["norm"].matters
    assert not found["stem.stride"].matters
    fisher = f.ppf(1 - 0.05 / 6, 1, 28)  # of 32 networks; 3 axes, each on accuracy and on FLOPs
    expected = adjusted(fisher / (fisher + 28), 3, 1)
    assert found["norm"].accuracy_chance == pytest.approx(expected, rel=0.15)


def test_too_few_networks_have_no_importance() -> None:
    rows = [design(norm=i % 2) for i in range(FEWEST - 1)]
    assert importances(rows, np.linspace(0, 1, len(rows)), np.full(len(rows), 1e6)) == []


def test_chance_alone_is_rarely_said_to_matter() -> None:
    """A study of 15 axes without any effect says so of one in 5% of all cases; each at 95% by itself, in 78%."""
    wrong = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        rows = [design(**{f"a{i}": rng.integers(3) for i in range(15)}) for _ in range(40)]
        found = importances(rows, rng.normal(size=40), np.exp(rng.normal(size=40)))
        wrong += any(row.matters or row.sizes for row in found)
    assert wrong <= 4


def test_an_axis_of_many_numbers_may_bend() -> None:
    widths = np.arange(1, 41)
    rows = [design(width=w) for w in widths]
    accuracy = -((np.log(widths) - 2) ** 2)
    (found,) = importances(rows, accuracy, np.tile([1e6, 2e6, 3e6, 4e6], 10))
    assert found.accuracy > 0.9


def test_means_by_choice_with_students_interval_in_bands_of_flops() -> None:
    rows = [design(norm=word) for word in ("ln", "ln", "ln", "bn", "ln", "bn", *["ln"] * 2, *["bn"] * 5)]
    accuracy = np.array([0.80, 0.84, 0.85, 0.9, 0.7, 0.6, 0.81, 0.82, 0.5, 0.6, 0.7, 0.8, 0.9])
    flops = np.array([1, 1.5, 1.9, 1.2, 3, 4, *[1.1] * 7]) * 1e6
    bands = [Band(1_000_000, 2_000_000), Band(2_000_000, 4_000_000)]
    found = {(c.choice, c.band.low): c for c in cells("norm", ["bn", "ln"], rows, accuracy, flops, bands)}
    five, inside = found["ln", 1_000_000], accuracy[[0, 1, 2, 6, 7]]
    assert five.mean == pytest.approx(inside.mean())
    both = student.ppf(1 - 0.025 / 2, 4)  # this interval and that of bn hold together
    assert five.half == pytest.approx(both * np.std(inside, ddof=1) / math.sqrt(5), rel=1e-3)
    assert five.networks == pytest.approx(5)
    assert not five.too_few
    few = found["bn", 2_000_000]
    assert few.mean == pytest.approx(0.6), "the upper end belongs to the last band"
    assert few.too_few
    assert math.isinf(few.half)
    assert len(found) == 4


def test_a_network_counts_by_its_share_of_blocks() -> None:
    rows: list[Traits] = [{"kernel": {"3": 0.25, "7": 0.75}}, {"kernel": {"3": 1.0}}]
    found = {
        c.choice: c
        for c in cells("kernel", ["3", "7"], rows, np.array([0.5, 0.7]), np.array([1e6, 1e6]), [Band(1, 10**7)])
    }
    assert found["3"].mean == pytest.approx((0.25 * 0.5 + 0.7) / 1.25)
    assert found["3"].networks == pytest.approx(1.25**2 / (0.25**2 + 1))
    assert found["7"].networks == pytest.approx(1)


def test_the_budget_in_parts_of_equal_ratio() -> None:
    assert thirds(Band(1_000_000, 8_000_000), np.array([1e6])) == [
        Band(1_000_000, 2_000_000), Band(2_000_000, 4_000_000), Band(4_000_000, 8_000_000),
    ]  # fmt: skip
    assert thirds(Band(1, 8000), np.array([1000.0]))[0].low == 1000


@pytest.mark.parametrize("high", [1_009_000, 1_020_000])  # in three digits: beyond the band, and two equal edges
def test_a_narrow_budget_has_parts_of_equal_ratio_too(high: int) -> None:
    found = thirds(Band(1_006_000, high), np.array([1_007_000.0]))
    assert [found[0].low, found[-1].high] == [1_006_000, high]
    assert [band.high / band.low for band in found] == pytest.approx([(high / 1_006_000) ** (1 / 3)] * 3, rel=1e-6)
