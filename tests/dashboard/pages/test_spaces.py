"""The page Spaces."""

from __future__ import annotations

import random
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard.pages.spaces import best_pair
from dashboard.study_cache import StudyCache, study_names
from tests.dashboard.opened import checked, page, said
from tests.dashboard.studies import SPACE, add_trial, make_drawn, make_settings, make_study


def test_the_studies_of_a_comparison_are_chosen_and_told_apart(runs: Path) -> None:
    make_drawn(runs, "pair-a", seed=1)
    make_drawn(runs, "pair-b", seed=2, shift=0.05, space_name="few", space=SPACE.narrow(norm="bn").to_dict())
    make_study(runs, "later", complete=2)
    app = page("spaces")
    assert [box.value for box in app.selectbox if box.label != "Study"] == ["pair-a", "pair-b"]
    words = said(app)
    assert "few is better than digits at equal FLOPs (Kolmogorov-Smirnov distance 0." in words
    assert "The narrowing is accepted: its networks are better, p < 0.001." in words
    assert "Expected of one network digits 60." in words
    words = said(page("spaces", one="pair-b", other="pair-a"))
    assert "few is better than digits" in words
    assert "narrowing" not in words, "the other one is wider"


def test_what_failed_to_train_and_further_seeds_are_said(runs: Path) -> None:
    make_drawn(runs, "x-a", seed=1)
    folder = make_drawn(runs, "x-b", 20, seed=2)
    assert ", 1 seed." in said(page("spaces"))
    add_trial(folder, random.Random(1), repeat_of=0)
    for seed in range(10):
        add_trial(folder, random.Random(seed), "failed")
    words = said(page("spaces"))
    assert "0 of 30 networks of x-a, 10 of 30 networks of x-b." in words
    assert "mean of 1 to 2 seeds" in words


def test_what_cannot_be_compared_is_said(runs: Path) -> None:
    make_drawn(runs, "few", complete=7)
    make_drawn(runs, "many", complete=9, seed=3)
    assert "networks must be 8 of each space at least in 1M..4M FLOPs, got 7 of few" in said(page("spaces"))
    make_study(runs, "learns", complete=9)
    words = said(page("spaces", one="learns", other="many"))
    assert "study must be of random networks" in words
    assert "Choose two studies" in said(page("spaces", one="many", other="many"))


def _pair(app: AppTest) -> list[str | None]:
    return [box.value for box in app.selectbox if box.label != "Study"]


def _longer(images: int) -> dict[str, object]:
    return make_settings("x").recipe | {"images": images}


def test_it_opens_on_two_that_can_be_compared(runs: Path) -> None:
    for second, (name, images) in enumerate((("old", 10_000), ("alike", 10_000), ("new", 20_000))):
        make_drawn(runs, name, 9, seed=second, created=f"2025-11-21T02:00:0{second}Z", recipe=_longer(images))
    assert _pair(page("spaces")) == ["old", "alike"], "the latest was trained for longer"
    app = page("spaces", study="new")
    assert _pair(app) == ["old", "alike"]
    assert "No study here can be compared with new." in said(app)


def test_where_no_two_can_be_compared_it_says_so(runs: Path) -> None:
    make_drawn(runs, "short", 9, recipe=_longer(10_000))
    make_drawn(runs, "long", 9, seed=1, recipe=_longer(20_000))
    app = page("spaces")
    assert _pair(app) == [None, None]
    words = said(app)
    assert "No two of the 2 studies of random networks here (" in words
    assert "can be compared: they were not trained alike" in words
    assert "nas compare-spaces " in words
    words = said(page("spaces", one="short", other="long"))
    assert "they were not trained alike. short / long:\nrecipe.images: 10,000 / 20,000" in words
    assert "{" not in words, "no dictionary of Python"


def test_it_opens_on_the_study_that_is_looked_at(runs: Path) -> None:
    make_study(runs, "learns", complete=3)
    for second, name in enumerate(("learns-random", "one", "other")):
        make_drawn(runs, name, 9, seed=second, created=f"2025-11-21T02:00:0{second}Z")
    assert _pair(page("spaces", study="one")) == ["one", "other"]
    assert "learns-random" in _pair(page("spaces", study="learns")), "the random search beside it"
    assert _pair(page("spaces", study="learns", one="other", other="one")) == ["other", "one"], "what was asked for"
    app = page("spaces", study="one")
    app.selectbox(key="study").select("learns-random")
    assert "learns-random" in _pair(checked(app.run())), "it follows"


def test_without_random_networks_a_command_is_shown(runs: Path) -> None:
    make_study(runs, "learns", complete=3)
    words = said(page("spaces"))
    assert "Choose two studies of random networks" in words
    assert "nas compare-spaces " in words


def test_a_study_that_is_gone_stays(runs: Path, tmp_path: Path) -> None:
    make_drawn(runs, "x-a", complete=10)
    folder = make_drawn(runs, "x-b", complete=10, seed=1)
    app = page("spaces")
    folder.rename(tmp_path / "away")
    words = said(checked(app.run()))
    assert "The folder of this study is gone" in words
    assert "are not told apart" in words


def test_the_best_guess_is_a_pair_then_random_networks(runs: Path) -> None:
    cache = StudyCache()
    make_study(runs, "learns", complete=1)
    assert best_pair(cache, runs, study_names(runs)) is None
    for second, name in enumerate(("first", "second", "lone-a")):
        make_drawn(runs, name, complete=0, created=f"2025-11-21T02:00:0{second}Z")
    names = ["second", "learns", "first", "lone-a"]
    assert best_pair(cache, runs, names) == ("first", "second"), "the latest two, the first that began in front"
    make_drawn(runs, "lone-b", complete=0)
    assert best_pair(cache, runs, [*names, "lone-b"]) == ("lone-a", "lone-b")
    for name in ("searched-a", "searched-b"):
        make_study(runs, name, complete=1)
    searched = ["searched-b", "searched-a"]
    assert best_pair(cache, runs, [*searched, *names, "lone-b"]) == ("lone-a", "lone-b"), "a search made those"
    assert best_pair(cache, runs, searched) is None
