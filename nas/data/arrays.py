"""Arrays on disk: the decoded images of a data set, uint8 (N, H, W, C) by split."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.images import Pixels
from space.budget import compact
from space.reading import InputError

Shape = tuple[int, int, int, int]  # N, H, W, C
STRIDE = 16_000_000  # bytes of images that are moved, or looked at, together
ELSEWHERE = "free some, or set NAS_CACHE (TMPDIR for small data) to a folder on another disk"


@dataclass(frozen=True, slots=True)
class Files:
    """An array per split in a folder, written by many processes."""

    folder: Path
    prefix: str = ""  # of the files' names
    copies: int = 1  # how often their contents will be on the disk at the most

    def create(self, shapes: Mapping[str, Shape]) -> None:
        """Empty arrays with their disk space taken. Raises InputError where there is too little."""
        needed = self.copies * sum(map(math.prod, shapes.values()))
        for split in shapes:
            self._file(split).unlink(missing_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise InputError(
                f"disk must have {compact(needed)}B free for the decoded images, got {compact(free)}B in "
                f"{self.folder.parent}; {ELSEWHERE}"
            )
        for split, shape in shapes.items():
            array = np.lib.format.open_memmap(self._file(split), "w+", np.uint8, shape)
            if hasattr(os, "posix_fallocate"):  # so that a disk that fills up meanwhile is no surprise later
                with self._file(split).open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)

    def write(self, split: str, start: int, pixels: Pixels) -> None:
        """Plain writes, not through a map: a full disk is then an error, not a signal."""
        array = np.load(self._file(split), mmap_mode="r")
        with self._file(split).open("r+b") as file:
            file.seek(array.offset + start * math.prod(array.shape[1:]))
            file.write(pixels.data)

    def take(self, split: str, source: Files, of: str, rows: NDArray[np.int64]) -> None:
        """Rows of an array of another folder, in their order, as one here; the file itself where they are all of it."""
        array = np.load(source._file(of), mmap_mode="r")
        if len(rows) == len(array) and (rows == np.arange(len(array))).all():
            source._file(of).replace(self._file(split))
            return
        self.create({split: (len(rows), *array.shape[1:])})
        count = max(1, STRIDE // math.prod(array.shape[1:]))
        for start in range(0, len(rows), count):
            self.write(split, start, array[rows[start : start + count]])

    def remove(self, splits: Iterable[str]) -> None:
        for split in splits:
            self._file(split).unlink(missing_ok=True)

    def images(self) -> Mapping[str, Pixels]:
        """What was written, mapped read-only."""
        return {path.stem: np.load(path, mmap_mode="r") for path in self.folder.glob("*.npy")}

    def _file(self, split: str) -> Path:
        return self.folder / f"{self.prefix}{split}.npy"
