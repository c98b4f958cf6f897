"""Verifying an export from files: pictures of the test split, opened as a person would, become what was trained on."""

from __future__ import annotations

import runpy
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from nas.data.dataset import Data
from nas.data.images import encoded_bytes
from nas.export.formats import VerificationError
from nas.export.load import load_preprocess
from nas.export.modeling import MODELING


def verify_pictures(folder: Path, data: Data, images: Tensor) -> None:
    """Compares `preprocess(Image.open(file))`, of `nas.load_export` and of modeling.py, with the first of the test
    images as they were trained on, `images`, normalised (N, C, H, W): equal to the last bit.

    The files hold the bytes that the data set was read from; where it has none, they are PNG files of its pixels.
    Raises VerificationError.
    """
    calls: dict[str, Callable[[Any], Tensor]] = {"nas.load_export": load_preprocess(folder)}
    if (folder / MODELING).exists():
        calls["modeling.py"] = runpy.run_path(str(folder / MODELING))["preprocess"]
    with tempfile.TemporaryDirectory(prefix="nas-") as scratch:
        files = _write(data, len(images), Path(scratch))
        for (path, source), expected in zip(files, images, strict=False):
            for name, preprocess in calls.items():
                with Image.open(path) as picture:
                    if not torch.equal(preprocess(picture)[0], expected):
                        raise VerificationError(
                            f"preprocess of {name} must give the pixels of training, got others for {source}; "
                            "report this"
                        )


def _write(data: Data, count: int, folder: Path) -> list[tuple[Path, str]]:
    """Files of the first test images, and where each is from."""
    originals = data.originals[:count]
    sources = [image["path"] or f"test image {i}" for i, image in enumerate(originals)]
    contents = [encoded_bytes(image, "test image") for image in originals]
    if not originals:
        sources = [f"test image {i}, as PNG" for i in range(count)]
        contents = [_png(image) for image in data.test.images[:count]]
    paths = [folder / f"{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return list(zip(paths, sources, strict=True))


def _png(pixels: Any) -> bytes:
    """Of uint8 (H, W, C)."""
    buffer = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
