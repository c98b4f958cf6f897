"""What was chosen in a network, from its plain dictionary."""

from __future__ import annotations

import random
from typing import Any

import pytest

from nas.analysis.design_choices import is_numeric, number, one_word, traits_of, varied, within
from space import Space, Task

ARCH = {
    "stem": {"kind": "patchify", "stride": 2},
    "stages": [
        {"block": "convnext", "depth": 1, "width": 16, "kernel": 3, "expansion": 4.0, "act": None},
        {"block": "modulation", "depth": 3, "width": 32, "kernel": 7, "expansion": 4.0, "act": None},
    ],
    "head": {"kind": "linear"},
    "drop_path": 0.0,
}


def test_a_choice_counts_by_its_share_of_the_blocks() -> None:
    found = traits_of(ARCH)
    assert found["block"] == {"convnext": 0.25, "modulation": 0.75}
    assert found["kernel"] == {"3": 0.25, "7": 0.75}
    assert found["expansion"] == {"4": 1.0}
    assert found["act"] == {"none": 1.0}
    assert (found["depth"], found["width"], found["stages"]) == ({"4": 1.0}, {"16": 1.0}, {"2": 1.0})
    assert (found["stem"], found["stem.stride"]) == ({"patchify": 1.0}, {"2": 1.0})
    assert number(found["kernel"]) == 0.25 * 3 + 0.75 * 7
    assert (one_word(found["block"]), one_word(found["act"]), one_word({})) == ("mixed", "none", "none")


@pytest.mark.parametrize("arch", [None, {}, [], {"stages": None}, {"stages": [1]}, {"stages": [{"depth": "x"}]}])
def test_whatever_a_journal_holds_is_taken(arch: Any) -> None:
    assert traits_of(arch) == {}


def test_axes_that_vary_and_their_choices_in_order() -> None:
    other = {**ARCH, "stages": [ARCH["stages"][0], {**ARCH["stages"][1], "kernel": 11}]}  # type: ignore[index]
    rows = [traits_of(ARCH), traits_of(other)]
    assert varied(rows) == {"kernel": ["3", "7", "11"]}
    assert varied(rows[:1]) == {}
    assert is_numeric(["3", "11"])
    assert not is_numeric(["3", "none"])


def test_axes_of_drawn_networks_are_those_of_their_space() -> None:
    space, rng = Space.load("convnext_or_modulation_32"), random.Random(0)
    rows = [traits_of(space.random_arch(rng, Task(32, 3, 10)).to_dict()) for _ in range(60)]
    axes = {name for name, axis in space.axes.items() if len(axis.values) > 1}
    assert set(varied(rows)) <= axes | {"stages"}
    assert {"block", "kernel", "norm", "act", "expansion", "depth", "width", "stem.stride"} <= set(varied(rows))


def test_a_filter_keeps_what_the_narrowed_space_would_hold() -> None:
    found = traits_of(ARCH)
    assert within(found, {})
    assert within(found, {"kernel": ["3", "7"]})
    assert not within(found, {"kernel": ["3"]}), "one stage has another"
    assert not within(found, {"kernel": ["3", "7"], "stages": ["3"]})
