"""Two studies as samples of their spaces: what makes them comparable, and in which FLOPs."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.analysis.baseline import training_differences
from nas.analysis.space_studies import (
    check_comparable,
    comparable,
    compare_studies,
    is_narrowing,
    names_of,
    seeds_per_network,
    seeds_words,
    shared_band,
)
from nas.records.settings import Settings
from nas.storage.reader import Reader
from space import Band, InputError, Space
from tests.dashboard.studies import SPACE, add_trial, make_drawn, make_settings

SMALL = SPACE.narrow(width=tuple(range(8, 25, 4)), depth=(3, 4))


def settings(name: str, space: Space = SPACE, **changes: Any) -> Settings:
    return make_settings(name, sampler="random", space_name=space.name, space=space.to_dict(), **changes)


def test_networks_of_studies_are_compared(tmp_path: Path) -> None:
    one, other = make_drawn(tmp_path, "one"), make_drawn(tmp_path, "other", seed=1, shift=0.06)
    first, second = ((Reader(each).trials(), Settings.read(each)) for each in (one, other))
    found = compare_studies(first, second)
    assert (found.one.name, found.other.name) == ("one", "other"), "spaces of one name go by their studies"
    assert (found.one.trained, found.outcome) == (30, "other")


def test_what_failed_is_a_network_of_its_space(tmp_path: Path) -> None:
    """Alike but for the worst of the other's, which fail: with what is left it would be the better one."""
    one, other = make_drawn(tmp_path, "one", 60), make_drawn(tmp_path, "other", 60, seed=1)
    first, second = ((Reader(each).trials(), Settings.read(each)) for each in (one, other))
    worst = sorted(second[0], key=lambda trial: trial.accuracy or 0)[:24]
    lost = [replace(t, state="failed", accuracy=None, counts=None) if t in worst else t for t in second[0]]
    found = compare_studies(first, (lost, second[1]))
    assert (found.other.failed, found.other.trained, found.other.edf.networks) == (24, 36, 60)
    assert found.outcome != "other"
    assert "0 of 60 networks of one, 24 of 60 networks of other" in found.verdict()
    without = compare_studies(first, ([trial for trial in lost if trial.state == "complete"], second[1]))
    assert without.outcome == "other"
    again = replace(worst[0], number=99, repeat_of=worst[0].number)
    assert compare_studies(first, ([*lost, again], second[1])).other.failed == 23, "another seed of it was trained"


def test_seeds_are_those_of_both(tmp_path: Path) -> None:
    one, other = make_drawn(tmp_path, "one"), make_drawn(tmp_path, "other", seed=1)
    before = [(Reader(each).trials(), Settings.read(each)) for each in (one, other)]
    assert seeds_words(before[0], before[1]) == "1 seed per network"
    add_trial(other, random.Random(0), repeat_of=0)
    after = Reader(other).trials(), before[1][1]
    assert seeds_per_network(before[0], after) == (1, 2)
    assert seeds_words(after, before[0]) == "the mean of each network's 1 to 2 seeds"


def test_names_are_those_of_the_spaces() -> None:
    assert names_of(settings("one"), replace(settings("other"), space_name="few")) == ("digits", "few")


def test_the_flops_are_those_that_both_spaces_reach() -> None:
    task = settings("one").task
    low, high = SMALL.cost_range(task).low, SMALL.cost_range(task).high
    assert low < 1_000_000 < high < 4_000_000
    assert shared_band(settings("one"), settings("other", SMALL)) == Band(1_000_000, high)
    apart = settings("far", flops_low=5_000_000, flops_high=6_000_000)
    with pytest.raises(InputError, match="flops must have a part that both spaces reach"):
        shared_band(settings("one"), apart)


def test_studies_that_were_not_trained_alike_are_refused() -> None:
    one = settings("one")
    check_comparable(one, settings("other", SMALL, seed=4))
    with pytest.raises(InputError, match="study must be of random networks"):
        check_comparable(one, make_settings("learns", sampler="ehvi"))
    with pytest.raises(InputError, match="got stopped of sampler random, stop quantile"):
        check_comparable(one, settings("stopped", stop="quantile"))
    with pytest.raises(InputError, match=r"data.fingerprint must be that of one, 0+, to compare with other, got 1"):
        check_comparable(one, settings("other", data=replace(one.data, fingerprint="1")))
    with pytest.raises(InputError, match="metric must be that of one, accuracy"):
        check_comparable(one, settings("other", metric="balanced"))
    with pytest.raises(InputError, match=r"recipe.lr must be that of one, 0.002, to compare with other, got 0.5"):
        check_comparable(one, settings("other", recipe=one.recipe | {"lr": 0.5}))


def test_what_differs_is_said_field_by_field() -> None:
    one = settings("one")
    assert training_differences(one, settings("other", SMALL, seed=4)) == []
    other = settings("other", recipe=one.recipe | {"images": 90_000, "lr": 0.5, "flip": True}, metric="balanced")
    assert training_differences(one, other) == [
        ("metric", "accuracy", "balanced"), ("recipe.images", "10,000", "90,000"), ("recipe.lr", "0.002", "0.5"),
        ("recipe.flip", "none", "yes"),
    ]  # fmt: skip
    assert comparable(one, settings("small", SMALL))
    assert not comparable(one, other)
    assert not comparable(one, settings("far", flops_low=5_000_000, flops_high=6_000_000))
    assert not comparable(one, make_settings("learns"))


def test_a_narrowing_has_fewer_choices_and_no_others() -> None:
    assert is_narrowing(SPACE, SMALL)
    assert not is_narrowing(SMALL, SPACE)
    assert not is_narrowing(SPACE, SPACE)
    assert not is_narrowing(SPACE, Space.load("convnext_32"))
    roadmap = Space.load("roadmap_32")
    assert is_narrowing(roadmap, roadmap.narrow(stem="patchify")), "which has no axes of the other stem"
