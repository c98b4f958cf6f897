"""A study's data: read and augmented as when it began, whatever the release that began it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from nas.data.dataset import load
from nas.data.study_data import describe_data, like, said
from nas.records.data_card import Augment
from nas.records.recipe import Recipe
from nas.records.settings import FILE, Settings
from tests.dashboard.studies import make_settings
from tests.nas.conftest import Run


def letters(root: Path) -> Path:
    """Pictures whose mirror images are of the other class, and some that occur twice."""
    random = np.random.RandomState(0)
    for number in range(40):
        pixels = random.randint(0, 60, (8, 8)).astype(np.uint8)
        pixels[:, :3] = 255
        for name, image in (("b", pixels), ("d", pixels[:, ::-1])):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / name / f"{number}.png")
            if number < 8:
                Image.fromarray(image).save(root / name / f"again{number}.png")
    return root


def test_cards_from_before_are_augmented_by_name(tmp_path: Path) -> None:
    data = load(str(letters(tmp_path / "set")))
    card = describe_data(data)
    assert (like(data, card).augment, card.augment) == (Augment(crop=1, flip=False),) * 2
    assert like(data, replace(card, augment=Augment(crop=3, flip=True))).augment == Augment(crop=3, flip=True)
    for name, augment in (("set", (1, True)), ("digits", (0, False)), ("fashion_mnist", (2, True))):
        old = replace(card, augment=None, name=name)
        assert like(data, old).augment == Augment(crop=augment[0], flip=augment[1])


def test_the_first_lines_say_what_is_done_to_the_images(tmp_path: Path) -> None:
    data = load(str(letters(tmp_path / "set")))
    lines = said(data)
    assert lines[0] == (
        "data: set: train 65 (folders such as b), validation 11 (held out of train), test 20 (held out of train)"
    )
    assert lines[-1].startswith(
        "training images: moved by up to 1 px after their first pass, never mirrored (a linear probe reads 100% of ima"
    )
    assert said(data, Recipe(crop=0, flip=True))[-1] == "training images: mirrored"
    for passes, words in ((0, "2 px, mirrored"), (1, "2 px after their first pass, "), (3, "2 px after 3 passes, ")):
        assert f"moved by up to {words}" in said(data, Recipe(crop=2, flip=True, crop_after=passes))[-1]


@pytest.fixture
def words(tmp_path: Path, tiny_space: Path) -> list[str]:
    source = letters(tmp_path / "set")
    return ["search", str(tiny_space), "--data", str(source), "--flops", "20K..300K", "--epochs", "1",
            "--runs", str(tmp_path / "runs"), "--study", "s", "--trials"]  # fmt: skip


def test_what_is_beside_the_pictures_may_change(words: list[str], tmp_path: Path, run: Run) -> None:
    code, _, errors = run(*words, 1)
    assert code == 0
    assert "images with the same pixels as another: 16, in one split each" in errors
    assert (tmp_path / "runs" / "s" / "samples.png").read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "set" / "b" / "notes.txt").write_text("new")
    assert run(*words, 2)[0] == 0
    code, _, errors = run(*words, 3, "--label-column", "y")
    assert code == 2
    next((tmp_path / "set" / "b").glob("*.png")).unlink()
    code, _, errors = run(*words, 3)
    assert code == 2
    assert "error: data.fingerprint must be " in errors, "not: recipe.images, which follows from the data"


def test_a_baseline_that_comes_with_a_later_run_has_its_samples_too(words: list[str], tmp_path: Path, run: Run) -> None:
    assert run(*words, 1)[0] == 0
    sheets = [tmp_path / "runs" / name / "samples.png" for name in ("s", "s-random")]
    before = sheets[0].stat().st_mtime_ns
    code, _, errors = run(*words, 2, "--baseline")
    assert code == 0, errors
    assert sheets[1].read_bytes() == sheets[0].read_bytes()
    assert sheets[0].stat().st_mtime_ns == before


def test_a_study_from_before_goes_on_with_its_images(words: list[str], tmp_path: Path, run: Run) -> None:
    """Which splits equal pictures by their names, and mirrors; as if it had been begun then."""
    file = tmp_path / "runs" / "s" / FILE
    assert run(*words, 1)[0] == 0
    plain = yaml.safe_load(file.read_text())
    for field in ("reading", "augment", "look"):
        del plain["data"][field]
    old = load(str(tmp_path / "set"), reading=Settings.read(file.parent).data.reading)
    recipe = {
        key: value
        for key, value in plain["recipe"].items()
        if key not in ("images", "period_images", "optimizer", "muon_lr", "schedule", "average", "warmup", "crop_after")
    }
    plain["recipe"] = recipe | {"epochs": 1, "lr": 0.002}
    file.write_text(yaml.safe_dump(plain))
    before = Settings.read(file.parent).data.reading
    assert not before.apart
    mixed = load(str(tmp_path / "set"), reading=before)
    assert mixed.fingerprint != old.fingerprint
    plain["data"] |= {"fingerprint": mixed.fingerprint, "train": len(mixed.train.labels),
                      "validation": len(mixed.validation.labels), "test": len(mixed.test.labels)}  # fmt: skip
    file.write_text(yaml.safe_dump(plain))
    code, _, errors = run(*words, 2)
    assert code == 0, errors
    assert "mirrored" in errors


def test_splits_that_were_said_are_found_from_anywhere(
    tmp_path: Path, tiny_space: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters(tmp_path / "set" / "mine")
    monkeypatch.chdir(tmp_path / "set")
    words = ("search", tiny_space, "--flops", "20K..300K", "--epochs", 1, "--runs", tmp_path / "runs", "--study", "s")
    assert run(*words, "--data", ".", "--train", "mine", "--trials", 1)[0] == 0
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(*words, "--data", tmp_path / "set", "--trials", 2)
    assert code == 0, errors
    (tmp_path / "set" / "mine").rename(tmp_path / "set" / "moved")
    code, _, errors = run(*words, "--data", "set", "--train", "set/moved", "--trials", 3)
    assert code == 0, errors


def test_a_study_of_very_many_classes_is_read_again(tmp_path: Path) -> None:
    data = load(str(letters(tmp_path / "set")))
    names = tuple(f"a class with a rather long name, number {number}" for number in range(10_000))
    look = data.look
    assert look
    card = replace(
        describe_data(data),
        classes=names,
        look=replace(look, counts=dict.fromkeys(look.counts, dict.fromkeys(names, 1))),
    )
    settings = replace(make_settings(tmp_path.name), data=card)
    settings.write(tmp_path)
    assert Settings.read(tmp_path) == settings
