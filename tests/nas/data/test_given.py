"""Data in Python's hands: arrays, pictures, and anything with pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas
from nas.data.dataset import load
from nas.data.given import kept
from space.reading import InputError

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 255, (30, 8, 8, 3)).astype(np.uint8)
LABELS = [f"c{i % 2}" for i in range(30)]


class Pairs:
    """What a torch data set of (image, label) is, here with channels first, as torch has them."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return IMAGES[index].transpose(2, 0, 1), index % 2


@pytest.mark.parametrize("given", [(IMAGES, LABELS), ([Image.fromarray(image) for image in IMAGES], LABELS), Pairs()])
def test_it_is_what_was_given(given: Any) -> None:
    folder = kept(given)
    assert kept(given) == folder
    data = load(str(folder))
    assert data.classes == (("c0", "c1") if isinstance(given, tuple) else ("0", "1"))
    found = {image.tobytes(): int(label) for split in (data.train, data.validation, data.test)
             for image, label in zip(split.images, split.labels, strict=True)}  # fmt: skip
    assert found == {image.tobytes(): i % 2 for i, image in enumerate(IMAGES)}


def test_splits_and_a_search(tmp_path: Any, tiny_space: Any) -> None:
    splits = {"train": (IMAGES[:20], LABELS[:20]), "test": (IMAGES[20:], LABELS[20:])}
    study = nas.search(
        tiny_space, data=splits, flops="20K..300K", trials=1, epochs=1, runs=tmp_path / "runs", study="s"
    )
    assert study.settings.data.test == 10
    assert study.settings.data.look
    assert study.settings.data.look.came_from["test"] == "files such as test.parquet"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((IMAGES / 255, LABELS), "image must be a PIL image or uint8 (H, W) or (H, W, C), got float64 (8, 8, 3); convert it"),
        ((IMAGES, LABELS[:3]), "labels must be as many as images, got 3 for 30; correct them"),
        ((IMAGES, RANDOM.rand(30)), "label must be an integer or a word, got float; convert it"),
        ({"tset": (IMAGES, LABELS)}, "data must be by train, validation and test, got tset; rename it"),
        (3, "data must be a source, (images, labels) or a data set, got int; convert it"),
    ],
)  # fmt: skip
def test_what_it_is_not(given: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        kept(given)
    assert str(caught.value) == message
