"""Formats: the files of an exported network, each with the lines that load it, and each run in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save, save_file
from torch import Tensor

from nas.export import verify_subprocess
from nas.export.arch_source import ARCH, PREPROCESS
from nas.export.load import LOADING, WEIGHTS, Preprocess
from nas.export.modeling import MODELING, modeling_source
from nas.latency.runtimes import write_onnx
from nas.process.progress import StepLine
from space import InputError
from space.network import Network
from space.reading import nearest
from space.standalone_source import Unwritable
from space.weights import timm_model, to_timm

if TYPE_CHECKING:
    from torch.export import ExportedProgram

ONNX, PT2, TIMM = "model.onnx", "model.pt2", "timm.safetensors"
TIMM_OPTIONS = "timm.json"
NEEDS: dict[str, tuple[str, ...]] = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "timm": ("timm",)}
LOGITS: dict[str, float] = {"own": 0.0, "modeling": 1e-5, "pt2": 1e-5, "onnx": 1e-4, "timm": 1e-4}
LARGEST = 4096  # pixels a side that a dynamic size allows


class VerificationError(InputError):
    """What was written does not do what the card says."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that holds the network: `usage` loads it, `difference` is how far its logits were from the network's."""

    kind: str  # of nas.export.verify_subprocess.KINDS
    name: str
    usage: str
    sizes: str  # of image that it takes
    size: int = 0  # bytes
    difference: float = 0.0


def parse_formats(words: str | None, timm: bool) -> tuple[str, ...]:
    """`onnx,pt2` or `all`, and timm. Raises InputError for another word."""
    chosen = [word.strip() for word in (words or "").split(",") if word.strip()]
    known = ["onnx", "pt2"]
    for word in chosen:
        if word not in (*known, "all"):
            raise InputError(f"format must be of {', '.join(known)}, all, got {word}; {nearest(word, [*known, 'all'])}")
    return (*(known if "all" in chosen else dict.fromkeys(chosen)), *(["timm"] if timm else []))


def check_formats(formats: Collection[str], network: Network) -> None:
    """Raises InputError before anything is trained or written: for what is not installed, or cannot be expressed."""
    for name in formats:
        missing = [package for package in NEEDS.get(name, ()) if find_spec(package) is None]
        if missing:
            extra = "train" if name == "timm" else name
            raise InputError(
                f"format {name} must have {missing[0]} installed, got none; "
                f"pip install -e '.[{extra}]' in the clone of nas"
            )
    if "timm" in formats:
        timm_model(network.arch, network.task)


def write_base(folder: Path, network: Network, preprocess: Preprocess) -> list[File]:
    """Weights, network, preprocessing, and modeling.py where it can be written."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights, metadata={"format": "pt", "key": network.arch.key}))
    (folder / ARCH).write_text(network.arch.to_yaml(), encoding="utf-8")
    (folder / PREPROCESS).write_text(preprocess.to_json(), encoding="utf-8")
    files = [File("own", WEIGHTS, LOADING, "any")]
    try:
        text = modeling_source(network.arch, network.task, preprocess)
    except Unwritable as error:
        warnings.warn(str(error), stacklevel=2)
        return files
    (folder / MODELING).write_text(text, encoding="utf-8")
    usage = (
        "from modeling import load, preprocess  # in this folder\n"
        "logits = load()(preprocess(image))  # as above; a uint8 array or tensor (N, H, W, C) needs no Pillow"
    )
    return [*files, File("modeling", MODELING, usage, "any")]


def write_formats(
    folder: Path, network: Network, preprocess: Preprocess, formats: Collection[str], steps: StepLine | None = None
) -> list[File]:
    """The files of `formats`, a step each; the first of both that need it traces the network, too."""
    files, steps = [], steps or StepLine.unseen()
    traced = cache(partial(trace, network))
    if "pt2" in formats:
        with steps.step(PT2):
            program, sizes = traced()
            torch.export.save(program, folder / PT2)
        usage = f'model = torch.export.load("{PT2}").module()\nlogits = model(preprocess(image))'
        files.append(File("pt2", PT2, usage, sizes))
    if "onnx" in formats:
        with steps.step(ONNX):
            program, sizes = traced()
            _write_onnx(program, preprocess, folder / ONNX)
        usage = (
            f'import onnxruntime\n\nsession = onnxruntime.InferenceSession("{ONNX}")\n'
            'logits = session.run(None, {"images": preprocess(image).numpy()})[0]  # an array (N, classes)'
        )
        files.append(File("onnx", ONNX, usage, sizes))
    if "timm" in formats:
        with steps.step(TIMM):
            files.append(_write_timm(folder, network))
    return files


def trace(network: Network) -> tuple[ExportedProgram, str]:
    """The network as `torch.export` sees it, for any batch and, where it has no fixed size, any size of image."""
    task = network.task
    sample = torch.zeros(2, task.channels, task.image_size, task.image_size)
    batch, smallest = torch.export.Dim("batch", min=1), task.image_size
    sides = {
        2: torch.export.Dim("height", min=smallest, max=LARGEST),
        3: torch.export.Dim("width", min=smallest, max=LARGEST),
    }
    network = network.cpu().eval()
    try:
        program = torch.export.export(network, (sample,), dynamic_shapes=({0: batch, **sides},))
        sizes = f"from {smallest} px"
    except (ValueError, RuntimeError):  # a part that fixes the size
        program = torch.export.export(network, (sample,), dynamic_shapes=({0: batch},))
        sizes = f"{smallest} px"
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program, sizes


def _write_onnx(program: ExportedProgram, preprocess: Preprocess, path: Path) -> None:
    """With the keys of preprocess.json as metadata, each value as JSON."""
    import onnx

    write_onnx(program, path)
    model = onnx.load(path, load_external_data=False)
    _name_sides(model.graph)
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in asdict(preprocess).items()})
    onnx.save(model, path)


def _name_sides(graph: Any) -> None:
    """In place of the names that torch gives to what is free: `batch`, `height`, `width`."""
    sides = graph.input[0].type.tensor_type.shape.dim
    named = {side.dim_param: name for side, name in zip(sides, ("batch", "channels", "height", "width"), strict=True)}
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = named.get(side.dim_param, side.dim_param)


def _write_timm(folder: Path, network: Network) -> File:
    options = timm_model(network.arch, network.task)
    state = to_timm(network.state_dict(), network.arch, conv_mlp="conv_mlp" in options)
    weights = {name: value.contiguous() for name, value in state.items()}
    save_file(weights, folder / TIMM, metadata={"format": "pt"})
    (folder / TIMM_OPTIONS).write_text(json.dumps(options), encoding="utf-8")
    words = ", ".join(f"{key}={value!r}" for key, value in options.items() if key != "model_name")
    usage = f'model = timm.create_model("{options["model_name"]}", {words}, checkpoint_path="{TIMM}")'
    return File("timm", TIMM, usage, "any")


def verify(folder: Path, network: Network, files: list[File], images: Tensor) -> list[File]:
    """Loads the files in a fresh process and compares their logits with the network's: on `images`, normalised
    (N, C, H, W), on one of them, and on larger ones of noise where all files take any size.

    Raises VerificationError for a file that cannot be loaded or differs.
    """
    network, side = network.cpu().eval(), network.task.image_size
    inputs = {"batch": images.contiguous(), "one": images[:1].clone()}
    if all(file.sizes != f"{side} px" for file in files):
        generator = torch.Generator().manual_seed(0)
        inputs["wide"] = torch.randn(2, images.shape[1], side + 7, side + 16, generator=generator)
    with torch.no_grad():
        expected = {name: network(x) for name, x in inputs.items()}
    kinds = [file.kind for file in files]
    alone, rest = [kind for kind in kinds if kind == "modeling"], [kind for kind in kinds if kind != "modeling"]
    with ThreadPoolExecutor() as pool:  # each waits for a process that mostly imports
        runs = list(pool.map(lambda kinds: run_in_process(kinds, folder, inputs), (alone, rest)))
    found = runs[0] | runs[1]
    return [_checked(folder, file, found[file.kind], expected) for file in files]


def _checked(folder: Path, file: File, found: dict[str, Tensor], expected: Mapping[str, Tensor]) -> File:
    difference = max((found[name] - logits).abs().max().item() for name, logits in expected.items())
    scale = max(1.0, *(logits.abs().max().item() for logits in expected.values()))
    if not difference <= LOGITS[file.kind] * scale:  # NaN is no less
        raise VerificationError(
            f"{file.name} must give the network's logits to {LOGITS[file.kind]:g} once loaded in a fresh process, got "
            f"a difference of {difference:.2g}; report this"
        )
    size = sum(path.stat().st_size for path in folder.glob(f"{file.name}*"))  # with model.onnx.data
    return replace(file, size=size, difference=difference)


def run_in_process(kinds: Collection[str], folder: Path, inputs: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Logits by kind of file and name of batch, from another process. Raises VerificationError with what it said."""
    if not kinds:
        return {}
    with tempfile.TemporaryDirectory(prefix="nas-") as scratch:
        torch.save(dict(inputs), Path(scratch) / "inputs.pt")
        command = [sys.executable, "-I", verify_subprocess.__file__, str(folder), scratch, *kinds]
        env = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise VerificationError(f"export must load in a fresh process, got {said}; report this")
        found: dict[str, Any] = torch.load(Path(scratch) / "logits.pt")
    for kind, logits in found.items():
        if isinstance(logits, str):
            raise VerificationError(f"{kind} must load in a fresh process, got {logits}; report this")
    return found
