"""Data in Python's hands: arrays, pictures, and anything with pairs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

import nas
from nas.data.dataset import Data, load
from nas.data.given import kept
from nas.data.images import open_plain
from space.reading import InputError

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 255, (30, 8, 8, 3)).astype(np.uint8)
LABELS = [f"c{i % 2}" for i in range(30)]
ONE = "nas is for one class an image: no boxes, no several labels, no numbers to predict"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Pairs:
    """What a torch data set of (image, label) is, here with channels first, as torch has them."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return IMAGES[index].transpose(2, 0, 1), index % 2


class Mappings(Pairs):
    def __getitem__(self, index: int) -> Any:
        return {"image": Image.fromarray(IMAGES[index]), "label": index % 2, "id": index}


def hugging_face() -> Any:
    from datasets import ClassLabel, Dataset, Features  # type: ignore[import-untyped]
    from datasets import Image as ImageFeature

    columns = {"image": [Image.fromarray(image) for image in IMAGES], "label": [i % 2 for i in range(30)]}
    return Dataset.from_dict(columns, Features({"image": ImageFeature(), "label": ClassLabel(names=["c0", "c1"])}))


def everything(data: Data) -> dict[bytes, int]:
    return {image.tobytes(): int(label) for split in (data.train, data.validation, data.test)
            for image, label in zip(split.images, split.labels, strict=True)}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ((IMAGES, LABELS), ("c0", "c1")),
        (([Image.fromarray(image) for image in IMAGES], LABELS), ("c0", "c1")),
        (Pairs(), ("0", "1")),
        (Mappings(), ("0", "1")),
        (hugging_face, ("c0", "c1")),
    ],
)
def test_it_is_what_was_given(given: Any, classes: tuple[str, str]) -> None:
    given = given() if callable(given) else given
    folder = kept(given)
    assert kept(given) == folder
    data = load(str(folder))
    assert data.classes == classes
    assert everything(data) == {image.tobytes(): i % 2 for i, image in enumerate(IMAGES)}


def test_splits_and_a_search(tmp_path: Any, tiny_space: Any) -> None:
    splits = {"train": (IMAGES[:20], LABELS[:20]), "test": (IMAGES[20:], LABELS[20:])}
    study = nas.search(
        tiny_space, data=splits, flops="20K..300K", trials=1, epochs=1, runs=tmp_path / "runs", study="s"
    )
    assert study.settings.data.test == 10
    assert study.settings.data.look
    assert study.settings.data.look.came_from["test"] == "files such as test.parquet"


def test_the_same_images_in_other_splits_are_other_data(home: Path) -> None:
    def cut(train: int, *ends: int) -> dict[str, Any]:
        parts = zip(("train", "test", "validation"), (0, train, *ends), (train, *ends, 30), strict=False)
        return {split: (IMAGES[start:end], LABELS[start:end]) for split, start, end in parts}

    given = [
        (IMAGES, LABELS),
        cut(20),
        cut(24),
        cut(20, 24),
        {"validation": cut(20)["test"], "train": cut(20)["train"]},
    ]
    folders = [kept(each) for each in given]
    assert len(set(folders)) == 5
    files = [{"train"}, {"train", "test"}, {"train", "test"}, {"train", "test", "validation"}, {"train", "validation"}]
    assert [{path.stem for path in folder.iterdir()} for folder in folders] == files
    assert [len(load(str(folder)).test.labels) for folder in folders[1:4]] == [10, 6, 4]
    assert kept(dict(reversed(cut(20, 24).items()))) == folders[3]


def in_every_mode() -> list[Image.Image]:
    picture = Image.fromarray(RANDOM.randint(0, 255, (6, 10, 3)).astype(np.uint8))
    turned = picture.copy()
    turned.getexif()[0x0112] = 6
    seen = picture.convert("RGBA")
    seen.putalpha(100)
    clear = picture.convert("P")
    clear.info["transparency"] = 3
    grey = Image.fromarray((RANDOM.rand(6, 10) * 65535).astype(np.uint16))
    modes = [picture.convert(mode) for mode in ("1", "L", "LA", "P", "CMYK", "YCbCr", "HSV", "LAB", "RGBX")]
    return [*modes, turned, seen, seen.convert("RGBa"), clear, grey, grey.convert("I")]


@pytest.mark.parametrize("image", in_every_mode(), ids=lambda image: image.mode)
def test_pictures_of_every_mode_are_kept_as_training_sees_them(image: Image.Image) -> None:
    (cell,) = pq.read_table(kept(([image], ["a"])) / "train.parquet")["image"].to_pylist()
    found, wanted = Image.open(BytesIO(cell["bytes"])), open_plain(image)
    assert (found.mode, found.size, found.tobytes()) == (wanted.mode, wanted.size, wanted.tobytes())
    assert found.size == ((6, 10) if image.getexif() else (10, 6))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([True, False], ("False", "True")),
        (np.array([1.0, 0.0]), ("0", "1")),
        (["x", 1], ("1", "x")),
        (["x", "\udcfc"], ("\\udcfc", "x")),
        (np.array([10, 9]), ("9", "10")),
    ],
)
def test_labels_are_read_as_those_of_files(labels: Any, classes: tuple[str, str]) -> None:
    assert load(str(kept((IMAGES, list(labels) * 15)))).classes == classes


def test_a_test_split_without_labels_is_left_out() -> None:
    found = load(str(kept({"train": (IMAGES[:20], LABELS[:20]), "test": (IMAGES[20:], [None] * 10)})))
    assert found.look
    assert found.look.notes == ("left out, images without a label: the split test",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((IMAGES / 255, LABELS), "picture must be uint8 (H, W) or (H, W, C), got float64 (8, 8, 3); scale it to 0 to 255 and convert it"),
        ((IMAGES[..., :2], LABELS), "picture must be uint8 (H, W) or (H, W, C), got uint8 (8, 8, 2); put 1, 3 or 4 channels last"),
        ((np.zeros((9, 8, 8, 5), np.uint8), LABELS[:9]), "picture must be uint8 (H, W) or (H, W, C), got uint8 (8, 8, 5); put 1, 3 or 4 channels last"),
        (([Image.new("F", (8, 8))], ["a"]), "train image 0 must be a readable image, got floating-point pixels; mend or remove it"),
        ((IMAGES[:, :0], LABELS), "train image 0 must have pixels, got 8x0; remove it"),
        (([b"GIF"], ["a"]), "picture must be a PIL image, a file or an array, got bytes; convert it"),
        ((IMAGES, LABELS[:3]), "labels must be as many as images, got 3 for 30; correct them"),
        ((IMAGES, np.full(30, 0.5)), f"label must be integers or words, got 0.5; {ONE}"),
        ((IMAGES, np.eye(2, dtype=int)[[0, 1] * 15]), f"label must be one class for each image, got [1, 0]; {ONE}"),
        ((IMAGES, [b"a"] * 30), "label must be an integer or a word, got bytes; convert it"),
        ({"tset": (IMAGES, LABELS)}, "data must be by train, validation and test, got tset; rename it"),
        ({"test": (IMAGES, LABELS)}, "data must have a train split, got test; add it"),
        (([], []), "train must have images, got none; give some, or leave it out"),
        ({"train": (IMAGES, LABELS), "test": []}, "test must have images, got none; give some, or leave it out"),
        ([(IMAGES[0], 1, "id")], "train item 0 must be (image, label) or a mapping with image and label, got tuple of 3; convert it"),
        ([{"image": IMAGES[0]}], "train item 0 must be (image, label) or a mapping with image and label, got the keys image; convert it"),
        (3, "data must be a source, (images, labels) or a data set, got int; convert it"),
        (pd.DataFrame({"label": LABELS}), "data must be a source, (images, labels) or a data set, got DataFrame; convert it"),
        ((iter(IMAGES), LABELS), "data must be a source, (images, labels) or a data set, got tuple; convert it"),
    ],
)  # fmt: skip
def test_what_it_is_not(given: Any, message: str, home: Path) -> None:
    with pytest.raises(InputError) as caught:
        kept(given)
    assert str(caught.value) == message
    assert not home.exists()


def test_a_hugging_face_data_set_with_columns_of_its_own(tmp_path: Any, tiny_space: Any) -> None:
    from datasets import Dataset

    table = Dataset.from_dict({"photo": [Image.fromarray(image) for image in IMAGES], "kind": LABELS})
    study = nas.search(
        tiny_space, data=table, label_column="kind", flops="20K..300K", trials=1, epochs=1, runs=tmp_path, study="s"
    )
    assert study.settings.data.classes == ("c0", "c1")
    assert study.settings.data.reading.label_column is None
