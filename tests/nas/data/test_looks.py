"""What is said of a data set: broken files, dark and flat pictures, splits that lack a class, odd names."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.dataset import load
from nas.data.given import kept
from nas.data.study_data import describe_data, said
from nas.records.data_card import Reading
from tests.nas.conftest import Run
from tests.nas.data.test_dataset import folders, refusal

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5\nsize 1024\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is not there yet."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "fresh" / "cache"))
    return tmp_path / "fresh" / "cache"


def warnings(root: Path, reading: Reading | None = None) -> list[str]:
    """All but those on splits of few images, which these are."""
    found = load(str(root), reading=reading or Reading()).look
    assert found
    return [line for line in found.warnings() if not line.startswith("few images in ")]


def spoil(root: Path, count: int, content: bytes = b"nothing") -> Path:
    for path in sorted(root.rglob("*.png"))[:count]:
        path.write_bytes(content)
    return root


def test_broken_files_are_listed_on_a_fresh_machine(tmp_path: Path, home: Path) -> None:
    root = spoil(folders(tmp_path / "pets"), 2)
    listed = home / "broken-pets.txt"
    assert refusal(root) == (
        f"images must be readable, got 2 of 10 that are not (train row 0 ({root}/cat/0.png), train row 1 "
        f"({root}/cat/1.png); all in {listed}); mend or remove them, or leave up to 1% of the images out with "
        "--skip-broken"
    )
    wrong = "must be a readable image, got an unknown format; mend or remove it"
    assert listed.read_text() == "".join(f"train row {n} ({root}/cat/{n}.png) {wrong}\n" for n in range(2))


def test_many_sizes_are_counted_and_their_range_is_named(tmp_path: Path) -> None:
    root = folders(tmp_path / "pets", count=10)
    for i, path in enumerate(sorted(root.rglob("*.png"))):
        Image.new("L", (9 + max(i, 5), 12), i).save(path)
    look = load(str(root), 8).look
    assert look
    assert (
        look.pictures() == "pictures: 15 sizes from 14x12 to 28x12, most often 14x12 (6), 15x12 (1), 16x12 (1); L (20)"
    )
    assert (len(look.sizes), look.other_sizes) == (12, 3)


@pytest.mark.parametrize("size", [None, 16])
def test_they_are_listed_where_none_of_the_first_can_be_read(tmp_path: Path, home: Path, size: int | None) -> None:
    root = spoil(folders(tmp_path / "pets", count=110), 105, POINTER)
    Image.new("RGB", (9, 5)).save(root / "dog" / "0.png")
    message = refusal(root, size)
    assert message.startswith("images must be readable, got 105 of 220 that are not (train row 0 (")
    assert "; Git LFS pointers: 105, run git lfs pull, or leave up to 1% of" in message
    lines = (home / "broken-pets.txt").read_text().splitlines()
    assert len(lines) == 105
    assert lines[0].endswith("cat/0.png) must be a readable image, got a Git LFS pointer; run git lfs pull")


def test_all_broken_and_one_broken(tmp_path: Path) -> None:
    assert "got 10 of 10 that are not" in refusal(spoil(folders(tmp_path / "all"), 10))
    mixed = spoil(spoil(folders(tmp_path / "mixed"), 2), 1, POINTER)
    assert "; Git LFS pointers: 1, run git lfs pull, mend or remove them, or leave" in refusal(mixed)
    one = spoil(folders(tmp_path / "one"), 1, POINTER)
    assert refusal(one).endswith(
        "cat/0.png) must be a readable image, got a Git LFS pointer; run git lfs pull, or leave it out with --skip-broken (the only one of 10 images)"
    )


def test_more_than_100_broken_ones_may_be_skipped_where_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.data.dataset.SKIPPED", 0.5)
    root = spoil(folders(tmp_path / "pets", count=110), 105)
    found = load(str(root), reading=Reading(skip_broken=True))
    assert found.image_size == 8
    assert found.look
    assert found.look.broken == 105


def test_names_that_are_not_utf_8(tmp_path: Path, home: Path) -> None:
    root = folders(tmp_path / os.fsdecode(b"p\xfc"), count=12)
    odd = os.fsencode(root) + b"/b\xfc"
    os.rename(root / "dog", odd)  # noqa: PTH104 - a name in bytes
    os.makedirs(os.fsencode(root) + b"/e\xfc")  # noqa: PTH103
    found = load(str(root))
    words = "\n".join([*said(found), *found.classes, found.name])
    assert "folders without pictures: e\\udcfc" in words
    assert found.classes == ("b\\udcfc", "cat")
    assert words.encode()
    assert json.dumps(describe_data(found).look.to_dict(), ensure_ascii=False).encode()  # type: ignore[union-attr]
    for name in (b"/0.png", b"/1.png"):
        with open(odd + name, "wb") as file:  # noqa: PTH123
            file.write(b"nothing")
    message = refusal(root)
    assert "b\\udcfc/0.png" in message
    assert len((home / "broken-p_.txt").read_text(encoding="utf-8").splitlines()) == 2
    os.unlink(odd + b"/1.png")  # noqa: PTH108
    assert "b\\udcfc/0.png" in refusal(root)


def test_a_split_that_lacks_a_class(tmp_path: Path) -> None:
    folders(tmp_path / "train", ("a", "b", "c"), mode="L", count=2)
    folders(tmp_path / "val", ("a", "b", "c"), first=10, count=2)
    folders(tmp_path / "test", ("a", "b"), first=20, count=2)
    found = load(str(tmp_path)).look
    assert found
    assert "test has no images of: c" in found.lines()
    few = (
        "few images in validation, 6: one is worth 17 points of accuracy, in test, 4: one is worth 25 points of accuracy; "
        "give more pictures"
    )
    assert few in found.lines()
    enough = {split: dict.fromkeys("abc", 17) for split in found.counts}
    assert not [line for line in replace(found, counts=enough).lines() if "one is worth" in line]
    many = {f"c{number:02}": 0 for number in range(20)}
    (line,) = replace(found, notes=(), flat=0, counts={"train": {}, "validation": many}).warnings()
    assert line == f"validation has no images of: {', '.join(list(many)[:12])} and 8 more"


def deep(root: Path, top: int) -> Path:
    """16-bit pictures of random values below `top`."""
    random = np.random.RandomState(0)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(6):
            values = random.randint(0, top, (8, 8)).astype(np.uint16)
            values[0, 0] = top - 1
            Image.fromarray(values).save(root / name / f"{number}.png")
    return root


def test_few_bits_in_files_of_16_are_said(tmp_path: Path) -> None:
    said = "16-bit images, all dark: 12, no pixel above 16 of 255; scale values of fewer bits to 16"
    root = deep(tmp_path / "dark", 1 << 12)
    assert warnings(root) == [said]
    folders(root, ("c",), first=200)  # of 8 bits, and bright
    assert warnings(root) == [
        said,
        "images that show nothing, nearly constant: 5 (c/0.png, c/1.png, c/2.png and 2 more)",
    ]
    assert warnings(deep(tmp_path / "full", 1 << 16)) == []
    Image.fromarray(np.full((8, 8), 65535, np.uint16)).save(root / "a" / "0.png")
    assert said not in warnings(root)


def test_what_is_broken_does_not_count_as_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.data.dataset.SKIPPED", 0.2)
    root = spoil(deep(tmp_path / "deep", 1 << 16), 1)
    assert warnings(root, Reading(skip_broken=True)) == ["left out, images that cannot be read: 1 (a/0.png)"]


def test_pictures_behind_the_counts_are_named(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.data.sources.SMALL", 0)  # through the cache
    root = folders(tmp_path / "pets", count=8)
    (root / "dog" / "wrong.png").write_bytes((root / "cat" / "3.png").read_bytes())
    for number in range(4):
        (root / "cat" / f"more{number}.png").write_bytes((root / "cat" / "5.png").read_bytes())
    for found in (load(str(root)), load(str(root))):  # decoded, and read again
        several = ("cat/5.png", *(f"cat/more{number}.png" for number in range(4)))
        assert found.named["duplicates"] == (("cat/3.png", "dog/wrong.png"), several)
        assert found.named["conflicting"] == (("cat/3.png", "dog/wrong.png"),)
        assert found.look
        assert found.look.warnings()[:2] == [
            "images with the same pixels as another: 5, in one split each "
            "(cat/3.png = dog/wrong.png, cat/5.png = cat/more0.png = cat/more1.png and 2 more)",
            "pictures that occur under several classes: 1 (cat/3.png = dog/wrong.png)",
        ]
        assert found.look.warnings(named=False)[1] == "pictures that occur under several classes: 1"
    assert found.look
    assert len(found.named["flat"]) == found.look.flat
    assert len(found.look.named["flat"]) == 3


def test_what_is_in_no_file_of_its_own_is_named_by_its_row(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    images = random.randint(0, 255, (20, 8, 8, 3)).astype(np.uint8)
    images[13] = images[4]
    found = load(str(kept((images, [number % 2 for number in range(20)]))))
    assert found.named == dict.fromkeys(("duplicates", "conflicting"), (("train row 4", "train row 13"),))


def test_a_bounded_number_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.data.oddities.MOST", 7)
    root = folders(tmp_path / "pets", count=8)  # all flat
    for number in range(5):
        (root / "cat" / f"again{number}.png").write_bytes((root / "cat" / f"{number}.png").read_bytes())
    found = load(str(root))
    assert len(found.named["flat"]) == 7
    assert sum(map(len, found.named["duplicates"])) == 7
    assert found.look
    assert found.look.flat == 21


def test_the_command_names_all_in_json(tmp_path: Path, run: Run) -> None:
    root = folders(tmp_path / "pets", count=8)
    (root / "dog" / "wrong.png").write_bytes((root / "cat" / "3.png").read_bytes())
    code, out, _ = run("data", root, "--json")
    assert code == 0
    named = json.loads(out)["named"]
    assert named["conflicting"] == [["cat/3.png", "dog/wrong.png"]]
    assert len(named["flat"]) == 17
