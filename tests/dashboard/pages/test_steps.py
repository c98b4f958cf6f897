"""The page Steps: of a walk, of one that has too few networks, and of a study that a search made."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.records.trial import Period
from nas.searching.loop import Search, Watch
from nas.storage.study_folder import open_folder
from nas.training.trainer import Failed, Finished
from tests.dashboard.opened import checked, page, said
from tests.dashboard.studies import make_study
from tests.nas.analysis.test_step_effects import additive, study


def walk(folder: Path, networks: int, repeats: int, failing: int = 0) -> None:
    """A study of steps whose accuracies are made up."""
    steps, settings = study()
    rows = {steps.network(row, settings.task, settings.budget).arch.key: row for row in steps.rows}
    open_folder(folder, settings)

    failed = [steps.network(row, settings.task, settings.budget).arch.key for row in steps.rows[:failing]]

    def train(arch, seed, on_period, abandoned):  # type: ignore[no-untyped-def]
        if arch.key in failed:
            return Failed("made to fail", 1.0)
        accuracy = additive(rows[arch.key]) + seed % 7 * 1e-4
        for period in range(1, settings.build_recipe().periods + 1):
            on_period(Period(period, period, 1.0, accuracy, 0.1))
        return Finished(accuracy, 1.0, False, b"")

    assert Search(folder, train, Watch()).run(networks, repeats)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_RUNS", str(tmp_path))
    return tmp_path


def test_a_walk_is_told_by_charts_and_sentences(runs: Path) -> None:
    walk(runs / "made-up", 32, 8)
    app = page("steps", study="made-up")
    words = said(app)
    assert "5 steps, 40 trainings of 32 networks of the 32 of the design (full)" in words
    assert "Gain on average:" in words
    assert "pairs of steps are told from nothing" in words
    app.selectbox(key="order").select("reversed")
    assert "From 50." in said(checked(app.run()))
    app.selectbox(key="step").select("norm")
    assert "norm (bn to ln) gains in" in said(checked(app.run()))


def test_too_few_networks_are_said_to_be(runs: Path) -> None:
    walk(runs / "made-up", 6, 0)
    assert "Not told yet: the effects of 5 steps and their pairs need 20 networks" in said(
        page("steps", study="made-up")
    )


def test_networks_that_failed_are_said_to_be(runs: Path) -> None:
    walk(runs / "made-up", 32, 8, failing=2)
    assert "failed to train, in none of these numbers: 2 of the design's networks" in said(
        page("steps", study="made-up")
    )


def test_a_study_that_a_search_made_says_how_to_begin_a_walk(runs: Path) -> None:
    make_study(runs, "searched", complete=2)
    assert "nas steps resnet_32 convnext_32" in said(page("steps", study="searched"))
