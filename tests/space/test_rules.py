"""Rules and the registry of parts: what each allows, what it says of the rest, and that its examples are honest."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from space import InputError
from space.arch import DOWNSAMPLE, DROP_PATH, STAGE_RULES
from space.blocks import Block, ConvNeXt, DepthwiseFirst, Inverted, ThreeConvs
from space.heads import LinearHead
from space.parts import Named, find_part, make_part, names, names_built_in, option, options, part, read_part
from space.rules import COUNTS, Flag, Groups, Maybe, Number, Positions, Rule, Whole, Word
from space.stems import Patchify, Stem
from tests.space.networks import random_value

KINDS: Any = ("stem", "block", "head")
PLACES = Positions(("1", "2", "add"))


def registered() -> Iterator[tuple[str, Rule]]:
    """Every rule of every option, and those of a stage and a network."""
    for kind in KINDS:
        for name in names(kind):
            for key, made in options(find_part(kind, name)).items():
                yield f"{name}.{key}", made.metadata["rule"]
    yield from (STAGE_RULES | {"drop_path": DROP_PATH}).items()


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [
        (Whole(1, 9), 1, 1), (Whole(1, 9), 9, 9), (Whole(3, 31, odd=True), 31, 31),
        (Number(0, 16), 16, 16.0), (Number(0, 16), 1e-300, 1e-300), (Number(0, 1, zero=True), 0, 0.0),
        (Flag(), True, True), (Flag(), False, False),
        (Word(("a", "b")), "b", "b"), (Named("act"), "silu", "silu"),
        (Maybe(Whole(1, 9)), None, None), (Maybe(Number(0, 9)), 3, 3.0),
        (PLACES, "none", "none"), (PLACES, "1-add", "1-add"), (PLACES, "2", "2"), (PLACES, 2, "2"),
        (Groups(), "depthwise", "depthwise"), (Groups(), 1, 1), (Groups(most=2048), 2048, 2048),
    ],
)  # fmt: skip
def test_what_a_rule_allows_it_gives_back_in_one_type(rule: Rule, value: Any, kept: Any) -> None:
    assert rule.check(value) == kept
    assert type(rule.check(value)) is type(kept)


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (Whole(1, 9), 0, "must be from 1 to 9, got 0; use e.g. 1"),
        (Whole(1, 9), 10, "must be from 1 to 9, got 10; use e.g. 9"),
        (Whole(1, 9), 3.0, "must be a whole number, got 3.0; correct it"),
        (Whole(1, 9), "3", "must be a whole number, got '3'; correct it"),
        (Whole(1, 9), True, "must be a whole number, got True; correct it"),
        (Whole(1, 9), None, "must be a whole number, got None; correct it"),
        (Whole(3, 31, odd=True), 6, "must be odd and from 3 to 31, got 6; use e.g. 7"),
        (Whole(3, 31, odd=True), 0, "must be odd and from 3 to 31, got 0; use e.g. 3"),
        (Whole(3, 31, odd=True), 99, "must be odd and from 3 to 31, got 99; use e.g. 31"),
        (Number(0, 16), 0, "must be above 0, at most 16, got 0; use e.g. 16"),
        (Number(0, 16, show=(4.0,)), 16.5, "must be above 0, at most 16, got 16.5; use e.g. 4"),
        (Number(0, 16), float("nan"), "must be above 0, at most 16, got nan; use e.g. 16"),
        (Number(0, 16), float("inf"), "must be above 0, at most 16, got inf; use e.g. 16"),
        (Number(0, 16), True, "must be a number, got True; correct it"),
        (Number(0, 16), "four", "must be a number, got 'four'; correct it"),
        (Number(0, 16), "1e-6", "must be a number, got '1e-6'; write 1.0e-06"),
        (Number(0, 16), "-2.5E3", "must be a number, got '-2.5E3'; write -2500.0"),
        (Number(0, 0.99, zero=True), -1, "must be from 0 to 0.99, got -1; use e.g. 0.99"),
        (Flag(), 1, "must be true or false, got 1; correct it"),
        (Flag(), "true", "must be true or false, got 'true'; correct it"),
        (Word(("ln", "bn")), "lm", "must be one of ln, bn, got 'lm'; did you mean ln?"),
        (Word(("ln", "bn")), "zzz", "must be one of ln, bn, got 'zzz'; use one of bn, ln"),
        (Word(("ln", "bn")), ["ln"], "must be one of ln, bn, got ['ln']; did you mean ln?"),
        (Named("norm"), None, "must be one of ln, bn, gn, rms, got None; use one of bn, gn, ln, rms"),
        (Named("act"), "gellu", "must be one of gelu, relu, silu, hardswish, got 'gellu'; did you mean gelu?"),
        (Maybe(Whole(1, 9)), 10, "must be from 1 to 9, got 10; use e.g. 9"),
        (PLACES, "", "must be none or some of 1-2-add in that order, got ''; write e.g. 1-2"),
        (PLACES, "2-1", "must be none or some of 1-2-add in that order, got '2-1'; write e.g. 1-2"),
        (PLACES, "1-1", "must be none or some of 1-2-add in that order, got '1-1'; write e.g. 1-2"),
        (PLACES, "1-3", "must be none or some of 1-2-add in that order, got '1-3'; write e.g. 1-2"),
        (PLACES, "1-none", "must be none or some of 1-2-add in that order, got '1-none'; write e.g. 1-2"),
        (PLACES, 12, "must be none or some of 1-2-add in that order, got 12; write e.g. 1-2"),
        (PLACES, None, "must be none or some of 1-2-add in that order, got None; write e.g. 1-2"),
        (PLACES, ["1"], "must be none or some of 1-2-add in that order, got ['1']; write e.g. 1-2"),
        (Groups(), 0, "must be depthwise or a number of groups from 1 to 1024, got 0; use e.g. depthwise or 1"),
        (Groups(most=8), 9, "must be depthwise or a number of groups from 1 to 8, got 9; use e.g. depthwise or 1"),
        (Groups(), True, "must be depthwise or a number of groups from 1 to 1024, got True; use e.g. depthwise or 1"),
        (Groups(), "dense", "must be depthwise or a number of groups from 1 to 1024, got 'dense'; "
         "use e.g. depthwise or 1"),
        (Flag(), "x" * 99, f"must be true or false, got '{'x' * 56}...; correct it"),
    ],
)  # fmt: skip
def test_the_rest_is_refused_in_one_line(rule: Rule, value: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        rule.check(value)
    assert str(refusal.value) == message


@given(st.integers(-999, 999), st.integers(0, 999), st.integers(-99, 99))
def test_a_number_that_yaml_takes_for_text_is_written_so_that_it_does_not(whole: int, part: int, power: int) -> None:
    text = f"{whole}.{part:03d}e{power}" if power >= 0 else f"{whole}e{power}"  # YAML wants the dot and the sign
    assert isinstance(yaml.safe_load(text), str)
    with pytest.raises(InputError) as refusal:
        Number(0, 9).check(text)
    assert yaml.safe_load(str(refusal.value).rpartition("; write ")[2]) == float(text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Whole(1, 9), "from 1 to 9"),
        (Whole(3, 31, odd=True), "odd and from 3 to 31"),
        (Number(0, 16), "above 0, at most 16"),
        (Number(0, 0.99, zero=True), "from 0 to 0.99"),
        (Flag(), "true or false"),
        (Word(("ln", "bn")), "`ln`, `bn`"),
        (Named("norm"), "`ln`, `bn`, `gn`, `rms`"),
        (Maybe(Whole(1, 9)), "null, or from 1 to 9"),
        (PLACES, "`none`, or some of `1-2-add`"),
        (Groups(), "`depthwise`, or from 1 (dense) to 1024"),
    ],
)
def test_a_rule_reads_as_words(rule: Rule, text: str) -> None:
    assert str(rule) == text


@pytest.mark.parametrize("rule", [rule for _, rule in registered()], ids=[name for name, _ in registered()])
def test_examples_are_allowed_and_drawn(rule: Rule) -> None:
    examples, rng = list(rule.examples), random.Random(0)
    assert [rule.check(example) for example in examples] == examples
    assert len(examples) == len(set(examples)) > 0
    drawn = [random_value(rng, rule) for _ in range(500)]
    assert [rule.check(value) for value in drawn] == drawn
    assert set(examples) <= set(drawn)


def test_examples_cover_what_a_rule_distinguishes() -> None:
    assert set(PLACES.examples) == {"none", "1", "2", "add", "1-2", "1-add", "2-add", "1-2-add"}
    assert set(Flag().examples) == {False, True}
    assert set(Maybe(Flag()).examples) == {None, False, True}
    assert Named("act").examples == names("act")
    assert {"depthwise", 1} < set(Groups().examples)
    assert list(Whole(5, 9).examples) == [5, 7]
    assert list(Number(0, 9).examples) == [9]


def test_only_numbers_may_be_ordered() -> None:
    assert Whole(1, 9).ordered
    assert Number(0, 9, ordered=True).ordered
    others = (Number(0, 9), Flag(), DOWNSAMPLE, Groups(), PLACES, Maybe(Whole(1, 9)))
    assert not any(rule.ordered for rule in others)


# Parts


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_is_documented_and_its_defaults_are_allowed(kind: Any) -> None:
    for name in names(kind):
        cls = find_part(kind, name)
        assert cls.name == name
        assert cls.__doc__
        for key, made in options(cls).items():
            assert made.metadata["rule"].check(made.default) == made.default, (name, key)
            assert made.metadata["doc"], (name, key)
            assert set(made.metadata["moves"]) <= set(COUNTS), (name, key)


def test_a_part_is_its_choices() -> None:
    one, two = ConvNeXt(kernel=5), ConvNeXt(kernel=5)
    assert one == two
    assert hash(one) == hash(two)
    assert one != ConvNeXt() == replace(one, kernel=7)
    alike: Any = DepthwiseFirst(**ConvNeXt().to_dict())
    assert alike != ConvNeXt()  # of another name
    assert len({ConvNeXt(), one, two, alike}) == 3


def test_changed_defaults_are_a_classs_own() -> None:
    kernels = {cls: options(cls)["kernel"].default for cls in (ThreeConvs, ConvNeXt, Inverted, DepthwiseFirst)}
    assert kernels == {ThreeConvs: 3, ConvNeXt: 7, Inverted: 3, DepthwiseFirst: 3}
    assert options(ConvNeXt)["kernel"].metadata == options(Inverted)["kernel"].metadata


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(InputError, match=r"^kernel must be odd and from 3 to 31, got 8; use e\.g\. 9$"):
        ConvNeXt(kernel=8)
    with pytest.raises(InputError, match=r"^here\.stride must be from 1 to 32, got 0; use e\.g\. 1$"):
        make_part(Patchify, {"stride": 0}, "here")
    with pytest.raises(InputError, match=r"^here\.strid must be a known key of patchify; did you mean stride\?$"):
        make_part(Patchify, {"strid": 4}, "here")
    with pytest.raises(InputError, match=r"^here\.hight must be a known key of patchify; did you mean height\?$"):
        make_part(Patchify, {"hight": 4}, "here", also=("height",))


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("block", "convnxt", "block must be one of convnext, modulation, bottleneck, inverted, depthwise_first, "
         "got convnxt; did you mean convnext?"),
        ("stem", "zzz", "stem must be one of patchify, overlapping, resnet, three_convs, two_convs, got zzz; "
         "use one of overlapping, patchify, resnet, three_convs, two_convs"),
        ("head", "linaer", "head must be one of linear, conv2former, got linaer; did you mean linear?"),
        ("norm", "LN", "norm must be one of ln, bn, gn, rms, got LN; use one of bn, gn, ln, rms"),
        ("act", "gellu", "act must be one of gelu, relu, silu, hardswish, got gellu; did you mean gelu?"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest(kind: Any, name: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_part(kind, name)
    assert str(refusal.value) == message


def test_a_part_is_read_from_its_name_or_a_mapping() -> None:
    assert read_part("stem", "patchify", "stem") == Patchify()
    assert read_part("stem", {"stride": 2}, "stem") == Patchify(stride=2)
    assert read_part("head", {"kind": "linear", "norm": None}, "head") == LinearHead(norm=None)
    assert names_built_in("stem")[0] == "patchify"
    assert names_built_in("head")[0] == "linear"


def test_a_name_is_taken_once() -> None:
    with pytest.raises(
        ValueError, match=r"^block convnext must be a new name, got one that space\.blocks has; choose another$"
    ):

        @part("block", "convnext")
        class Mine(Block):
            pass

    assert find_part("block", "convnext") is ConvNeXt
    assert part("block", "convnext")(ConvNeXt) is ConvNeXt  # the same class again: its module was imported twice


def test_names_of_a_stages_own_keys_are_not_for_options() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Deep(Block):
        depth: int = option(1, Whole(1, 9), "of something")

    @dataclass(frozen=True, kw_only=True)
    class Kind(Stem):
        kind: str = option("a", Word(("a", "b")), "of something")

    for kind, cls, key in (("block", Deep, "depth"), ("stem", Kind, "kind")):
        known: Any = kind
        with pytest.raises(
            ValueError, match=f"^{kind} mine must leave {key} to the network, got it as an option; rename it$"
        ):
            part(known, "mine")(cls)
        assert "mine" not in names(known)


def test_an_option_says_what_it_is() -> None:
    @dataclass(frozen=True)
    class Mine:
        side: int = option(3, Whole(1, 9), "side of it", moves=("params",))
        plain: int = field(default=1)

    made = options(Mine)["side"]
    assert made.default == 3
    assert dict(made.metadata) == {"rule": Whole(1, 9), "doc": "side of it", "moves": ("params",)}
