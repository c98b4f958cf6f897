"""What BatchNorm's estimated statistics are worth in the first epochs: digits networks with BatchNorm, judged with
statistics estimated for their averaged weights, as a search does, and with the average of running ones.

    OMP_NUM_THREADS=1 python -m benchmarks.running_statistics
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from unittest.mock import patch

import torch

from benchmarks.machine import heading
from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.training.brief import train
from nas.training.device_data import DeviceData
from space import Band, Budget, Space, Task

NETWORKS, EPOCHS = 8, 6


def main() -> None:
    data, task, rng = load("digits"), Task(8, 1, 10), random.Random(0)
    recipe = Recipe(epochs=EPOCHS)
    placed = DeviceData.place(data, recipe, torch.device("cpu"))
    space, budget = Space.load("digits").narrow(norm="bn"), Budget(flops=Band.parse("200K..4M"))
    print(f"{heading('torch')}; validation top-1, n = {len(data.validation.labels)}, 1 seed\n")
    print(f"| block | statistics | {' | '.join(f'epoch {number}' for number in range(1, EPOCHS + 1))} |")
    print("|---|---|" + "---|" * EPOCHS)
    for _ in range(NETWORKS):
        arch = space.random_arch(rng, task, budget)
        for name, running in (("estimated", False), ("running", True)):
            with patch("nas.training.steps.estimate_running_statistics") if running else nullcontext():
                trained = train(arch, task, placed, recipe, seed=0)
            cells = " | ".join(f"{period.accuracy:.1%}" for period in trained.curve)
            print(f"| {arch.stages[0].block.name} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
