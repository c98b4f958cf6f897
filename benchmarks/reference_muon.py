"""What Muon for dense convolutions is worth to references, whose 1x1 convolutions are what linear layers are in our
networks: networks of examples/references.py on the digits, with it and with Muon for their linear layers alone.

    OMP_NUM_THREADS=1 python -m benchmarks.reference_muon
"""

from __future__ import annotations

from contextlib import nullcontext
from statistics import fmean, stdev
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.machine import heading
from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.references.building import look
from nas.references.sources import find_source
from nas.training.brief import train_module
from nas.training.device_data import DeviceData
from nas.training.muon import matrices
from space import Task, compact

FILE = "examples/references.py"
NETWORKS = ("cifar_resnet:blocks=1", "cifar_resnet")
EPOCHS, SEEDS = 3, 8


def main() -> None:
    data, task, recipe = load("digits"), Task(8, 1, 10), Recipe(epochs=EPOCHS)
    placed = DeviceData.place(data, recipe, torch.device("cpu"))
    print(f"{heading('torch', 'timm')}; validation top-1, n = {len(data.validation.labels)}, {SEEDS} seeds\n")
    print("| network | FLOPs | Muon for | accuracy, mean | standard deviation |\n|---|---|---|---|---|")
    for name in NETWORKS:
        source = find_source(f"{FILE}:{name}", task, None)
        looked = look(name, source.at(None), task)
        for words, alone in (("linear layers and dense convolutions", False), ("linear layers", True)):
            with patch("nas.training.steps.matrices", _linears) if alone else nullcontext():
                found = [train_module(looked.build, placed, recipe, seed=seed).accuracy for seed in range(SEEDS)]
            cells = f"{fmean(found):.1%} | {100 * stdev(found):.1f} points"
            print(f"| `{name}` | {compact(looked.cost.flops)} | {words} | {cells} |", flush=True)


def _linears(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in matrices(network) if weight.dim() == 2]


if __name__ == "__main__":
    main()
