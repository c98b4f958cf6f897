"""Images: one picture, whatever its format, as uint8 pixels of the size that is wanted.

What stands in DECODING decodes everywhere: in training, in an export's `preprocess`, and, as the same text, in the
`modeling.py` of an export.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from space.reading import InputError

Pixels = NDArray[np.uint8]
STUBS = {
    "BUFR",
    "EPS",
    "FITS",
    "GRIB",
    "HDF5",
    "MPEG",
    "PDF",
    "WMF",
}  # formats that Pillow knows, but cannot read alone
Picture = Image.Image | str | Path | Pixels  # a file by its path; of tensors what stands for their arrays does too


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


def plain(image: Image.Image) -> Image.Image:
    """Any picture in mode L (grey) or RGB: upright by its EXIF orientation, alpha over white, 16-bit grey scaled to 8.

    Raises ValueError for floating-point pixels, whose range nobody knows, and Pillow's error over its limit of size.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError(f"{image.width}x{image.height}")
    if isinstance(image, ImageFile.ImageFile):
        name, image.filename = image.filename, ""  # without one no file is mapped: Pillow 13 would not turn a TIFF then
        image.load()
        image.filename = name
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    try:
        turned = image.getexif().get(0x0112, 1) != 1
    except Exception:  # damaged EXIF data, which viewers pass over too
        turned = False
    if turned:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, or 32 that hold 16
        values = np.asarray(image).astype(np.int64)
        values[values == image.info.get("transparency")] = 65535
        return Image.fromarray(((values.clip(0, 65535) + 128) // 257).astype(np.uint8))  # 65535 / 255 = 257
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        image = image.convert("LA") if image.mode == "La" else image  # no other way leads from there
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


def open_plain(picture: Picture | BytesIO, name: object = None) -> Image.Image:
    """A PIL image, a file, or a uint8 array or tensor (H, W) or (H, W, C) in mode L or RGB, see `plain`. The `info` of
    one from a file says which mode it had.

    Raises InputError for what cannot be read, by `name`, else by its own.
    """
    name = name or (picture if isinstance(picture, (str, Path)) else getattr(picture, "filename", "")) or "picture"
    try:
        if isinstance(picture, Image.Image):
            return plain(picture)
        if not isinstance(picture, (str, Path, BytesIO)):
            return plain(from_array(picture))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `plain` refuses it
            with Image.open(picture) as image:
                found = plain(image)
                found.info["mode"] = image.mode
                return found
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} must have at most {Image.MAX_IMAGE_PIXELS:,} pixels, got more; shrink or remove it"
        ) from error
    except UnidentifiedImageError as error:
        step = "pip install pillow-heif" if ".hei" in str(name).lower() else "mend or remove it"
        raise InputError(f"{name} must be a readable image, got an unknown format; {step}") from error
    except Exception as error:  # a damaged file makes PIL raise nearly anything: OSError, SyntaxError, struct.error
        got = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"{name} must be a readable image, got {got}; mend or remove it") from error


def from_array(picture: object) -> Image.Image:
    """A uint8 array or tensor (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the last with alpha. Raises InputError."""
    if not hasattr(picture, "dtype"):
        got = type(picture).__name__
        raise InputError(f"picture must be a PIL image, a file or an array, got {got}; convert it")
    array = np.asarray(picture.cpu() if hasattr(picture, "cpu") else picture)
    if array.dtype != np.uint8 or array.shape[2:] not in ((), (1,), (3,), (4,)) or array.ndim < 2:
        repair = "put 1, 3 or 4 channels last" if array.dtype == np.uint8 else "scale it to 0 to 255 and convert it"
        raise InputError(f"picture must be uint8 (H, W) or (H, W, C), got {array.dtype} {array.shape}; {repair}")
    return Image.fromarray(array.squeeze(2) if array.shape[2:] == (1,) else array)


def fit(image: Image.Image, size: int) -> Pixels:
    """The centred square of an image at size x size, antialiased: uint8 (S, S) for mode L, (S, S, 3) for RGB."""
    if image.size != (size, size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(image)


def shaped(image: Image.Image, size: int, channels: int) -> Pixels:
    """An image of mode L or RGB as a network takes it: uint8 (S, S, C), where one channel is grey and three are RGB."""
    pixels = fit(image.convert("L") if channels == 1 else image, size)
    return np.broadcast_to(pixels.reshape(size, size, -1), (size, size, channels))


def stacked(pictures: Picture | Sequence[Picture], size: int, channels: int) -> Pixels:
    """One picture, or several in a list or an array (N, H, W, C), as a network takes them: uint8 (N, S, S, C)."""
    one = isinstance(pictures, (Image.Image, str, Path)) or getattr(pictures, "ndim", 4) < 4
    rows: Any = [pictures] if one or not hasattr(pictures, "__len__") else pictures
    if not len(rows):
        raise InputError("pictures must be one at least, got none; give some")
    return np.stack([shaped(open_plain(row), size, channels) for row in rows])


def add_formats() -> None:
    """Pillow's plugin for HEIC, where it is installed."""
    with suppress(ImportError):
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found]

        register_heif_opener()


DECODING = (plain, from_array, open_plain, fit, shaped, stacked, add_formats)
add_formats()


@cache
def suffixes() -> frozenset[str]:
    """Of the names of files that Pillow reads here, in lower case: `.png`."""
    known = Image.registered_extensions()  # with all plugins loaded
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in STUBS)


def size_error(row: Row, image: Image.Image, before: str = "") -> InputError:
    """What to say of an image that is no square, or not like those `before`."""
    return ImageSizeNeeded(
        "image_size must be given when images are not all squares of one size, "
        f"got {before}{image.width}x{image.height} in {row}; give one, such as 32"
    )


def read(row: Row) -> Image.Image:
    """A row's image in mode L (grey) or RGB. Raises InputError naming the row when it cannot be read."""
    return open_plain(encoded_file(row.image, row), row)


def encoded_bytes(image: Encoded, name: object) -> bytes:
    """The file's content. Raises InputError as `encoded_file` does."""
    file = encoded_file(image, name)
    return Path(file).read_bytes() if isinstance(file, str) else file.getvalue()


def encoded_file(image: Encoded, name: object) -> BytesIO | str:
    """The file, or its path. Raises InputError by `name` where there is neither, or an archive cannot be read."""
    if image["bytes"] is not None:
        return BytesIO(image["bytes"])
    if image["path"] is None:
        raise InputError(f"{name} must be a readable image, got nothing; mend or remove it")
    if "://" not in image["path"]:
        return image["path"]
    import fsspec  # type: ignore[import-untyped]

    try:
        with fsspec.open(image["path"], "rb") as file:  # inside an archive: zip://a.png::pictures.zip
            return BytesIO(file.read())
    except Exception as error:  # whatever a file system of its own raises
        raise InputError(f"{name} must be a readable image, got {error!r}; mend or remove it") from error
