"""Data: real files in temporary folders, and CIFAR-10 where it is at hand."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas.data import dataset as data
from nas.data.hub import hub_id
from nas.records.data_card import Augment, Reading
from space.reading import InputError

CIFAR = Path(__file__).parents[3] / ".." / "shared" / "data" / "cifar10"
ANYWHERE = Reading(apart=False)  # equal images in any split
COLOURS = {"blue": (0, 0, 250), "green": (0, 250, 0), "red": (250, 0, 0)}


def png(colour: object, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")  # type: ignore[arg-type]
    return buffer.getvalue()


def folders(
    root: Path, classes: Sequence[str] = ("cat", "dog"), count: int = 5, mode: str = "L", first: int = 0
) -> Path:
    """Class folders of 8x8 images; every image has its own value from `first` on, a class its own hundred."""
    for index, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(count):
            value = index * 100 + number + first
            colour = value if mode == "L" else (value, 0, 0)
            (root / name / f"{number}.png").write_bytes(png(colour, mode=mode))
    return root


def parquet(
    path: Path, labels: Sequence[object], metadata: bool = False, column: str = "label", first: int = 0
) -> None:
    """A file in the hub's layout; image n is grey with value first + n."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import ClassLabel, Features  # type: ignore[import-untyped]
    from datasets import Image as ImageFeature

    rows = [{"bytes": png(first + number, mode="L"), "path": f"{number}.png"} for number in range(len(labels))]
    table = pa.table({"img": rows, column: list(labels)})
    if metadata:
        features = Features({"img": ImageFeature(), column: ClassLabel(names=["ant", "bee"])})
        table = table.cast(features.arrow_schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def values(split: data.Split) -> list[int]:
    """The one value of each image."""
    return [int(image.max()) for image in split.images]


def splits(loaded: data.Data) -> tuple[data.Split, data.Split, data.Split]:
    return loaded.train, loaded.validation, loaded.test


def sizes(loaded: data.Data) -> tuple[int, ...]:
    return tuple(len(split.labels) for split in splits(loaded))


def refusal(source: str | Path, image_size: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        data.load(str(source), image_size)
    message = str(caught.value)
    assert "\n" not in message
    return message


def elsewhere(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a fresh process."""
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=300, check=False
    )


# digits


def test_digits_counts_and_kind() -> None:
    digits = data.load("digits")
    assert sum(sizes(digits)) == 1797
    np.testing.assert_allclose(np.array(sizes(digits)) / 1797, [0.6, 0.2, 0.2], atol=0.005)
    assert digits.classes == tuple("0123456789")
    assert (digits.image_size, digits.channels, digits.name, digits.source) == (8, 1, "digits", "digits")
    assert digits.augment == Augment(crop=0, flip=False)
    for split in splits(digits):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.images.shape == (len(split.labels), 8, 8, 1)


def test_digits_are_scikit_learns_each_in_one_split() -> None:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    def rows(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> list[bytes]:
        return [image.tobytes() + bytes([label]) for image, label in zip(images, labels, strict=True)]

    raw = load_digits()
    expected = np.floor(raw.images / 16 * 255 + 0.5).astype(np.uint8)[..., None]
    found = [row for split in splits(data.load("digits")) for row in rows(split.images, split.labels)]
    assert sorted(found) == sorted(rows(expected, raw.target))


def test_digits_are_stratified() -> None:
    digits = data.load("digits")
    whole = sum(np.bincount(split.labels) for split in splits(digits))
    for split, fraction in zip(splits(digits), (0.6, 0.2, 0.2), strict=True):
        assert np.abs(np.bincount(split.labels) - whole * fraction).max() <= 1


def test_digits_statistics_are_of_train() -> None:
    digits = data.load("digits")
    scaled = digits.train.images / 255
    np.testing.assert_allclose(digits.mean, [scaled.mean()], rtol=1e-9)
    np.testing.assert_allclose(digits.std, [scaled.std()], rtol=1e-9)


def test_digits_are_the_same_everywhere() -> None:
    assert data.load("digits").fingerprint == "47c7cd6e8eb802d6"  # a change here refuses to resume every study


def test_digits_resized() -> None:
    digits = data.load("digits", 12)
    assert digits.train.images.shape[1:] == (12, 12, 1)
    assert digits.fingerprint != data.load("digits").fingerprint


def test_held_out_rows_do_not_depend_on_global_randomness(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", count=10)
    np.random.seed(1)
    first = data.load(str(root))
    np.random.seed(2)
    assert data.load(str(root)).fingerprint == first.fingerprint


# class folders


@pytest.mark.parametrize("root", ["set", "a [b] *c/set", ".hidden/set", "train/test/set", "parquet"])
def test_class_folders_without_splits(tmp_path: Path, root: str) -> None:
    loaded = data.load(str(folders(tmp_path / root, count=10)))
    assert loaded.classes == ("cat", "dog")
    assert sizes(loaded) == (14, 2, 4)
    found = [value for split in splits(loaded) for value in values(split)]
    assert sorted(found) == [*range(10), *range(100, 110)]
    for split in splits(loaded):
        assert [value // 100 for value in values(split)] == split.labels.tolist()
    assert loaded.name == Path(root).name


@pytest.mark.parametrize("names", [("train", "val", "test"), ("deep/Training", "deep/valid", "deep/testing")])
def test_class_folders_with_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    for place, (name, count) in enumerate(zip(names, (6, 3, 4), strict=True)):
        folders(tmp_path / name, count=count, first=20 * place)
    loaded = data.load(str(tmp_path))
    assert sizes(loaded) == (12, 6, 8)
    assert values(loaded.test) == [40, 41, 42, 43, 140, 141, 142, 143]


def test_folder_with_train_and_validation_holds_out_a_test(tmp_path: Path) -> None:
    folders(tmp_path / "train", count=10)
    folders(tmp_path / "validation", count=3, first=20)
    assert sizes(data.load(str(tmp_path))) == (16, 6, 4)


def test_linked_class_folders(tmp_path: Path) -> None:
    folders(tmp_path / "real")
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "real" / name)
    assert sum(sizes(data.load(str(tmp_path / "set")))) == 10


def test_changed_files_are_seen_and_nothing_is_written(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    before = data.load(str(root))
    assert data.load(str(root)).fingerprint == before.fingerprint
    (root / "cat" / "0.png").write_bytes(png(77, mode="L"))
    assert data.load(str(root)).fingerprint != before.fingerprint
    assert len(list(tmp_path.rglob("*"))) == 13


# pixels


def test_colour_images_are_rgb_and_statistics_per_channel(tmp_path: Path) -> None:
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.png").write_bytes(png(colour))
    loaded = data.load(str(tmp_path), reading=ANYWHERE)
    assert loaded.channels == 3
    for image, label in zip(loaded.train.images, loaded.train.labels, strict=True):
        assert (image == COLOURS[loaded.classes[label]]).all()
    np.testing.assert_allclose(loaded.mean, [250 / 255 / 3] * 3)
    np.testing.assert_allclose(loaded.std, [250 / 255 * np.sqrt(2) / 3] * 3)


def test_grey_among_colour_becomes_rgb(tmp_path: Path) -> None:
    folders(tmp_path, ("cat",), mode="RGB")
    folders(tmp_path, ("dog",))
    loaded = data.load(str(tmp_path))
    dogs = loaded.train.images[loaded.train.labels == 1]
    assert loaded.channels == 3
    assert (dogs == dogs[..., :1]).all()


def test_sizes_are_cropped_to_the_centre_and_resized(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", ("cat",))
    (root / "wide").mkdir()
    for number in range(5):  # left and right quarters white, the centred square black
        wide = np.full((8, 16, 3), 255, np.uint8)
        wide[:, 4:12] = 0
        Image.fromarray(wide).save(root / "wide" / f"{number}.png")
    loaded = data.load(str(root), 8, reading=ANYWHERE)
    assert (loaded.train.images[loaded.train.labels == 1] == 0).all()
    assert data.load(str(root), 4, reading=ANYWHERE).train.images.shape[1:] == (4, 4, 3)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:8] = 255  # upper half white; orientation 3 turns it by 180 degrees
    exif = Image.Exif()
    exif[0x0112] = 3
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png", exif=exif)
    assert data.load(str(tmp_path), reading=ANYWHERE).train.images[0, :8].max() == 0


def test_large_images_keep_their_order(tmp_path: Path) -> None:
    for name, offset in (("cat", 0), ("dog", 100)):
        (tmp_path / name).mkdir()
        for number in range(70):
            (tmp_path / name / f"{number:02}.png").write_bytes(png(offset + number, (128, 128), "L"))
    loaded = data.load(str(tmp_path), 16)
    for split in splits(loaded):
        assert [value // 100 for value in values(split)] == split.labels.tolist()
        assert values(split) == sorted(values(split))


# parquet


def test_parquet_with_metadata_and_test(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", [0, 1] * 10, metadata=True)
    parquet(tmp_path / "test.parquet", [1, 0, 1], metadata=True, first=100)
    loaded = data.load(str(tmp_path))
    assert loaded.classes == ("ant", "bee")
    assert sizes(loaded) == (18, 2, 3)
    assert values(loaded.test) == [100, 101, 102]
    assert loaded.test.labels.tolist() == [1, 0, 1]
    assert sorted(values(loaded.train) + values(loaded.validation)) == list(range(20))


def test_parquet_without_metadata_or_test(tmp_path: Path) -> None:
    parquet(tmp_path / "data" / "train-00000-of-00001.parquet", [3, 7] * 10)
    loaded = data.load(str(tmp_path))
    assert loaded.classes == ("3", "7")
    assert sizes(loaded) == (14, 2, 4)
    for split in splits(loaded):
        assert [value % 2 for value in values(split)] == split.labels.tolist()


def test_string_labels_and_other_column_names(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", ["yes", "no"] * 5, column="fine_label")
    loaded = data.load(str(tmp_path))
    assert loaded.classes == ("no", "yes")
    assert loaded.validation.labels.tolist() == [value % 2 == 0 for value in values(loaded.validation)]


def test_minus_one_is_a_class_where_train_has_it(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", [-1, 1] * 5)
    assert data.load(str(tmp_path)).classes == ("-1", "1")


@pytest.mark.parametrize("metadata", [True, False])
def test_a_test_split_without_labels_is_replaced(tmp_path: Path, metadata: bool) -> None:
    parquet(tmp_path / "train.parquet", [0, 1] * 10, metadata)
    parquet(tmp_path / "test.parquet", [-1] * 6, metadata, first=100)
    loaded = data.load(str(tmp_path))
    assert sizes(loaded) == (14, 2, 4)
    assert max(values(loaded.test)) < 20


def test_read_only_folder_stays_untouched_without_network(tmp_path: Path) -> None:
    parquet(tmp_path / "set" / "train.parquet", [0, 1] * 5, metadata=True)
    folder = tmp_path / "set"
    folder.chmod(0o555)
    code = f"""if True:
        import sys
        def forbid(event, arguments):
            if event in ("socket.connect", "socket.getaddrinfo"):
                raise SystemExit(f"network: {{event}} {{arguments}}")
        sys.addaudithook(forbid)
        from nas.data import dataset as data
        print(data.load({str(folder)!r}).fingerprint, "torch" in sys.modules)"""
    result = elsewhere(code, HF_HOME=str(tmp_path / "home"), HF_HUB_OFFLINE="0", TMPDIR=str(tmp_path))
    assert result.stdout.split() == [data.load(str(folder)).fingerprint, "False"], result.stderr
    folder.chmod(0o755)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"set/train.parquet"}


def test_fingerprint_sees_pixels_labels_and_names(tmp_path: Path) -> None:
    prints = set()
    for case, (labels, first, metadata) in enumerate(
        [([0, 1] * 5, 0, False), ([0, 1] * 5, 1, False), ([1, 0] * 5, 0, False), ([0, 1] * 5, 0, True)]
    ):
        parquet(tmp_path / str(case) / "train.parquet", labels, metadata, first=first)
        prints.add(data.load(str(tmp_path / str(case))).fingerprint)
    assert len(prints) == 4
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in prints)


# names


def test_a_folder_wins_over_a_hub_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders(tmp_path / "owner" / "cats")
    folders(tmp_path / "cifar10")
    monkeypatch.chdir(tmp_path)
    assert data.load("owner/cats").classes == ("cat", "dog")
    found = data.load("cifar10")
    assert found.classes == ("cat", "dog")
    assert hub_id(found.source, found.look) is None, "a model card would name the public data set"


@pytest.mark.parametrize(
    "environment",
    [{"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}],
    ids=["offline", "unreachable"],
)
def test_hub_out_of_reach(tmp_path: Path, environment: Mapping[str, str]) -> None:
    code = """if True:
        from datasets import config
        from nas.data import dataset as data
        before = config.HF_HUB_OFFLINE
        try:
            data.load("cifar10")
        except data.InputError as error:
            print(error)
        assert config.HF_HUB_OFFLINE == before"""
    started = time.monotonic()
    result = elsewhere(code, HF_HOME=str(tmp_path), **environment)
    assert result.stdout.strip() == (
        "data must be a folder or a data set on the Hugging Face hub, got cifar10 "
        "(the hub cannot be reached, and it is not cached); check the network, or give a local folder"
    ), result.stderr
    assert time.monotonic() - started < 90, "the hub library's own retries take minutes"


# refusals


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "cifr10",
            "data must be a name, a folder or owner/name on the Hugging Face hub, got cifr10; did you mean cifar10?",
        ),
        ("", "data must be a name, a folder or owner/name on the Hugging Face hub, got nothing; use one of"),
        ("/no/such/place", "data must be a folder that exists, got /no/such/place, which is not there; check the path"),
        ("./missing", "data must be a folder that exists, got ./missing, which is not there; check the path"),
        (
            "tests/gone",
            "data must be a folder that exists, got tests/gone, which is not there; check the path, or give hf:tests/gone "
            "for the hub's",
        ),
        (__file__, "data must be a folder or a name, got the file"),
    ],
)
def test_unknown_sources(source: str, message: str) -> None:
    assert refusal(source).startswith(message)


def test_a_folder_that_is_nearly_called_so_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "My Pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert refusal("My Pictres").endswith("got My Pictres; did you mean the folder My Pictures?")


def test_image_size_must_be_positive() -> None:
    assert refusal("digits", 0) == "image_size must be at least 1 pixel, got 0; use one such as 32"


def test_empty_folder(tmp_path: Path) -> None:
    expected = f"data must be a folder of images or parquet files, got the empty {tmp_path}; fill it"
    assert refusal(tmp_path) == expected


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    assert refusal(tmp_path).startswith(
        f"data must be a folder of images or parquet files, got none in {tmp_path}; give"
    )


def test_folder_that_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"junk")
    assert refusal(tmp_path).startswith(f"data must be a folder of images or parquet files, got {tmp_path} (")


def test_no_label_column(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", [0, 1] * 5, column="number")
    message = refusal(tmp_path)
    assert message.startswith("data must have a column of labels (label, labels, fine_label, class, target, y, ")
    assert "got columns img, number; name it with --label-column" in message


def test_no_image_column(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + "a,0\nb,1\n" * 5)
    assert refusal(tmp_path) == "data must have a column of images, got columns text, label; is it an image data set?"


def test_no_train_split(tmp_path: Path) -> None:
    parquet(tmp_path / "validation.parquet", [0, 1] * 5)
    parquet(tmp_path / "test.parquet", [0, 1] * 5)
    assert refusal(tmp_path) == "data must have a train split, got validation, test; rename one to train"


def test_train_without_a_label(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", [0, 1, None, 1])
    assert refusal(tmp_path) == "label must be given for every train image, got none for row 2; add or remove it"


def test_a_single_class(tmp_path: Path) -> None:
    assert refusal(folders(tmp_path, ("cat",))) == "data must have at least 2 classes, got 1 (cat); add a class"


def test_too_few_images_in_a_class(tmp_path: Path) -> None:
    folders(tmp_path, ("cat",))
    folders(tmp_path, ("dog",), count=2)
    assert refusal(tmp_path) == (
        "data must have at least 3 train images per class to hold out validation and test, got 2 in dog; add images, or leave dog out"
    )


def test_a_class_that_train_does_not_have(tmp_path: Path) -> None:
    folders(tmp_path / "train")
    folders(tmp_path / "val", first=20)
    folders(tmp_path / "test", ("cat", "emu"), first=40)
    assert refusal(tmp_path) == "classes of test must all be in train, got emu (1 such); use one of cat, dog"


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    bad = folders(tmp_path) / "dog" / "3.png"
    good = bad.read_bytes()
    bad.write_bytes(b"junk")
    expected = f"train row 8 ({bad}) must be a readable image, got an unknown format; mend or remove it, or leave it out with --skip-broken (the only one of 10 images)"
    assert refusal(tmp_path) == expected
    bad.write_bytes(good[:45])
    assert refusal(tmp_path).startswith(f"train row 8 ({bad}) must be a readable image, got ")


def test_floating_point_pixels(tmp_path: Path) -> None:
    bad = folders(tmp_path) / "dog" / "9.tif"
    Image.new("F", (8, 8), 0.5).save(bad)
    assert "must be a readable image, got floating-point pixels; mend or remove it" in refusal(tmp_path)


def test_sizes_that_differ(tmp_path: Path) -> None:
    bad = folders(tmp_path) / "dog" / "0.png"
    bad.write_bytes(png(1, (8, 9), "L"))
    assert refusal(tmp_path) == (
        "image_size must be given when images are not all squares of one size, "
        f"got 8x8 and 8x9 in train row 5 ({bad}); give one, such as 32"
    )


def test_sizes_that_are_not_square(tmp_path: Path) -> None:
    first = folders(tmp_path) / "cat" / "0.png"
    first.write_bytes(png(1, (8, 9), "L"))
    assert f"got 8x9 in train row 0 ({first}); give one, such as 32" in refusal(tmp_path)


# CIFAR-10


@pytest.mark.skipif(not CIFAR.exists(), reason="needs CIFAR-10 at ../shared/data/cifar10")
def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sixth of its real files."""
    import pyarrow.parquet as pq

    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cifar10").mkdir()
    for name, rows in (("train", 10_000), ("test", 2_000)):
        pq.write_table(pq.read_table(CIFAR / f"{name}.parquet")[:rows], tmp_path / "cifar10" / f"{name}.parquet")
    cifar = data.load(str(tmp_path / "cifar10"))
    assert (sum(sizes(cifar)[:2]), sizes(cifar)[2]) == (10_000, 2_000)
    assert cifar.classes[0] == "airplane"
    assert cifar.classes[9] == "truck"
    assert cifar.augment == Augment(crop=4, flip=True)
    counts = [np.bincount(split.labels) for split in splits(cifar)]
    assert all(split.images.shape[1:] == (32, 32, 3) for split in splits(cifar))
    labels = pq.read_table(tmp_path / "cifar10" / "train.parquet")["label"].to_numpy()
    assert (counts[0] + counts[1]).tolist() == np.bincount(labels).tolist()
    assert np.abs(counts[1] - np.bincount(labels) / 10).max() <= 1
    np.testing.assert_allclose(cifar.mean, (0.4914, 0.4822, 0.4465), atol=0.003)  # the published statistics
    np.testing.assert_allclose(cifar.std, (0.247, 0.243, 0.262), atol=0.003)
    digests = [{hashlib.md5(image.tobytes()).digest() for image in split.images} for split in splits(cifar)]
    assert not digests[0] & digests[1]
