"""Axes: every refusal of a space's file, steps, and the shares of the stages."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space import InputError, Space
from space.axes import Axis, parse_axes, share

BASE: dict[str, Any] = {"depth": [4, 6], "width": [16, 24]}


def read(axes: Any, image_size: Any = 32, **rest: Any) -> Space:
    return Space.from_dict({"image_size": image_size, "axes": axes, **rest}, "mine", "mine.yaml")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (5, "axes must be a mapping of axis to choices, got 5; see a preset space"),
        ({"depht": [4]}, "axes.depht must be a known axis; did you mean depth?"),
        ({"width": [8]}, "axes.depth must be given, got nothing; add e.g. `depth: [16, 24, 32]`"),
        ({"depth": [4]}, "axes.width must be given, got nothing; add e.g. `width: [16, 24, 32]`"),
        ({"kernel": []}, "axes.kernel must have a choice at least, got an empty list; add one or leave the axis out"),
        ({"kernel": {"each_stage": []}}, "axes.kernel must have a choice at least, got an empty list; "
         "add one or leave the axis out"),
        ({"kernel": [3, 5, 3]}, "axes.kernel must not repeat a choice, got [3, 5, 3]; remove the repeat"),
        ({"expansion": [4, 4.0]}, "axes.expansion must not repeat a choice, got [4, 4.0]; remove the repeat"),
        ({"kernel": [4]}, "axes.kernel[0]: kernel must be odd and from 3 to 11, got 4; use one of 3, 5, 7, 9, 11"),
        ({"kernel": None}, "axes.kernel[0]: kernel must be a whole number, got None; correct it"),
        ({"act": ["relu", "gleu"]}, "axes.act[1]: act must be one of gelu, relu, silu, hardswish, got gleu; "
         "did you mean gelu?"),
        ({"layer_scale": ["1e-6"]}, "axes.layer_scale[0]: layer_scale must be a number, got '1e-6'; write 1.0e-06"),
        ({"stem_stride": [0]}, "axes.stem_stride[0]: stride must be from 1 to 32, got 0; use 1, 2, 4, 8 or 16"),
        ({"width": [0]}, "axes.width[0]: width must be from 1 to 8192, got 0; use e.g. 96"),
        ({"growth": [0.5]}, "axes.growth[0] must be a number from 1 to 8, got 0.5; correct it"),
        ({"growth": ["2"]}, "axes.growth[0] must be a number from 1 to 8, got 2; correct it"),
        ({"stages": [9]}, "axes.stages[0] must be a whole number from 1 to 8, got 9; correct it"),
        ({"depth": [4.0]}, "axes.depth[0] must be a whole number from 1 to 1000, got 4.0; correct it"),
        ({"depth": [True]}, "axes.depth[0] must be a whole number from 1 to 1000, got True; correct it"),
        ({"ratio": ["1:1:1:1"]}, "axes.ratio[0] must be shares joined by dashes, got 1:1:1:1; write e.g. 1-1-3-1"),
        ({"ratio": ["0-1-1-1"]}, "axes.ratio[0] must be shares joined by dashes, got 0-1-1-1; write e.g. 1-1-3-1"),
        ({"depth": {"low": 6, "high": 4}}, "axes.depth must be whole numbers with 0 < low <= high and step >= 1, "
         "got {'low': 6, 'high': 4}; correct it"),
        ({"depth": {"low": 4, "high": 6, "step": 0}}, "axes.depth must be whole numbers with 0 < low <= high and "
         "step >= 1, got {'low': 4, 'high': 6, 'step': 0}; correct it"),
        ({"depth": {"low": 4, "hihg": 6}}, "axes.depth.hihg must be a known key; did you mean high?"),
        ({"depth": {"high": 6}}, "axes.depth.low must be given, got nothing; add it"),
        ({"depth": {"low": 4}}, "axes.depth.high must be given, got nothing; add it"),
        ({"depth": {"low": 1, "high": 10_001}}, "axes.depth must have under 10000 choices, got 10001; raise the step"),
        ({"depth": {"each_stage": [4, 5]}}, "axes.depth must hold for the whole network, got each_stage; "
         "list its choices alone"),
        ({"growth": {"each_stage": [1, 2]}}, "axes.growth must hold for the whole network, got each_stage; "
         "list its choices alone"),
        ({"ratio": ["1-1-1"]}, "axes.ratio must have a ratio of 4 shares, got ['1-1-1']; add e.g. 1-1-1-1"),
        ({"ratio": ["1-1-1-1", "1-1"]}, "axes.ratio must fit a number of stages in [4], got 1-1; remove it"),
        ({"depth": [3, 4]}, "axes.depth must be at least the 4 stages, got 3; start at 4"),
        ({"width": {"each_stage": [8, 16]}, "growth": [1, 2]}, "axes.growth must be left out where width is "
         "each_stage, got choices; remove it"),
        ({"width": [1024, 2048]}, "axes.width must grow to at most 8192, got 2048 x 8 in stage 4; "
         "lower axes.width or axes.growth"),
        ({"width": [8], "expansion": [0.05]}, "axes.expansion must leave a hidden channel at width 8, got 0.05; "
         "raise axes.expansion or axes.width"),
    ],
)  # fmt: skip
def test_wrong_axes_are_refused(axes: Any, message: str) -> None:
    given = message.startswith(("axes must", "axes.depth must be given", "axes.width must be given"))
    with pytest.raises(InputError) as refusal:
        read(axes if given else BASE | axes)
    assert str(refusal.value) == f"mine.yaml: {message}"


@pytest.mark.parametrize("size", [0, 4097, 32.0, "32", True, None])
def test_a_wrong_image_size_is_refused(size: Any) -> None:
    with pytest.raises(InputError) as refusal:
        read(BASE, size)
    expected = f"mine.yaml: image_size must be a whole number from 1 to 4096, got {size}; use e.g. 32"
    assert str(refusal.value) == expected


def test_wrong_keys_of_a_space_are_refused() -> None:
    for plain, message in (
        ({"image_size": 32}, "axes must be given, got nothing; add it"),
        ({"axes": BASE}, "image_size must be given, got nothing; add it"),
        ({"image_size": 32, "axis": BASE}, "axis must be a known key; did you mean axes?"),
    ):
        with pytest.raises(InputError) as refusal:
            Space.from_dict(plain, "mine", "mine.yaml")
        assert str(refusal.value) == f"mine.yaml: {message}"


def test_an_image_too_small_for_the_space_is_refused() -> None:
    assert read(BASE, 32)
    with pytest.raises(InputError) as refusal:
        read(BASE, 31)
    assert str(refusal.value) == (
        "mine.yaml: image_size must be at least 32 for stem stride 4 and 4 stages, got 31; "
        "lower axes.stem_stride or axes.stages"
    )


def test_what_a_file_leaves_out_is_convnexts() -> None:
    axes = parse_axes(BASE, "")
    rest = {name: axis.values for name, axis in axes.items() if name not in BASE}
    assert rest == {
        "stages": (4,), "ratio": ("1-1-1-1",), "growth": (2.0,), "block": ("convnext",), "kernel": (7,),
        "expansion": (4.0,), "norm": ("ln",), "act": ("gelu",), "stem_stride": (4,), "layer_scale": (1e-6,),
    }  # fmt: skip


def test_a_single_value_a_list_and_a_range_mean_the_same() -> None:
    assert parse_axes(BASE | {"kernel": 5}, "") == parse_axes(BASE | {"kernel": [5]}, "")
    ranged = parse_axes(BASE | {"width": {"low": 16, "high": 35, "step": 8}}, "")
    assert ranged["width"].values == (16, 24, 32)
    assert parse_axes(BASE | {"depth": {"low": 4, "high": 6}}, "")["depth"].values == (4, 5, 6)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ((1, 2, 3), 1), ((16, 24, 32, 40), 8), ((3, 5), None), ((4,), None), ((1, 2, 4), None), ((9, 7, 5), None),
        ((1.0, 2.0, 3.0), None), (("a", "b", "c"), None), ((1, 2, 3, "a"), None), ((None, 1, 2), None),
    ],
)  # fmt: skip
def test_a_step_is_that_of_an_even_row(values: Any, step: int | None) -> None:
    assert Axis("kernel", values).step == step


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_shares_are_websters(weights: list[int], extra: int) -> None:
    """Webster's apportionment is the one that minimises the sum of (blocks - quota)^2 / quota."""
    depth = len(weights) + extra
    blocks = share(depth, "-".join(map(str, weights)))

    def distance(candidate: tuple[int, ...]) -> Fraction:
        quotas = [Fraction(depth * weight, sum(weights)) for weight in weights]
        return sum(((b - q) ** 2 / q for b, q in zip(candidate, quotas, strict=True)), Fraction())

    rows = (c for c in product(range(1, extra + 2), repeat=len(weights)) if sum(c) == depth)
    assert min(blocks) >= 1
    assert sum(blocks) == depth
    assert distance(tuple(blocks)) == min(map(distance, rows))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_no_stage_loses_a_block_to_a_deeper_network(weights: list[int], extra: int) -> None:
    ratio, depth = "-".join(map(str, weights)), len(weights) + extra
    assert all(more >= less for more, less in zip(share(depth + 1, ratio), share(depth, ratio), strict=True))


def test_shares_of_the_published_networks() -> None:
    assert share(18, "1-1-3-1") == [3, 3, 9, 3]
    assert share(36, "1-1-9-1") == [3, 3, 27, 3]
    assert share(12, "1-1-3-1") == [2, 2, 6, 2]
    assert share(5, "1-1-1-1") == [2, 1, 1, 1], "of equal claims the earlier stage's is met"
