"""How many FLOPs a latency leaves room for: the band of a search that gives a latency alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from space import Arch, Band, Budget, Space, Task
from space.chooser import RandomChooser

TRIED = 5  # networks at each FLOPs: where not one of them keeps to the limit, hardly any other does


def flops_within(space: Space, task: Task, limit: int, takes: Callable[[Arch], float]) -> Band:
    """From the space's least FLOPs up to where, doubling them, of some random networks not one keeps to `limit`.
    `takes`: nanoseconds."""
    ends, rng = space.cost_range(task), random.Random(0)
    top = 2 * ends.low
    while top < ends.high:
        archs = _drawn(space, rng, task, Band(max(top // 2, ends.low), top))
        if archs and min(map(takes, archs)) > limit:
            return Band(ends.low, top)
        top *= 2
    return ends


def _drawn(space: Space, rng: random.Random, task: Task, band: Band) -> list[Arch]:
    """Some networks in the band; none where there is none."""
    drawn = (space.compose(RandomChooser(rng, None), task, Budget(flops=band)) for _ in range(10 * TRIED))
    return [each.arch for each in drawn if each.inside][:TRIED]
