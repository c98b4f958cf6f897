"""Data: a named set, a hub name or a folder of images -> three disjoint splits of uint8 images.

Channels-last, in memory or mapped from a cache on disk, and the same on every machine: what is held out never depends
on a study's seed.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from nas.data import cache, sources
from nas.data.arrays import Files
from nas.data.cache import SPLITS, Contents, Facts, Labels, Note
from nas.data.decoding import Progress, Rows, decode
from nas.data.images import Pixels, fit
from space.reading import InputError

HELD_OUT = {"validation": 0.1, "test": 0.2}  # of train, for the splits that a source does not have
DIGITS_HELD_OUT = {"validation": 0.2, "test": 0.2}
STRIDE = 16_000_000  # bytes of images that are looked at together
SPLIT_SEED = 0  # never the study's seed: every study of one source trains and is judged on the same images

Plan = Mapping[str, tuple[str, Labels]]  # our split -> the source's split, and which of its rows


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images uint8 (N, H, W, C), possibly a read-only `np.memmap`, and labels int64 (N,), an index into
    `Data.classes`."""

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


def load(
    source: str,
    image_size: int | None = None,
    *,
    on_progress: Progress = lambda done, total: None,
    on_note: Note = lambda note: None,
) -> Data:
    """The data behind a short name (see `names`), a folder, or `owner/name` on the Hugging Face hub.

    A folder holds parquet files as on the hub, class folders of images (with or without train/test above them), or
    whatever else `datasets` reads; an existing folder wins over a hub name, `hf:owner/name` is never a folder.
    A missing validation split is 10% of train and a missing test split 20%, stratified; a hub data set with train
    and validation only has its validation split as test. A test split without labels counts as missing.
    Images keep their size if all are squares of one size, else `image_size` is needed.
    Larger sets are decoded once and kept, see `data.cache`; `on_progress` hears of images decoded, `on_note` of what
    is out of the ordinary. Raises InputError, one line, for everything that a person can mend.
    """
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size must be at least 1 pixel, got {image_size}; use one such as 32")
    if source == sources.DIGITS:
        name, found = source, _digits(image_size)
    else:
        origin = sources.find(source)
        name, found = origin.name, _read(origin, image_size, on_progress, on_note)
    train, validation, test = (Split(found.images[split], found.labels[split]) for split in SPLITS)
    return Data(
        name=name,
        source=source,
        train=train,
        validation=validation,
        test=test,
        classes=found.facts.classes,
        mean=found.facts.mean,
        std=found.facts.std,
        augment=_augment(name, train.images.shape[1]),
        fingerprint=found.facts.fingerprint,
    )


def _digits(image_size: int | None) -> Contents:
    """scikit-learn's 1,797 digits: 8x8, grey, 0..16 rescaled to 0..255; 60/20/20."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    raw = load_digits()
    pixels = np.rint(raw.images * (255 / 16)).astype(np.uint8)
    pixels = np.stack([fit(Image.fromarray(image), image_size or 8) for image in pixels])[..., None]
    labels = raw.target.astype(np.int64)
    classes = tuple("0123456789")
    plan = _plan({"train": labels}, classes, DIGITS_HELD_OUT)
    return _contents({split: pixels[rows] for split, (_, rows) in plan.items()}, {"train": labels}, plan, classes)


def _read(origin: sources.Origin, image_size: int | None, on_progress: Progress, on_note: Note) -> Contents:
    """A source's contents: decoded into memory where it is small, else from the cache."""
    build = partial(_decode, origin, image_size, on_progress)
    if not origin.small:
        return cache.obtain(cache.folder(origin.name, origin.key, image_size), build, on_note)
    with tempfile.TemporaryDirectory(prefix="nas-") as folder:
        found = build(Path(folder))
        return replace(found, images={split: np.array(mapped) for split, mapped in found.images.items()})


def _decode(source: sources.Origin, image_size: int | None, on_progress: Progress, folder: Path) -> Contents:
    """A source's contents, decoded into a folder. Labels are checked before images are decoded."""
    with source.tables(folder) as tables:
        labels, classes = sources.labels(tables)
        plan = _plan(labels, classes, HELD_OUT)
        readers = {split: sources.reader(tables[split]) for split in labels}
        parts = {split: Rows(origin, rows, readers[origin]) for split, (origin, rows) in plan.items()}
        first = Rows("train", np.zeros(1, np.int64), readers["train"])[:1][0]
        store = Files(folder)
        decode(parts, first, image_size, store, on_progress, processes=not source.small)
    return _contents(store.images(), labels, plan, classes)


def _plan(labels: Mapping[str, Labels], classes: tuple[str, ...], fractions: Mapping[str, float]) -> Plan:
    """Where our splits come from: rows of the source's train split for train and for every split that the source does
    not have, else all of the source's own.

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
    own = {split: (split, np.arange(len(found))) for split, found in labels.items()}
    plan = own | {split: ("train", rows) for split, rows in _hold_out(labels["train"], missing).items()}
    return {split: plan[split] for split in SPLITS}


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


def _contents(
    images: Mapping[str, Pixels], labels: Mapping[str, Labels], plan: Plan, classes: tuple[str, ...]
) -> Contents:
    """Images by our splits and labels by the source's, with what is known of them."""
    ours = {split: labels[origin][rows] for split, (origin, rows) in plan.items()}
    facts = Facts(classes, *_statistics(images["train"]), _fingerprint(images, ours, classes))
    return Contents(images, ours, facts)


def _strides(images: Pixels) -> Iterator[Pixels]:
    """Consecutive images, few enough for memory to stay flat and for sums of squares in 32 bits (1024 * 255^2)."""
    count = min(1024, max(1, STRIDE * len(images) // images.nbytes))
    return (images[start : start + count] for start in range(0, len(images), count))


def _statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std per channel in 0..1 units; sums of integers, so equal everywhere. A std is at least 1/255."""
    total = np.zeros(images.shape[1:], np.uint64)
    squares = np.zeros(images.shape[1:], np.uint64)
    for part in _strides(images):
        total += part.sum(axis=0, dtype=np.uint32)
        squares += np.square(part, dtype=np.uint16).sum(axis=0, dtype=np.uint32)
    count = images[..., 0].size
    mean = total.sum(axis=(0, 1)) / count
    std = np.sqrt(np.maximum(squares.sum(axis=(0, 1)) / count - mean**2, 1.0))
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def _augment(name: str, image_size: int) -> Augment:
    """Flipped digits are other digits; else flips, and crops by an eighth (CIFAR's customary 4 of 32 pixels)."""
    if name == sources.DIGITS:
        return Augment(crop=0, flip=False)
    return Augment(crop=2 if name == "fashion_mnist" else max(1, image_size // 8), flip=True)


def _fingerprint(images: Mapping[str, Pixels], labels: Mapping[str, Labels], classes: tuple[str, ...]) -> str:
    """16 hex digits of the SHA-256 over all pixels, labels and class names."""
    digest = hashlib.sha256(repr(classes).encode())
    for split in SPLITS:
        digest.update(repr((split, images[split].shape)).encode())
        for part in _strides(images[split]):
            digest.update(np.ascontiguousarray(part).data)
        digest.update(labels[split].astype("<i8").tobytes())
    return digest.hexdigest()[:16]
