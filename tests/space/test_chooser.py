"""RandomChooser: uniform over choices, log-uniform over a band, and the same on every machine."""

from __future__ import annotations

import math
import random
from collections import Counter
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.axes import Axis
from space.chooser import RandomChooser

AXIS = Axis("kernel", (3, 5, 7, 9))


def seeded(seed: int = 0, log_density: float | None = 0.0) -> RandomChooser:
    return RandomChooser(random.Random(seed), log_density)


def test_choices_are_uniform_and_noted() -> None:
    chooser = seeded()
    counts = Counter(chooser.choice("kernel", AXIS) for _ in range(4000))
    assert set(counts) == {3, 5, 7, 9}
    assert all(abs(count - 1000) < 4 * (1000 * 0.75) ** 0.5 for count in counts.values())
    assert chooser.log_density == pytest.approx(-4000 * math.log(4))


def test_a_choice_among_some_is_uniform_over_them_and_left_to_the_caller_to_note() -> None:
    chooser, allowed = seeded(), (5, 9, 7)
    counts = Counter(allowed[chooser.choice_within("kernel", AXIS, allowed)] for _ in range(3000))
    assert all(abs(counts[value] - 1000) < 4 * (1000 * 2 / 3) ** 0.5 for value in allowed)
    assert chooser.weights(AXIS, allowed) == [1 / 3] * 3
    assert chooser.log_density == 0
    chooser.note(0.25)
    chooser.note(0.5)
    assert chooser.log_density == pytest.approx(math.log(0.125))


def test_a_density_that_is_not_asked_for_is_not_noted() -> None:
    chooser = seeded(log_density=None)
    chooser.choice("kernel", AXIS)
    chooser.note(0.5)
    assert chooser.log_density is None


@given(st.integers(0, 10**6), st.integers(1, 10**15), st.integers(1, 10**15))
def test_a_number_of_a_band_is_in_it_at_its_part_in_log(seed: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    drawn, part = seeded(seed).log_uniform("flops", low, high), random.Random(seed).random()
    assert low * (1 - 1e-14) <= drawn <= high * (1 + 1e-14)
    assert drawn == pytest.approx(low * (high / low) ** part, rel=1e-12)


def test_numbers_of_a_band_are_uniform_in_log() -> None:
    chooser = seeded()
    parts = sorted(math.log(chooser.log_uniform("flops", 1e6, 1e8)) / math.log(100) - 3 for _ in range(2000))
    assert max(abs(part - (i + 0.5) / 2000) for i, part in enumerate(parts)) < 0.036, "Kolmogorov's bound of 1 in 100"


@pytest.mark.parametrize(("low", "high"), [(1e6, 4e6), (3, 7), (85_512, 2_360_670_000), (4.2275e9, 4.6725e9)])
def test_numbers_are_those_of_many_digits(low: float, high: float) -> None:
    """They do not hang on a machine's exp and log: 60 digits, rounded once, are the same or a float's last bit away."""
    exactly = Context(prec=60)
    for seed in range(200):
        start, end = exactly.ln(Decimal(low)), exactly.ln(Decimal(high))
        exact = exactly.exp(start + Decimal(random.Random(seed).random()) * (end - start))
        drawn = seeded(seed).log_uniform("flops", low, high)
        assert float(exact) in (drawn, math.nextafter(drawn, 0), math.nextafter(drawn, math.inf))


def test_a_seed_gives_these_numbers_on_every_machine() -> None:
    chooser = seeded(7)
    assert [chooser.choice("kernel", AXIS) for _ in range(8)] == [5, 3, 7, 3, 7, 5, 3, 7]
    assert [chooser.log_uniform("flops", 1e6, 4e6) for _ in range(3)] == [
        1053354.6961336588,
        1824234.7170841107,
        1101684.28814175,
    ]
    assert chooser.log_uniform("flops", 5, 5) == 5
