"""The folders that chains are typed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.documented.place import Place


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Of the module's CHAIN."""
    found = Place(request.module.CHAIN, tmp_path_factory.mktemp(request.module.CHAIN))
    yield found
    found.close()


@pytest.fixture
def images(place: Place) -> None:
    """Pictures in the folder in which the commands are typed."""
    if not (place.folder / "images").exists():
        write_images(place.folder / "images")


def write_images(folder: Path) -> None:
    """Class folders of 32 px images: of each of four classes 50, which differ in colour and noise."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "deer", "frog", "ship")):
        (folder / name).mkdir(parents=True)
        for i in range(50):
            pixels = rng.normal(60 + 40 * number, 60, (32, 32, 3)).clip(0, 255).astype("uint8")
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
