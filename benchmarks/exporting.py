"""An export's files side by side: accuracy on the whole test split, logit difference, size, latency.

    python -m benchmarks.exporting exports/long --data path/to/cifar10

Accuracy and logits are of a fresh process a file, as `nas export` checks them; latency is of this one.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch

import nas
from benchmarks.machine import heading, milliseconds
from nas.data.dataset import load
from nas.export import verify_subprocess
from nas.export.formats import run_in_process

NAMES = {
    "own": "model.safetensors", "modeling": "modeling.py", "pt2": "model.pt2", "onnx": "model.onnx",
    "timm": "timm.safetensors",
}  # fmt: skip
SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path)
    parser.add_argument("--data", required=True)
    arguments = parser.parse_args()
    model, preprocess = nas.load_export(arguments.export)
    data = load(arguments.data, preprocess.image_size)
    x, labels = preprocess(data.test.images), torch.from_numpy(data.test.labels)
    with torch.no_grad():
        expected = model(x)
    kinds = [kind for kind in verify_subprocess.KINDS if (arguments.export / NAMES[kind]).exists()]
    print(heading("torch", "onnxruntime"))
    print(
        f"\n{data.name} test split, n = {len(labels):,}, 1 seed; latency: median, {torch.get_num_threads()} thread(s)\n"
    )
    print("| file | test accuracy | largest logit difference | bytes | batch 1 | batch 64 |\n|---|---|---|---|---|---|")
    for kind in kinds:
        (found,) = run_in_process([kind], arguments.export, {"x": x})[kind].values()
        accuracy = (found.argmax(1) == labels).float().mean().item()
        difference = (found - expected).abs().max().item()
        run = verify_subprocess.KINDS[kind](arguments.export)
        with torch.inference_mode():
            one, many = (milliseconds(partial(run, x[:size]), SECONDS) for size in (1, 64))
        size = (arguments.export / NAMES[kind]).stat().st_size
        print(f"| `{NAMES[kind]}` | {accuracy:.2%} | {difference:.2g} | {size:,} | {one:.2f} ms | {many:.2f} ms |")


if __name__ == "__main__":
    main()
