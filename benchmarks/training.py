"""Training speed: nas against the peer script (`benchmarks.peer`) and against the device's arithmetic limit.

    python -m benchmarks.training path/to/cifar10 --images 4000 --epochs 2

The same plain ConvNeXt networks, images, batch, epochs and recipe (AdamW, cosine) for all, interleaved network by
network. A trial is everything from the arch to its accuracy: build, training, an evaluation each epoch, FLOPs. The
limit counts 3 x MACs an image (forward and twice backward) at the rate of a large matrix product.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import mean
from typing import Any

import torch

from benchmarks import peer
from benchmarks.machine import heading, milliseconds
from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.training.brief import train
from nas.training.device import autocast, choose_device
from nas.training.device_data import DeviceData
from space import Arch, Band, Budget, Space, Task, compact, cost

BANDS = ("2M..2.2M", "4M..4.4M", "8M..8.8M", "16M..17.6M", "32M..35M")  # FLOPs: conv + linear multiply-accumulates
WORKERS = 2


def networks(task: Task, count: int) -> list[Arch]:
    """Plain ConvNeXt networks that timm can build too (4 stages, patch 4), evenly spread in log FLOPs."""
    space = Space.load("convnext_or_modulation_32").narrow(
        stages=4, stem_stride=4, block="convnext", expansion=4, norm="ln", act="gelu"
    )
    rng = random.Random(0)
    return [space.random_arch(rng, task, Budget(flops=Band.parse(band))) for band in BANDS[:count]]


def matrix_rate() -> float:
    """Multiply-accumulates a second of a large product, in the precision that nas trains in."""
    device = choose_device("auto")
    a = torch.randn(4096, 4096, device=device)
    with autocast("auto", device):
        return 1e3 * 4096**3 / milliseconds(lambda: a @ a, 1.0)


def side_by_side(
    source: str, task: Task, recipe: Recipe, arches: list[Arch], workers: int = WORKERS
) -> tuple[float, list[float]]:
    """Seconds and accuracies of all networks by processes that are ready to begin."""
    begin = (source, recipe, max(1, torch.get_num_threads() // workers))
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_ready, initargs=begin) as pool:
        list(pool.map(_accuracy, [task] * workers, [arches[0]] * workers))  # starts them
        start = time.perf_counter()
        found = list(pool.map(_accuracy, [task] * len(arches), reversed(arches)))  # the largest first
        return time.perf_counter() - start, found


_placed: tuple[DeviceData, Recipe]  # of a process


def _ready(source: str, recipe: Recipe, threads: int) -> None:
    global _placed
    torch.set_num_threads(threads)
    _placed = DeviceData.place(load(source, 32), recipe, choose_device("auto")), recipe


def _accuracy(task: Task, arch: Arch) -> float:
    data, recipe = _placed
    return train(arch, task, data, recipe, seed=0).accuracy


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--networks", type=int, default=4)
    options = parser.parse_args()
    data = load(options.data, 32)
    task, device = Task(32, data.channels, len(data.classes)), choose_device("auto")
    own = Recipe(epochs=options.epochs, train_images=options.images, **peer.RECIPE)
    recipe = own.settled(len(data.train.labels))
    arches = networks(task, options.networks)
    _ready(options.data, recipe, torch.get_num_threads())
    theirs = partial(peer.train, task=task, data=data, recipe=recipe)
    ways: dict[str, Callable[[Arch], float]] = {
        "peer, plain": partial(theirs, tuned=False, amp=False),
        "peer, channels-last": partial(theirs, tuned=True, amp=False),
        "peer, channels-last + AMP": partial(theirs, tuned=True, amp=True),
        "nas, 1 worker": partial(_accuracy, task),
    }
    print(f"{heading('torch', 'timm', 'torchvision')}, {device}, {torch.get_num_threads()} threads")
    _accuracy(task, arches[0])  # compiles the kernel, warms the data
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for arch in arches:
        for name, way in ways.items():
            start = time.perf_counter()
            accuracy = way(arch)
            results[name].append((time.perf_counter() - start, accuracy))
            print(
                f"{compact(cost(arch, task).flops):>6} {name:28s} {results[name][-1][0]:7.1f} s  {accuracy:.2%}",
                flush=True,
            )
    rate = matrix_rate()
    seen = options.epochs * (options.images // recipe.batch_size) * recipe.batch_size
    limit = sum(3 * cost(arch, task).flops * seen for arch in arches) / rate
    seconds, accuracies = side_by_side(options.data, task, recipe, arches)
    rows: list[tuple[str, float, Any]] = [
        (name, sum(s for s, _ in found), mean(a for _, a in found)) for name, found in results.items()
    ]
    rows.append((f"nas, {WORKERS} workers", seconds, mean(accuracies)))
    alone = next(total for name, total, _ in rows if name == "nas, 1 worker")
    flops = ", ".join(compact(cost(arch, task).flops) for arch in arches)
    print(
        f"\nnetworks of {flops} FLOPs (conv + linear multiply-accumulates, batch 1, 32 px); {options.images:,} images, "
        f"{options.epochs} epochs,\nbatch {recipe.batch_size}; accuracy: mean of top-1 on the validation split, "
        f"n = {len(data.validation.labels):,}, 1 seed"
    )
    print(f"{'':28s} {'images/s':>9} {'trials/h':>9} {'accuracy':>9} {'nas is':>7}")
    count = len(arches)
    for name, total, accuracy in rows:
        rates = f"{seen * count / total:9.0f} {3600 * count / total:9.0f}"
        print(f"{name:28s} {rates} {accuracy:9.2%} {total / alone:6.2f}x")
    print(f"{'arithmetic limit':28s} {seen * count / limit:9.0f}  (training alone, {rate / 1e9:.0f} GMAC/s)")


if __name__ == "__main__":
    main()
