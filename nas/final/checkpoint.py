"""The checkpoint of a training to the end, as it lies in a file: whole, and of the form that `training.py` writes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import NoneType
from typing import Any

import torch

from nas.process.files import write_whole
from space import InputError

FORM: dict[str, type | tuple[type, ...]] = {
    "identity": dict, "epoch": int, "step": int, "curve": list, "network": dict, "optimizer": dict,
    "muon": (dict, NoneType), "ema": (dict, NoneType),
}  # fmt: skip


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Written aside, on the disk, then renamed."""
    assert state.keys() == FORM.keys()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote, on the CPU. Raises InputError for any other file, and for one in which a bit is
    another: torch does not look at the checksums of its own files."""
    content = path.read_bytes()  # an OSError of the disk's is no fault of the file's
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            other = file.testzip()
        state = None if other else torch.load(io.BytesIO(content), "cpu", weights_only=True)
    except Exception as error:  # zip's and pickle's own, and whatever else garbage makes them stumble over
        raise damaged(path, f"a file that torch cannot read ({type(error).__name__})") from error
    if other:
        raise damaged(path, f"other bytes than were written, in {other}")
    if not isinstance(state, dict):
        raise damaged(path, f"a {type(state).__name__}")
    for key, kind in FORM.items():
        if not isinstance(state.get(key), kind):
            raise damaged(path, f"no {key}" if key not in state else f"a {type(state[key]).__name__} as its {key}")
    return state


def damaged(path: Path, got: str) -> InputError:
    """The error of a file that cannot be gone on from."""
    return InputError(f"{path} must be a whole checkpoint, got {got}; remove it to begin again")
