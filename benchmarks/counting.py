"""Cost by arithmetic against building and tracing with fvcore, and draws inside a narrow band against rejection.

    python -m benchmarks.counting

Interleaved in one run; medians; ratios are what to compare between machines.
"""

from __future__ import annotations

import logging
import math
import random
import statistics
import time
import warnings
from collections.abc import Callable

from benchmarks.machine import heading
from space import Arch, Band, Budget, Space, Task, compact
from space.chooser import RandomChooser
from space.cost import clear_counts, cost
from space.reading import presets

ROUNDS = 5
TRACED = 4  # networks per space that are built and traced in every round
CENTRES = {8: 2_000_000, 32: 30_000_000, 64: 200_000_000, 224: 4_455_531_264}  # of the bands, by image size
DRAWS = 400


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def trace(arch: Arch, task: Task) -> int:
    """FLOPs by building the network and tracing it: what one does without arithmetic."""
    from benchmarks import peer
    from space.network import Network

    return peer.flops(Network(arch, task).eval(), task)


def narrow(space: Space) -> tuple[Task, Budget]:
    """The task of a space and a band of 5% up and down."""
    size = space.image_size
    centre = CENTRES[size]
    return Task(size, 3, 1000 if size == 224 else 10), Budget(flops=Band(centre * 95 // 100, centre * 105 // 100))


def counting() -> None:
    """One count of each of many different networks, with nothing remembered and after a first pass."""
    print("| cost of one network | first count | counted before | build + fvcore, equal as integers | ratio |")
    print("|---|---|---|---|---|")
    for name in ("convnext_or_modulation_32", "conv2former_32", "roadmap_32"):
        space = Space.load(name)
        task, budget = narrow(space)
        rng = random.Random(0)
        archs = [space.random_arch(rng, task, budget) for _ in range(1000)]
        first: list[float] = []
        again: list[float] = []
        traced: list[float] = []
        for _ in range(ROUNDS):
            clear_counts()
            first.append(seconds(lambda archs=archs, task=task: [cost(a, task) for a in archs]) / len(archs))  # type: ignore[misc]
            again.append(seconds(lambda archs=archs, task=task: [cost(a, task) for a in archs]) / len(archs))  # type: ignore[misc]
            traced += [seconds(lambda a=a, task=task: trace(a, task)) for a in archs[:TRACED]]  # type: ignore[misc]
        assert all(trace(a, task) == cost(a, task).flops for a in archs[:TRACED])
        ours, known, theirs = map(statistics.median, (first, again, traced))
        times = f"{ours * 1e6:.1f} us | {known * 1e6:.1f} us | {theirs * 1e3:.0f} ms"
        print(f"| 1,000 of {name} | {times} | {theirs / ours:,.0f} |")


def uneven(flops: list[int], band: Band) -> float:
    """Kolmogorov's distance of counts from log-uniform over the band: 0 is even, 1 is one point."""
    places = sorted(math.log(count / band.low) / math.log(band.high / band.low) for count in flops)
    n = len(places)
    return max(max(abs(place - i / n), abs(place - (i + 1) / n)) for i, place in enumerate(places))


def drawing() -> None:
    """Every preset space in a band of +-5%: attempts that land, networks a second, and the same by rejection."""
    print("\n| space, FLOPs +-5% | lands | networks/s | with density | uneven | rejection lands | networks/s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name in presets("spaces"):
        space = Space.load(name)
        task, budget = narrow(space)
        assert budget.flops is not None
        space.check_budget(budget, task)
        rng = random.Random(0)
        built: list[float] = []
        dense: list[float] = []
        fished: list[float] = []
        landed = hits = 0
        counts = []
        for _ in range(ROUNDS):
            tries = [space.compose(RandomChooser(rng, None), task, budget) for _ in range(DRAWS)]
            landed += sum(proposal.inside for proposal in tries)
            counts += [proposal.cost.flops for proposal in tries if proposal.inside]
            built.append(DRAWS / seconds(lambda: [space.random_arch(rng, task, budget) for _ in range(DRAWS)]))  # noqa: B023
            dense.append(DRAWS / seconds(lambda: [space.sample(rng, task, budget) for _ in range(DRAWS)]))  # noqa: B023
            started = time.perf_counter()
            free = [space.compose(RandomChooser(rng, None), task).cost.flops in budget.flops for _ in range(5 * DRAWS)]
            hits += sum(free)
            fished.append(5 * DRAWS / (time.perf_counter() - started))
        share = hits / (ROUNDS * 5 * DRAWS)
        rate, rejected = statistics.median(built), statistics.median(fished) * share
        print(
            f"| {name}, {compact(CENTRES[space.image_size])} | {landed / (ROUNDS * DRAWS):.1%} | {rate:,.0f} | "
            f"{statistics.median(dense):,.0f} | {uneven(counts, budget.flops):.3f} | {share:.2%} | {rejected:,.0f} | "
            f"{rate / rejected if rejected else math.inf:,.0f} |"
        )


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    print(heading("torch", "fvcore"), "\n")
    counting()
    drawing()


if __name__ == "__main__":
    main()
