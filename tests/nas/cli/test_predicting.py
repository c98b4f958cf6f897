"""`nas predict`: the card's number on the same files by every format, and what a person's files may be."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from nas.export.folder import write
from nas.export.formats import write_base, write_formats
from nas.export.kept import kept_of, read_kept
from nas.export.load import Preprocess, load_preprocess
from space import Task
from space.network import Network
from tests.brief import measure_briefly
from tests.conftest import TINY_RECIPE, TINY_SPACE
from tests.forked import fork_what_is_started
from tests.nas.conftest import Run
from tests.space.networks import arch

CLASSES = ("cat", "dog", "emu")


def noisy(number: int, count: int, root: Path) -> Iterator[Path]:
    """Pictures of a class: brighter on one side than on the other, by the class."""
    random = np.random.default_rng([number, count])
    root.mkdir(parents=True)
    for each in range(count):
        pixels = random.integers(0, 160, (9, 12, 3))
        pixels[:, number * 4 : number * 4 + 4] += 60
        path = root / f"{each}.{('jpg', 'png', 'webp')[each % 3]}"
        exif = Image.Exif()
        exif[0x0112] = (1, 3, 6)[number]
        Image.fromarray(pixels.astype(np.uint8)).save(path, exif=exif)
        yield path


def pictures(root: Path, count: int, classes: tuple[str, ...] = CLASSES) -> Path:
    for number, name in enumerate(classes):
        list(noisy(number, count, root / name))
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of random weights, in every format that it has."""
    folder = tmp_path_factory.mktemp("export")
    torch.manual_seed(1)
    network = Network(arch(8, 12), Task(8, 3, 3)).eval()
    preprocess = Preprocess(8, 3, (0.4, 0.4, 0.3), (0.25, 0.2, 0.1), CLASSES)
    write_base(folder, network, preprocess)
    write_formats(folder, network, preprocess, ("onnx", "pt2"))
    return folder


def test_the_number_is_the_cards(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search over a folder, whose network is exported and run over the folder's test pictures."""
    fork_what_is_started(monkeypatch.setattr)
    measure_briefly(monkeypatch.setattr)
    pictures(tmp_path / "data" / "train", 12)
    pictures(tmp_path / "data" / "test", 15)
    (tmp_path / "tiny.yaml").write_text(TINY_SPACE)
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE)
    code, _, err = run(
        "search", tmp_path / "tiny.yaml", "--data", tmp_path / "data", "--flops", "20K..300K", "--trials", 1,
        "--image-size", 8, "--recipe", tmp_path / "recipe.yaml", "--runs", tmp_path, "--study", "s", "--workers", 1,
    )  # fmt: skip
    assert code == 0, err
    code, out, err = run("export", "s", "--runs", tmp_path, "--out", tmp_path / "out", "--json")
    assert code == 0, err
    stated = json.loads(out)
    code, out, err = run("predict", tmp_path / "out", tmp_path / "data" / "test", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["notes"] == [], "test pictures are no training ones"
    assert (found["accuracy"], found["images"]) == (stated["test_accuracy"], 45)
    flatters = "which this network was trained on: its accuracy there flatters"
    for path, note in (
        (tmp_path / "data", f"{tmp_path / 'data'} is what this network was trained on: its accuracy there flatters"),
        (tmp_path / "data" / "train", f"{tmp_path / 'data' / 'train'} is part of data, {flatters}"),
    ):
        _, out, err = run("predict", tmp_path / "out", path, "--json")
        assert json.loads(out)["notes"][0] == note
        assert f"note: {note}" in err
    pictures(tmp_path / "others", 4)
    _, _, err = run("predict", tmp_path / "out", tmp_path / "others")
    assert "trained on" not in err
    assert any("is part of data" in line for kept in kept_of(tmp_path / "out") for line in read_kept(kept).notes)
    found = json.loads(run("predict", tmp_path / "out", tmp_path / "data" / "test", "--json")[1])
    rows = np.array(found["confusion"])
    assert rows.sum(axis=1).tolist() == [15, 15, 15]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(np.diag(rows) / 15))
    assert found["class_accuracy"] == pytest.approx(dict(zip(CLASSES, np.diag(rows) / 15, strict=True)))
    for picture in found["pictures"]:
        assert picture["label"] == Path(picture["path"]).parent.name
        assert sum(picture["probabilities"].values()) == pytest.approx(1)
        assert picture["answer"] == max(picture["probabilities"], key=picture["probabilities"].get)


def test_every_format_says_the_same(folder: Path, tmp_path: Path, run: Run) -> None:
    pictures(tmp_path / "test", 4)
    shutil.copy(folder / "model.onnx", tmp_path / "alone.onnx")
    said = []
    for words in ([folder], [folder, "--format", "onnx"], [folder, "--format", "pt2"], [folder, "--format", "modeling"],
                  [tmp_path / "alone.onnx"]):  # fmt: skip
        code, out, err = run("predict", *words, tmp_path / "test", "--json")
        assert code == 0, err
        said.append(json.loads(out))
    for other in said[1:]:
        assert other["confusion"] == said[0]["confusion"]
        for one, same in zip(said[0]["pictures"], other["pictures"], strict=True):
            assert one["probabilities"] == pytest.approx(same["probabilities"], abs=1e-5)
    assert [each["format"] for each in said] == ["own", "onnx", "pt2", "modeling", "onnx"]


def test_files_tables_csv_and_html(folder: Path, tmp_path: Path, run: Run) -> None:
    pictures(tmp_path / "test", 4)
    code, out, err = run(
        "predict", folder, tmp_path / "test", "--csv", tmp_path / "it.csv", "--html", tmp_path / "it.html"
    )
    assert code == 0, err
    line = re.search(r"accuracy (\S+) \(top-1, n = 12\), balanced accuracy \S+ \(mean over 3 classes\)", out)
    assert line
    assert "confusion matrix" in out
    rows = list(csv.DictReader((tmp_path / "it.csv").open()))
    assert np.mean([row["label"] == row["answer"] for row in rows]) == pytest.approx(
        float(line[1].strip("%")) / 100, abs=5e-5
    )
    for row in rows:
        assert len(row["probability"].strip("0.")) <= 6, "digits"
        assert float(row["probability"]) == max(float(row[f"probability of {name}"]) for name in CLASSES)
    page = (tmp_path / "it.html").read_text()
    figure = json.loads(re.findall(r'<script type="application/json" id="figure-confusion">(.*?)</script>', page)[0])
    assert np.sum(figure["data"][0]["customdata"]) == 12
    assert "default-src 'none'" in page
    for option in ("csv", "html"):
        code, _, err = run("predict", folder, tmp_path / "test", f"--{option}", tmp_path / f"it.{option}")
        assert (code, err) == (2, f"error: {option} must not exist, got {tmp_path / f'it.{option}'}; choose another "
                                  f"file with --{option}\n")  # fmt: skip


def test_broken_pictures_are_all_listed_and_the_rest_goes_on(folder: Path, tmp_path: Path, run: Run) -> None:
    pictures(tmp_path / "test", 3)
    for name in ("cat/x.png", "dog/y.jpg"):
        (tmp_path / "test" / name).write_bytes(b"nothing")
    code, out, err = run("predict", folder, tmp_path / "test")
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("broken: ")]
    expected = "must be a readable image, got an unknown format; mend or remove it"
    assert lines == [f"broken: {tmp_path / 'test' / name} {expected}" for name in ("cat/x.png", "dog/y.jpg")]
    assert "n = 9" in out
    assert "2 could not be read" in out
    code, out, _ = run("predict", folder, tmp_path / "test", "--skip-broken", "--json")
    assert (code, len(json.loads(out)["broken"]), len(json.loads(out)["pictures"])) == (0, 2, 9)


def test_what_a_person_names(folder: Path, tmp_path: Path, run: Run) -> None:
    """Files, folders at any depth, links, other files, and folders that are no classes."""

    def predict(*paths: object) -> tuple[dict[str | None, int], str]:
        code, out, err = run("predict", folder, *paths, "--json")
        assert code == 0, err
        labels = [picture["label"] for picture in json.loads(out)["pictures"]]
        return {label: labels.count(label) for label in labels}, err

    root = tmp_path / "test"
    pictures(root, 2, ("cat", "dog", "other"))
    (root / "cat" / "day").mkdir()
    shutil.move(root / "cat" / "0.jpg", root / "cat" / "day" / "emu.jpg")
    (root / "notes.txt").write_text("x")
    (root / ".hidden.png").write_text("x")
    (root / "dog" / "loop").symlink_to(root)
    counts, err = predict(root)
    assert counts == {"cat": 2, "dog": 2, None: 2}
    assert "note: 2 pictures count for no accuracy: no class is called other, but cat, dog, emu" in err
    assert "note: left out, no readable pictures: hidden (1), .txt (1)" in err
    assert predict(root / "cat")[0] == {"cat": 2}, "the folder itself is named like a class"
    assert predict(root / "dog" / "0.jpg", root / "dog" / "0.jpg")[0] == {"dog": 1}, "each file once"
    assert predict(root / "other")[0] == {None: 2}
    pictures(tmp_path / "in" / "a" / "folder", 1)
    assert predict(tmp_path / "in")[0] == {"cat": 1, "dog": 1, "emu": 1}
    pictures(tmp_path / "in" / "another", 1)
    assert predict(tmp_path / "in")[0] == {None: 6}, "splits are not pooled"
    code, out, _ = run("predict", folder, root / "other")
    assert code == 0
    assert "2 pictures; no accuracy, as no folder is named like a class" in out


def test_grey_pictures_go_into_an_rgb_network_with_a_note(folder: Path, tmp_path: Path, run: Run) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "grey.png")
    Image.new("RGB", (8, 8), (7, 7, 7)).save(tmp_path / "colour.png")
    code, out, err = run("predict", folder, tmp_path / "grey.png", tmp_path / "colour.png", "--json")
    assert code == 0
    grey, colour = json.loads(out)["pictures"]
    assert grey["probabilities"] == colour["probabilities"]
    assert "note: 1 pictures are grey and the network is of RGB: the value stands in all channels" in err


def test_colours_go_into_a_grey_network_with_a_note(tmp_path: Path, run: Run) -> None:
    torch.manual_seed(0)
    network, preprocess = Network(arch(8, 12), Task(8, 1, 2)), Preprocess(8, 1, (0.5,), (0.25,), ("a", "b"))
    (tmp_path / "out").mkdir()
    write_base(tmp_path / "out", network, preprocess)
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    colour.save(tmp_path / "colour.png")
    colour.convert("L").save(tmp_path / "grey.png")
    code, out, err = run("predict", tmp_path / "out", tmp_path / "colour.png", tmp_path / "grey.png", "--json")
    assert code == 0
    one, other = json.loads(out)["pictures"]
    assert one["probabilities"] == other["probabilities"]
    assert "note: 1 pictures have colours and the network is of grey: they were turned grey" in err


def test_onnx_of_an_earlier_release_needs_the_rest_of_the_folder(folder: Path, tmp_path: Path, run: Run) -> None:
    Image.new("L", (8, 8), 7).save(tmp_path / "it.png")
    model = onnx.load(folder / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    code, _, err = run("predict", tmp_path / "model.onnx", tmp_path / "it.png")
    assert (code, err) == (2, f"error: {tmp_path / 'model.onnx'} must carry its classes and normalisation, got none; put "
                              "preprocess.json beside it\n")  # fmt: skip
    shutil.copy(folder / "preprocess.json", tmp_path)
    code, out, _ = run("predict", tmp_path / "model.onnx", tmp_path / "it.png", "--json")
    assert (code, json.loads(out)["classes"]) == (0, list(CLASSES))


def test_a_runtime_that_is_missing(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.export.predict.find_spec", lambda name: None)
    code, _, err = run("predict", folder, folder, "--format", "onnx")
    expected = "format onnx must have onnxruntime installed, got none; pip install onnxruntime"
    assert (code, err) == (2, f"error: {expected}\n")


def test_refusals(folder: Path, tmp_path: Path, run: Run) -> None:
    picture = tmp_path / "it.png"
    Image.new("L", (8, 8)).save(picture)
    (tmp_path / "empty").mkdir()
    shutil.copytree(folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.onnx").write_bytes(b"nothing")
    for words, message in (
        (
            (folder, tmp_path / "gone"),
            "PATH must be a file or a folder, got .*gone, which is not there; check the path",
        ),
        ((folder, tmp_path / "empty"), "PATH must have pictures, got none in .*empty; check the path"),
        ((tmp_path, picture), "export must be a folder with model.safetensors, got .*; make one with `nas export`"),
        ((picture, picture), "EXPORT must be an export's folder or its model.onnx, got .*; give the folder it is in"),
        (
            (folder, picture, "--format", "timm"),
            "format must be of a file in the export's folder, got timm; choose one of own, onnx, pt2, modeling",
        ),
        (
            (tmp_path / "damaged", picture, "--format", "onnx"),
            "export must be whole, got .*model.onnx \\(.*\\); export the network again",
        ),
    ):
        code, _, err = run("predict", *words)
        assert (code, len(err.splitlines())) == (2, 1)
        assert re.fullmatch(f"error: {message}\n", err), err


def test_what_is_found_is_kept_beside_the_export(folder: Path, tmp_path: Path, run: Run) -> None:
    """The latest of each folder, whatever format ran; nothing of pictures without labels, or of a model.onnx alone."""
    pictures(tmp_path / "data" / "test", 4)
    shutil.copytree(folder, export := tmp_path / "knee")
    for kind in ("own", "onnx"):
        code, out, err = run("predict", export, tmp_path / "data" / "test", "--format", kind, "--json")
        assert code == 0, err
    (file,) = (tmp_path / "knee.predictions").iterdir()
    assert f"kept for the dashboard: {file}\n" in err
    stated, kept = json.loads(out), read_kept(file)
    assert kept.scores.confusion.tolist() == stated["confusion"]
    assert (kept.format, kept.split, kept.paths) == ("onnx", "test", (str(tmp_path / "data" / "test"),))
    wrong = [each for each in stated["pictures"] if each["label"] != each["answer"]]
    assert [each.path for each in kept.mistakes] == [
        each["path"] for each in sorted(wrong, key=lambda each: -each["probability"])
    ]
    with Image.open(BytesIO(base64.b64decode(kept.mistakes[0].picture))) as picture:
        assert picture.size == (64, 64)
    run("predict", export, next((tmp_path / "data" / "test" / "cat").iterdir()).rename(tmp_path / "some.png"))
    run("predict", export / "model.onnx", tmp_path / "data")
    assert [*(tmp_path / "knee.predictions").iterdir()] == [file]


def test_where_it_cannot_be_kept_a_note_says_so(folder: Path, tmp_path: Path, run: Run) -> None:
    pictures(tmp_path / "test", 2)
    shutil.copytree(folder, tmp_path / "knee")
    (tmp_path / "knee.predictions").write_text("in the way")
    code, out, err = run("predict", tmp_path / "knee", tmp_path / "test")
    assert code == 0
    assert "n = 6" in out
    assert re.search(r"^note: not kept for the dashboard: .*knee\.predictions", err, re.MULTILINE)


def test_another_network_of_that_name_has_none_of_it(folder: Path, tmp_path: Path, run: Run) -> None:
    pictures(tmp_path / "test", 2)
    shutil.copytree(folder, tmp_path / "knee")
    run("predict", tmp_path / "knee", tmp_path / "test")
    network = Network(arch(8, 12), Task(8, 3, 3)).eval()
    preprocess = load_preprocess(folder)
    images = preprocess(np.zeros((1, 8, 8, 3), np.uint8))
    write(tmp_path / "knee", network, preprocess, images, lambda written: "", force=True, timed=False)
    assert not (tmp_path / "knee.predictions").exists()


def test_a_root_with_splits_is_told_to_name_one(folder: Path, tmp_path: Path, run: Run) -> None:
    for split in ("train", "test"):
        pictures(tmp_path / split, 1)
    err = run("predict", folder, tmp_path)[2]
    assert "no class is called test, train, but cat, dog, emu; name the folder of one split\n" in err


def test_pictures_that_occur_twice_are_said_with_the_accuracy_without_them(
    folder: Path, tmp_path: Path, run: Run
) -> None:
    pictures(tmp_path / "test", 4)
    before = json.loads(run("predict", folder, tmp_path / "test", "--json")[1])
    for name in ("0.jpg", "1.png"):
        shutil.copy(tmp_path / "test" / "cat" / name, tmp_path / "test" / "cat" / f"again{name}")
    code, out, err = run("predict", folder, tmp_path / "test")
    assert code == 0
    assert "n = 14" in out
    assert (
        "note: 2 pictures look like another of these and count too; accuracy without them "
        f"{before['accuracy']:.2%} (n = 12)\n"
    ) in err


def test_of_a_long_path_the_end_is_shown(folder: Path, tmp_path: Path, run: Run) -> None:
    deep = tmp_path / "a folder with a long name" / "another folder with a long name"
    pictures(deep, 4)
    _, out, _ = run("predict", folder, deep)
    shown = [line.split()[0] for line in out.splitlines() if ".png" in line]
    assert shown == [f"…/{path.parent.name}/{path.name}" for path in sorted(deep.rglob("*.png"))]
