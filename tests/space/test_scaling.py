"""Scalings of widths: whole, in order and on the grid, against a scan over finely spaced scales."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.scaling import Scaling, grown, listed, scaled

GROWTHS = (1.0, 1.25, 1.5, 1.7, 2.0, 2.5, 3.0)
Widths = tuple[int, ...]


def assert_rises(scaling: Scaling) -> None:
    assert len(scaling.scales) == len(scaling.widths)
    assert all(a < b for a, b in pairwise(scaling.scales))
    for below, above in pairwise(scaling.widths):
        assert below != above
        assert all(a <= b for a, b in zip(below, above, strict=True))


def in_order(rows: list[Widths], scaling: Scaling) -> bool:
    """Whether the rows all stand in the scaling, in its order."""
    rest = iter(scaling.widths)
    return all(row in rest for row in rows)


@given(st.sampled_from((1, 4, 8)), st.integers(1, 12), st.integers(0, 20), st.sampled_from(GROWTHS), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_grown_scaling_takes_one_stage_one_step_up_at_a_time(
    step: int, first: int, more: int, growth: float, stages: int
) -> None:
    """From the narrowest row to the widest by single steps: no row can be missing, and none lies off the grid."""
    low, high = first * step, (first + more) * step
    scaling = grown(low, high, step, growth, stages)
    assert_rises(scaling)
    for below, above in pairwise(scaling.widths):
        assert sorted(b - a for a, b in zip(below, above, strict=True)) == [0] * (stages - 1) + [step]
    for row, scale in ((scaling.widths[0], low), (scaling.widths[-1], high)):
        for width, i in zip(row, range(stages), strict=True):
            ideal = Fraction(scale) * Fraction(growth) ** i
            assert abs(width - ideal) <= Fraction(step, 2) + ideal / 10**8
            assert width % step == 0


@pytest.mark.parametrize(("growth", "stages"), [(1.5, 2), (1.7, 3), (2.0, 4), (2.5, 3)])
def test_a_grown_scaling_holds_what_a_scan_finds(growth: float, stages: int) -> None:
    scaling, rows = grown(16, 80, 8, growth, stages), list[Widths]()
    for thousandth in range(16_000, 80_001, 7):  # no scale at which a stage is just between two widths
        exact = [Fraction(thousandth, 1000) * Fraction(growth) ** i / 8 for i in range(stages)]
        row = tuple(int(width + Fraction(1, 2)) * 8 for width in exact)
        assert scaling.widths[scaling.at(thousandth / 1000)] == row or any(
            (w * 2) % 1 < Fraction(1, 10**6) for w in exact
        )
        if not rows or row != rows[-1]:
            rows.append(row)
    assert in_order(rows, scaling)
    assert rows[0] == scaling.widths[0]
    assert len(rows) > len(scaling.widths) * 0.9, "the others hold for less than .007 of the scale"


@given(st.sets(st.integers(1, 400), min_size=1, max_size=12), st.sampled_from(GROWTHS), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_listed_scaling_begins_as_listed_and_rounds_the_rest(widths: set[int], growth: float, stages: int) -> None:
    scaling = listed(tuple(widths), growth, stages)
    assert scaling.scales == tuple(sorted(widths))
    for base, row in zip(sorted(widths), scaling.widths, strict=True):
        assert row[0] == base
        for i, width in enumerate(row[1:], 1):
            eighths = Fraction(base) * Fraction(growth) ** i / 8
            distance = abs(width // 8 - eighths)
            assert width % 8 == 0
            assert distance <= Fraction(1, 2) + Fraction(1, 10**9) or (width == 8 and eighths < 1)
        assert scaling.widths[scaling.at(base)] == row


def test_a_listed_scaling_rounds_half_up() -> None:
    assert listed((12, 20), 1.0, 2).widths == ((12, 16), (20, 24))
    assert listed((1,), 1.0, 3).widths == ((1, 8, 8),)


@given(st.sets(st.integers(1, 200), min_size=1, max_size=6), st.data())
@settings(max_examples=100, deadline=None)
def test_a_scaled_scaling_holds_what_a_scan_finds(choices: set[int], data: st.DataObject) -> None:
    known = sorted(choices)
    relative = tuple(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3)))
    scaling, rows = scaled(tuple(choices), relative), list[Widths]()
    assert_rises(scaling)
    assert set(scaling.widths) <= set(product(known, repeat=len(relative)))
    assert scaling.widths[scaling.at(1.0)] == relative
    for i in range(-400, 401):
        scale = 1.0301**i * 1.00017  # off the points where two choices are equally near
        row = tuple(min(known, key=lambda w, ideal=width * scale: (abs(w - ideal), -w)) for width in relative)  # type: ignore[misc]
        assert scaling.widths[scaling.at(scale)] == row
        if not rows or row != rows[-1]:
            rows.append(row)
    assert in_order(rows, scaling)
    assert rows[0] == scaling.widths[0] == (known[0],) * len(relative)
    assert rows[-1] == scaling.widths[-1] == (known[-1],) * len(relative)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9, unique=True), st.floats(0, 120))
def test_the_rung_at_a_scale_is_the_last_that_begins_by_then(scales: list[float], scale: float) -> None:
    scales.sort()
    scaling = Scaling(tuple(scales), tuple((i + 1,) for i in range(len(scales))))
    begun = [i for i, start in enumerate(scales) if start <= scale]
    assert scaling.at(scale) == max(begun, default=0)


def test_narrow_bands_have_a_rung() -> None:
    """With the first width's multiples alone, rungs around width 96 would lie 17% apart in cost; they lie within 7%."""
    scaling = grown(32, 256, 8, 2.0, 4)
    squares = [sum(w * w * 4 ** (3 - i) for i, w in enumerate(row)) for row in scaling.widths if 80 <= row[0] <= 112]
    assert max(b / a for a, b in pairwise(squares)) < 1.07
