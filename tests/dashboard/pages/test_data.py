"""The page Data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas.records.settings import SAMPLES, Settings
from tests.dashboard.opened import page, said
from tests.dashboard.studies import make_study, seen_data


def test_it_says_what_was_seen(runs: Path) -> None:
    folder = make_study(runs, "one", complete=3)
    seen_data(folder)
    app = page("data")
    assert list(app.dataframe[0].value.columns) == ["class", "train", "validation", "test"]
    assert app.dataframe[0].value["train"].tolist() == [90, 10]
    words = said(app)
    for line in (
        "folders without pictures: emu",
        "images with the same pixels as another: 3, in one split each; left out, as another split has them: 1 "
        "(train/cat/3.png = train/dog/3.png and 2 more)",
        "images that show nothing, nearly constant: 2 (train/cat/1.png, train/cat/2.png)",
        "validation: 10 images, held out of train",
        "imbalance: the largest class has 9x the images of the smallest",
        "training images: moved by up to 2 px after their first pass, mirrored (a linear probe reads 70% of images and 71% "
        "of their mirror images)",
        "As the networks see them",
    ):
        assert line in words
    assert "No sample pictures" not in words
    settings = Settings.read(folder)
    replace(settings, recipe={**settings.recipe, "crop": 0, "flip": False}).write(folder)
    assert "training images: never mirrored" in said(page("data")).splitlines(), "as the recipe has it"


@pytest.mark.parametrize(
    ("source", "end"),
    [("digits", "."), ("../gone", ", and there is no folder ../gone on this machine to read it from.")],
)
def test_where_there_are_no_sample_pictures_it_says_why(runs: Path, source: str, end: str) -> None:
    folder = make_study(runs, "cloned", complete=1)
    seen_data(folder)
    (folder / SAMPLES).unlink()
    settings = Settings.read(folder)
    replace(settings, data=replace(settings.data, source=source)).write(folder)
    why = f"No sample pictures: the study has no samples.png, which a search draws when it has read the data{end}"
    words = said(page("data"))
    assert why in words.splitlines()
    assert "As the networks see them" not in words


def test_a_study_without_a_look_says_so(runs: Path) -> None:
    make_study(runs, "old", complete=3)
    words = said(page("data"))
    assert "did not look at its data" in words
    assert "train 1,077, validation 360, test 360 images of digits" in words


def test_what_was_seen_stands_there_before_the_first_trial(runs: Path) -> None:
    seen_data(make_study(runs, "new", complete=0))
    app = page("data")
    assert "no trial yet" in said(app)
    assert app.dataframe[0].value["train"].tolist() == [90, 10]
    assert "As the networks see them" in said(app)
    assert "no trial yet" in said(page("front"))
