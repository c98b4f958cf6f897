"""How many FLOPs a latency leaves room for: the band of a search that gives a latency alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from space import Arch, Band, Budget, Space, Task

TRIED = 5  # networks at each FLOPs: where not one of them keeps to the limit, hardly any other does


def flops_within(space: Space, task: Task, limit: int, takes: Callable[[Arch], float]) -> Band:
    """From the space's least FLOPs up to where, doubling them, of some random networks not one keeps to `limit`.
    `takes`: nanoseconds."""
    ends, rng = space.cost_range(task), random.Random(0)
    top = 2 * ends.low
    while top < ends.high:
        band = Budget(flops=Band(max(top // 2, ends.low), top))
        if min(takes(space.random_arch(rng, task, band)) for _ in range(TRIED)) > limit:
            return Band(ends.low, top)
        top *= 2
    return ends
