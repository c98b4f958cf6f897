"""Pixels: the encoded images of a data set's rows, decoded to one uint8 array per split."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from space.reading import InputError

Pixels = NDArray[np.uint8]

CHUNK = 64  # images per task of a thread
SMALL = 128 * 128  # pixels below which one thread is fastest, see `_workers`
SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
GREY = ("1", "L", "LA", "La")


class Encoded(TypedDict):
    """One image as Hugging Face stores it: the bytes of a file, or where the file is."""

    bytes: bytes | None
    path: str | None


class Row(NamedTuple):
    """One image and where it came from, for errors."""

    split: str
    number: int
    image: Encoded

    def __str__(self) -> str:
        path = self.image["path"]
        return f"{self.split} row {self.number}" + (f" ({path})" if path else "")


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its type when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def decode(splits: Mapping[str, Sequence[Encoded]], image_size: int | None) -> dict[str, Pixels]:
    """Every split's images as uint8 (N, S, S, C): C is 1 when all images of all splits are grey, else 3 (RGB).

    S is `image_size`, to which other sizes are cropped (a centred square) and resized; without it the one size
    that all images share. Alpha is dropped, 16-bit grey scaled to 8, EXIF rotation applied. The first split must
    hold an image. Raises InputError for an unreadable image, and for sizes that differ or are not square.
    """
    rows = [Row(split, number, image) for split, images in splits.items() for number, image in enumerate(images)]
    first = _open(rows[0])
    same = first.size if image_size is None else None
    if same and same[0] != same[1]:
        raise _size_error(rows[0], first)
    size = image_size or first.width

    def work(chunk: Sequence[Row]) -> list[Pixels]:
        return [_pixels(row, size, same) for row in chunk]

    with ThreadPoolExecutor(_workers(first)) as pool:
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        arrays = list(chain.from_iterable(pool.map(work, chunks)))
    channels = 3 if any(array.ndim == 3 for array in arrays) else 1
    remaining = iter(arrays)
    return {split: _stack(remaining, (len(images), size, size, channels)) for split, images in splits.items()}


def fit(image: Image.Image, size: int) -> Pixels:
    """The centred square of an image at size x size, antialiased: uint8 (S, S) for mode L, (S, S, 3) for RGB."""
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(image)


def _workers(image: Image.Image) -> int:
    """Threads for images like this one.

    PIL holds the GIL for most of the time that a 32x32 JPEG takes, so threads slow small images down and speed up
    only large ones.
    """
    return 1 if image.width * image.height < SMALL else os.cpu_count() or 1


def _pixels(row: Row, size: int, same: tuple[int, int] | None) -> Pixels:
    image = _open(row)
    if same and image.size != same:
        raise _size_error(row, image, f"{same[0]}x{same[1]} and ")
    return fit(image, size)


def _size_error(row: Row, image: Image.Image, before: str = "") -> InputError:
    return InputError(
        "image_size must be given when images are not all squares of one size, "
        f"got {before}{image.width}x{image.height} in {row}; give one, such as 32"
    )


def _open(row: Row) -> Image.Image:
    """A row's image in mode L (grey) or RGB. Raises InputError naming the row when it cannot be read."""
    try:
        return _plain(_feature().decode_example(row.image))
    except UnidentifiedImageError as error:
        raise InputError(f"{row} must be a readable image, got an unknown format; mend or remove it") from error
    except (
        Exception
    ) as error:  # a damaged file makes PIL raise nearly anything: OSError, SyntaxError, struct.error, ...
        got = "nothing" if row.image["bytes"] is None and row.image["path"] is None else first_line(error)
        raise InputError(f"{row} must be a readable image, got {got}; mend or remove it") from error


@cache
def _feature() -> Any:
    """Hugging Face's decoder: bytes, files and files inside archives; it applies EXIF rotation."""
    from datasets import Image as Feature  # type: ignore[import-untyped]

    return Feature()


def _plain(image: Image.Image) -> Image.Image:
    """Any mode of PIL as L or RGB. Raises ValueError for floating-point pixels, whose range nobody knows."""
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode in SIXTEEN_BIT:
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # 65535 / 255 = 257
    mode = "L" if image.mode in GREY else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _stack(arrays: Iterator[Pixels], shape: tuple[int, int, int, int]) -> Pixels:
    """The next N arrays, (S, S) or (S, S, 3), as one (N, S, S, C); grey is repeated where C is 3."""
    stacked = np.empty(shape, np.uint8)
    for index in range(shape[0]):
        array = next(arrays)
        stacked[index] = array if array.ndim == 3 else array[..., None]
    return stacked
