"""Runs the parts of an export in a process of its own: `python -I verify_subprocess.py FOLDER SCRATCH KIND...`.

Reads inputs.pt from SCRATCH: batches of normalised images by name; writes the logits of each by kind to logits.pt.
Imports nothing of this project, except where the project's own loader is what is run.
"""

from __future__ import annotations

import importlib.abc
import json
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

PROJECT = ("nas", "space", "dashboard")
# What modeling.py may not need: this project, and what that needs beside torch and safetensors.
ABSENT = (*PROJECT, "numpy", "PIL", "pydantic", "yaml", "rich", "typer", "timm", "torchvision", "pandas", "scipy",
          "sklearn", "datasets", "optuna", "plotly", "streamlit", "onnxruntime")  # fmt: skip


class Absent(importlib.abc.MetaPathFinder):
    """Makes packages look as if they were not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} (kept away)", name=name)


def modeling(folder: Path) -> Callable[[Any], Any]:
    """By the file's own `load`; safetensors."""
    loaded: Callable[[Any], Any] = runpy.run_path(str(folder / "modeling.py"))["load"](folder)
    return loaded


def pt2(folder: Path) -> Callable[[Any], Any]:
    import torch

    program: Callable[[Any], Any] = torch.export.load(folder / "model.pt2").module()
    return program


def onnx(folder: Path) -> Callable[[Any], Any]:
    import onnxruntime  # type: ignore[import-untyped]
    import torch

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"images": x.numpy()})[0])


def timm(folder: Path) -> Callable[[Any], Any]:
    import timm

    options = json.loads((folder / "timm.json").read_text(encoding="utf-8"))
    made = timm.create_model(**options, checkpoint_path=str(folder / "timm.safetensors"))
    loaded: Callable[[Any], Any] = made.eval()
    return loaded


def own(folder: Path) -> Callable[[Any], Any]:
    import nas

    return nas.load_export(folder).model


KINDS = {"modeling": modeling, "pt2": pt2, "onnx": onnx, "timm": timm, "own": own}


def main(folder: str, scratch: str, *kinds: str) -> None:
    """modeling.py runs alone, with nothing but torch and safetensors to be had; nas itself comes last."""
    assert "modeling" not in kinds or len(kinds) == 1
    sys.dont_write_bytecode = True  # beside modeling.py
    finder = Absent(ABSENT)
    sys.meta_path.insert(0, finder)
    found: dict[str, Any] = {}
    for kind in [kind for kind in KINDS if kind in kinds]:
        finder.names = {"modeling": ABSENT, "own": ()}.get(kind, PROJECT)
        import torch

        with torch.no_grad():
            try:
                run = KINDS[kind](Path(folder))
                inputs = torch.load(Path(scratch) / "inputs.pt")
                found[kind] = {name: run(x) for name, x in inputs.items()}
            except Exception as error:  # whatever a damaged file or a missing package raises
                found[kind] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    torch.save(found, Path(scratch) / "logits.pt")  # safetensors would need numpy to write


if __name__ == "__main__":
    main(*sys.argv[1:])
