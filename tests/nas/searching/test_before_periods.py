"""A study of a release that counted epochs and knew AdamW alone: it reads as it did, and goes on with AdamW."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

from nas.data.dataset import load
from nas.process.progress import Notes
from nas.records.extent import Extent
from nas.records.recipe import Recipe
from nas.records.settings import ARTIFACTS, FILE, JOURNAL
from nas.searching.worker import prepare
from nas.storage.reader import Reader
from nas.training.brief import train
from nas.training.device_data import DeviceData
from tests.nas.commands import Command
from tests.nas.conftest import Run

CPU = torch.device("cpu")
FIELDS = (
    "epochs", "batch_size", "lr", "weight_decay", "warmup", "label_smoothing", "drop_path", "ema", "crop", "flip", "cutout",
    "mixup", "cutmix", "train_images", "precision",
)  # fmt: skip


def as_before(folder: Path, epochs: int) -> None:
    """Writes a study in the words of that release."""
    plain = yaml.safe_load((folder / FILE).read_text())
    plain["recipe"] = {name: (plain["recipe"] | {"epochs": epochs})[name] for name in FIELDS}
    (folder / FILE).write_text(yaml.safe_dump(plain, sort_keys=False))
    journal = folder / JOURNAL
    words = journal.read_text().replace('"periods"', '"epochs"').replace('"period"', '"epoch"')
    assert '"epochs"' in words
    assert '"epoch"' in words
    journal.write_text(words)
    for path in (folder / ARTIFACTS).iterdir():
        if (content := path.read_bytes()).startswith(b"period,"):
            rows = [line.split(",") for line in content.decode().splitlines()]
            path.write_text("\n".join(",".join([row[0].replace("period", "epoch"), *row[2:]]) for row in rows) + "\n")


@pytest.fixture
def study(command: Command, run: Run, tiny_recipe: Path) -> Command:
    """Three networks, trained for two epochs of 256 images."""
    brief = tiny_recipe.read_text()
    was = "optimizer: adamw\nschedule: cosine\naverage: null\nwarmup: 0.1\ncrop_after: 0\n"
    tiny_recipe.write_text(brief + was)
    code, _, err = run(*command.words, "--trials", 3)
    assert code == 0, err
    tiny_recipe.write_text(brief)
    return command


def test_it_reads_as_it_did(study: Command) -> None:
    now = Reader(study.folder)
    trials, curves = now.trials(), [now.curve(number) for number in range(3)]
    as_before(study.folder, epochs=2)
    before = Reader(study.folder)
    assert before.settings.build_recipe() == now.settings.build_recipe()
    assert before.settings.training == now.settings.training == "512 images (2 epochs of 256 of 1,079)"
    assert before.trials() == trials
    assert [before.curve(number) for number in range(3)] == curves
    for trial, curve in zip(trials, curves, strict=True):
        assert (trial.periods, trial.images) == (2, 512)
        assert [(period.period, period.images) for period in curve] == [(1, 256), (2, 512)]
        assert [(each["period"], each["images"]) for each in trial.decisions] == [(1, 256)]


def test_the_same_command_goes_on_with_adamw(study: Command, run: Run) -> None:
    as_before(study.folder, epochs=2)
    frozen = (study.folder / FILE).read_bytes()
    code, _, err = run(*study.words, "--trials", 5)
    assert code == 0, err
    assert (study.folder / FILE).read_bytes() == frozen
    reader, digits = Reader(study.folder), load("digits")
    trials = reader.trials()
    assert [trial.images for trial in trials if trial.state == "complete"] == [512] * 5
    recipe = Recipe(optimizer="adamw", schedule="cosine", average=None, warmup=0.1, epochs=2, train_images=256)
    last = trials[-1]
    assert last.seed is not None
    data = DeviceData.place(digits, recipe, CPU)
    trained = train(last.to_arch(), reader.settings.task, data, recipe, seed=last.seed)
    got = [(period.loss, period.accuracy) for period in reader.curve(last.number)]
    assert got == [pytest.approx((period.loss, period.accuracy), rel=1e-4) for period in trained.curve]


def test_another_optimizer_is_refused(study: Command, run: Run, tiny_recipe: Path) -> None:
    as_before(study.folder, epochs=2)
    tiny_recipe.write_text(f"{tiny_recipe.read_text()}optimizer: muon\n")
    code, _, err = run(*study.words, "--trials", 5)
    assert code == 2
    said = "error: recipe.optimizer must be adamw to resume s, got muon; start another study with --study NAME\n"
    assert err.endswith(said)


def test_more_workers_join_it(study: Command) -> None:
    as_before(study.folder, epochs=2)
    trainer, notes, goal = prepare(study.folder, None, "cpu", None, Notes(Console(quiet=True)))
    assert (trainer.recipe.optimizer, trainer.recipe.length, goal, notes) == ("adamw", 512, Extent(3), [])
