"""Band and Budget: what people write, what is refused, and how numbers are shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space import Band, Budget, InputError, compact
from space.budget import parse_count

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("1M..4M", 1_000_000, 4_000_000),
        ("..4M", 1, 4_000_000),
        ("0..4M", 1, 4_000_000),
        ("0.4..5", 1, 5),
        ("1m..2g", 1_000_000, 2_000_000_000),
        (" 1.5k .. 2 g ", 1_500, 2_000_000_000),
        (" .. 4 M", 1, 4_000_000),
        ("7..7", 7, 7),
        ("0.5T..1T", 500_000_000_000, 1_000_000_000_000),
        ("4455531264..4455531264", 4_455_531_264, 4_455_531_264),
    ],
)
def test_bands_as_people_write_them(text: str, low: int, high: int) -> None:
    assert Band.parse(text) == Band(low, high)


@pytest.mark.parametrize(
    "text",
    ["..", "lots..", "1M...4M", "1M-4M", "1..2..3", "-1M..4M", "1e6", "1M..1e9", "4X", "4MM", "1,5M", "9" * 400],
)
def test_what_is_not_a_band_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        Band.parse(text)
    assert str(refusal.value) == f"flops must be a band of numbers with K, M or G, got {text}; write e.g. 1M..4M"


@pytest.mark.parametrize("text", ["", " "])
def test_a_band_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        Band.parse(text)
    assert str(refusal.value) == "flops must be a band of numbers with K, M or G, got nothing; write e.g. 1M..4M"


@pytest.mark.parametrize(("text", "told"), [("1M..", "1M..4M"), ("250k ..", "250k..1M")])
def test_a_band_without_an_upper_end_is_refused_with_one(text: str, told: str) -> None:
    with pytest.raises(InputError) as refusal:
        Band.parse(text)
    assert str(refusal.value) == f"flops must have an upper end, got {text}; write e.g. {told}"


@pytest.mark.parametrize("text", ["4M..1M", "..0", "0..0", "1..0.4"])
def test_a_band_that_does_not_rise_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        Band.parse(text)
    assert str(refusal.value) == f"flops must rise from low to high, got {text}; write e.g. 1M..4M"


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-1, 5), (6, 5)])
def test_a_band_is_made_of_numbers_that_rise_from_1(low: int, high: int) -> None:
    with pytest.raises(InputError, match=r"^flops must rise from low to high, got "):
        Band(low, high)


@pytest.mark.parametrize("text", ["1M", " 20m ", "0", "4455531264"])
def test_a_lone_number_is_refused_since_it_may_mean_up_to_it_or_it_alone(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        Band.parse(text, "params")
    told = f"params must be a band, got {text}; write ..{text.strip()} for up to it, or e.g. 1M..4M"
    assert str(refusal.value) == told


@pytest.mark.parametrize(("text", "count"), [("20M", 20_000_000), (" 1.5 k ", 1_500), ("7", 7)])
def test_a_count_as_people_write_it(text: str, count: int) -> None:
    assert parse_count(text, "flops") == count


@pytest.mark.parametrize("text", ["", "0", "0.4", "1M..4M", "..4M", "lots", "-1"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_count(text, "flops")
    told = f"flops must be a number from 1 up, with K, M or G, got {text}; write e.g. 20M"
    assert str(refusal.value) == told


def test_both_ends_are_inside() -> None:
    assert [flops in Band(3, 5) for flops in (2, 3, 4, 5, 6)] == [False, True, True, True, False]


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 3 * 10**6))
def test_violation_is_positive_exactly_outside(low: int, more: int, flops: int) -> None:
    band = Band(low, low + more)
    assert (band.violation(flops) > 0) == (flops not in band)


def test_violation_is_the_fraction_of_the_nearer_limit() -> None:
    band = Band(100, 400)
    assert band.violation(50) == 0.5
    assert band.violation(600) == 0.5
    assert band.violation(800) == 2 * band.violation(600)
    assert band.violation(100) == band.violation(400) == 0


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"), (7, "7"), (999, "999"), (1000, "1K"), (1234, "1.23K"), (999_499, "999K"), (999_500, "1M"),
        (4_455_531_264, "4.46G"), (999_499_999, "999M"), (999_500_000, "1G"), (2 * 10**12, "2T"), (999.6, "1K"),
    ],
)  # fmt: skip
def test_counts_for_people(count: float, shown: str) -> None:
    assert compact(count) == shown


@given(st.integers(1, 999 * 10**12))
def test_a_shown_count_reads_back_within_half_of_its_last_digit(count: int) -> None:
    shown = compact(count)
    digits = shown.rstrip("KMGT")
    assert "e" not in shown
    assert len(digits.replace(".", "").lstrip("0")) <= 3
    back = Decimal(digits) * UNITS[shown[len(digits) :]]
    assert abs(back - count) <= Decimal("0.00501") * count
    assert parse_count(shown, "flops") == back


def test_a_band_shows_as_it_is_written() -> None:
    assert str(Band(1_000_000, 4_000_000)) == "1M..4M"
    assert str(Band(4_000_000, 4_000_000)) == "4M..4M"
    assert str(Band(3_000_001, 3_000_002)) == "3000001..3000002", "what was typed, where rounding hides it"
    assert str(Band(1_000_004, 1_000_006)) == "1000004..1000006", "one of them alone would be rounded to 1M"
    assert str(Band(4_455_531_264, 4_455_531_264)) == "4455531264..4455531264"
    assert str(Band(1_234_567, 12_345_678)) == "1.23457M..12.3457M"
    assert str(Band(1, 10**24)) == "1..1000000000000000000000000"
    assert str(Band(20_000_000, 20_550_000)) == "20M..20.55M"
    assert Band.parse(str(Band(20_000_000, 25_000_000))) == Band(20_000_000, 25_000_000)


@given(st.integers(1, 999 * 10**12), st.integers(0, 10**6))
def test_a_shown_band_is_the_band_within_a_hundredth_of_its_width(low: int, more: int) -> None:
    band = Band(low, low + more)
    shown = Band.parse(str(band))
    assert 100 * max(abs(shown.low - band.low), abs(shown.high - band.high)) <= more


def test_an_error_names_the_count_that_the_band_is_of() -> None:
    for text, rule in (
        ("lots", "be a band of numbers with K, M or G, got lots"),
        ("9M..2M", "rise from low to high, got 9M..2M"),
    ):
        with pytest.raises(InputError) as refusal:
            Band.parse(text, "params")
        assert str(refusal.value) == f"params must {rule}; write e.g. 1M..4M"


def test_a_budget_without_a_band_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        Budget()
    assert str(refusal.value) == "budget must hold a band, got none; give flops, params or activations"


@given(
    st.tuples(*[st.none() | st.tuples(st.integers(1, 9), st.integers(0, 9))] * 3), st.tuples(*[st.integers(0, 20)] * 3)
)
def test_a_budget_holds_what_is_in_all_of_its_bands(
    pairs: tuple[tuple[int, int] | None, ...], counts: tuple[int, int, int]
) -> None:
    bands = [Band(pair[0], pair[0] + pair[1]) if pair else None for pair in pairs]
    if any(bands):
        inside = [band.low <= count <= band.high for band, count in zip(bands, counts, strict=True) if band]
        assert Budget(*bands).holds(counts) == all(inside)


def test_a_budget_shows_its_bands() -> None:
    assert str(Budget(flops=Band(10**6, 4 * 10**6))) == "1M..4M FLOPs"
    every = Budget(activations=Band(5, 7), params=Band(1, 2000), flops=Band(3, 3))
    assert str(every) == "3..3 FLOPs, up to 2K parameters, 5..7 activations"
    assert Budget(params=Band(1, 2)) != Budget(flops=Band(1, 2))


@pytest.mark.parametrize(("name", "value"), [("flops", 4_000_000), ("params", ("1", "2")), ("latency", 5)])
def test_a_budget_that_is_no_text_is_refused_in_a_line(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name} must be a band in words, got .*; write e\.g\. "):
        Budget.parse(**{"flops": "1M..4M", name: value})
