"""How many FLOPs a latency leaves room for: the band of a search that gives a latency alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from space import Arch, Band, Budget, Space, Task
from space.chooser import RandomChooser
from space.latency_model import LatencyModel
from space.work import CALLS, work

DRAWN = 200  # networks at each FLOPs
TRIED = 5  # of them are measured, those of the fewest layers, which take the least time for their FLOPs


def flops_within(space: Space, task: Task, fits: Callable[[Band], bool]) -> Band:
    """From the space's least FLOPs up to where, doubling them, no network fits."""
    ends = space.cost_range(task)
    top = 2 * ends.low
    while top < ends.high:
        if not fits(Band(top // 2, top)):
            return Band(ends.low, top)
        top *= 2
    return ends


def by_forecast(space: Space, task: Task, limit: Band, model: LatencyModel) -> Callable[[Band], bool]:
    """Whether a network with such FLOPs is constructed within the latency."""

    def fits(band: Band) -> bool:
        budget, rng = Budget(flops=band, latency=limit).forecast_by(model), random.Random(0)
        return any(space.compose(RandomChooser(rng, None), task, budget).inside for _ in range(DRAWN))

    return fits


def by_measuring(space: Space, task: Task, limit: Band, takes: Callable[[Arch], float]) -> Callable[[Band], bool]:
    """Whether one of some networks with such FLOPs keeps to the latency; also where there is none. `takes`:
    nanoseconds."""

    def fits(band: Band) -> bool:
        rng = random.Random(0)
        drawn = (space.compose(RandomChooser(rng, None), task, Budget(flops=band)) for _ in range(DRAWN))
        archs = sorted((each.arch for each in drawn if each.inside), key=lambda arch: _layers(arch, task))[:TRIED]
        return not archs or any(takes(arch) <= limit.high for arch in archs)

    return fits


def _layers(arch: Arch, task: Task) -> int:
    return sum(count for (_, unit), count in work(arch, task).items() if unit == CALLS)
