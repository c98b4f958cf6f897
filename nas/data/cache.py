"""Cache: data sets decoded once, as arrays on disk that every later start and every worker maps into memory.

`$NAS_CACHE` (else `nas` in the user's cache folder) holds a folder per source content and image size: an array per
split, its labels, and a card, written last. A folder is written aside and renamed, so one with its final name is whole.
Nothing is deleted by itself: a person may remove any of it at any time.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from nas.data.arrays import ELSEWHERE
from nas.data.images import Pixels, suffixes
from nas.data.splitting import SPLITS, Labels
from nas.process.errors import first_line
from nas.records.look import Look, Named
from space.cache_root import cache_root
from space.reading import InputError, check

Note = Callable[[str], None]

VERSION = 3  # of the folder's layout and of how images are decoded
CARD = "card.json"  # facts, and how many bytes each file has
DAMAGE = (OSError, ValueError, KeyError, TypeError)  # what reading a folder that is not whole raises


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """A data set's arrays by split: images uint8 (N, H, W, C), labels int64 (N,)."""

    images: Mapping[str, Pixels]
    labels: Mapping[str, Labels]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Facts:
    """What is not in the arrays; `mean` and `std` are train's."""

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    look: Look
    flip: bool  # whether a mirrored image still shows its class
    named: Named = field(default_factory=dict)  # which images are behind the counts of the look
    originals: tuple[str, ...] = ()  # the first test images as they were encoded, in base64


def folder(name: str, key: str, image_size: int | None) -> Path:
    """Where a data set is kept: `cifar10-32px-0123456789abcdef`.

    The digits stand for the source's `key` and the versions of all that decides what a pixel is.
    """
    size = f"{image_size}px" if image_size else "own"
    facts = (VERSION, key, version("pillow"), version("datasets"), sorted(suffixes()))
    digits = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return cache_root() / f"{plain(name)}-{size}-{digits}"


def plain(name: str) -> str:
    """A data set's name as part of a file's."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]


def obtain(place: Path, build: Callable[[Path], Contents], on_note: Note = lambda note: None) -> Contents:
    """What is in the folder `place`, images mapped read-only; `build` fills a new folder first where it is missing.

    One process builds while others wait for it. What a killed build left is removed by the next one; a damaged folder
    is built again, with a note. Raises InputError where the cache cannot be written or the disk is full.
    """
    with suppress(*DAMAGE):
        return _read(place)
    with _alone(place, on_note):
        try:
            return _read(place)  # another process has built it meanwhile
        except DAMAGE as error:
            if place.exists():
                on_note(f"the cache {place} is damaged ({first_line(error)}); decoding again")
        _sweep(place.parent)
        _build(place, build)
        return _read(place)


def _read(place: Path) -> Contents:
    """A folder's contents. Raises one of DAMAGE when it is missing, or its files are not as large as they were."""
    card = json.loads((place / CARD).read_text(encoding="utf-8"))
    for name, size in card.pop("files").items():
        if (got := (place / name).stat().st_size) != size:
            raise ValueError(f"{name} must have {size} bytes, got {got}")
    return Contents(
        images={split: np.load(place / f"{split}.npy", mmap_mode="r") for split in SPLITS},
        labels={split: np.load(place / f"{split}.labels.npy") for split in SPLITS},
        facts=check(Facts, card),
    )


def _build(place: Path, build: Callable[[Path], Contents]) -> None:
    part = _part(place)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        contents = build(part)
        for split, labels in contents.labels.items():
            np.save(part / f"{split}.labels.npy", labels)
        _write_card(part, contents)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"disk must have room to decode the data, got none left in {place.parent}; {ELSEWHERE}"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_card(part: Path, contents: Contents) -> None:
    """The card, last and only after all other files are safe on the disk."""
    files = sorted(part.glob("*.npy"))
    for file in files:
        _sync(file)
    card = asdict(contents.facts) | {"files": {file.name: file.stat().st_size for file in files}}
    (part / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
    _sync(part / CARD)


def _sync(file: Path) -> None:
    with file.open("r+b") as opened:  # Windows syncs only what may be written
        os.fsync(opened.fileno())


@contextmanager
def _alone(place: Path, on_note: Note) -> Iterator[None]:
    """While one process builds `place`. The system frees the lock of a process that dies."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(place)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_note(f"waiting for another process, which decodes the same data into {place}")
            lock.acquire()
    except OSError as error:
        raise InputError(
            f"NAS_CACHE must be a folder that can be written, got {place.parent} ({error.strerror}); set it to another"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _sweep(cache: Path) -> None:
    """Removes what killed builds left: nobody holds their locks."""
    for lock in cache.glob("*.lock"):
        with suppress(OSError, Timeout), _lock(place := lock.with_suffix("")).acquire(timeout=0):
            shutil.rmtree(_part(place), ignore_errors=True)


def _part(place: Path) -> Path:
    return place.with_name(f"{place.name}.part")


def _lock(place: Path) -> FileLock:
    return FileLock(place.with_name(f"{place.name}.lock"))
