"""Networks drawn inside a band, within limits on parameters and activations as well, or within one on a forecast
latency, and networks counted anew, per second of the processor's time. In bands of 5% to either side, and from half to
twice as much.

OMP_NUM_THREADS=1 python -m benchmarks.drawing
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from statistics import median

from benchmarks.machine import heading
from space import Arch, Band, Budget, Space, Task, cost
from space.cost import count_blocks, count_head, count_stem
from space.latency_model import LatencyModel, ModelError
from space.work import CALLS, ELEMENTS, MACS, WEIGHTS, work

TASKS = {  # by space, with the centre of its band in FLOPs
    "digits": (Task(8, 1, 10), 2_000_000),
    "convnext_or_modulation_32": (Task(32, 3, 10), 30_000_000),
    "roadmap_224": (Task(224, 3, 1000), 4_455_531_264),
}
BANDS = (0.95, 1.05), (0.5, 2.0)  # of the centre
SECONDS = 2.0  # of measuring, each
RATES = {
    CALLS: 900.0,
    ELEMENTS: 0.7,
    MACS: 0.05,
    WEIGHTS: 0.3,
}  # nanoseconds, made up: all kinds of layers take as long


def a_second(call: Callable[[], object]) -> float:
    """Calls a second of the processor's time, on average: some draws need many shapes, most few, so that a median says
    little."""
    calls, begin = 0, time.process_time()
    while time.process_time() < begin + SECONDS:
        call()
        calls += 1
    return calls / (time.process_time() - begin)


def count(archs: Sequence[Arch], task: Task) -> None:
    """As if nothing had been counted yet."""
    for cached in (count_stem, count_blocks, count_head):
        cached.cache_clear()
    for arch in archs:
        cost(arch, task)


def model_of(space: Space, task: Task) -> LatencyModel:
    """That knows all layers of the space's networks."""
    rng = random.Random(0)
    kinds = {kind for _ in range(500) for kind, _ in work(space.random_arch(rng, task), task)}
    return LatencyModel(
        device="a device", batch=1, space=space.name, image_size=task.image_size, channels=task.channels,
        classes=task.classes, flops=(1, 10**12), networks=500, fixed=0.0, rates=dict.fromkeys(kinds, RATES),
        error=ModelError(networks=2, median=0.0, p95=0.0, tau=1.0, flops_tau=1.0), created="", versions={},
    )  # fmt: skip


def up_to_median(counts: Iterable[int]) -> Band:
    return Band(1, round(median(counts)))


def main() -> None:
    print(heading("torch"), "\n")
    columns = ("space", "band", "drawn", "with their density", "within three budgets", "within a latency", "counted")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, (task, centre) in TASKS.items():
        space = Space.load(name)
        for low, high in BANDS:
            band = Band(round(low * centre), round(high * centre))
            print(
                f"| `{name}` | {band} | {' | '.join(f'{rate:,.0f}' for rate in rates(space, task, band))} |", flush=True
            )


def rates(space: Space, task: Task, band: Band) -> list[float]:
    """Each of the columns, a second."""
    rng, budget = random.Random(0), Budget(flops=band)
    archs = [space.random_arch(rng, task, budget) for _ in range(50)]
    costs, model = [cost(arch, task) for arch in archs], model_of(space, task)
    params, activations = (up_to_median(row) for row in zip(*((c.params, c.activations) for c in costs), strict=True))
    three = replace(budget, params=params, activations=activations)
    wide = replace(budget, latency=Band(1, 10**15)).forecast_by(model)
    forecasts = [space.sample(rng, task, wide, with_density=False).counts[3] for _ in range(50)]
    timed = replace(budget, latency=up_to_median(forecasts)).forecast_by(model)
    found = [
        a_second(partial(space.sample, rng, task, within, with_density=density))
        for within, density in ((budget, False), (budget, True), (three, False), (timed, False))
    ]
    return [*found, len(archs) * a_second(partial(count, archs, task))]


if __name__ == "__main__":
    main()
