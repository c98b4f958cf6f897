"""Cost by arithmetic against building and tracing with fvcore, and draws inside a narrow band against rejection.

    python -m benchmarks.counting

Interleaved in one run; medians; ratios are what to compare between machines.
"""

from __future__ import annotations

import logging
import random
import statistics
import time
import warnings
from collections.abc import Callable

from benchmarks.machine import heading
from space import Arch, Band, Space, Task
from space.chooser import RandomChooser
from space.cost import cost

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def trace(arch: Arch, task: Task) -> int:
    """FLOPs by building the network and tracing it: what one does without arithmetic."""
    import torch
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    from space.network import Network

    image = torch.zeros(1, task.channels, task.image_size, task.image_size)
    analysis = FlopCountAnalysis(Network(arch, task).eval(), image).unsupported_ops_warnings(False)
    counts = analysis.by_operator()
    return int(counts["conv"] + counts["linear"])


def counting() -> None:
    task, space = Task(32, 3, 10), Space.load("cifar")
    archs = [space.draw(random.Random(seed), task, Band.parse("5M..40M")) for seed in range(10)]
    trace(archs[0], task)  # imports and warms up
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        for arch in archs:
            theirs.append(seconds(lambda arch=arch: trace(arch, task)))  # type: ignore[misc]
            ours.append(seconds(lambda arch=arch: [cost(arch, task) for _ in range(100)]) / 100)  # type: ignore[misc]
        assert all(trace(arch, task) == cost(arch, task).flops for arch in archs)
    arithmetic, traced = statistics.median(ours), statistics.median(theirs)
    print("| cost of one network (10 of the cifar space, 32 px) | median | ratio |")
    print("|---|---|---|")
    print(f"| `space.cost` | {arithmetic * 1e6:.0f} us | 1 |")
    print(f"| build + fvcore, equal as integers | {traced * 1e3:.1f} ms | {traced / arithmetic:,.0f} |")


def rejection(space: Space, task: Task, band: Band, count: int, rng: random.Random) -> int:
    """Draws until `count` fall into the band; returns the attempts."""
    attempts = found = 0
    while found < count:
        attempts += 1
        found += cost(space.compose(RandomChooser(rng), task), task).flops in band
    return attempts


def drawing() -> None:
    task, space, band, count = Task(224, 3, 1000), Space.load("imagenet"), Band.parse("4.2G..4.7G"), 20
    rng = random.Random(0)
    space.check_band(band, task)
    built: list[float] = []
    fished: list[float] = []
    attempts = 0
    for _ in range(ROUNDS):
        built.append(seconds(lambda: [space.draw(rng, task, band) for _ in range(count)]) / count)
        started = time.perf_counter()
        attempts += rejection(space, task, band, count, rng)
        fished.append((time.perf_counter() - started) / count)
    ours, theirs = statistics.median(built), statistics.median(fished)
    share = ROUNDS * count / attempts
    print(f"\n| networks of the imagenet space in {band} FLOPs | median a network | ratio |")
    print("|---|---|---|")
    print(f"| by construction (`Space.draw`) | {ours * 1e3:.2f} ms | 1 |")
    print(f"| by rejection ({share:.1%} of draws accepted) | {theirs * 1e3:.2f} ms | {theirs / ours:.1f} |")


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    print(heading("torch", "fvcore"), "\n")
    counting()
    drawing()


if __name__ == "__main__":
    main()
