"""Pictures of every kind that Pillow writes, decoded alike in training, in `Preprocess` and in modeling.py."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import images
from nas.data.images import Encoded, Row, open_plain, plain
from nas.export.load import Preprocess
from nas.export.modeling import modeling_source
from space import InputError, Task
from tests.space.networks import arch

SIZE = 6
RANDOM = np.random.default_rng(0)
COLOUR = Image.fromarray(RANDOM.integers(0, 256, (8, 12, 3), dtype=np.uint8))
GREY = COLOUR.convert("L")
ALPHA = Image.fromarray(RANDOM.integers(0, 256, (8, 12), dtype=np.uint8))
DEEP = Image.fromarray(RANDOM.integers(0, 65536, (8, 12), dtype=np.uint16))
RGBA = Image.merge("RGBA", (*COLOUR.split(), ALPHA))
LA = Image.merge("LA", (GREY, ALPHA))
FEW = COLOUR.quantize(7)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def written() -> Iterator[tuple[str, Image.Image, dict[str, Any]]]:
    """Name of the file, picture, options of `save`."""
    for mode, endings in {
        "1": "png bmp tiff gif pbm", "L": "png bmp tiff gif jpg pgm tga jp2", "LA": "png tiff tga",
        "P": "png bmp tiff gif", "RGB": "png bmp tiff jpg webp ppm tga jp2 gif avif", "RGBA": "png tiff webp tga gif",
        "CMYK": "jpg tiff", "YCbCr": "jpg tiff", "LAB": "tiff", "RGBX": "tiff",
    }.items():  # fmt: skip
        made = {"P": FEW, "LA": LA, "RGBA": RGBA}.get(mode) or COLOUR.convert(mode)
        for ending in endings.split():
            yield f"{mode}.{ending}", made, {}
    yield "deep.png", DEEP, {}
    yield "deep.tiff", DEEP, {}
    yield "deep.pgm", DEEP, {}
    yield "deep with a transparent value.png", DEEP, {"transparency": DEEP.getpixel((5, 5))}
    yield "palette with a transparent entry.png", FEW, {"transparency": 2}
    yield "palette with a transparent entry.gif", FEW, {"transparency": 2}
    yield "palette with alphas.png", FEW, {"transparency": bytes([0, 40, 255, 128, 3])}
    yield "grey with a transparent value.png", GREY, {"transparency": GREY.getpixel((5, 5))}
    yield "bits with a transparent value.png", COLOUR.convert("1"), {"transparency": 0}
    yield "colours with a transparent one.png", COLOUR, {"transparency": COLOUR.getpixel((5, 5))}
    yield "animation.gif", FEW, {"save_all": True, "append_images": [FEW.rotate(180)]}
    yield "animation.webp", COLOUR, {"save_all": True, "append_images": [COLOUR.rotate(180)]}
    yield "animation.png", COLOUR, {"save_all": True, "append_images": [COLOUR.rotate(180)]}
    yield "pages.tiff", COLOUR, {"save_all": True, "append_images": [COLOUR.rotate(180)]}
    for orientation in range(1, 9):
        for ending in ("jpg", "png", "webp", "tiff"):
            yield f"orientation {orientation}.{ending}", COLOUR, {"exif": turned(orientation)}
    yield "orientation and alpha.png", RGBA, {"exif": turned(6)}
    yield "orientation and 16 bits.png", DEEP, {"exif": turned(8)}
    yield "damaged EXIF.jpg", COLOUR, {"exif": b"Exif\0\0nonsense"}


FILES = list(written())


def calls(channels: int) -> tuple[Preprocess, Any]:
    """The documented `preprocess`, of nas and of modeling.py."""
    mean, std = (0.5, 0.4, 0.3)[:channels], (0.25, 0.2, 0.1)[:channels]
    own = Preprocess(SIZE, channels, mean, std, ("a", "b"))
    found: dict[str, Any] = {"__name__": "modeling", "__file__": "modeling.py"}
    exec(compile(modeling_source(arch(8, 12), Task(SIZE, channels, 2), own), "modeling.py", "exec"), found)
    return own, found["preprocess"]


BY_CHANNELS = {channels: calls(channels) for channels in (1, 3)}


def normalised(pixels: images.Pixels, channels: int) -> torch.Tensor:
    wide = torch.from_numpy(np.array(pixels).reshape(1, SIZE, SIZE, -1)).expand(1, SIZE, SIZE, channels)
    return BY_CHANNELS[channels][0].normalise(wide)


@pytest.mark.parametrize(("name", "picture", "options"), FILES, ids=[name for name, *_ in FILES])
def test_a_file_is_the_same_in_training_and_in_an_export(
    name: str, picture: Image.Image, options: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    picture.save(path, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = images.fit(images.read(Row("test", 0, {"bytes": path.read_bytes(), "path": None})), SIZE)
        assert (images.fit(images.read(Row("test", 0, {"bytes": None, "path": str(path)})), SIZE) == trained).all()
        for channels in (1, 3) if trained.ndim == 2 else (3,):
            expected = normalised(trained, channels)
            for preprocess in BY_CHANNELS[channels]:
                with Image.open(path) as opened:
                    assert torch.equal(preprocess(opened), expected)
                for other in (path, str(path), [path], open_plain(path)):
                    assert torch.equal(preprocess(other), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int, tmp_path: Path) -> None:
    pixels = np.asarray(GREY)
    upright = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.T, 6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].T, 8: np.rot90(pixels),
    }[orientation]  # fmt: skip
    for ending in ("png", "tiff"):
        path = tmp_path / f"it.{ending}"
        GREY.save(path, exif=turned(orientation))
        assert (np.asarray(open_plain(tmp_path / f"it.{ending}")) == upright).all()


def test_alpha_is_over_white() -> None:
    """c a + 255 (1 - a), for every mode that has alpha."""
    alpha = np.asarray(ALPHA, np.float64)[..., None] / 255
    pixels = np.asarray(COLOUR, np.float64)
    expected = pixels * alpha + 255 * (1 - alpha)
    np.testing.assert_allclose(np.asarray(plain(RGBA), np.float64), expected, atol=1)
    grey = np.asarray(GREY, np.float64) * alpha[..., 0] + 255 * (1 - alpha[..., 0])
    np.testing.assert_allclose(np.asarray(plain(LA), np.float64), grey, atol=1)
    assert (plain(LA).mode, plain(RGBA).mode) == ("L", "RGB")
    for premultiplied, straight in ((RGBA.convert("RGBa"), RGBA), (LA.convert("La"), LA)):
        near = np.asarray(plain(premultiplied), np.float64) - np.asarray(plain(straight), np.float64)
        assert np.abs(near).max() <= 2
    shape = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    shape.putpixel((1, 1), (0, 0, 0, 255))
    assert np.asarray(plain(shape))[..., 0].tolist() == [[255, 255], [255, 0]]
    clear = FEW.copy()
    clear.info["transparency"] = FEW.getpixel((0, 0))
    assert np.asarray(plain(clear))[0, 0].tolist() == [255, 255, 255]
    with_alpha = Image.merge("PA", (FEW, ALPHA))
    assert plain(with_alpha).mode == "RGB"


def test_sixteen_bits_are_scaled_to_eight() -> None:
    expected = np.rint(np.asarray(DEEP) / 257).astype(np.uint8)
    assert (np.asarray(plain(DEEP)) == expected).all()
    assert (np.asarray(plain(DEEP.convert("I"))) == expected).all()
    big = Image.frombytes("I;16B", DEEP.size, np.asarray(DEEP).astype(">u2").tobytes())
    assert (np.asarray(plain(big)) == expected).all()


def test_other_colours_become_rgb() -> None:
    for mode in ("HSV", "YCbCr", "LAB"):
        near = np.asarray(plain(COLOUR.convert(mode)), np.float64) - np.asarray(COLOUR, np.float64)
        assert np.abs(near).mean() < 5
    assert np.asarray(plain(Image.new("CMYK", (1, 1), (0, 255, 255, 0)))).tolist() == [[[255, 0, 0]]]
    assert np.asarray(plain(Image.new("1", (1, 1), 1))).tolist() == [[255]]


def test_a_plain_picture_stays_as_it_is(tmp_path: Path) -> None:
    COLOUR.save(tmp_path / "it.jpg", exif=turned(6))
    once = open_plain(tmp_path / "it.jpg")
    assert (np.asarray(plain(once)) == np.asarray(once)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_becomes_grey_and_grey_becomes_rgb_alike(channels: int) -> None:
    other = np.asarray(COLOUR if channels == 1 else GREY)[:6, :6]
    own = np.asarray(Image.fromarray(other).convert("L" if channels == 1 else "RGB")).reshape(6, 6, channels)
    for preprocess in BY_CHANNELS[channels]:
        pictures: list[Any] = [
            other,
            Image.fromarray(other),
            other.reshape(1, 6, 6, -1),
            torch.from_numpy(other.copy()),
        ]
        for picture in pictures:
            assert torch.equal(preprocess(picture), preprocess(own[None]))


def refusals(picture: Any) -> Iterator[str]:
    for preprocess in BY_CHANNELS[3]:
        with pytest.raises(ValueError) as refused:  # noqa: PT011  whole messages are compared
            preprocess(picture)
        yield str(refused.value)


def test_an_export_refuses_what_training_refuses(tmp_path: Path) -> None:
    path = tmp_path / "it.tiff"
    rest = "must be a readable image, got floating-point pixels; mend or remove it"
    Image.new("F", (8, 8), 0.5).save(path)
    assert set(refusals(path)) == {f"{path} {rest}"}
    with Image.open(path) as opened:
        assert set(refusals(opened)) == {f"{path} {rest}"}
    assert set(refusals(Image.new("F", (8, 8), 0.5))) == {f"picture {rest}"}
    with pytest.raises(InputError, match=f"^test row 3 {rest}$"):
        images.read(Row("test", 3, {"bytes": path.read_bytes(), "path": None}))
    path.write_bytes(b"nothing")
    assert set(refusals(path)) == {f"{path} must be a readable image, got an unknown format; mend or remove it"}
    COLOUR.save(path, "PNG")
    path.write_bytes(path.read_bytes()[:60])
    assert all("must be a readable image, got " in line for line in refusals(path))
    assert "No such file" in next(refusals(tmp_path / "gone.png"))


def test_floats_are_refused_with_the_repair() -> None:
    array = np.zeros((8, 8, 3))
    own, alone = refusals(array)
    assert (
        own == "picture must be uint8 (H, W) or (H, W, C), got float64 (8, 8, 3); scale it to 0 to 255 and convert it"
    )
    assert alone == "pictures must be uint8, from 0 to 255, got float64 (8, 8, 3); convert them"
    assert len(set(refusals([array]))) == 1


def test_a_picture_over_pillows_limit_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    COLOUR.save(tmp_path / "it.png")
    for limit in (90, 40):  # Pillow warns over its limit, and raises over twice that: 96 pixels
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = f"{tmp_path / 'it.png'} must have at most {limit} pixels, got more; shrink or remove it"
            assert set(refusals(tmp_path / "it.png")) == {expected}
    assert set(refusals(COLOUR)) == {"picture must have at most 40 pixels, got more; shrink or remove it"}


def test_files_inside_archives(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        buffer = io.BytesIO()
        COLOUR.save(buffer, "PNG")
        archive.writestr("it.png", buffer.getvalue())
    inside: Encoded = {"bytes": None, "path": f"zip://it.png::{tmp_path / 'all.zip'}"}
    assert (np.asarray(images.read(Row("train", 0, inside))) == np.asarray(COLOUR)).all()
    inside["path"] = f"zip://other.png::{tmp_path / 'all.zip'}"
    with pytest.raises(InputError, match=r"train row 0 \(zip:.*\) must be a readable image, got .*other.png"):
        images.read(Row("train", 0, inside))
    with pytest.raises(InputError, match="train row 0 must be a readable image, got nothing; mend or remove it"):
        images.read(Row("train", 0, {"bytes": None, "path": None}))


def test_suffixes_are_pillows() -> None:
    assert {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".tif", ".avif"} <= images.suffixes()
    assert not {".txt", ".pdf", ".csv"} & images.suffixes()
