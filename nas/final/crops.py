"""Crops and mirrors of a picture, drawn from torch's generator and made by Pillow.

Each draws what torchvision's transform of its kind draws, in its order: the same seed gives the same pixels, with or
without torchvision.
"""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageOps

RESIZED = (0.08, 1.0)  # area of a random crop (arXiv 1409.4842)
RATIO = (3 / 4, 4 / 3)  # width over height, likewise
TRIES = 10


def padded(picture: Image.Image, size: int, padding: int) -> Image.Image:
    """A square of `size` px anywhere in the picture after black padding (`RandomCrop`)."""
    wide = ImageOps.expand(picture, padding)
    top, left = _at_most(wide.height - size), _at_most(wide.width - size)
    return wide.crop((left, top, left + size, top + size))


def resized(picture: Image.Image, size: int) -> Image.Image:
    """A part of the picture's area in another shape, bicubic (`RandomResizedCrop`); the whole where none fits."""
    low, high = torch.tensor(RATIO).log()
    for _ in range(TRIES):
        area = picture.width * picture.height * torch.empty(1).uniform_(*RESIZED).item()
        ratio = torch.empty(1).uniform_(float(low), float(high)).exp().item()
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= picture.width and 0 < height <= picture.height:
            top, left = _at_most(picture.height - height), _at_most(picture.width - width)
            picture = picture.crop((left, top, left + width, top + height))
            break
    return picture.resize((size, size), Image.Resampling.BICUBIC)


def mirrored(picture: Image.Image) -> Image.Image:
    """Every other one (`RandomHorizontalFlip`)."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if torch.rand(1) < 0.5 else picture


def _at_most(highest: int) -> int:
    return int(torch.randint(0, highest + 1, (1,)).item())
