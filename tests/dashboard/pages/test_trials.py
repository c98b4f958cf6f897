"""The pages Trials, Progress and Space."""

from __future__ import annotations

import random
from html import escape
from pathlib import Path

import pytest

from dashboard.charts.space import coordinates_figure
from dashboard.derived import designs_of, means_of, varied_of
from dashboard.pages import trials
from dashboard.study_cache import StudyCache
from tests.dashboard.opened import checked, metrics, page, said
from tests.dashboard.studies import HOSTILE, add_trial, make_study


def test_trials_are_filtered_by_state_and_words(runs: Path) -> None:
    make_study(runs, complete=5, failed=2, stopped=1)
    app = page("trials", state="failed")
    assert list(app.dataframe[0].value["state"]) == ["failed", "failed"]
    assert "2 trials of 8" in said(app)
    app = page("trials", holds="must stay finite")
    assert len(app.dataframe[0].value) == 2
    assert len(page("trials", holds="([").dataframe[0].value) == 0, "no pattern, plain text"
    app = page("trials", trial="6")
    assert "Trial 6: failed" in said(app)
    assert "This study has no trial 60. Choose one in the table." in said(page("trials", trial="60")), (
        "no chart is there"
    )


def test_after_going_to_a_trial_another_can_be_selected(runs: Path) -> None:
    make_study(runs, complete=9)
    app = page("trials")
    app = checked(app.number_input(key="goto").set_value(5).run())
    assert "Trial 5: complete" in said(app)
    app.query_params["trial"] = "7"
    assert "Trial 7: complete" in said(checked(app.run()))
    app = checked(app.number_input(key="goto").set_value(None).run())
    assert "Trial 7: complete" in said(app), "an emptied box selects nothing"
    assert "Trial 3: complete" in said(checked(app.number_input(key="goto").set_value(3).run()))


def test_where_a_trial_was_stopped_is_told(runs: Path) -> None:
    folder = make_study(runs, complete=3)
    decision = {"period": 2, "accuracy": 0.31, "stop": True, "why": "below", "threshold": 0.4, "rivals": 12}
    add_trial(folder, random.Random(4), "stopped", decisions=[decision])
    app = page("trials", trial="3")
    row = app.dataframe[0].value.iloc[3]
    assert (row["rung"], row["had"], row["needed"], row["rivals"]) == (2000, 31, 40, 12)
    assert list(app.dataframe[1].value.iloc[0]) == [2000, "31.00%", "40.00%", 12, "below", "yes"]


def test_reasons_of_stops_stand_in_full_below_the_table(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_study(runs, complete=2, failed=1)
    assert "Why trials were stopped" not in said(page("trials"))
    long = f"51.26% of the 51.68% wanted after 45K images, among 10 others {HOSTILE}"
    for seed in range(3):
        add_trial(folder, random.Random(seed), "stopped", reason=f"{long} {seed}")
    words = said(page("trials"))
    assert "Why trials were stopped" in words
    assert f"<td>3</td><td>{escape(long)} 0</td>" in words, "as text"
    assert "Why trials were stopped" not in said(page("trials", state="failed")), "of what is shown"
    monkeypatch.setattr(trials, "STOPPED", 2)
    words = said(page("trials"))
    assert "The latest 2 of 3." in words
    assert f"{escape(long)} 0" not in words


def test_progress_says_how_it_goes(runs: Path) -> None:
    make_study(runs, complete=6, failed=1, stopped=2, interrupted=1)
    make_study(runs, "first-random", complete=4, seed=2)
    app = page("progress", study="first")
    words = said(app)
    assert metrics(app)["Ended"] == "9 of 30"
    assert "Random search has" in words
    assert "1 worker, training" in words
    assert "Trials stopped early: 2 after 2K images." in words
    assert "Interrupted and queued again: 1 trial." in words
    assert [b.value for b in page("progress", cost="seconds of training").button_group] == ["seconds"]


def test_space_says_what_matters_or_that_it_cannot(runs: Path) -> None:
    make_study(runs, complete=25)
    make_study(runs, "few", complete=3)
    words = said(page("space", study="first"))
    assert "Based on 25 networks" in words or "25 networks, one axis at a time" in words
    assert "Mean accuracy by " in words
    assert "Importance needs 20 networks or more; this study has 3." in said(page("space", study="few"))
    assert "Mean accuracy by kernel" in said(page("space", study="first", axis="kernel"))


def test_the_page_space_takes_each_network_once_at_the_mean_of_its_seeds(runs: Path) -> None:
    folder = make_study(runs, complete=3)
    add_trial(folder, random.Random(1), repeat_of=0, accuracy=0.5, seed=1)
    words = said(page("space"))
    assert "One line per network, at the mean accuracy of its seeds (3)." in words
    assert "Accuracy: validation top-1, n = 360 images, mean of 1 to 2 seeds." in words
    snapshot = StudyCache().read(folder)
    accuracies = coordinates_figure(means_of(snapshot), designs_of(snapshot), varied_of(snapshot))
    first = 50 * ((snapshot.trials[0].accuracy or 0) + 0.5)
    assert accuracies["data"][0]["dimensions"][-1]["values"][-1] == pytest.approx(first), "the mean is the lowest here"
