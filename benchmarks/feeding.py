"""Data larger than memory: what decoding costs once, and how fast batches come from a file afterwards.

    python -m benchmarks.feeding [FOLDER]

FOLDER (default: the system's temporary folder) is on the disk that is measured and needs 4 GB. Pictures are made up.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.machine import heading
from nas.data import dataset as data
from nas.data.images import Pixels, Row, fit, read
from nas.training.prefetch import batches

PHOTOS = {"500 x 375": (500, 375), "256 x 256": (256, 256), "64 x 64": (64, 64), "32 x 32": (32, 32)}
SECONDS = 3.0
IMAGES, SIDE, BATCH = 300_000, 64, 512  # 3.7 GB
ROW = SIDE**2 * 3  # bytes


def photo(width: int, height: int, random: np.random.Generator) -> bytes:
    """A JPEG about as detailed as a photograph: smooth shapes and some noise, quality 88."""
    shapes = random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(shapes).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def rate(work: Callable[[], int], clock: Callable[[], float] = time.process_time) -> float:
    """Units of `work` a second, of processor time unless another clock is given."""
    work()
    started, done = clock(), 0
    while clock() - started < SECONDS:
        done += work()
    return done / (clock() - started)


def decode(rows: list[Row], side: int) -> int:
    return len([fit(read(row), side) for row in rows])


def decoding() -> Iterator[str]:
    random = np.random.default_rng(0)
    for name, (width, height) in PHOTOS.items():
        rows = [Row("train", n, {"bytes": photo(width, height, random), "path": None}) for n in range(50)]
        size = sum(len(row.image["bytes"] or b"") for row in rows) / len(rows) / 1000
        rates = [rate(partial(decode, rows, side)) for side in (32, 64, 128)]
        yield f"| {name}, {size:.1f} KB | " + " | ".join(f"{found:,.0f}" for found in rates) + " |"


def write_images(path: Path) -> None:
    """Random images, on the disk and not only in memory."""
    whole = np.lib.format.open_memmap(path, "w+", np.uint8, (IMAGES, SIDE, SIDE, 3))
    part = np.random.default_rng(0).integers(0, 256, (1000, SIDE, SIDE, 3), dtype=np.uint8)
    for start in range(0, IMAGES, len(part)):
        whole[start : start + len(part)] = part
    whole.flush()


def forget(path: Path) -> None:
    """Drops a file from the system's memory; it must not be mapped."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def feeding(path: Path) -> Iterator[str]:
    """Images a second by the clock, rows in random order: from the disk first, then from the system's memory."""

    def fed(images: Pixels, rows: torch.Tensor) -> int:
        return sum(map(len, batches(images, rows, torch.device("cpu"))))

    def indexed(images: Pixels, rows: torch.Tensor) -> int:
        return sum(len(images[chunk]) for chunk in rows.numpy())

    def timed(way: Callable[[Pixels, torch.Tensor], int], steps: int) -> float:
        rows = torch.randperm(IMAGES)[: steps * BATCH].view(-1, BATCH)
        started = time.perf_counter()
        return way(np.load(path, mmap_mode="r"), rows) / (time.perf_counter() - started)

    for name, way in (("feed", fed), ("plain indexing of the map", indexed)):
        forget(path)
        cold = timed(way, 20)
        fed(np.load(path, mmap_mode="r"), torch.arange(IMAGES).view(-1, 1000))
        warm = timed(way, 500)
        yield f"| {name} | {warm:,.0f} | {warm * ROW / 1e9:.2f} | {cold:,.0f} | {cold * ROW / 1e9:.3f} |"


def passes(images: Pixels) -> str:
    """What a first start computes of all pixels, after decoding them."""
    sums = rate(lambda: len(images) if data._statistics(images) else 0) * ROW / 1e9
    digest = rate(lambda: len(images) if hashlib.sha256(images.data) else 0) * ROW / 1e9
    return f"Mean and std {sums:.2f} GB/s and core, fingerprint {digest:.2f} GB/s and core."


def main() -> None:
    torch.set_num_threads(1)
    print(heading("pillow", "numpy", "torch"), "\n")
    print("| JPEG | images/s and core to 32 px | to 64 px | to 128 px |\n|---|---|---|---|")
    for line in decoding():
        print(line)
    with tempfile.TemporaryDirectory(prefix="nas-", dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        path = Path(folder) / "images.npy"
        write_images(path)
        print(f"\n{passes(np.load(path, mmap_mode='r')[:5000])}\n")
        print(f"| batches of {BATCH} at {SIDE} px | images/s in memory | GB/s | images/s from the disk | GB/s |")
        print("|---|---|---|---|---|")
        for line in feeding(path):
            print(line)


if __name__ == "__main__":
    main()
