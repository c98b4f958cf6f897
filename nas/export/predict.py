"""`nas predict`: an exported network, by any of its files, over a person's pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.images import open_plain, shaped
from nas.export.arch_source import PREPROCESS
from nas.export.formats import ONNX, PT2, TIMM
from nas.export.load import WEIGHTS, Preprocess, load_export, load_preprocess
from nas.export.modeling import MODELING
from nas.export.predictions import Answer, Predictions
from nas.export.verify_subprocess import KINDS
from nas.process.errors import first_line
from nas.training.evaluation import eval_batch
from space import InputError
from space.reading import check

Kind = Literal["own", "onnx", "pt2", "timm", "modeling"]
NAMES: dict[str, str] = {"own": WEIGHTS, "onnx": ONNX, "pt2": PT2, "timm": TIMM, "modeling": MODELING}
NEEDS = {"onnx": "onnxruntime", "timm": "timm"}


@dataclass(frozen=True, slots=True)
class Classifier:
    """An exported network by one of its files. `logits`: normalised (N, C, H, W) -> (N, classes)."""

    kind: Kind
    logits: Callable[[Tensor], Tensor]
    preprocess: Preprocess


def load_classifier(export: Path, kind: Kind | None = None) -> Classifier:
    """An export's folder by the file that `kind` says, its own weights by default, or a model.onnx alone.

    Raises InputError where there is none, a package is missing, or the file is damaged.
    """
    alone = export.is_file()
    if alone and (export.suffix != ".onnx" or kind not in (None, "onnx")):
        raise InputError(f"EXPORT must be an export's folder or its {ONNX}, got {export}; give the folder it is in")
    kind = kind or ("onnx" if alone else "own")
    if (package := NEEDS.get(kind)) and find_spec(package) is None:
        raise InputError(f"format {kind} must have {package} installed, got none; pip install {package}")
    if kind == "own":
        return Classifier(kind, *load_export(export))
    file = export if alone else export / NAMES[kind]
    if not file.is_file():
        there = [kind for kind, name in NAMES.items() if (export / name).is_file()]
        got = f"{kind}; choose one of {', '.join(there)}" if there else f"{export}; make one with `nas export`"
        raise InputError(f"format must be of a file in the export's folder, got {got}")
    try:
        if kind == "onnx":
            return _onnx(file)
        return Classifier(kind, KINDS[kind](export), load_preprocess(export))
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file makes its runtime raise
        raise InputError(f"export must be whole, got {file} ({first_line(error)}); export the network again") from error


def _onnx(file: Path) -> Classifier:
    """By what the file says of itself, else, as of an earlier release, by preprocess.json beside it."""
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    if "classes" in said:
        ours = {each.name: json.loads(said[each.name]) for each in fields(Preprocess) if each.name in said}
        preprocess = check(Preprocess, ours, str(file))
    elif (file.parent / PREPROCESS).is_file():
        preprocess = load_preprocess(file.parent)
    else:
        raise InputError(f"{file} must carry its classes and normalisation, got none; put {PREPROCESS} beside it")
    return Classifier("onnx", partial(_run, session), preprocess)


def _run(session: object, images: Tensor) -> Tensor:
    return torch.from_numpy(session.run(None, {"images": images.contiguous().numpy()})[0])  # type: ignore[attr-defined]


def predict(
    classifier: Classifier,
    files: Sequence[tuple[Path, int | None]],
    on_progress: Callable[[int], None] = lambda done: None,
) -> Predictions:
    """Answers for files with their labels. What cannot be read is listed, and the rest goes on."""
    answers, broken = list[Answer](), list[str]()
    size = eval_batch(classifier.preprocess.image_size)
    for start in range(0, len(files), size):
        answers += _batch(classifier, files[start : start + size], broken)
        on_progress(min(start + size, len(files)))
    return Predictions(classifier.preprocess.classes, answers, broken)


@torch.no_grad()
def _batch(classifier: Classifier, files: Sequence[tuple[Path, int | None]], broken: list[str]) -> list[Answer]:
    preprocess, read, stack = classifier.preprocess, list[tuple[Path, int | None, bool]](), list[NDArray[np.uint8]]()
    for path, label in files:
        try:
            image = open_plain(path)
        except InputError as error:
            broken.append(str(error))
            continue
        stack.append(shaped(image, preprocess.image_size, preprocess.channels))
        read.append((path, label, image.mode == "L"))
    if not stack:
        return []
    logits = classifier.logits(preprocess.normalise(torch.from_numpy(np.stack(stack)))).float()
    digests = [hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest() for pixels in stack]
    found = zip(read, logits.argmax(1).tolist(), logits.softmax(1).numpy(), digests, strict=True)
    return [Answer(path, label, answer, row, grey, digest) for (path, label, grey), answer, row, digest in found]
