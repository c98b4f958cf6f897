"""Networks drawn inside a band of 5% to either side, within limits on parameters and activations as well, and networks
counted anew, per second.

OMP_NUM_THREADS=1 python -m benchmarks.drawing
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import partial
from statistics import median

from benchmarks.machine import heading, milliseconds
from space import Arch, Band, Budget, Space, Task, cost
from space.cost import count_head, count_stage, count_stem

TASKS = {  # by space, with the centre of its band in FLOPs
    "digits": (Task(8, 1, 10), 2_000_000),
    "convnext_or_modulation_32": (Task(32, 3, 10), 30_000_000),
    "roadmap_224": (Task(224, 3, 1000), 4_455_531_264),
}
SECONDS = 2.0  # of measuring, each


def count(archs: Sequence[Arch], task: Task) -> None:
    """As if nothing had been counted yet."""
    for cached in (count_stem, count_stage, count_head):
        cached.cache_clear()
    for arch in archs:
        cost(arch, task)


def main() -> None:
    print(heading("torch"), "\n")
    print("| space | drawn | with their density | within three budgets | counted |\n|---|---|---|---|---|")
    for name, (task, centre) in TASKS.items():
        space, rng = Space.load(name), random.Random(0)
        budget = Budget(flops=Band(round(0.95 * centre), round(1.05 * centre)))
        archs = [space.random_arch(rng, task, budget) for _ in range(50)]
        times = [milliseconds(partial(space.sample, rng, task, budget, with_density=d), SECONDS) for d in (False, True)]
        costs = [cost(arch, task) for arch in archs]
        params, activations = (Band(1, round(median(row))) for row in list(zip(*map(astuple, costs), strict=True))[1:])
        three = replace(budget, params=params, activations=activations)
        times.append(milliseconds(partial(space.sample, rng, task, three, with_density=False), SECONDS))
        times.append(milliseconds(partial(count, archs, task), SECONDS) / len(archs))
        print(f"| `{name}` | " + " | ".join(f"{1000 / each:,.0f} a second" for each in times) + " |")


if __name__ == "__main__":
    main()
