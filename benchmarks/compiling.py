"""What `torch.compile` costs a network and gives back: after how many steps it has paid for itself.

    python -m benchmarks.compiling path/to/cifar10

The training step as it is against the same with its network compiled, which begins with the compilation of its forward
and backward pass. Compiled networks take torch's own depthwise gradient, eager ones ours. Every network of a search is
another one, so each pays anew; torch's caches on disk are off, as they would make a second run of this look cheap.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import torch

from benchmarks.machine import heading, milliseconds
from benchmarks.training import networks
from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.steps import Training
from space import Arch, Task, compact, cost
from space.network import Network

SECONDS = 2.0  # of measuring a step


def step(training: Training[Network]) -> None:
    training.step.zero_()
    training._step()
    if training.data.device.type == "cuda":
        torch.cuda.synchronize()


def measure(arch: Arch, task: Task, data: DeviceData, recipe: Recipe) -> tuple[float, float, float]:
    """Milliseconds: a step, a compiled step, and what the first compiled step took beyond one."""
    trainings = []
    for compiled in (False, True):
        torch.manual_seed(0)
        network = Network(arch, task).to(data.device)
        training = Training(network, data, recipe, torch.Generator(data.device).manual_seed(0))
        if compiled:
            network.compile()
        trainings.append(training)
    started = time.perf_counter()
    step(trainings[1])
    first = 1000 * (time.perf_counter() - started)
    eager, compiled_step = (milliseconds(partial(step, training), SECONDS) for training in trainings)
    return eager, compiled_step, first - compiled_step


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    options = parser.parse_args()
    torch._inductor.config.force_disable_caches = True
    data = load(options.data, 32)
    task, device = Task(32, data.channels, len(data.classes)), choose_device("auto")
    recipe = Recipe(train_images=4000).settled(len(data.train.labels))
    placed = DeviceData.place(data, recipe, device)
    print(f"{heading('torch')}, {device}, {torch.get_num_threads()} threads; batch {recipe.batch_size}")
    print(f"{'FLOPs':>7} {'eager step':>12} {'compiled':>12} {'compilation':>12} {'paid for after':>24}")
    for arch in networks(task, 3):
        torch.compiler.reset()
        eager, compiled, once = measure(arch, task, placed, recipe)
        steps = once / (eager - compiled) if eager > compiled else None
        paid = "never" if steps is None else f"{steps * recipe.batch_size / 45_000:.1f} epochs of 45,000"
        print(
            f"{compact(cost(arch, task).flops):>7} {eager:9.1f} ms {compiled:9.1f} ms {once / 1000:10.1f} s {paid:>24}",
            flush=True,
        )


if __name__ == "__main__":
    main()
