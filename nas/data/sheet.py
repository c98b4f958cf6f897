"""Sheet: sample pictures of each class as the network sees them, in one PNG."""

from __future__ import annotations

import base64
import io
import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nas.data.dataset import Data
from nas.data.images import Pixels

TILE = 64  # pixels a side, at least: small pictures are enlarged by a whole factor, without smoothing
LARGE = 96  # at most: larger ones are made smaller
COLUMNS, ROWS = 10, 50
TEXT, GAP = 18, 4  # of a caption: the height of its letters with what is below the line


def sheet(data: Data) -> bytes:
    """A row for each of the first 50 classes with its first 10 training images, decoded, cropped and resized as for
    training, without augmentation: PNG."""
    tile = _side(data.image_size)
    shown = data.classes[:ROWS]
    height = len(shown) * (tile + TEXT + GAP)
    page = Image.new("RGB", (COLUMNS * (tile + GAP), height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for row, name in enumerate(shown):
        top = row * (tile + TEXT + GAP)
        count = data.look.counts["train"].get(name, 0) if data.look else 0
        draw.text((2, top), f"{_drawable(name)} ({count:,} in train)", "black", font)
        for column, number in enumerate(np.flatnonzero(data.train.labels == row)[:COLUMNS]):
            page.paste(_tile(np.asarray(data.train.images[number])), (column * (tile + GAP), top + TEXT))
    written = io.BytesIO()
    page.save(written, "PNG")
    return written.getvalue()


def jpeg(pixels: Pixels) -> str:
    """One picture as a network sees it, uint8 (S, S, C), as large as on a sheet: JPEG in base64."""
    written = io.BytesIO()
    _tile(pixels).save(written, "JPEG", quality=90)
    return base64.b64encode(written.getvalue()).decode()


def _drawable(name: str) -> str:
    """In the letters that Pillow's own font has: accents left out, `?` for others."""
    letters = (letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return "".join(letters).encode("ascii", "replace").decode()


def _side(size: int) -> int:
    return min(LARGE, size * max(1, -(-TILE // size)))


def _tile(pixels: Pixels) -> Image.Image:
    factor, side = max(1, -(-TILE // len(pixels))), _side(len(pixels))
    large = np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
    picture = Image.fromarray(large[..., 0] if large.shape[-1] == 1 else large)
    return picture if picture.width == side else picture.resize((side, side))
