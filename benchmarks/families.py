"""Named networks, whole, through every format: written, loaded in a fresh process, logits compared.

    python -m benchmarks.families                             # all of them: an hour
    python -m benchmarks.families convnext_tiny conv2former_n

Random weights, 224 px, 1000 classes. A row says how far each file's logits were from the network's, on two images, on
one, and on larger ones where the network takes them. Ends with 1 where one could not be written or differed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.machine import heading
from nas.export.formats import verify, write_base, write_formats
from nas.export.load import Preprocess
from space import Arch, InputError, Task, compact, cost
from space.network import Network
from space.reading import presets
from space.weights import timm_model

TASK = Task(224, 3, 1000)
KINDS = ("modeling", "pt2", "onnx", "timm")


def row(name: str) -> str:
    """The table's row of a network. Raises InputError where a file differs."""
    arch = Arch.load(name)
    torch.manual_seed(0)
    network = Network(arch, TASK).eval()
    with torch.no_grad():  # LayerScale and GRN begin at next to nothing, and would hide a block
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    try:
        timm_model(arch, TASK)
        formats = ["pt2", "onnx", "timm"]
    except InputError:
        formats = ["pt2", "onnx"]
    preprocess = Preprocess(224, 3, (0.5,) * 3, (0.25,) * 3, tuple(f"class {i}" for i in range(TASK.classes)))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = [
            *write_base(Path(folder), network, preprocess),
            *write_formats(Path(folder), network, preprocess, formats),
        ]
        sizes = next(file.sizes for file in files if file.kind == "pt2")
        checked = verify(Path(folder), network, files, torch.randn(2, 3, 224, 224))
    found = {file.kind: f"{file.difference:.1g}" for file in checked}
    cells = [found.get(kind, "") for kind in KINDS]
    seconds = time.perf_counter() - started
    return " | ".join(["", name, compact(cost(arch, TASK).params), *cells, sizes, f"{seconds:.0f} s", ""]).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    names = parser.parse_args().names or presets("networks")
    print(heading("torch", "onnxruntime", "timm"))
    print("\n| network | params | " + " | ".join(KINDS) + " | image sizes | |\n|" + "---|" * (len(KINDS) + 4))
    failed = False
    for name in names:
        try:
            print(row(name), flush=True)
        except InputError as error:
            failed = True
            print(f"| {name} | {error} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
