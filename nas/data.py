"""Data: a named set, a hub name or a folder of images -> three disjoint splits of uint8 images.

Channels-last, in memory, and the same on every machine: what is held out never depends on a study's seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas import images, sources
from nas.images import Pixels
from space.reading import InputError

Labels = NDArray[np.int64]

HELD_OUT = {"validation": 0.1, "test": 0.2}  # of train, for the splits that a source does not have
DIGITS_HELD_OUT = {"validation": 0.2, "test": 0.2}
SPLIT_SEED = 0  # never the study's seed: every study of one source trains and is judged on the same images


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images uint8 (N, H, W, C) and labels int64 (N,), an index into `Data.classes`."""

    images: Pixels
    labels: Labels


@dataclass(frozen=True, slots=True)
class Augment:
    """Random crop after padding by `crop` pixels (0 = none), and random horizontal flip."""

    crop: int
    flip: bool


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Three disjoint splits; `mean` and `std` per channel of train, in 0..1 units; `fingerprint` of all of it."""

    name: str
    source: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: Augment
    fingerprint: str

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return int(self.train.images.shape[1])

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.train.images.shape[3])


def names() -> tuple[str, ...]:
    """The data sets that go by a short name."""
    return (sources.DIGITS, *sources.HUB)


def load(source: str, image_size: int | None = None) -> Data:
    """The data behind a short name (see `names`), a folder, or `owner/name` on the Hugging Face hub.

    A folder holds parquet files as on the hub, class folders of images (with or without train/test above them), or
    whatever else `datasets` reads; an existing folder wins over a hub name, `hf:owner/name` is never a folder.
    A missing validation split is 10% of train and a missing test split 20%, stratified; a hub data set with train
    and validation only has its validation split as test. A test split without labels counts as missing.
    Images keep their size if all are squares of one size, else `image_size` is needed.
    Raises InputError, one line, for everything that a person can mend.
    """
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size must be at least 1 pixel, got {image_size}; use one such as 32")
    name, classes, splits = _digits(image_size) if source == sources.DIGITS else _read(source, image_size)
    mean, std = _statistics(splits["train"].images)
    size = splits["train"].images.shape[1]
    return Data(
        name=name,
        source=source,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        classes=classes,
        mean=mean,
        std=std,
        augment=_augment(name, size),
        fingerprint=_fingerprint(splits, classes),
    )


def _digits(image_size: int | None) -> tuple[str, tuple[str, ...], dict[str, Split]]:
    """scikit-learn's 1,797 digits: 8x8, grey, 0..16 rescaled to 0..255; 60/20/20."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    raw = load_digits()
    pixels = np.rint(raw.images * (255 / 16)).astype(np.uint8)
    pixels = np.stack([images.fit(Image.fromarray(image), image_size or 8) for image in pixels])[..., None]
    labels = {"train": raw.target.astype(np.int64)}
    classes = tuple(str(name) for name in raw.target_names)
    return sources.DIGITS, classes, _splits({"train": pixels}, labels, _plan(labels, classes, DIGITS_HELD_OUT))


def _read(source: str, image_size: int | None) -> tuple[str, tuple[str, ...], dict[str, Split]]:
    """A folder's or a hub data set's name, class names and splits. Labels are checked before images are decoded."""
    with sources.opened(source) as (name, tables):
        labels, classes = sources.labels(tables)
        plan = _plan(labels, classes, HELD_OUT)
        pixels = images.decode({split: sources.images(tables[split]) for split in labels}, image_size)
    return name, classes, _splits(pixels, labels, plan)


def _plan(labels: Mapping[str, Labels], classes: tuple[str, ...], fractions: Mapping[str, float]) -> dict[str, Labels]:
    """Rows of the source's train split for train and for every split that the source does not have.

    Raises InputError for a single class, and for a class with too few images to hold any out.
    """
    missing = {split: fraction for split, fraction in fractions.items() if split not in labels}
    if len(classes) < 2:
        raise InputError(f"data must have at least 2 classes, got 1 ({', '.join(classes)}); add a class")
    needed = max(2, 1 + len(missing))
    counts = np.bincount(labels["train"], minlength=len(classes))
    if counts.min() < needed:
        why = f" to hold out {' and '.join(missing)}" if missing else ""
        got = f"{counts.min()} in {classes[counts.argmin()]}"
        raise InputError(f"data must have at least {needed} train images per class{why}, got {got}; add images")
    return _hold_out(labels["train"], missing)


def _hold_out(labels: Labels, fractions: Mapping[str, float]) -> dict[str, Labels]:
    """Disjoint rows for each of `fractions` and for `train`, the rest; the same fraction of every class, at least 1.

    RandomState and not Generator: only its streams are promised never to change (NumPy NEP 19).
    """
    random = np.random.RandomState(SPLIT_SEED)
    parts: dict[str, list[Labels]] = {split: [] for split in ("train", *fractions)}
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        counts = [max(1, round(fraction * len(rows))) for fraction in fractions.values()]
        *held, rest = np.split(rows, np.cumsum(counts))
        for split, part in zip(("train", *fractions), (rest, *held), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(rows)) for split, rows in parts.items()}


def _splits(pixels: Mapping[str, Pixels], labels: Mapping[str, Labels], plan: Mapping[str, Labels]) -> dict[str, Split]:
    """The three splits: rows of train where planned, else the source's own."""
    splits = {split: Split(pixels["train"][rows], labels["train"][rows]) for split, rows in plan.items()}
    return {split: Split(pixels[split], labels[split]) for split in pixels} | splits


def _statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std per channel in 0..1 units; sums of integers, so equal everywhere. A std is at least 1/255."""
    total = np.zeros(pixels.shape[1:], np.uint64)
    squares = np.zeros(pixels.shape[1:], np.uint64)
    for start in range(0, len(pixels), 1024):  # few enough for sums in 32 bits: 1024 * 255^2 < 2^32
        part = pixels[start : start + 1024]
        total += part.sum(axis=0, dtype=np.uint32)
        squares += np.square(part, dtype=np.uint16).sum(axis=0, dtype=np.uint32)
    count = pixels[..., 0].size
    mean = total.sum(axis=(0, 1)) / count
    std = np.sqrt(np.maximum(squares.sum(axis=(0, 1)) / count - mean**2, 1.0))
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def _augment(name: str, image_size: int) -> Augment:
    """Flipped digits are other digits; else flips, and crops by an eighth (CIFAR's customary 4 of 32 pixels)."""
    if name == sources.DIGITS:
        return Augment(crop=0, flip=False)
    return Augment(crop=2 if name == "fashion_mnist" else max(1, image_size // 8), flip=True)


def _fingerprint(splits: Mapping[str, Split], classes: tuple[str, ...]) -> str:
    """16 hex digits of the SHA-256 over all pixels, labels and class names."""
    digest = hashlib.sha256(repr(classes).encode())
    for name in ("train", "validation", "test"):
        split = splits[name]
        digest.update(repr((name, split.images.shape)).encode())
        digest.update(split.images.tobytes())
        digest.update(split.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
