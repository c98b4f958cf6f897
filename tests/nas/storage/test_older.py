"""Studies that an older release wrote: they stay readable, and cost what that release counted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.charts.blocks import hover
from dashboard.frames import parts_frame
from nas.analysis.pareto import pareto_front
from nas.analysis.wording import describe
from nas.cli.study_tables import trials_table
from nas.records.recipe import Recipe
from nas.records.settings import JOURNAL
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder
from space import InputError, cost

VERSION_1 = Path(__file__).parents[1] / "older" / "version_1"  # 30 networks on CIFAR-10; without curves and weights
ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "runs" / "cifar10"  # by a release that counted epochs and knew AdamW alone


def test_networks_of_version_1_cost_what_was_recorded() -> None:
    reader = Reader(VERSION_1)
    assert reader.settings.version == 1
    trials = [trial for trial in reader.trials() if trial.arch]
    assert len(trials) >= 30
    for trial in trials:
        counted = cost(trial.to_arch(), reader.settings.task)
        assert (counted.flops, counted.params, counted.activations) == (trial.flops, trial.params, trial.activations)


def test_a_study_of_version_1_is_shown() -> None:
    reader = Reader(VERSION_1)
    trials = reader.trials()
    first = pareto_front(trials)[0]
    assert trials_table(trials, reader.settings).row_count == len(trials)
    assert describe(first.to_arch()) == "stem 4 | c2x32k5 m1x64k5 c4x128k5 m1x256k9 | ln relu e4"
    assert "<br>convnext 2 x 32, kernel 5, expansion 4.0, ln, relu<br>" in hover(first)
    assert parts_frame(first.to_arch(), reader.settings.task)["blocks"].tolist() == [
        "patchify", "2 x convnext", "1 x modulation", "4 x convnext", "1 x modulation", "linear",
    ]  # fmt: skip


def test_a_study_that_counted_epochs_is_read_in_images() -> None:
    reader = Reader(COMMITTED)
    assert "optimizer" not in reader.settings.recipe
    recipe = reader.settings.build_recipe()
    assert (recipe.optimizer, recipe.lr, recipe.length, recipe.period) == ("adamw", 0.002, 30_000, 5000)
    assert reader.settings.training == "30,000 images (6 epochs of 5,000 of 45,000)"
    trials = reader.trials()
    assert {(trial.periods, trial.images) for trial in trials if trial.state == "complete"} == {(6, 30_000)}
    stopped = [trial for trial in trials if trial.state == "stopped"]
    assert len(stopped) == 21
    for trial in stopped:
        assert trial.periods is not None
        assert trial.images == 5000 * trial.periods == trial.decisions[-1]["images"]
        assert len(reader.curve(trial.number)) == trial.periods
    assert sum(trial.images or 0 for trial in trials) == 412 * 5000, "epochs, as README has them"
    first = trials[0]
    assert [each["images"] for each in first.decisions] == [10_000, 15_000, 20_000, 25_000]
    curve = reader.curve(0)
    assert [period.images for period in curve] == [5000, 10_000, 15_000, 20_000, 25_000, 30_000]
    assert curve[-1].accuracy == pytest.approx(first.accuracy)
    assert [each["accuracy"] for each in first.decisions] == pytest.approx([p.accuracy for p in curve[1:5]])


def test_a_study_that_counted_epochs_is_resumed_by_the_recipe_of_its_command(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for name in ("study.yaml", JOURNAL):
        shutil.copy(COMMITTED / name, folder)
    began, file = Reader(folder).settings, tmp_path / "recipe.yaml"
    file.write_text("epochs: 6\ntrain_images: 5000\n")
    for path in (file, ROOT / "benchmarks" / "recorded.yaml"):
        recipe = Recipe.load(path, began={}).settled(began.data.train)
        assert open_folder(folder, replace(began, recipe=recipe.to_dict())) == []
    muon = Recipe.load(file).settled(began.data.train)
    with pytest.raises(InputError, match=r"recipe.optimizer must be adamw to resume cifar10, got muon"):
        open_folder(folder, replace(began, recipe=muon.to_dict()))
