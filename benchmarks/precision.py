"""What bfloat16 costs or saves on this device: a training step and an evaluation in each precision, in turns.

    OMP_NUM_THREADS=1 python -m benchmarks.precision path/to/cifar10

On a CPU with bfloat16 matrix units (AMX) each layer's tensors are converted back and forth, and the depthwise gradient
is torch's, not ours.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch

from benchmarks.compiling import step
from benchmarks.machine import heading, milliseconds
from benchmarks.ranking import of_band
from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.evaluation import count_classes
from nas.training.steps import Training
from space import Arch, Task, compact, cost
from space.network import Network

SECONDS = 1.0  # of measuring
PRECISIONS = ("float32", "bfloat16")


def measure(arch: Arch, task: Task, data: DeviceData, precision: str) -> tuple[float, float]:
    """Milliseconds of a step and of an evaluation."""
    torch.manual_seed(0)
    network = Network(arch, task).to(data.device)
    recipe = Recipe(precision=precision).settled(len(data.train))  # type: ignore[arg-type]
    training = Training(network, data, recipe, torch.Generator(data.device).manual_seed(0))
    of_step = milliseconds(partial(step, training), SECONDS)
    return of_step, milliseconds(partial(count_classes, training.evaluated, data.validation, precision), SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    options = parser.parse_args()
    data, device = load(options.data, 32), choose_device("auto")
    task = Task(32, data.channels, len(data.classes))
    placed = DeviceData.place(data, Recipe(), device)
    print(f"{heading('torch')}, {device}, {torch.get_num_threads()} threads; bfloat16 over float32\n")
    print(
        "| FLOPs | block, norm | float32 step | bfloat16 | float32 evaluation | bfloat16 |\n|---|---|---|---|---|---|"
    )
    for arch in of_band("low")[::4] + of_band("high")[::6]:
        times = [measure(arch, task, placed, precision) for precision in PRECISIONS]
        cells = " | ".join(f"{plain:.0f} ms | {other / plain:.2f}" for plain, other in zip(*times, strict=True))
        block = arch.stages[0].block
        print(
            f"| {compact(cost(arch, task).flops)} | {block.name}, {getattr(block, 'norm', '')} | {cells} |", flush=True
        )


if __name__ == "__main__":
    main()
