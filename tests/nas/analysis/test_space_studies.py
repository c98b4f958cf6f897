"""Two studies as samples of their spaces: what makes them comparable, and in which FLOPs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.analysis.space_studies import check_comparable, compare_studies, is_narrowing, names_of, shared_band
from nas.records.settings import Settings
from nas.storage.reader import Reader
from space import Band, InputError, Space
from tests.dashboard.studies import SPACE, make_drawn, make_settings

SMALL = SPACE.narrow(width=tuple(range(8, 25, 4)), depth=(3, 4))


def settings(name: str, space: Space = SPACE, **changes: Any) -> Settings:
    return make_settings(name, sampler="random", space_name=space.name, space=space.to_dict(), **changes)


def test_networks_of_studies_are_compared(tmp_path: Path) -> None:
    one, other = make_drawn(tmp_path, "one"), make_drawn(tmp_path, "other", seed=1, shift=0.06)
    first, second = ((Reader(each).trials(), Settings.read(each)) for each in (one, other))
    found = compare_studies(first, second)
    assert (found.one.name, found.other.name) == ("one", "other"), "spaces of one name go by their studies"
    assert (found.one.trained, found.outcome) == (30, "other")


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
    with pytest.raises(InputError, match="recipe must be that of one"):
        check_comparable(one, settings("other", recipe=one.recipe | {"lr": 0.5}))


def test_a_narrowing_has_fewer_choices_and_no_others() -> None:
    assert is_narrowing(SPACE, SMALL)
    assert not is_narrowing(SMALL, SPACE)
    assert not is_narrowing(SPACE, SPACE)
    assert not is_narrowing(SPACE, Space.load("convnext_32"))
    roadmap = Space.load("roadmap_32")
    assert is_narrowing(roadmap, roadmap.narrow(stem="patchify")), "which has no axes of the other stem"
