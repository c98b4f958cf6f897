"""Axes: every refusal of a space's file, steps, and the shares of the stages."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from space import InputError, Space
from space.axes import Axis, parse_axes, share

BASE: dict[str, Any] = {"depth": [4, 6], "width": [16, 24]}
EXACT = ("axes must", "axes.depth must be given", "axes.width must be given")  # tried as they are, without BASE
RANGE = "must be whole numbers with 0 < low <= high and step >= 1"


def read(axes: Any, image_size: Any = 32, **rest: Any) -> Space:
    return Space.from_dict({"image_size": image_size, "axes": axes, **rest}, "mine", "mine.yaml")


WRONG: list[tuple[Any, str]] = [
    # names
    (5, "axes must be a mapping of axis to choices, got 5; see a preset space"),
    ({"depht": [4]}, "axes.depht must be a known axis; did you mean depth?"),
    ({"activation": [4]}, "axes.activation must be a known axis; did you mean act?"),
    ({"down": [4]}, "axes.down must be a known axis; did you mean downsample?"),
    ({"stem_stride": [4]}, "axes.stem_stride must be a known axis; did you mean stem.stride?"),
    ({"stem.strid": [4]}, "axes.stem.strid must be a known axis; did you mean stem.stride?"),
    ({7: [4]}, "axes.7 must be a known axis; use one of act, act_after, bias, block, depth, downsample, drop_path, expansion, "
     "grn, groups, growth, head, head.norm, head.norm_first, kernel, layer_scale, norm, norm_after, ratio, stages, stem, "
     "stem.act, stem.bias, stem.norm, stem.stride, width"),
    ({"width": [8]}, "axes.depth must be given, got nothing; add e.g. `depth: [16, 24, 32]`"),
    ({"depth": [4]}, "axes.width must be given, got nothing; add e.g. `width: [16, 24, 32]`"),
    ({"fusion": ["sum"]}, "axes.fusion must be an option of block convnext, got one of another; remove it or add to block"),
    ({"block": ["modulation", "convnext"], "stem.kernel": [3]},
     "axes.stem.kernel must be an option of stem patchify, got one of another; remove it or add to stem"),
    ({"head.features": [640]}, "axes.head.features must be an option of head linear, got one of another; "
     "remove it or add to head"),
    ({"block": ["modulation"], "grn": [True]},
     "axes.grn must be an option of block modulation, got one of another; remove it or add to block"),
    # choices
    ({"kernel": []}, "axes.kernel must have a choice at least, got an empty list; add one or leave the axis out"),
    ({"kernel": {"each_stage": []}}, "axes.kernel must have a choice at least, got an empty list; "
     "add one or leave the axis out"),
    ({"ratio": []}, "axes.ratio must have a choice at least, got an empty list; add one or leave the axis out"),
    ({"kernel": [3, 5, 3]}, "axes.kernel must not repeat a choice, got [3, 5, 3]; remove the repeat"),
    ({"expansion": [4, 4.0]}, "axes.expansion must not repeat a choice, got [4, 4.0]; remove the repeat"),
    ({"act_after": [2, "2"]}, "axes.act_after must not repeat a choice, got [2, '2']; remove the repeat"),
    ({"layer_scale": [None, None]}, "axes.layer_scale must not repeat a choice, got [None, None]; remove the repeat"),
    ({"depth": list(range(1, 1001)) * 11}, "axes.depth must have under 10000 choices, got 11000; leave some out"),
    # values, by the rules of the parts
    ({"kernel": [4]}, "axes.kernel[0] must be odd and from 3 to 31, got 4; use e.g. 5"),
    ({"kernel": [33]}, "axes.kernel[0] must be odd and from 3 to 31, got 33; use e.g. 31"),
    ({"depth": "3..8"}, "axes.depth must be a list or a range of whole numbers, got '3..8'; write {low: 3, high: 8}"),
    ({"kernel": ["3-7"]}, "axes.kernel must be a list or a range of whole numbers, got '3-7'; "
     "write {low: 3, high: 7, step: 2}"),
    ({"kernel": None}, "axes.kernel[0] must be a whole number, got None; correct it"),
    ({"kernel": {"each_stage": [3, 5.0]}}, "axes.kernel[1] must be a whole number, got 5.0; correct it"),
    ({"act": ["relu", "gleu"]}, "axes.act[1] must be one of gelu, relu, silu, hardswish, got 'gleu'; did you mean gelu?"),
    ({"norm": [None]}, "axes.norm[0] must be one of ln, bn, gn, rms, got None; use one of bn, gn, ln, rms"),
    ({"head.norm": ["lm"]}, "axes.head.norm[0] must be one of ln, bn, gn, rms, got 'lm'; did you mean ln?"),
    ({"layer_scale": ["1e-6"]}, "axes.layer_scale[0] must be a number, got '1e-6'; write 1.0e-06"),
    ({"stem.stride": [0]}, "axes.stem.stride[0] must be from 1 to 32, got 0; use e.g. 1"),
    ({"stem": ["patchify", "resnet"], "stem.stride": [8]}, "axes.stem.stride[0] must be from 1 to 4, got 8; use e.g. 4"),
    ({"act_after": ["2-1"]}, "axes.act_after[0] must be none or some of 1-2-3-add in that order, got '2-1'; write e.g. 1-2"),
    ({"norm_after": ["1-add"]}, "axes.norm_after[0] must be none or some of 1-2-3 in that order, got '1-add'; "
     "write e.g. 1-2"),
    ({"grn": ["yes"]}, "axes.grn[0] must be true or false, got 'yes'; correct it"),
    ({"groups": [0]}, "axes.groups[0] must be depthwise or a number of groups from 1 to 1024, got 0; "
     "use e.g. depthwise or 1"),
    # values of the structure
    ({"width": [0]}, "axes.width[0] must be from 1 to 8192, got 0; use e.g. 1"),
    ({"width": [9000]}, "axes.width[0] must be from 1 to 8192, got 9000; use e.g. 8192"),
    ({"growth": [0.5]}, "axes.growth[0] must be from 1 to 8, got 0.5; use e.g. 2"),
    ({"growth": ["2"]}, "axes.growth[0] must be a number, got '2'; correct it"),
    ({"growth": [float("nan")]}, "axes.growth[0] must be from 1 to 8, got nan; use e.g. 2"),
    ({"stages": [9]}, "axes.stages[0] must be from 1 to 8, got 9; use e.g. 8"),
    ({"depth": [4.0]}, "axes.depth[0] must be a whole number, got 4.0; correct it"),
    ({"depth": [True]}, "axes.depth[0] must be a whole number, got True; correct it"),
    ({"drop_path": [1]}, "axes.drop_path[0] must be from 0 to 0.99, got 1; use e.g. 0"),
    ({"downsample": ["max"]}, "axes.downsample[0] must be one of separate, strided, got 'max'; "
     "use one of separate, strided"),
    ({"block": ["convnet"]}, "axes.block[0] must be one of convnext, modulation, bottleneck, inverted, depthwise_first, "
     "got convnet; did you mean convnext?"),
    ({"stem": "patch"}, "axes.stem[0] must be one of patchify, overlapping, resnet, three_convs, two_convs, got patch; "
     "did you mean patchify?"),
    ({"head": [["linear"]]}, "axes.head[0] must be one of linear, conv2former, got ['linear']; did you mean linear?"),
    ({"ratio": ["1:1:1:1"]}, "axes.ratio[0] must be shares joined by dashes, got 1:1:1:1; write e.g. 1-1-3-1"),
    ({"ratio": ["0-1-1-1"]}, "axes.ratio[0] must be shares joined by dashes, got 0-1-1-1; write e.g. 1-1-3-1"),
    ({"ratio": [1111]}, "axes.ratio[0] must be shares joined by dashes, got 1111; write e.g. 1-1-3-1, without colons, of which YAML makes a number"),
    ({"ratio": [yaml.safe_load("1:1:1")]}, "axes.ratio[0] must be shares joined by dashes, got 3661; write e.g. 1-1-3-1, without colons, of which YAML makes a number"),
    # ranges
    ({"depth": {"low": 6, "high": 4}}, f"axes.depth {RANGE}, got {{'low': 6, 'high': 4}}; correct it"),
    ({"depth": {"low": 4, "high": 6, "step": 0}},
     f"axes.depth {RANGE}, got {{'low': 4, 'high': 6, 'step': 0}}; correct it"),
    ({"depth": {"low": 0, "high": 6}}, f"axes.depth {RANGE}, got {{'low': 0, 'high': 6}}; correct it"),
    ({"width": {"low": 8.0, "high": 16}}, f"axes.width {RANGE}, got {{'low': 8.0, 'high': 16}}; correct it"),
    ({"depth": {"low": 4, "hihg": 6}}, "axes.depth.hihg must be a known key; did you mean high?"),
    ({"depth": {"high": 6}}, "axes.depth.low must be given, got nothing; add it"),
    ({"depth": {"low": 4}}, "axes.depth.high must be given, got nothing; add it"),
    ({"depth": {}}, "axes.depth.low must be given, got nothing; add it"),
    ({"depth": {"low": 1, "high": 10_001}}, "axes.depth must have under 10000 choices, got 10001; raise the step"),
    ({"depth": {"low": 1, "high": 10**30}}, f"axes.depth must have under 10000 choices, got {10**30}; raise the step"),
    ({"kernel": {"low": 3, "high": 8}}, "axes.kernel[1] must be odd and from 3 to 31, got 4; use e.g. 5"),
    # each stage
    *(({name: {"each_stage": ["x"]}}, f"axes.{name} must hold for the whole network, got each_stage; "
       "list its choices alone")
      for name in ("stages", "ratio", "depth", "growth", "stem", "stem.stride", "head", "head.norm", "drop_path")),
    # between axes
    ({"ratio": ["1-1-1"]}, "axes.ratio must have a ratio of 4 shares, got ['1-1-1']; add e.g. 1-1-1-1"),
    ({"stages": [2, 3], "ratio": ["1-1"]}, "axes.ratio must have a ratio of 3 shares, got ['1-1']; add e.g. 1-1-1"),
    ({"ratio": ["1-1-1-1", "1-1"]}, "axes.ratio must fit a number of stages in [4], got 1-1; remove it"),
    ({"depth": [3, 4]}, "axes.depth must be at least the 4 stages, got 3; start at 4"),
    ({"width": {"each_stage": [8, 16]}, "growth": [1, 2]}, "axes.growth must be left out where width is "
     "each_stage, got choices; remove it"),
    ({"width": {"low": 20, "high": 36, "step": 8}}, "axes.width must begin at a multiple of its step 8, got 20; "
     "begin at 16"),
    ({"width": {"low": 4, "high": 36, "step": 8}}, "axes.width must begin at a multiple of its step 8, got 4; begin at 8"),
    ({"width": [1024, 2048]}, "axes.width must grow to at most 8192, got 2048 x 8 in stage 4; "
     "lower axes.width or axes.growth"),
    ({"downsample": ["strided"], "block": {"each_stage": ["convnext", "modulation"]}},
     "axes.downsample must hold separate for block modulation, which cannot stride, got ['strided']; add separate"),
    # choices that make no network
    ({"width": [8], "expansion": [4, 0.05]}, "axes: expansion must leave a channel at width 8, got 0.05; raise it"),
    ({"block": ["modulation"], "width": [4, 8], "expansion": [0.1]},
     "axes: expansion must leave a channel at width 4, got 0.1; raise it"),
    ({"groups": ["depthwise", 3], "width": [24, 32]}, "axes: groups must divide the 32 channels of the spatial "
     "convolution, got 3; use a divisor, or depthwise"),
    ({"groups": [16], "width": {"low": 16, "high": 24, "step": 8}}, "axes: groups must divide the 40 channels of the "
     "spatial convolution, got 16; use a divisor, or depthwise"),
    ({"stem": ["patchify", "three_convs"], "width": [15, 16]},
     "axes: width must be even for stem three_convs, got 15; use e.g. 16"),
    ({"stem": ["overlapping"], "stem.kernel": [3, 7], "stem.stride": [2, 4]},
     "axes: stride must be below the kernel 3 to overlap, got 4; use stem patchify"),
]  # fmt: skip


@pytest.mark.parametrize(("axes", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_wrong_axes_are_refused(axes: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read(axes if message.startswith(EXACT) else BASE | axes)
    assert str(refusal.value) == f"mine.yaml: {message}"


def test_groups_are_checked_at_the_channels_that_a_strided_block_is_given() -> None:
    """Its spatial convolution comes first, on the 16 channels of the stage before, not on its own 32."""
    axes = {"stages": [2], "depth": [2], "width": [16], "groups": [32], "block": ["depthwise_first"]}
    with pytest.raises(InputError) as refusal:
        read(axes | {"width": {"each_stage": [16, 32]}, "downsample": ["strided"]})
    assert "groups must divide the 16 channels of the spatial convolution, got 32" in str(refusal.value)


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


@pytest.mark.parametrize(
    ("axes", "needed", "stem"),
    [
        ({}, 32, "patchify 4"),
        ({"stem.stride": [2, 8]}, 64, "patchify 8"),
        ({"stages": [2, 3], "stem.stride": [2]}, 8, "patchify 2"),
        ({"stem": ["resnet"]}, 29, "resnet resnet"),  # 29 -> 15 -> 8 -> 4 -> 2 -> 1
        ({"stem": ["resnet"], "downsample": ["strided"]}, 1, "resnet resnet"),  # strides round up: one pixel stays one
        ({"downsample": ["strided"]}, 4, "patchify 4"),
        ({"downsample": ["strided", "separate"]}, 32, "patchify 4"),
    ],
)
def test_an_image_too_small_for_the_space_is_refused(axes: dict[str, Any], needed: int, stem: str) -> None:
    assert read(BASE | axes, needed)
    if needed == 1:
        return
    stages = max(axes.get("stages", [4]))
    with pytest.raises(InputError) as refusal:
        read(BASE | axes, needed - 1)
    assert str(refusal.value) == (
        f"mine.yaml: image_size must be at least {needed} for stem {stem} and {stages} stages, got {needed - 1}; "
        "lower the stem's stride or axes.stages"
    )


def test_what_a_file_leaves_out_is_convnexts() -> None:
    axes = parse_axes(BASE, "")
    rest = {name: axis.values for name, axis in axes.items() if name not in BASE}
    assert rest == {
        "stages": (4,), "ratio": ("1-1-1-1",), "growth": (2.0,), "block": ("convnext",), "downsample": ("separate",),
        "stem": ("patchify",), "head": ("linear",), "drop_path": (0.0,),
    }  # fmt: skip
    assert parse_axes(BASE | {"stages": [1, 3]}, "")["ratio"].values == ("1", "1-1-1")


def test_a_single_value_a_list_and_a_range_mean_the_same() -> None:
    assert parse_axes(BASE | {"kernel": 5}, "") == parse_axes(BASE | {"kernel": [5]}, "")
    ranged = parse_axes(BASE | {"width": {"low": 16, "high": 35, "step": 8}}, "")["width"]
    assert (ranged.values, ranged.grid) == ((16, 24, 32), 8)
    deep = parse_axes(BASE | {"depth": {"low": 4, "high": 6}}, "")["depth"]
    assert (deep.values, deep.grid, deep.step) == ((4, 5, 6), 1, 1)
    assert parse_axes(BASE | {"width": {"each_stage": {"low": 8, "high": 24, "step": 8}}}, "")["width"] == Axis(
        "width", (8, 16, 24), each_stage=True, grid=8
    )


def test_values_are_what_the_rules_make_of_them() -> None:
    axes = parse_axes(BASE | {"expansion": 4, "act_after": [2, "1-add", "none"], "layer_scale": [None, 1e-6]}, "")
    assert repr(axes["expansion"].values) == "(4.0,)"
    assert axes["act_after"].values == ("2", "1-add", "none")
    assert axes["layer_scale"].values == (None, 1e-6)


def test_an_option_is_an_axis_where_a_part_of_several_has_it() -> None:
    axes = parse_axes(BASE | {"block": ["convnext", "modulation"], "grn": [True], "fusion": ["sum"]}, "")
    assert axes["grn"].values == (True,)
    assert parse_axes(BASE | {"stem": ["resnet", "patchify"], "stem.pool": [False, True]}, "")["stem.pool"]


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ((1, 2, 3), 1), ((16, 24, 32, 40), 8), ((3, 5), None), ((4,), None), ((1, 2, 4), None), ((9, 7, 5), None),
        ((1.0, 2.0, 3.0), None), (("a", "b", "c"), None), ((1, 2, 3, "a"), None), ((None, 1, 2), None),
        ((1, 1, 1), None), ((False, True, 2), None),
    ],
)  # fmt: skip
def test_a_step_is_that_of_an_even_row(values: Any, step: int | None) -> None:
    assert Axis("kernel", values).step == step


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        (Axis("width", (16, 24, 32), grid=8), "16 to 32 by 8"),
        (Axis("kernel", (7, 9), each_stage=True), "7, 9 (each stage)"),
        (Axis("width", (16, 24), each_stage=True, grid=8), "16 to 24 by 8 (each stage)"),
        (Axis("layer_scale", (None, 1e-6)), "null, 1e-06"),
        (Axis("grn", (False, True)), "false, true"),
        (Axis("growth", (1.5, 2.0)), "1.5, 2.0"),
    ],
)
def test_words_of_an_axis(axis: Axis, words: str) -> None:
    assert axis.words() == words


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
    assert distance(blocks) == min(map(distance, rows))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_no_stage_loses_a_block_to_a_deeper_network(weights: list[int], extra: int) -> None:
    ratio, depth = "-".join(map(str, weights)), len(weights) + extra
    assert all(more >= less for more, less in zip(share(depth + 1, ratio), share(depth, ratio), strict=True))


def test_shares_of_the_published_networks() -> None:
    assert share(18, "1-1-3-1") == (3, 3, 9, 3)
    assert share(36, "1-1-9-1") == (3, 3, 27, 3)
    assert share(12, "1-1-3-1") == (2, 2, 6, 2)
    assert share(5, "1-1-1-1") == (2, 1, 1, 1), "of equal claims the earlier stage's is met"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image_size: 32\naxes: {depth: [4], depth: [5]}\n",
         "must be valid YAML, got key depth stands twice in line 2; mend the file"),
        (b"image_size: 32\naxes: &a\n  depth: [4]\n  width: *a\n",
         "must be valid YAML, got aliases (*name) are not used here in line 4; mend the file"),
        (b"axes: " + b"[" * 5000, "must be flat YAML, got endless nesting; mend the file"),
        ("# grün\n".encode("latin-1"), "must be UTF-8 text, got byte 0xfc; save it as UTF-8"),
        (b"- 1\n", "must be a YAML mapping, got list; write `key: value` lines"),
        (b"#" * 1_000_001, "must be under 1000000 bytes, got 1000001; is it the right file?"),
    ],
    ids=["twice", "bomb", "nested", "latin", "list", "long"],
)  # fmt: skip
def test_a_file_that_is_no_space(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        Space.load(path)
    assert str(refusal.value) == f"{path} {message}"


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("image_size: 32\naxes: {depth: [4], width: [16], kernel: [4]}\n")
    with pytest.raises(InputError) as refusal:
        Space.load(path)
    assert str(refusal.value) == f"{path}: axes.kernel[0] must be odd and from 3 to 31, got 4; use e.g. 5"
