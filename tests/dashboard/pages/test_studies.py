"""The pages Studies and Compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.study_cache import StudyCache
from tests.dashboard.opened import page, said
from tests.dashboard.studies import HOSTILE, damage, make_study, timed


def test_studies_are_listed_with_what_is_wrong(runs: Path) -> None:
    make_study(runs, "good", complete=12)
    damage(make_study(runs, "bad", complete=2), line=3)
    make_study(runs, "new", complete=0)
    app = page("studies")
    table = app.dataframe[0].value.set_index("study")
    assert dict(table["state"]) == {"good": "idle", "bad": "broken", "new": "empty"}
    assert table["trials"]["good"] == "12 complete"
    assert table["best, %"]["good"] == pytest.approx(100 * (StudyCache().read(runs / "good").front[-1].accuracy or 0))
    assert "damage in line 3" in said(app)


def test_two_studies_are_compared(runs: Path) -> None:
    make_study(runs, "one", complete=25)
    make_study(runs, "two", complete=25, seed=1)
    make_study(runs, "none", complete=0)
    assert "Choose two studies or more" in said(page("compare"))
    words = said(page("compare", **{"with": ["one", "two", "none", HOSTILE]}))
    assert "Best: up to" in words
    assert "one and two are" in words
    assert "Hypervolume after" in words
    assert "none has no finished network to compare: it is empty." in words


def test_studies_are_compared_in_a_latency_that_all_of_them_have(runs: Path) -> None:
    for seed, name in enumerate(["one", "two"]):
        timed(make_study(runs, name, complete=25, seed=seed), "A Phone")
    timed(runs / "one", "Only Here")
    app = page("compare", over="latency (batch 1, A Phone)", **{"with": ["one", "two"]})
    words = said(app)
    assert "Best over latency (batch 1, A Phone): up to " in words
    assert "At equal latency (batch 1, A Phone) one and two are" in words
    assert app.selectbox(key="over").options == ["FLOPs", "parameters", "activations", "latency (batch 1, A Phone)"]
