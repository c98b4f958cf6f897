"""Decoding: the images of all splits into arrays on disk, in the processes that the machine has.

Memory stays flat: a worker reads, decodes and writes one chunk at a time.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection

import numpy as np
from PIL import Image

from nas.data.arrays import Files
from nas.data.images import Encoded, Pixels, Row, encoded_bytes, fit, read, size_error
from space.processor import cores
from space.reading import InputError

Progress = Callable[[int, int], None]  # images done, of how many

CHUNK = 64  # images per task of a worker
FLAT = 8  # levels of 255 between the darkest and the lightest pixel, below which an image shows nothing
POINTER = b"version https://git-lfs"  # how a file begins whose content Git LFS has not fetched
UNFETCHED = "a Git LFS pointer"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one split of the source, read as they are needed."""

    split: str
    count: int
    read: Callable[[list[int]], list[Encoded]]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> list[Row]:
        numbers = list(range(self.count)[part])
        return [Row(self.split, number, image) for number, image in zip(numbers, self.read(numbers), strict=True)]


@dataclass(slots=True)
class Seen:
    """What was noticed of the images of one split while they were decoded, by row where it is a list."""

    digests: list[bytes] = field(default_factory=list)  # of the decoded pixels
    flat: list[int] = field(default_factory=list)  # rows whose pixels are nearly all the same
    broken: dict[int, str] = field(default_factory=dict)  # what is wrong, by row; their pixels are 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # width, height
    modes: Counter[str] = field(default_factory=Counter)  # Pillow's
    deep: int = 0  # images of 16 bits
    brightest: int = 0  # of their pixels, once they are 8 bits

    def add(self, other: Seen) -> None:
        """What was noticed of the rows that follow."""
        self.digests += other.digests
        self.flat += other.flat
        self.broken |= other.broken
        self.sizes += other.sizes
        self.modes += other.modes
        self.deep += other.deep
        self.brightest = max(self.brightest, other.brightest)


class _Colour(Exception):
    """A picture with colours among images taken for grey."""


def decode(
    parts: Mapping[str, Rows],
    first: Row | None,
    image_size: int | None,
    store: Files,
    on_progress: Progress,
    *,
    processes: bool,
) -> dict[str, Seen]:
    """Writes every split's images to `store` as uint8 (N, S, S, C): C is 1 when all are grey, else 3 (RGB). Returns
    what was noticed of them; images that cannot be read are among that.

    S is `image_size`, to which other sizes are cropped (a centred square) and resized; without it the one size
    that all images share, `first`'s. Alpha is over white, 16-bit grey scaled to 8, EXIF rotation applied. Without
    `first`, as none of the first can be read, this is only to know which cannot.
    Memory does not grow with the number of images. `processes`: worth it where there is more to decode than they cost.
    Raises InputError for sizes that differ or are not square.
    """
    image = read(first) if first else Image.new("RGB", (1, 1))
    same = image.size if first and image_size is None else None
    if first and same and same[0] != same[1]:
        raise size_error(first, image)
    task = _Task(parts, image_size or image.width, same, 1 if image.mode == "L" else 3, store)
    killed = 0
    while True:
        try:
            return _run(task, processes, on_progress)
        except _Colour:
            task = replace(task, channels=3)
        except BrokenProcessPool as error:  # a process was killed: all begins anew
            if (killed := killed + 1) == 3:
                raise InputError(
                    f"data must be decoded by {cores()} processes, got one killed (out of memory?); "
                    "free memory and start again"
                ) from error


@dataclass(frozen=True, slots=True)
class _Task:
    """What all workers know."""

    parts: Mapping[str, Rows]
    size: int
    same: tuple[int, int] | None
    channels: int
    store: Files

    def chunks(self) -> list[tuple[str, int]]:
        return [(split, start) for split, rows in self.parts.items() for start in range(0, len(rows), CHUNK)]

    def work(self, chunk: tuple[str, int]) -> Seen:
        """Decodes and writes one chunk."""
        split, start = chunk
        rows, seen = self.parts[split][start : start + CHUNK], Seen()
        decoded = np.zeros((len(rows), self.size, self.size, self.channels), np.uint8)
        for place, row in zip(decoded, rows, strict=True):
            try:
                image = read(row)
            except InputError as error:
                seen.broken[row.number] = _what_is_broken(row, error)
            else:
                place[:] = self._pixels(row, image, seen)
            seen.digests.append(hashlib.blake2b(place.data, digest_size=8).digest())
        self.store.write(split, start, decoded)
        return seen

    def _pixels(self, row: Row, image: Image.Image, seen: Seen) -> Pixels:
        mode = str(image.info.get("mode", image.mode))
        seen.sizes[image.size] += 1
        seen.modes[mode] += 1
        if self.same and image.size != self.same:
            raise size_error(row, image, f"{self.same[0]}x{self.same[1]} and ")
        if image.mode != "L" and self.channels == 1:
            raise _Colour
        found = fit(image, self.size)
        darkest, brightest = int(found.min()), int(found.max())
        if brightest - darkest < FLAT:
            seen.flat.append(row.number)
        if mode.startswith("I"):
            seen.deep += 1
            seen.brightest = max(seen.brightest, brightest)
        return found if found.ndim == 3 else found[..., None]


def _what_is_broken(row: Row, error: InputError) -> str:
    with suppress(InputError, OSError):
        if encoded_bytes(row.image, row).startswith(POINTER):
            return f"{row} must be a readable image, got {UNFETCHED}; run git lfs pull"
    return str(error)


def _run(task: _Task, processes: bool, on_progress: Progress) -> dict[str, Seen]:
    size, total, done = task.size, sum(map(len, task.parts.values())), 0
    task.store.create({split: (len(rows), size, size, task.channels) for split, rows in task.parts.items()})
    pool = _processes(task) if processes else None
    seen = {split: Seen() for split in task.parts}
    try:
        chunks = task.chunks()
        for (split, _), found in zip(chunks, pool.map(_work, chunks) if pool else map(task.work, chunks), strict=True):
            seen[split].add(found)
            done += len(found.digests)
            on_progress(done, total)
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)
    return seen


_task: _Task  # of a worker process


def _processes(task: _Task) -> ProcessPoolExecutor:
    """Worker processes that know `task`. Forked on Linux: nothing is imported or pickled again, and a person's script
    needs no `if __name__ == "__main__"`; they use neither torch nor CUDA."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    return ProcessPoolExecutor(cores(), context, _begin, (task,))


def _begin(task: _Task) -> None:
    """A worker leaves Ctrl-C to its parent, and ends when that is killed."""
    global _task
    _task = task
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(chunk: tuple[str, int]) -> Seen:
    return _task.work(chunk)
