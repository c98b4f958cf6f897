"""Layouts: folders as people have them, from generated files, each read right or refused with what to do.

The table of docs/data.md has a row for each.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nas.data import dataset
from nas.records.data_card import AS_FOUND, Reading
from space.reading import InputError

ABOVE = {"train": "train", "validation": "val", "test": "test"}


def draw(path: Path, value: int) -> None:
    """An 8x8 grey picture that is told by its one bright pixel, not by its folder; value up to 10,000."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels.flat[value % 64] = 255
    pixels.flat[(value // 64 + value % 64 + 1) % 64] = 100
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def told(image: Any) -> int:
    image = image[..., 0] if image.ndim == 3 else image
    bright, grey = int(np.argmax(image)), int(np.flatnonzero(image.reshape(-1) == 100)[0])
    return (grey - bright - 1) % 64 * 64 + bright


def pictures(root: Path, folders: Sequence[str], count: int = 6, suffix: str = "png", first: int = 0) -> Path:
    """`count` different pictures in each folder."""
    for place, folder in enumerate(folders):
        for number in range(count):
            draw(root / folder / f"{number}.{suffix}", first + place * count + number)
    return root


def found(root: Path, reading: Reading = AS_FOUND, size: int | None = None) -> dict[str, dict[str, int]]:
    """Images by split and class; without those of splits that were held out of train where there are own ones."""
    look = dataset.load(str(root), size, reading=reading).look
    assert look
    return look.counts


def totals(root: Path, **reading: Any) -> dict[str, int]:
    counts = found(root, Reading(**reading))
    return {name: sum(each.get(name, 0) for each in counts.values()) for name in counts["train"]}


def refusal(root: Path, **reading: Any) -> str:
    with pytest.raises(InputError) as caught:
        dataset.load(str(root), reading=Reading(**reading))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# classes


@pytest.mark.parametrize(
    "folders",
    [
        ("cat/day", "cat/night", "dog/day", "dog/night"),
        ("set/cat/day", "set/cat/night", "set/dog/day", "set/dog/night"),
        ("cat/a/b/c", "dog/x"),
        ("cat", "cat/more", "dog"),
    ],
)
def test_the_class_is_the_folder_under_the_root(tmp_path: Path, folders: Sequence[str]) -> None:
    assert list(totals(pictures(tmp_path, folders))) == ["cat", "dog"]
    assert sum(totals(tmp_path).values()) == 6 * len(folders)


@pytest.mark.parametrize("classes", [("test-tube", "valid 2", "zebra"), ("bus", "train"), ("train_a", "train_b")])
def test_class_names_may_look_like_splits(tmp_path: Path, classes: Sequence[str]) -> None:
    assert totals(pictures(tmp_path, classes)) == dict.fromkeys(classes, 6)


def test_depths_that_contradict_each_other_are_refused_with_both_readings(tmp_path: Path) -> None:
    message = refusal(pictures(tmp_path, ("cat", "dogs/poodle", "dogs/terrier")))
    assert message == (
        "classes must be folders at one depth, got pictures directly in cat but deeper in dogs: the classes could be "
        "cat, dogs or cat, poodle, terrier; move the pictures to one depth"
    )


def test_pictures_beside_class_folders_are_refused(tmp_path: Path) -> None:
    draw(pictures(tmp_path, ("cat", "dog")) / "cover.png", 99)
    assert refusal(tmp_path).startswith(
        "classes must be folders at one depth, got 1 pictures (cover.png) beside the fo"
    )


@pytest.mark.parametrize("folders", [("train", "test"), ("images",), (".",), ("train", "val", "test")])
def test_without_labels_nothing_is_trained(tmp_path: Path, folders: Sequence[str]) -> None:
    message = refusal(pictures(tmp_path, folders))
    if len(folders) > 1 or folders == (".",):
        assert message.startswith("pictures must have labels, got ")
        assert "a folder per class, the same in train and test, or a labels.csv with the columns file and la" in message
    else:
        assert message.startswith("data must have at least 2 classes")


def test_empty_classes_and_what_is_no_picture_are_counted(tmp_path: Path) -> None:
    pictures(tmp_path, ("cat", "dog"))
    (tmp_path / "emu").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("hello")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    look = dataset.load(str(tmp_path)).look
    assert look
    assert look.notes == (
        "left out, no readable pictures: .db (1), .txt (1)",
        "folders without pictures: emu",
    )


# splits


@pytest.mark.parametrize(
    "names",
    [
        ("training_set", "validation_set", "test_set"), ("Train", "Valid", "Test"), ("seg_train", "seg_dev", "seg_test"),
        ("train2017", "val2017", "test2017"), ("my-training", "my-val", "my-eval"), ("deep/TRAIN", "deep/VAL", "deep/TEST"),
        ("trainSet", "valSet", "testSet"), ("train_images/images", "val_images/images", "test_images/images"),
    ],
)  # fmt: skip
def test_splits_go_by_their_usual_names(tmp_path: Path, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        folders = ("a", "b") if "images" not in name else ("a/x", "b/y")
        where = name.removesuffix("/images")
        pictures(tmp_path / where, folders, first=100 * place)
    counts = found(tmp_path)
    assert counts == {split: {"a": 6, "b": 6} for split in ABOVE}


def test_splits_below_the_classes(tmp_path: Path) -> None:
    pictures(tmp_path, ("cat/train", "dog/train", "cat/test", "dog/test"))
    assert found(tmp_path)["test"] == {"cat": 6, "dog": 6}


@pytest.mark.parametrize("names", [("train", "holdout"), ("train", "test", "extra"), ("fold1", "fold2")])
def test_what_looks_like_a_split_and_is_not_known_is_refused(tmp_path: Path, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        pictures(tmp_path / name, ("a", "b"), first=100 * place)
    message = refusal(tmp_path)
    assert message.startswith(
        f"splits must be named train, validation or test, got {names[-1] if names[0] == 'train' else 'fold1, fold2'}"
    )
    assert "--train, --val and --test" in message
    counts = found(tmp_path, Reading(train=str(tmp_path / names[0]), test=str(tmp_path / names[-1])))
    assert counts["test"] == {"a": 6, "b": 6}
    assert sum(counts["train"].values()) + sum(counts["validation"].values()) == 12


def test_where_each_split_came_from_is_said(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("a", "b"))
    pictures(tmp_path / "test", ("a", "b"), first=50)
    look = dataset.load(str(tmp_path)).look
    assert look
    assert look.came_from == {
        "train": "folders such as train/a", "validation": "held out of train", "test": "folders such as test/a"
    }  # fmt: skip


def test_a_test_split_without_class_folders_is_left_out(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("a", "b"))
    pictures(tmp_path / "test", (".",), first=50)
    look = dataset.load(str(tmp_path)).look
    assert look
    assert look.came_from["test"] == "held out of train"
    assert look.notes == ("left out, a split without a folder per class: test (6)",)


def test_other_cases_of_a_class_are_explained(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("Cat", "Dog"))
    pictures(tmp_path / "val", ("cat", "Dog"), first=50)
    assert refusal(tmp_path) == (
        "classes of validation must all be in train, got cat (1 such); did you mean Cat?"
    )  # fmt: skip


# files


def test_every_format_that_pillow_writes_is_read(tmp_path: Path) -> None:
    kinds = (
        "png",
        "bmp",
        "gif",
        "tif",
        "tiff",
        "webp",
        "ppm",
        "pgm",
        "pcx",
        "tga",
        "dib",
        "jfif",
        "jpg",
        "JPEG",
        "jp2",
        "sgi",
    )
    for place, suffix in enumerate(kinds):
        pictures(tmp_path, (suffix,), suffix=suffix, first=place * 6)
    assert totals(tmp_path) == dict.fromkeys(kinds, 6)


def test_pictures_without_a_suffix_are_known_by_their_content(tmp_path: Path) -> None:
    for file in pictures(tmp_path, ("cat", "dog")).rglob("*.png"):
        file.rename(file.with_suffix(""))
    assert totals(tmp_path) == {"cat": 6, "dog": 6}


@pytest.mark.parametrize("kind", ["loop", "class again", "file again", "to a pool", "broken"])
def test_each_file_is_read_once_however_it_is_linked(tmp_path: Path, kind: str) -> None:
    root = pictures(tmp_path / "set", ("a", "b"))
    if kind == "loop":
        (root / "a" / "loop").symlink_to(root)
    elif kind == "class again":
        (root / "a" / "again").symlink_to(root / "a")
    elif kind == "file again":
        (root / "a" / "again.png").symlink_to(root / "a" / "0.png")
    elif kind == "broken":
        (root / "a" / "gone.png").symlink_to(root / "a" / "nowhere.png")
    else:
        (tmp_path / "pool").mkdir()
        for file in sorted((root / "a").iterdir()):
            file.rename(tmp_path / "pool" / file.name)
            file.symlink_to(tmp_path / "pool" / file.name)
    assert totals(root) == {"a": 6, "b": 6}


# label files

FILES = tuple(f"{number}.png" for number in range(12))


def listed(path: Path, rows: Sequence[tuple[str, str]], header: str = "file,label") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(f"{name},{label}" for name, label in rows)]) + "\n")


@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv", "train.csv", "data/annotations.csv"])
@pytest.mark.parametrize("stems", [False, True])
def test_a_label_file_beside_pictures(tmp_path: Path, name: str, stems: bool) -> None:
    pictures(tmp_path / "images", (".",), 12)
    rows = [(file.removesuffix(".png") if stems else file, "yes" if i % 2 else "no") for i, file in enumerate(FILES)]
    listed(tmp_path / name, rows)
    loaded = dataset.load(str(tmp_path))
    assert loaded.classes == ("no", "yes")
    for split in (loaded.train, loaded.validation, loaded.test):
        assert [told(image) % 2 for image in split.images] == split.labels.tolist()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [(("10", "9"), ("9", "10")), (("true", "false"), ("false", "true")), (("1.0", "2.0"), ("1", "2")), (("01", "1"), ("01", "1")), (("NA", "None"), ("NA", "None"))],
)  # fmt: skip
def test_labels_are_words_integers_or_truth_values(
    tmp_path: Path, labels: Sequence[str], classes: Sequence[str]
) -> None:
    pictures(tmp_path, (".",), 12)
    listed(tmp_path / "labels.csv", [(file, labels[i % 2]) for i, file in enumerate(FILES)])
    assert dataset.load(str(tmp_path)).classes == classes


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_label_files_of_spreadsheets(tmp_path: Path, encoding: str, kind: str) -> None:
    """With the marks that they begin with; UTF-16 is what is called Unicode text there."""
    pictures(tmp_path, (".",), 12)
    between = {"csv": ",", "tsv": "\t", "jsonl": ""}[kind]
    lines = [f"file{between}label", *(f"{file}{between}{'ünï' if i % 2 else 'b'}" for i, file in enumerate(FILES))]
    if kind == "jsonl":
        lines = [f'{{"file": "{file}", "label": "{"ünï" if i % 2 else "b"}"}}' for i, file in enumerate(FILES)]
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / f"labels.{kind}").write_bytes(mark + "\r\n".join(lines).encode(encoding))
    assert dataset.load(str(tmp_path)).classes == ("b", "ünï")


def test_a_label_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 12)
    (tmp_path / "labels.csv").write_bytes("file,label\n0.png,grün\n".encode("latin-1"))
    assert "labels.csv: no table ('utf-8' codec can't decode" in refusal(tmp_path)
    assert "save it as UTF-8" in refusal(tmp_path)


def test_words_that_are_classes_of_their_own_are_several(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 12)
    listed(tmp_path / "labels.csv", [(file, ("cat", "dog", "cat dog")[i % 3]) for i, file in enumerate(FILES)])
    assert refusal(tmp_path) == (
        "label of labels.csv must be one class for each image, got 'cat dog' beside 'cat'; write _ for the space if it is "
        "one (nas is for one class an image: no boxes, no several labels, no numbers to predict)"
    )
    listed(tmp_path / "labels.csv", [(file, ("cat", "dog", "hot dog")[i % 3]) for i, file in enumerate(FILES)])
    assert dataset.load(str(tmp_path)).classes == ("cat", "dog", "hot dog")


def test_json_lines_and_named_columns(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 12)
    lines = [f'{{"picture": "{file}", "one": {i % 2}, "two": "w{i % 3}"}}' for i, file in enumerate(FILES)]
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    assert refusal(tmp_path).startswith("pictures must have labels, got 12 in no class folder; give ")
    assert totals(tmp_path, label_column="two") == {"w0": 4, "w1": 4, "w2": 4}
    assert refusal(tmp_path, label_column="three").startswith("label_column must be ")


def test_label_files_for_splits_and_a_contest_without_test_labels(tmp_path: Path) -> None:
    pictures(tmp_path, ("train", "test"), 12)
    listed(tmp_path / "train.csv", [(file, "ab"[i % 2]) for i, file in enumerate(FILES)], "id,breed")
    (tmp_path / "sample_submission.csv").write_text("id\n" + "\n".join(FILES))
    assert totals(tmp_path) == {"a": 6, "b": 6}
    for place, split in enumerate(("train", "val", "test")):
        pictures(tmp_path / "two" / split, (".",), 12, first=100 * place)
        listed(tmp_path / "two" / split / "labels.csv", [(file, "ab"[i % 2]) for i, file in enumerate(FILES)])
    assert found(tmp_path / "two") == {split: {"a": 6, "b": 6} for split in ABOVE}


def test_a_column_says_the_split(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 24)
    rows = [(f"{i}.png", f"{'ab'[i % 2]},{'test' if i < 8 else 'train'}") for i in range(24)]
    listed(tmp_path / "labels.csv", rows, "file,label,split")
    assert found(tmp_path)["test"] == {"a": 4, "b": 4}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("0.5", "label of labels.csv must be integers or words, got 0.5; nas is for one class an image: no boxes, no several"),
        ("box", "labels.csv must have one row for each picture, got several for 0.png (1 such); nas is for one class an im"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_refused(tmp_path: Path, labels: str, message: str) -> None:
    pictures(tmp_path, (".",), 12)
    rows = [(file, f"{i + 0.5}" if labels == "0.5" else "a") for i, file in enumerate(FILES)]
    listed(tmp_path / "labels.csv", rows + ([("0.png", "b")] if labels == "box" else []))
    assert refusal(tmp_path).startswith(message)


# the same pictures, and broken ones


def test_equal_pictures_are_in_one_split(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for number in range(50):
            draw(tmp_path / folder / f"{number}.png", number % 5 + (100 if folder == "b" else 0))
    loaded = dataset.load(str(tmp_path))
    told_by_split = [
        {told(image) for image in split.images} for split in (loaded.train, loaded.validation, loaded.test)
    ]
    assert not told_by_split[0] & (told_by_split[1] | told_by_split[2])
    assert not told_by_split[1] & told_by_split[2]
    assert loaded.look
    assert (loaded.look.duplicates, loaded.look.across_splits, loaded.look.conflicting) == (90, 0, 0)


def test_what_test_has_too_leaves_train_and_several_classes_are_said(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("a", "b"), 10)
    pictures(tmp_path / "test", ("a", "b"), 4, first=100)
    draw(tmp_path / "test" / "a" / "same.png", 0)  # as train/a/0.png
    draw(tmp_path / "train" / "b" / "twice.png", 5)  # as train/a/5.png
    loaded = dataset.load(str(tmp_path))
    assert loaded.look
    assert loaded.look.counts["test"] == {"a": 5, "b": 4}
    assert 0 not in [told(image) for split in (loaded.train, loaded.validation) for image in split.images]
    assert (loaded.look.duplicates, loaded.look.across_splits, loaded.look.conflicting) == (2, 1, 1)
    kept = dataset.load(str(tmp_path), reading=Reading(apart=False))
    assert len(kept.train.labels) + len(kept.validation.labels) == 21


def test_broken_pictures_are_listed_at_once_and_may_be_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    root = pictures(tmp_path / "set", ("a", "b"), 150)
    bad = [root / "a" / "0.png", root / "b" / "7.png", root / "b" / "8.png"]
    for file in bad:
        file.write_bytes(b"junk")
    message = refusal(root)
    listed_in = tmp_path / "cache" / "broken-set.txt"
    assert message.startswith("images must be readable, got 3 of 300 that are not (")
    assert f"all in {listed_in}" in message
    assert [str(file) in line for file, line in zip(bad, listed_in.read_text().splitlines(), strict=True)] == [True] * 3
    loaded = dataset.load(str(root), reading=Reading(skip_broken=True))
    assert loaded.look
    assert (loaded.look.broken, sum(sum(each.values()) for each in loaded.look.counts.values())) == (3, 297)
    (root / "b" / "9.png").write_bytes(b"")
    assert "got 4 of 300" in refusal(root, skip_broken=True)


def test_images_that_show_nothing_are_counted(tmp_path: Path) -> None:
    pictures(tmp_path, ("a", "b"))
    Image.new("L", (8, 8), 3).save(tmp_path / "a" / "0.png")
    look = dataset.load(str(tmp_path)).look
    assert look
    assert look.flat == 1
    assert "images that show nothing, nearly constant: 1 (a/0.png)" in look.lines()


# mirroring


def arrows(root: Path, name: str) -> Path:
    """Left and right arrows; up and down ones, which mirroring leaves as they are, for comparison."""
    random = np.random.RandomState(1)
    for number in range(120):
        pixels = random.randint(0, 80, (12, 12)).astype(np.uint8)
        pixels[3:9, 2:5] = 255
        both = (
            {"left": pixels, "right": pixels[:, ::-1]} if name == "sides" else {"up": pixels.T, "down": pixels.T[::-1]}
        )
        for folder, image in both.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / folder / f"{number}.png")
    return root


@pytest.mark.parametrize("folder", ["set", "digits", "fashion_mnist"])
def test_mirroring_is_decided_by_the_pictures_not_by_a_name(tmp_path: Path, folder: str) -> None:
    sides = dataset.load(str(arrows(tmp_path / "one" / folder, "sides")))
    heights = dataset.load(str(arrows(tmp_path / "two" / folder, "heights")))
    assert (sides.augment.flip, heights.augment.flip) == (False, True)
    assert sides.augment.crop == heights.augment.crop == 1
    assert sides.look
    assert sides.look.mirror == "a linear probe reads 100% of images and 0% of their mirror images"


# any layout


def plain_read(root: Path) -> dict[str, dict[str, set[int]]]:
    """The reference: what is in train, val and test folders, or in the root, by the folder below; links not followed."""
    splits = {split: root / name for split, name in ABOVE.items() if (root / name).is_dir()} or {"train": root}
    read: dict[str, dict[str, set[int]]] = {}
    for split, folder in splits.items():
        for top in folder.iterdir():
            for below, _, files in os.walk(top):
                for file in (Path(below) / name for name in files):
                    if not file.is_symlink() and file.suffix not in (".txt", ".json"):
                        with Image.open(file) as image:
                            value = told(np.asarray(image.convert("L")))
                        read.setdefault(split, {}).setdefault(top.name, set()).add(value)
    return read


NAMES = st.sampled_from(["cat", "dog", "Emu", "a b", "ünï", "100%", "[x]", "label", "x.y", "0", "test-tube", "images"])


@st.composite
def layouts(draw_from: st.DrawFn) -> dict[str, Any]:
    classes = draw_from(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    return {
        "classes": classes,
        "splits": draw_from(st.sampled_from([(), ("train", "test"), ("train", "validation"), tuple(ABOVE)])),
        "depths": draw_from(st.sampled_from([("",), ("", "day"), ("day", "night"), ("x/y",)])),
        "suffix": draw_from(st.sampled_from(["png", "bmp", "tiff", "gif", "PNG", "ppm", ""])),
        "count": draw_from(st.integers(4, 7)),
        "copies": draw_from(st.integers(0, 3)),
        "link": draw_from(st.sampled_from(["", "loop", "file"])),
        "noise": draw_from(st.booleans()),
    }


def build(root: Path, layout: dict[str, Any]) -> None:
    value = 0
    for split in layout["splits"] or ("",):
        top = root / ABOVE[split] if split else root
        for name in layout["classes"]:
            for depth in layout["depths"]:
                for number in range(layout["count"]):
                    place = top / name / depth / f"p{number}.{layout['suffix'] or 'png'}"
                    draw(place, value)
                    if not layout["suffix"]:
                        place.rename(place.with_suffix(""))
                    value += 1
                    if number < layout["copies"]:
                        draw(place.with_name(f"copy{number}.png"), value - 1)
    first = next(path for path in sorted(root.rglob("*")) if path.is_file())
    if layout["link"] == "loop":
        (first.parent / "loop").symlink_to(root)
    elif layout["link"] == "file":
        (first.parent / "zlink.png").symlink_to(first)
    if layout["noise"]:
        (first.parent / "notes.txt").write_text("x")
        (root / "info.json").write_text("{}")


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(layout=layouts())
def test_any_layout_is_read_as_a_plain_reader_reads_it(
    layout: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("layout") / "set"
    build(root, layout)
    if "test-tube" in layout["classes"] and not layout["splits"] and layout["depths"] == ("day", "night"):
        with pytest.raises(InputError, match=r"^splits must be named train, .*beside test-tube"):
            dataset.load(str(root))  # a split of the classes day and night, as well as a class
        return
    expected, loaded = plain_read(root), dataset.load(str(root))
    assert loaded.classes == tuple(sorted(expected["train"]))
    ours: dict[str, dict[str, set[int]]] = {}
    for split in ("train", "validation", "test"):
        of = split if split in expected else "train"
        each: dataset.Split = getattr(loaded, split)
        for image, label in zip(each.images, each.labels, strict=True):
            ours.setdefault(of, {}).setdefault(loaded.classes[label], set()).add(told(image))
    assert ours == expected


# parquet


def table(
    path: Path, names: Sequence[str], labels: Sequence[int], first: int = 0, images: Sequence[str] = ("image",)
) -> None:
    """A file as the hub has them: labels are numbers into names that stand in the file's own description."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import ClassLabel, Features  # type: ignore[import-untyped]
    from datasets import Image as ImageFeature

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(len(labels)):
        draw(path.parent / "one.png", first + number)
        rows.append({"bytes": (path.parent / "one.png").read_bytes(), "path": None})
    (path.parent / "one.png").unlink()
    columns = {**dict.fromkeys(images, rows), "label": list(labels)}
    features = Features({**{name: ImageFeature() for name in images}, "label": ClassLabel(names=list(names))})
    pq.write_table(pa.table(columns).cast(features.arrow_schema), path)


def test_class_names_of_each_file_count(tmp_path: Path) -> None:
    table(tmp_path / "train-0.parquet", ("left", "right"), [i % 2 for i in range(20)])
    table(tmp_path / "train-1.parquet", ("right", "left"), [(i + 1) % 2 for i in range(20)], first=20)
    table(tmp_path / "test.parquet", ("right", "left"), [(i + 1) % 2 for i in range(10)], first=40)
    loaded = dataset.load(str(tmp_path))
    assert loaded.classes == ("left", "right")
    for split in (loaded.train, loaded.validation, loaded.test):
        assert [told(image) % 2 for image in split.images] == split.labels.tolist()


def test_classes_without_images_are_left_out_and_said(tmp_path: Path) -> None:
    table(tmp_path / "train.parquet", ("a", "never", "b"), [2 * (i % 2) for i in range(20)])
    loaded = dataset.load(str(tmp_path))
    assert loaded.classes == ("a", "b")
    assert loaded.look
    assert loaded.look.notes == ("left out, classes without images: never",)


def test_several_image_columns_are_asked_for(tmp_path: Path) -> None:
    table(tmp_path / "train.parquet", ("a", "b"), [i % 2 for i in range(20)], images=("image", "mask"))
    message = "image_column must be one of image, mask, got none; say which with --image-column"
    assert refusal(tmp_path) == message
    assert totals(tmp_path, image_column="mask") == {"a": 10, "b": 10}


@pytest.mark.parametrize("name", ["training_set.parquet", "train/0000.parquet", "a.parquet"])
def test_files_are_splits_by_their_names(tmp_path: Path, name: str) -> None:
    table(tmp_path / name, ("a", "b"), [i % 2 for i in range(20)])
    assert sum(totals(tmp_path).values()) == 20
    if name != "a.parquet":
        table(tmp_path / "other.parquet", ("a", "b"), [i % 2 for i in range(20)], first=30)
        assert refusal(tmp_path).startswith(
            "splits must be named train, validation or test, got other.parquet beside o"
        )


def test_names_of_the_sets_own_classes_may_be_words_of_others(tmp_path: Path) -> None:
    table(tmp_path / "train.parquet", ("school", "bus", "school bus"), [0, 1, 2] * 8)
    assert dataset.load(str(tmp_path)).classes == ("school", "bus", "school bus")


def test_parquet_files_on_a_path_that_datasets_takes_for_an_address(tmp_path: Path) -> None:
    table(tmp_path / "a::b" / "train.parquet", ("a", "b"), [0, 1] * 12)
    path = tmp_path / "a::b"
    assert refusal(path) == f"parquet files must be on a path without ::, got {path}; rename it"
