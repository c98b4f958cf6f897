"""Which study is shown where nobody has asked for one."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from dashboard.best_study import best_study
from dashboard.study_cache import StudyCache, study_names
from nas.records.settings import Settings
from tests.dashboard.opened import metrics, page, said
from tests.dashboard.studies import add_trial, damage, make_study


def best(runs: Path) -> str:
    return best_study(StudyCache(), runs, study_names(runs))


def add(folder: Path, accuracy: float) -> None:
    add_trial(folder, random.Random(1), accuracy=accuracy)


def trained_on(folder: Path, images: int) -> None:
    settings = Settings.read(folder)
    replace(settings, data=replace(settings.data, train=images)).write(folder)


def test_the_most_accurate_on_the_largest_data_is_opened(runs: Path) -> None:
    add(make_study(runs, "good", complete=20), 0.999)
    add(make_study(runs, "better-small-data", complete=20), 1.0)
    trained_on(runs / "better-small-data", 100)
    make_study(runs, "latest", complete=20)
    assert best(runs) == "good"
    add(make_study(runs, "good-random", complete=20), 1.0)
    assert best(runs) == "good", "random search stands beside it"
    add(make_study(runs, "few", complete=3), 1.0)
    assert best(runs) == "good", "a study that has hardly begun"
    damage(make_study(runs, "bad", complete=2))
    assert best(runs) == "good"
    app = page()
    assert app.query_params["study"] == "good"
    assert metrics(app)["Finished"] == "21"
    assert "nas explores ConvNeXt-family networks" in said(app)


def test_a_study_that_runs_is_opened_first(runs: Path) -> None:
    make_study(runs, "runs", complete=1, running=1)
    add(make_study(runs, "good", complete=20), 1.0)
    assert best(runs) == "runs"


def test_of_studies_without_a_finished_network_the_latest_is_opened(runs: Path) -> None:
    make_study(runs, "one", complete=0)
    make_study(runs, "two", complete=0, failed=1)
    assert best(runs) == "two"
    add(runs / "one", 0.5)
    assert best(runs) == "one"
