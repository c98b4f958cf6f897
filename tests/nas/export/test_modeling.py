"""modeling.py, and the README's two ways to load an export, run as they are printed: the second without nas."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from nas.export import verify_subprocess
from nas.export.formats import write_base
from nas.export.load import Preprocess
from nas.export.modeling import modeling_source
from space import Task
from space.network import Network
from tests.space.networks import arch

ROOT = Path(__file__).parents[3]
TASK = Task(8, 3, 4)
PREPROCESS = Preprocess(8, 3, (0.5, 0.4, 0.3), (0.25, 0.2, 0.1), ("a", "b", "c", "d"))
_, WITH_NAS, ALONE = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an export's own files are."""
    folder = tmp_path_factory.mktemp("parent") / "exports" / "digits"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    write_base(folder, Network(arch(8, 12), TASK), PREPROCESS)
    return folder


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


def logits_with_nas(folder: Path, image: Any, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    monkeypatch.chdir(folder.parents[1])
    names: dict[str, Any] = {"image": image}
    exec(compile(WITH_NAS, "README.md", "exec"), names)
    found: torch.Tensor = names["logits"]
    return found.detach()


def test_the_readmes_snippets_agree_and_the_second_needs_no_nas(
    folder: Path, tmp_path: Path, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "pixels.npy", pixels)
    script = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("fresh", {verify_subprocess.__file__!r})
fresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fresh)
sys.meta_path.insert(0, fresh.Absent(fresh.PROJECT))
import numpy
pixels = numpy.load({str(tmp_path / "pixels.npy")!r})
{ALONE}
numpy.save({str(tmp_path / "logits.npy")!r}, logits.detach().numpy())
assert not {{"nas", "space"}} & {{*sys.modules}}
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    alone = torch.from_numpy(np.load(tmp_path / "logits.npy"))
    assert alone.shape == (5, 4)
    torch.testing.assert_close(alone, logits_with_nas(folder, pixels, monkeypatch))
    picture = Image.fromarray(pixels[0])
    for image in (picture, pixels[0], [picture]):
        torch.testing.assert_close(logits_with_nas(folder, image, monkeypatch), alone[:1], atol=1e-5, rtol=0)


def written() -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "modeling", "__file__": "modeling.py"}
    exec(compile(modeling_source(arch(8, 12), TASK, PREPROCESS), "modeling.py", "exec"), found)
    return found


def test_it_names_the_logits() -> None:
    assert written()["CLASSES"] == PREPROCESS.classes


def test_it_takes_arrays_and_tensors_and_leaves_them_as_they_are(pixels: NDArray[np.uint8]) -> None:
    preprocess, before, fixed = written()["preprocess"], pixels.copy(), pixels.copy()
    fixed.flags.writeable = False  # as np.asarray of a picture is
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for images in (pixels, fixed, torch.from_numpy(pixels), np.asfortranarray(pixels), pixels[::-1][::-1]):
            assert torch.equal(preprocess(images), PREPROCESS(pixels))
    assert (pixels == before).all()


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        (lambda pixels: pixels / 255, "pictures must be uint8, from 0 to 255, got float64 (5, 8, 8, 3); convert them"),
        (
            lambda pixels: torch.from_numpy(pixels).float(),
            "pictures must be uint8, from 0 to 255, got float32 (5, 8, 8, 3); convert them",
        ),
        (
            lambda pixels: pixels.transpose(0, 3, 1, 2),
            "picture must be uint8 (H, W) or (H, W, C), got uint8 (3, 8, 8); put 1, 3 or 4 channels last",
        ),
        (lambda pixels: [], "pictures must be one at least, got none; give some"),
        (lambda pixels: 7, "picture must be a PIL image, a file or an array, got int; convert it"),
        (lambda pixels: [7], "picture must be a PIL image, a file or an array, got int; convert it"),
    ],
)
def test_it_refuses_what_would_give_other_numbers(wrong: Any, refusal: str, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the whole message below
        written()["preprocess"](wrong(pixels))
    assert str(refused.value) == refusal
