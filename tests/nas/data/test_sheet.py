"""The sheet of sample pictures."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from nas.data.dataset import load
from nas.data.sheet import sheet


@pytest.mark.parametrize(("name", "drawn"), [("caf\u00e9", "cafe"), ("cafe\u0301", "cafe"), ("\u732b 1", "? 1")])
def test_a_caption_is_in_letters_that_are_there(name: str, drawn: str) -> None:
    data = load("digits")
    one, other = (replace(data, classes=(word, *data.classes[1:]), look=None) for word in (name, drawn))
    assert sheet(one) == sheet(other)


def test_a_caption_stands_whole_above_its_pictures() -> None:
    """With white pictures nothing is dark but captions."""
    data = load("digits")
    white = np.full_like(np.asarray(data.train.images), 255)
    data = replace(data, train=replace(data.train, images=white), classes=("(gjpqy)", *data.classes[1:]), look=None)
    alone = Image.new("RGB", (200, 40), "white")
    ImageDraw.Draw(alone).text((2, 10), "(gjpqy) (0 in train)", "black", ImageFont.load_default(12))
    written = np.asarray(Image.open(io.BytesIO(sheet(data))).convert("L")) < 255
    wanted = (np.asarray(alone.convert("L")) < 255).any(1).sum()
    assert written[: len(written) // 10].any(1).sum() == wanted
