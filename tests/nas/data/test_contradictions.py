"""Folders that could be read in two ways: refused with both, never guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from nas.data import dataset
from nas.data.images import open_plain
from nas.export.pictures import find
from nas.records.data_card import Reading
from space import InputError
from tests.nas.data.test_layouts import FILES, draw, found, listed, pictures, refusal, table, totals


@pytest.mark.parametrize(
    ("folders", "start"),
    [
        (("traindata/a", "traindata/b", "testdata/a", "testdata/b"), "splits must be named train, validation or test, got "),
        (("test_A/a", "test_A/b", "test_B/a", "test_B/b"), "splits must be named train, validation or test, got test_A, "),
        (("set1/a", "set1/b", "set2/a", "set2/b"), "splits must be named train, validation or test, got set1, set2; "),
        (("images/a", "images/b", "test/a", "test/b"), "splits must be named train, validation or test, got images beside"),
        (("val/a", "val/b", "test/a", "test/b"), "data must have a train split, got test, val; rename one to train, or "),
        (("train1/a", "train1/b", "train2/a", "test/b"), "a split must be one folder, got train1, train2 for train; "),
        (("a/train", "a/test", "a/extra", "b/train", "b/test", "b/extra"), "splits must be named train, validation or te"),
        (("a/fold1", "a/fold2", "b/fold1", "b/fold2"), "splits must be named train, validation or test, got fold1, fold2"),
        (("a/img/train", "a/img/test", "b/img/train", "b/img/test"), "splits must be above the classes or directly in th"),
        (("a/train", "a/test", "b"), "pictures must be in a split, got b/0.png beside test, train; move it, or say which"),
    ],
)  # fmt: skip
def test_splits_that_are_not_certain_are_refused(tmp_path: Path, folders: Sequence[str], start: str) -> None:
    assert refusal(pictures(tmp_path, folders)).startswith(start)


@pytest.mark.parametrize("inner", ["training_set", "images"])
def test_lone_folders_in_splits_are_passed_through(tmp_path: Path, inner: str) -> None:
    for place, split in enumerate(("train", "test")):
        pictures(tmp_path / split / inner, ("a", "b"), first=100 * place)
    assert found(tmp_path)["test"] == {"a": 6, "b": 6}


@pytest.mark.parametrize("inner", ["images", "unknown"])
def test_a_test_split_in_one_folder_of_no_class_has_no_labels(tmp_path: Path, inner: str) -> None:
    pictures(tmp_path / "train", ("a", "b"))
    pictures(tmp_path / "test", (inner,), first=100)
    look = dataset.load(str(tmp_path)).look
    assert look
    assert look.notes == ("left out, a split without a folder per class: test (6)",)


def test_equal_folders_in_all_classes_are_told(tmp_path: Path) -> None:
    look = dataset.load(str(pictures(tmp_path, ("cat/day", "cat/night", "dog/day", "dog/night")))).look
    assert look
    assert look.notes == ("in each of cat, dog are day, night: the outer folders are taken for the classes",)


@pytest.mark.parametrize("of", ["pictures", "folders"])
def test_splits_of_links_are_refused_and_can_be_said(tmp_path: Path, of: str) -> None:
    root = pictures(tmp_path / "set", ("all/a", "all/b"))
    for place, split in enumerate(("train", "val")):
        for name in ("a", "b"):
            folder = root / split / name
            folder.parent.mkdir(exist_ok=True)
            if of == "folders":
                folder.symlink_to(root / "all" / name)
                continue
            folder.mkdir()
            for number in range(3 * place, 3 * place + 3):
                (folder / f"{number}.png").symlink_to(root / "all" / name / f"{number}.png")
    assert refusal(root).startswith(
        "pictures must be in one place, got folders of links to others in this folder: train"
    )
    if of == "pictures":
        counts = found(root, Reading(train=str(root / "train"), validation=str(root / "val")))
        assert counts["validation"] == {"a": 3, "b": 3}


# label files and folders


def test_a_label_file_and_class_folders_have_to_agree(tmp_path: Path) -> None:
    pictures(tmp_path, ("cat", "dog"))
    rows = [(f"{folder}/{i}.png", str(i % 2)) for folder in ("cat", "dog") for i in range(6)]
    listed(tmp_path / "labels.csv", rows)
    message = "labels must be told by one thing, got folders cat, dog and labels.csv with 0, 1; say --label-column"
    assert refusal(tmp_path).startswith(message)
    assert totals(tmp_path, label_column="label") == {"0": 6, "1": 6}
    listed(tmp_path / "labels.csv", [(name, name[:1]) for name, _ in rows])
    assert totals(tmp_path) == {"cat": 6, "dog": 6}


def test_a_name_of_two_pictures_is_refused_though_one_is_in_a_splits_folder(tmp_path: Path) -> None:
    pictures(tmp_path / "train", (".",))
    pictures(tmp_path / "raw", (".",), first=100)
    listed(tmp_path / "labels.csv", [(f"{i}.png", "ab"[i % 2]) for i in range(6)])
    assert refusal(tmp_path).startswith(
        "file names must be of one picture, got 0.png for raw/0.png and train/0.png; add"
    )


@pytest.mark.parametrize("header", ["file,width", "file,caption,credit"])
def test_a_file_about_something_else_changes_nothing(tmp_path: Path, header: str) -> None:
    pictures(tmp_path, ("cat", "dog"))
    listed(
        tmp_path / "info.csv", [(f"cat/{i}.png", f"{i},x"[: 3 if "credit" in header else 1]) for i in range(6)], header
    )
    (tmp_path / "log.csv").write_text("a,b\n1\n2,3,4,5\n")
    assert totals(tmp_path) == {"cat": 6, "dog": 6}


def test_a_submission_is_no_label_file(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("a", "b"))
    pictures(tmp_path, ("test",), first=100)
    listed(tmp_path / "sample_submission.csv", [(f"test/{i}.png", "ab"[i % 2]) for i in range(6)])
    assert found(tmp_path)["train"].keys() == {"a", "b"}
    assert sum(totals(tmp_path).values()) == 12


@pytest.mark.parametrize("name", ["split", "Usage", "data set", "whatever"])
def test_a_split_column_is_followed_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    pictures(tmp_path, (".",), 12)
    words = ("Training", "PublicTest")
    listed(
        tmp_path / "labels.csv",
        [(f, f"{'ab'[i % 2]},{words[i < 4]}") for i, f in enumerate(FILES)],
        f"file,label,{name}",
    )
    assert found(tmp_path)["test"] == {"a": 2, "b": 2}


@pytest.mark.parametrize("word", ["", "extra", "2"])
def test_a_split_column_with_other_words_is_refused(tmp_path: Path, word: str) -> None:
    pictures(tmp_path, (".",), 12)
    rows = [(file, f"{'ab'[i % 2]},{'train' if i else word}") for i, file in enumerate(FILES)]
    listed(tmp_path / "labels.csv", rows, "file,label,split")
    message = (
        f"split of labels.csv must be train, validation or test in every row, got {word!r}; correct it, or remove the"
    )
    assert refusal(tmp_path).startswith(message)


def test_one_label_file_over_split_folders_keeps_the_splits(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "test")):
        pictures(tmp_path / split, (".",), 12, first=100 * place)
    listed(tmp_path / "labels.csv", [(f"{s}/{f}", "ab"[i % 2]) for s in ("train", "test") for i, f in enumerate(FILES)])
    assert found(tmp_path)["test"] == {"a": 6, "b": 6}


def test_a_folder_that_is_given_has_to_fit(tmp_path: Path) -> None:
    pictures(tmp_path, ("cats",), 12)
    pictures(tmp_path, ("dogs",), 12, first=100)
    rows = [(f"/home/me/set/cats/{file}", "cat") for file in FILES] + [(f"dogs/{20 + i}.png", "dog") for i in range(4)]
    listed(tmp_path / "labels.csv", [*rows, *((f"dogs/{file}", "dog") for file in FILES)])
    loaded = dataset.load(str(tmp_path), reading=Reading(label_column="label"))
    assert loaded.look
    assert sum(loaded.look.totals().values()) == 24
    assert "left out, rows of label files without their picture: 4" in loaded.look.notes


def test_pictures_of_equal_names_are_those_of_the_split_that_is_said(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "test")):
        pictures(tmp_path / split, (".",), 12, first=100 * place)
        listed(tmp_path / f"{split}_or_so.csv", [(file, "ab"[i % 2]) for i, file in enumerate(FILES)])
    (tmp_path / "test_or_so.csv").rename(tmp_path / "holdout.csv")
    (tmp_path / "train_or_so.csv").rename(tmp_path / "mine.csv")
    reading = Reading(train=str(tmp_path / "mine.csv"), test=str(tmp_path / "holdout.csv"))
    loaded = dataset.load(str(tmp_path), reading=reading)
    assert sorted(int(image.max()) for image in loaded.test.images) == [255] * 12
    assert not {i.tobytes() for i in loaded.test.images} & {i.tobytes() for i in loaded.train.images}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.png,a\n" + "".join(f"{i}.png,b\n" for i in range(1, 12)), "labels.csv must begin with the names of its colum"),
        ("file,label\n" + "".join(f"{i}.png,a|b\n{i + 6}.png,b\n" for i in range(6)), "label of labels.csv must be one cl"),
        ("file,cat,dog\n" + "".join(f"{i}.png,{i % 2},{1 - i % 2}\n" for i in range(12)), "pictures must have labels, got"),
    ],
)  # fmt: skip
def test_what_a_label_file_lacks_is_said(tmp_path: Path, text: str, message: str) -> None:
    pictures(tmp_path, (".",), 12)
    (tmp_path / "labels.csv").write_text(text)
    said = refusal(tmp_path)
    assert said.startswith(message)
    if "cat,dog" in text:
        assert said.endswith("(labels.csv: which of cat, dog is the label? say it with --label-column)")


def test_a_column_is_the_one_that_names_the_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 12)
    listed(tmp_path / "labels.csv", [(str(i % 2), file) for i, file in enumerate(FILES)], "kind,picture")
    assert totals(tmp_path, label_column="kind") == {"0": 6, "1": 6}
    assert refusal(tmp_path, image_column="photo").startswith(
        "image_column must be in a file beside the pictures, got ph"
    )


def test_a_folder_of_pictures_beside_a_label_file_with_uncustomary_columns(tmp_path: Path) -> None:
    pictures(tmp_path, ("images",), 12)
    listed(tmp_path / "labels.csv", [(file, "ab"[i % 2]) for i, file in enumerate(FILES)], "file,kind")
    assert totals(tmp_path) == {"a": 6, "b": 6}
    listed(tmp_path / "labels.csv", [(file, f"{'ab'[i % 2]},{i}") for i, file in enumerate(FILES)], "file,kind,weight")
    assert refusal(tmp_path) == (
        "data must have at least 2 classes, got the one folder images; labels.csv: which of kind, weight is the label? "
        "say it with --label-column"
    )
    assert totals(tmp_path, label_column="kind") == {"a": 6, "b": 6}
    (tmp_path / "labels.csv").rename(tmp_path / "labels.json")
    assert refusal(tmp_path).endswith("got the one folder images; labels.json: no .csv, .tsv or .jsonl; save it as one")


def test_words_that_are_no_class(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 12)
    listed(tmp_path / "labels.csv", [(file, "ab"[i % 2] if i else " ") for i, file in enumerate(FILES)])
    assert refusal(tmp_path).startswith(f"label must be given for every train image, got none for {FILES[0]}; ")
    lines = [f'{{"file": "{file}", "label": {[0, 1] if i else 0}}}' for i, file in enumerate(FILES)]
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    assert refusal(tmp_path).startswith(
        "label of labels.jsonl must be one class for each image, got [0, 1]; nas is for o"
    )


# parquet


def test_parquet_files_in_several_places_and_beside_pictures(tmp_path: Path) -> None:
    for place, name in enumerate(("en", "fr")):
        table(tmp_path / "two" / name / "train.parquet", ("a", "b"), [i % 2 for i in range(20)], first=30 * place)
    assert refusal(tmp_path / "two").startswith(
        "data must be one set, got parquet files in en, fr; give one of these fol"
    )
    table(tmp_path / "one" / "train.parquet", ("a", "b"), [i % 2 for i in range(20)])
    draw(tmp_path / "one" / "assets" / "logo.png", 77)
    assert totals(tmp_path / "one") == {"a": 10, "b": 10}
    pictures(tmp_path / "one", ("x", "y"))
    assert refusal(tmp_path / "one").startswith(
        "data must be in one form, got class folders assets, x, y and train.parque"
    )


def test_unreadable_folders_and_strange_sources(tmp_path: Path) -> None:
    for source in ("~nobody-of-that-name/x", "x" * 5000):
        assert refusal(Path(source)).startswith("data must be a folder or a name, got ")
    assert refusal(tmp_path, train=str(tmp_path / "none")).startswith(
        "train, val and test must be folders or files, got "
    )


def test_hidden_pictures_are_counted(tmp_path: Path) -> None:
    root = pictures(tmp_path, ("__a", "b"))
    (root / "b" / "0.png").rename(root / "b" / ".0.png")
    look = dataset.load(str(root)).look
    assert look
    assert look.counts["train"].keys() == {"__a", "b"}
    assert look.notes == ("left out, no readable pictures: hidden (1)",)


def test_names_that_differ_in_their_bytes_alone_are_one(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("caf\u00e9", "b"))
    pictures(tmp_path / "test", ("cafe\u0301", "b"), first=50)
    assert found(tmp_path)["test"] == {"caf\u00e9": 6, "b": 6}


def test_digits_beside_a_folder_digits_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "digits", ("a", "b"))
    monkeypatch.chdir(tmp_path)
    notes: list[str] = []
    assert dataset.load("digits", on_note=notes.append).classes == tuple("0123456789")
    assert notes == ["digits are scikit-learn's; the folder of that name is ./digits"]
    assert dataset.load("./digits").classes == ("a", "b")


def test_what_is_left_out_of_a_split_that_was_said_is_told(tmp_path: Path) -> None:
    (pictures(tmp_path / "mine", ("a", "b")) / "a" / "notes.txt").write_text("x")
    look = dataset.load(str(tmp_path), reading=Reading(train=str(tmp_path / "mine"))).look
    assert look
    assert look.notes == ("left out, no readable pictures: .txt (1)",)


def test_a_label_file_may_compose_its_names_otherwise(tmp_path: Path) -> None:
    pictures(tmp_path, ("cafe\u0301",), 12)
    pictures(tmp_path, ("b",), 12, first=100)
    rows = [(f"caf\u00e9/{file}", "x") for file in FILES] + [(f"b/{file}", "y") for file in FILES]
    listed(tmp_path / "labels.csv", rows)
    assert totals(tmp_path, label_column="label") == {"x": 12, "y": 12}


def test_decimals_with_a_comma_beside_ones_with_a_point(tmp_path: Path) -> None:
    pictures(tmp_path, (".",), 12)
    (tmp_path / "labels.csv").write_text(
        "file;label\n" + "".join(f"{i}.png;{('1.0', '2,0')[i % 2]}\n" for i in range(12))
    )
    assert totals(tmp_path) == {"1": 6, "2": 6}


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="pillow-heif must not be installed")
def test_heic_without_its_plugin_says_what_to_install(tmp_path: Path) -> None:
    for name in ("a/0.heic", "a/1.HEIC", "b/0.heif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic")
    step = "pip install pillow-heif to read .heic, .heif"
    assert refusal(tmp_path) == f"data must be a folder of images or parquet files, got none in {tmp_path}; {step}"
    with pytest.raises(InputError, match=re.escape(f"PATH must have pictures, got none in {tmp_path}; left out, no")):
        find([tmp_path], ("a", "b"))
    with pytest.raises(InputError, match=r"got an unknown format; pip install pillow-heif$"):
        open_plain(tmp_path / "a" / "0.heic")
    pictures(tmp_path, ("a", "b"))
    look = dataset.load(str(tmp_path)).look
    assert look
    assert look.notes == (f"left out, no readable pictures: .heic (2), .heif (1); {step}",)
