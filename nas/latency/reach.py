"""How many FLOPs a latency leaves room for: the band of a search that gives a latency alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

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
    """Whether a network with such FLOPs is constructed within the upper end of the latency; also where there is none
    with such FLOPs."""

    def fits(band: Band) -> bool:
        within = Budget(flops=band, latency=Band(1, limit.high)).forecast_by(model)
        return any(_drawn(space, task, within)) or not any(_drawn(space, task, Budget(flops=band)))

    return fits


def by_measuring(space: Space, task: Task, limit: Band, takes: Callable[[Arch], float]) -> Callable[[Band], bool]:
    """Whether one of some networks with such FLOPs keeps to the upper end of the latency; also where there is none.
    `takes`: nanoseconds."""

    def fits(band: Band) -> bool:
        drawn = _drawn(space, task, Budget(flops=band))
        archs = sorted(drawn, key=lambda arch: _layers(arch, task))[:TRIED]
        return not archs or any(takes(arch) <= limit.high for arch in archs)

    return fits


def _drawn(space: Space, task: Task, budget: Budget) -> Iterator[Arch]:
    """Those of some random networks that are within a budget."""
    rng = random.Random(0)
    drawn = (space.compose(RandomChooser(rng, None), task, budget) for _ in range(DRAWN))
    return (each.arch for each in drawn if each.inside)


def _layers(arch: Arch, task: Task) -> int:
    return sum(count for (_, unit), count in work(arch, task).items() if unit == CALLS)
