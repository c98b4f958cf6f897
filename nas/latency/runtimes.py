"""What runs a network: torch, or onnxruntime on the CPU as it is deployed."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas.latency.device_names import ONNX, Runtime
from nas.training.device import stream
from space import InputError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

WARM_UP = 3  # forward passes before the clock or a capture
PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # that the last of them needs, with itself
ONE_FILE = 1.9e9  # bytes of weights: an ONNX file is one message of at most 2 GB, so more lie in a file beside it


def check_runtime(runtime: Runtime, device: torch.device) -> None:
    """Raises InputError where it cannot run on that device, or is not installed."""
    if runtime != ONNX:
        return
    if device.type != "cpu":
        raise InputError(f"runtime {ONNX} must be with device cpu, got {device}; use --device cpu, or --runtime torch")
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise InputError(
            f"runtime {ONNX} must have {missing[0]} installed, got none; pip install -e '.[onnx]' in the clone of nas"
        )


def versions_of(runtime: Runtime) -> dict[str, str]:
    """Of the packages that are needed beside torch."""
    return {name: import_module(name).__version__ for name in PACKAGES} if runtime == ONNX else {}


def passes(network: nn.Module, images: Tensor, runtime: Runtime) -> Iterator[Callable[[], object]]:
    """A forward pass of `images` (N, C, H, W), each way that `nas.latency.timing.device_names` names."""
    if runtime == ONNX:
        yield in_onnxruntime(network, images)
        return
    yield lambda: network(images)
    if images.device.type == "cuda":
        yield captured(network, images)


def in_onnxruntime(network: nn.Module, images: Tensor) -> Callable[[], object]:
    """The network as an ONNX file of this batch alone, in a session with as many threads as torch has now."""
    import onnxruntime  # type: ignore[import-untyped]

    options, feed = onnxruntime.SessionOptions(), {"images": images.numpy()}
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    with tempfile.TemporaryDirectory(prefix="nas-") as scratch:
        path = Path(scratch) / "model.onnx"
        write_onnx(network, path, images)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)[0]


def write_onnx(network: nn.Module | ExportedProgram, path: Path, *images: Tensor) -> None:
    """As a file from `images` to `logits`; a module is traced on `images` (N, C, H, W), a program has been already."""
    state = network.state_dict() if isinstance(network, nn.Module) else network.state_dict
    weights = sum(value.numel() * value.element_size() for value in state.values())
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it lists operators of torchvision, which is no part of a network here
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):  # the exporter reports its steps there
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network, images, str(path), input_names=["images"], output_names=["logits"], verbose=False,
                external_data=weights > ONE_FILE,
            )  # fmt: skip
    finally:
        logging.disable(before)


def captured(network: nn.Module, images: Tensor) -> Callable[[], Tensor]:
    """A forward pass as a CUDA graph: replayed, its kernels run without the host launching each. Reads `images` anew
    each time and returns the same tensor."""
    own = stream(images.device.index, "measuring")
    own.wait_stream(torch.cuda.current_stream(images.device))
    with torch.cuda.stream(own):
        for _ in range(WARM_UP):  # torch's libraries choose their kernels, which may not happen in a capture
            network(images)
    torch.cuda.current_stream(images.device).wait_stream(own)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=own):
        logits: Tensor = network(images)

    def replay() -> Tensor:
        graph.replay()
        return logits

    return replay
