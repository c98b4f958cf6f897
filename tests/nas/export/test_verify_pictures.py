"""What an export checks before it gets its name: pictures from files, through both documented calls."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data.images import Row, fit, read
from nas.export.arch_source import PREPROCESS as FILE
from nas.export.formats import VerificationError, write_base
from nas.export.load import Preprocess
from nas.export.verify_pictures import verify_pictures
from space import Task
from space.network import Network
from tests.space.networks import arch

PREPROCESS = Preprocess(8, 3, (0.5, 0.4, 0.3), (0.25, 0.2, 0.1), ("a", "b"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    write_base(folder, Network(arch(8, 12), Task(8, 3, 2)), PREPROCESS)
    return folder


def photo() -> bytes:
    """A JPEG on its side."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def data(**given: Any) -> Any:
    images = np.stack([fit(read(Row("test", 0, {"bytes": photo(), "path": None})), 8)])
    return SimpleNamespace(test=SimpleNamespace(images=images), **given)


ORIGINALS = ({"bytes": photo(), "path": "cat/1.jpg"},)


@pytest.mark.parametrize("given", [{"originals": ()}, {"originals": ORIGINALS}])
def test_files_become_what_was_trained_on(folder: Path, given: dict[str, Any]) -> None:
    found = data(**given)
    expected = PREPROCESS.normalise(torch.from_numpy(found.test.images))
    verify_pictures(folder, found, expected)
    with pytest.raises(VerificationError, match=r"preprocess of nas\.load_export must give the pixels of training, got "
                       r"others for (cat/1\.jpg|test image 0, as PNG); report this"):  # fmt: skip
        verify_pictures(folder, found, expected.flip(3))


def test_modeling_is_checked_too(folder: Path) -> None:
    found = data(originals=ORIGINALS)
    other = replace(PREPROCESS, mean=(0.1, 0.4, 0.3))
    (folder / FILE).write_text(other.to_json())
    with pytest.raises(VerificationError, match=r"preprocess of modeling\.py must give the pixels of training"):
        verify_pictures(folder, found, other.normalise(torch.from_numpy(found.test.images)))
