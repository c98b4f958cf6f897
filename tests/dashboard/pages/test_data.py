"""The page Data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nas.records.look import Look
from nas.records.settings import SAMPLES, Augment, Settings
from tests.dashboard.opened import page, said
from tests.dashboard.studies import make_study

LOOK = Look(
    counts={"train": {"cat": 90, "dog": 10}, "validation": {"cat": 9, "dog": 1}, "test": {"cat": 18, "dog": 2}},
    came_from={"train": "folders such as train/cat", "validation": "held out of train", "test": "folders such as test/cat"},
    sizes={"16x16": 130}, modes={"RGB": 129, "P": 1}, flat=2, duplicates=3, across_splits=1,
    mirror="a linear probe reads 70% of images and 71% of their mirror images", notes=("folders without pictures: emu",),
)  # fmt: skip


def test_it_says_what_was_seen(runs: Path) -> None:
    folder = make_study(runs, "one", complete=3)
    settings = Settings.read(folder)
    replace(settings, data=replace(settings.data, look=LOOK, augment=Augment(crop=2, flip=True))).write(folder)
    (folder / SAMPLES).write_bytes(Path("docs/front.png").read_bytes())
    app = page("data")
    assert list(app.dataframe[0].value.columns) == ["class", "train", "validation", "test"]
    assert app.dataframe[0].value["train"].tolist() == [90, 10]
    words = said(app)
    for line in (
        "Folders without pictures: emu",
        "Images with the same pixels as another: 3, in one split each; left out, as another split has them: 1",
        "Images that show nothing, nearly constant: 2",
        "validation: 10 images, held out of train",
        "imbalance: the largest class has 9x the images of the smallest",
        "training images: moved by up to 2 px, mirrored where the recipe does not say otherwise",
        "As the networks see them",
    ):
        assert line in words


def test_a_study_without_a_look_says_so(runs: Path) -> None:
    make_study(runs, "old", complete=3)
    words = said(page("data"))
    assert "did not look at its data" in words
    assert "train 1,077, validation 360, test 360 images of digits" in words
