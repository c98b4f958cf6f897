"""Images: one encoded picture, whatever its format, as uint8 pixels of the size that is wanted."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nas.records.errors import first_line
from space.reading import InputError

Pixels = NDArray[np.uint8]

SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
GREY = ("1", "L", "LA", "La")


MODE = "mode"  # where an image's `info` says which mode it had


class Unreadable(InputError):
    """An image that cannot be decoded."""


class ImageSizeNeeded(InputError):
    """Images of several sizes, or not square ones, without a size to bring them to."""


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


def fit(image: Image.Image, size: int) -> Pixels:
    """The centred square of an image at size x size, antialiased: uint8 (S, S) for mode L, (S, S, 3) for RGB."""
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(image)


def pixels(row: Row, size: int, same: tuple[int, int] | None) -> Pixels:
    """A row's image at size x size: uint8 (S, S) where it is grey, else (S, S, 3).

    Raises InputError when it cannot be read, or is not of the size `same`, where that is given.
    """
    image = read(row)
    if same and image.size != same:
        raise size_error(row, image, f"{same[0]}x{same[1]} and ")
    return fit(image, size)


def size_error(row: Row, image: Image.Image, before: str = "") -> InputError:
    """What to say of an image that is no square, or not like those `before`."""
    return ImageSizeNeeded(
        "image_size must be given when images are not all squares of one size, "
        f"got {before}{image.width}x{image.height} in {row}; give one, such as 32"
    )


def read(row: Row) -> Image.Image:
    """A row's image in mode L (grey) or RGB. Raises InputError naming the row when it cannot be read."""
    try:
        return _plain(_feature().decode_example(row.image))
    except UnidentifiedImageError as error:
        raise Unreadable(f"{row} must be a readable image, got an unknown format; mend or remove it") from error
    except Exception as error:  # a damaged file makes PIL raise nearly anything: OSError, SyntaxError, struct.error
        got = "nothing" if row.image["bytes"] is None and row.image["path"] is None else first_line(error)
        raise Unreadable(f"{row} must be a readable image, got {got}; mend or remove it") from error


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
