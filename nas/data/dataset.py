"""Data: a named set, a hub name or a folder of images -> three disjoint splits of uint8 images.

Channels-last, in memory or mapped from a cache on disk, and the same on every machine: what is held out never depends
on a study's seed.
"""

from __future__ import annotations

import base64
import hashlib
import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from nas.data import cache, sources
from nas.data.arrays import STRIDE, Files
from nas.data.cache import Contents, Facts, Note
from nas.data.decoding import UNFETCHED, Progress, Rows, Seen, decode
from nas.data.images import Encoded, Pixels, Row, encoded_bytes, fit, read
from nas.data.labelled import Source, number
from nas.data.mirror import may_mirror
from nas.data.oddities import named as oddities
from nas.data.splitting import HELD_OUT, SPLITS, Duplicates, Labels, Plan, check, plan
from nas.process.files import write_whole
from nas.records.data_card import AS_FOUND, Augment, Reading
from nas.records.look import Look, Named, examples, printable
from space.cache_root import cache_root
from space.reading import InputError

DIGITS_HELD_OUT = {"validation": 0.2, "test": 0.2}
ORIGINAL_BYTES = 2_000_000
ORIGINALS = 32  # test images that are kept as they were encoded
SKIPPED = 0.01  # the largest part of the images that may be left out as broken
SIZES = 12  # of the files, that a look keeps: the most frequent
SHOWN = 3  # broken images that an error names
DARK = 64  # of 255, below which all pixels of all 16-bit images are where their values have fewer bits


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images uint8 (N, H, W, C), possibly a read-only `np.memmap`, and labels int64 (N,), an index into
    `Data.classes`."""

    images: Pixels
    labels: Labels


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
    look: Look | None = None
    named: Named = field(default_factory=dict)  # which images are behind the counts of the look
    reading: Reading = AS_FOUND
    originals: tuple[Encoded, ...] = ()  # the first images of `test` as they were encoded, where they were files

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return int(self.train.images.shape[1])

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.train.images.shape[3])


def load(
    source: str,
    image_size: int | None = None,
    *,
    reading: Reading = AS_FOUND,
    on_progress: Progress = lambda done, total: None,
    on_note: Note = lambda note: None,
) -> Data:
    """The data behind a short name (digits, cifar10, ...), a folder, or `owner/name` on the Hugging Face hub.

    A folder holds a folder of images per class (with or without train, validation and test above them), images with a
    label file beside them, or parquet files as on the hub; an existing folder wins over a hub name, `hf:owner/name` is
    never a folder. docs/data.md has every layout that is read, `reading` what may be said of one.
    A missing validation split is 10% of train and a missing test split 20%, stratified; a hub data set with train
    and validation only has its validation split as test. A test split without labels counts as missing.
    Images keep their size if all are squares of one size, else `image_size` is needed.
    Larger sets are decoded once and kept, see `data.cache`; `on_progress` hears of images decoded, `on_note` of what
    is out of the ordinary. Raises InputError, one line, for everything that a person can mend.
    """
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size must be at least 1 pixel, got {image_size}; use one such as 32")
    if source == sources.DIGITS:
        if Path(source).is_dir():
            on_note("digits are scikit-learn's; the folder of that name is ./digits")
        name, found = source, _digits(image_size)
    else:
        origin = sources.find(source, reading)
        name, found = origin.name, _read(origin, image_size, reading, on_progress, on_note)
    train, validation, test = (Split(found.images[split], found.labels[split]) for split in SPLITS)
    size, facts = train.images.shape[1], found.facts
    return Data(
        name=printable(name), source=source, train=train, validation=validation, test=test, classes=facts.classes,
        mean=facts.mean, std=facts.std, fingerprint=facts.fingerprint, look=facts.look,
        named=facts.named, reading=reading,
        augment=Augment(crop=0 if source == sources.DIGITS else max(1, size // 8), flip=facts.flip),
        originals=tuple(Encoded(bytes=base64.b64decode(each), path=None) for each in facts.originals),
    )  # fmt: skip


def _digits(image_size: int | None) -> Contents:
    """scikit-learn's 1,797 digits: 8x8, grey, 0..16 rescaled to 0..255; 60/20/20. Mirrored ones are other digits."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    raw = load_digits()
    pixels = np.rint(raw.images * (255 / 16)).astype(np.uint8)
    pixels = np.stack([fit(Image.fromarray(image), image_size or 8) for image in pixels])[..., None]
    labels = {"train": raw.target.astype(np.int64)}
    classes = tuple("0123456789")
    chosen, same = plan(labels, classes, DIGITS_HELD_OUT, {}, {})
    images = {split: pixels[rows] for split, (_, rows) in chosen.items()}
    seen = {"train": Seen(sizes=Counter({(8, 8): len(pixels)}), modes=Counter({"L": len(pixels)}))}
    source = Source({}, {"train": "scikit-learn"})
    return _contents(images, labels, chosen, _look(source, seen, same), classes, {})


def _read(
    origin: sources.Origin, image_size: int | None, reading: Reading, on_progress: Progress, on_note: Note
) -> Contents:
    """A source's contents: decoded into memory where it is small, else from the cache."""
    build = partial(_decode, origin, image_size, reading, on_progress)
    if not origin.small:
        return cache.obtain(cache.folder(origin.name, origin.key, image_size), build, on_note)
    with tempfile.TemporaryDirectory(prefix="nas-") as folder:
        found = build(Path(folder))
        return replace(found, images={split: np.array(mapped) for split, mapped in found.images.items()})


def _decode(
    origin: sources.Origin, image_size: int | None, reading: Reading, on_progress: Progress, folder: Path
) -> Contents:
    """A source's contents, decoded into a folder. Labels are checked before images are decoded."""
    with origin.open(folder) as source:
        labels, names = number(source.splits, source.notes)
        classes = tuple(map(printable, names))
        check(labels, classes, HELD_OUT)
        parts = {split: Rows(split, len(found), source.splits[split].read) for split, found in labels.items()}
        decoded, store = Files(folder, "all-", copies=1 if len(labels) == 3 else 2), Files(folder)
        first = _first(parts["train"], sum(map(len, parts.values())))
        seen = decode(parts, first, image_size, decoded, on_progress, processes=not origin.small)
        _check_broken(origin.name, seen, parts, reading)
        broken = {split: list(found.broken) for split, found in seen.items()}
        digests = {split: found.digests for split, found in seen.items()} if reading.apart else {}
        chosen, same = plan(labels, classes, HELD_OUT, digests, broken)
        for split, (of, rows) in sorted(chosen.items(), key=lambda item: len(item[1][1]) == len(labels[item[1][0]])):
            store.take(split, decoded, of, rows)
        decoded.remove(labels)
        of, rows = chosen["test"]
        originals = _originals(source.splits[of].read(rows[:ORIGINALS].tolist()))
        named = oddities(source, seen, same)
    return _contents(store.images(), labels, chosen, _look(source, seen, same), classes, named, originals)


def _first(rows: Rows, total: int) -> Row | None:
    """The first image that can be read. None where there are too many before it for any to be skipped."""
    for start in range(min(max(100, int(SKIPPED * total)) + 1, len(rows))):
        (row,) = rows[start : start + 1]
        with suppress(InputError):
            read(row)
            return row
    return None


def _originals(images: Sequence[Encoded]) -> list[bytes]:
    """The first of them, as many as are small together."""
    files = [encoded_bytes(image, "image") for image in images]
    sizes = np.cumsum(list(map(len, files)))
    return files[: max(1, int((sizes <= ORIGINAL_BYTES).sum()))]


def _check_broken(name: str, seen: Mapping[str, Seen], parts: Mapping[str, Rows], reading: Reading) -> None:
    """Raises InputError for images that cannot be read: all are listed in a file. Up to 1% may be skipped."""
    broken = [printable(error) for found in seen.values() for error in found.broken.values()]
    total = sum(map(len, parts.values()))
    if not broken or (reading.skip_broken and len(broken) <= SKIPPED * total):
        return
    if len(broken) == 1 and not reading.skip_broken:
        raise InputError(f"{broken[0]}, or leave it out with --skip-broken (the only one of {total:,} images)")
    path = cache_root() / f"broken-{cache.plain(name)}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(f"{error}\n" for error in broken))
    some = ", ".join(error.partition(" must be")[0] for error in broken[:SHOWN]) + ", ..." * (len(broken) > SHOWN)
    pointers = sum(UNFETCHED in error for error in broken)
    step = "mend or remove them"
    if pointers:
        step = f"Git LFS pointers: {pointers:,}, run git lfs pull" + f", {step}" * (pointers < len(broken))
    if not reading.skip_broken:
        step += f", or leave up to {SKIPPED:.0%} of the images out with --skip-broken"
    raise InputError(
        f"images must be readable, got {len(broken):,} of {total:,} that are not ({some}; all in {path}); {step}"
    )


def _look(source: Source, seen: Mapping[str, Seen], same: Duplicates) -> Look:
    """What is known before the images are in their splits: without counts."""
    sizes, modes = Counter[tuple[int, int]](), Counter[str]()
    for found in seen.values():
        sizes += found.sizes
        modes += found.modes
    named = [f"{width}x{height}" for width, height in sorted(sizes, key=math.prod)]
    often = sizes.most_common(SIZES)
    return Look(
        counts={}, came_from={split: printable(origin) for split, origin in source.came_from.items()},
        notes=tuple(map(printable, [*source.notes, *_dark(seen.values())])),
        sizes={f"{width}x{height}": count for (width, height), count in often},
        other_sizes=len(sizes) - len(often), size_range=(named[0], named[-1]) if named else None,
        modes=dict(modes.most_common()), flat=sum(len(found.flat) for found in seen.values()),
        broken=sum(len(found.broken) for found in seen.values()), duplicates=same.within, across_splits=same.dropped,
        conflicting=same.conflicting,
    )  # fmt: skip


def _dark(seen: Iterable[Seen]) -> list[str]:
    """What to say where values of 10 or 12 bits stand in files of 16."""
    deep = [found for found in seen if found.deep]
    brightest = max((found.brightest for found in deep), default=DARK)
    count = sum(found.deep for found in deep)
    if brightest >= DARK:
        return []
    return [f"16-bit images, all dark: {count:,}, no pixel above {brightest} of 255; scale values of fewer bits to 16"]


def _contents(
    images: Mapping[str, Pixels], labels: Mapping[str, Labels], chosen: Plan, look: Look, classes: tuple[str, ...],
    named: Named, originals: Sequence[bytes] = (),
) -> Contents:  # fmt: skip
    """Images by our splits and labels by the source's, with what is known of them."""
    ours = {split: labels[of][rows] for split, (of, rows) in chosen.items()}
    counts = {
        split: dict(zip(classes, np.bincount(found, minlength=len(classes)).tolist(), strict=True))
        for split, found in ours.items()
    }
    came_from = {split: look.came_from[of] if of == split else "held out of train" for split, (of, _) in chosen.items()}
    flip, mirror = may_mirror(images["train"], ours["train"])
    facts = Facts(
        classes, *_statistics(images["train"]), _fingerprint(images, ours, classes),
        replace(look, counts=counts, came_from=came_from, mirror=mirror, named=examples(named)), flip, named,
        tuple(base64.b64encode(each).decode() for each in originals),
    )  # fmt: skip
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


def _fingerprint(images: Mapping[str, Pixels], labels: Mapping[str, Labels], classes: tuple[str, ...]) -> str:
    """16 hex digits of the SHA-256 over all pixels, labels and class names."""
    digest = hashlib.sha256(repr(classes).encode())
    for split in SPLITS:
        digest.update(repr((split, images[split].shape)).encode())
        for part in _strides(images[split]):
            digest.update(np.ascontiguousarray(part).data)
        digest.update(labels[split].astype("<i8").tobytes())
    return digest.hexdigest()[:16]
