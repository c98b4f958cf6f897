"""How long nas takes to what a tuned script ends at: the accuracy of the peer's own recipe, network by network.

    python -m benchmarks.reaching path/to/cifar10 [--images 30000] [--networks 4]

The peer (`benchmarks.peer`, tuned) trains each network from the arch to its accuracy by AdamW and a cosine, as its
author would, with all cores. nas trains the same networks by its default recipe, two at once, and is done with one at
the first evaluation that has the peer's accuracy. The peer's trials are timed before and after nas's.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from benchmarks import peer
from benchmarks.machine import heading
from benchmarks.training import networks
from nas.data.dataset import Data, load
from nas.records.recipe import Recipe
from nas.records.trial import Period
from nas.training.brief import Verdict, train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from space import Arch, Task, compact, cost

WORKERS = 2
_placed: DeviceData  # of a process


def _begin(source: str) -> None:
    global _placed
    torch.set_num_threads(1)
    _placed = DeviceData.place(load(source, 32), Recipe(), choose_device("auto"))


def _reach(task: Task, arch: Arch, recipe: Recipe, accuracy: float) -> tuple[int, float]:
    """Images seen and accuracy when that accuracy, or the training's end, is reached."""

    def enough(period: Period) -> Verdict:
        return "stop" if period.accuracy >= accuracy else "go on"

    last = train(arch, task, _placed, recipe, seed=0, on_period=enough).curve[-1]
    return last.images, last.accuracy


def reach_all(
    source: str, task: Task, arches: list[Arch], recipe: Recipe, accuracies: list[float]
) -> tuple[float, list[tuple[int, float]]]:
    """Seconds for all, by processes that are ready to begin; and what each came to."""
    count = len(arches)
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), initializer=_begin, initargs=(source,)) as pool:
        list(pool.map(_reach, [task] * WORKERS, arches[:WORKERS], [recipe] * WORKERS, [0.0] * WORKERS))  # starts them
        began = time.perf_counter()
        found = list(pool.map(_reach, [task] * count, reversed(arches), [recipe] * count, reversed(accuracies)))
        return time.perf_counter() - began, found[::-1]


def peer_trial(arch: Arch, task: Task, data: Data, recipe: Recipe) -> tuple[float, float]:
    """Seconds and accuracy."""
    began = time.perf_counter()
    accuracy = peer.train(arch, task=task, data=data, recipe=recipe, tuned=True, amp=False)
    return time.perf_counter() - began, accuracy


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--images", type=int, default=30_000, help="that the peer trains on, in one epoch")
    parser.add_argument("--networks", type=int, default=4)
    options = parser.parse_args()
    data = load(options.data, 32)
    task, train_images = Task(32, data.channels, len(data.classes)), len(data.train.labels)
    arches = networks(task, options.networks)
    own = Recipe(epochs=1, train_images=options.images, **peer.RECIPE)
    theirs = [peer_trial(arch, task, data, own.settled(train_images)) for arch in arches]
    recipe = Recipe(images=options.images).settled(train_images)
    seconds, found = reach_all(options.data, task, arches, recipe, [accuracy for _, accuracy in theirs])
    again = [peer_trial(arch, task, data, own.settled(train_images))[0] for arch in arches]
    print(
        f"{heading('torch', 'timm', 'torchvision')}; peer: {torch.get_num_threads()} threads, {peer.WORKERS} loaders\n"
    )
    print(f"| FLOPs | peer, {options.images:,} images | nas reaches it at | with |\n|---|---|---|---|")
    for arch, (_, accuracy), (images, reached) in zip(arches, theirs, found, strict=True):
        when = f"{images:,} images" if reached >= accuracy else "not reached"
        print(f"| {compact(cost(arch, task).flops)} | {accuracy:.2%} | {when} | {reached:.2%} |")
    total = (sum(each for each, _ in theirs) + sum(again)) / 2
    print(
        f"\nvalidation top-1, n = {len(data.validation.labels):,}, 1 seed. All networks: peer {total:.0f} s, "
        f"nas with {WORKERS} workers {seconds:.0f} s, {total / seconds:.1f} times as fast."
    )


if __name__ == "__main__":
    main()
