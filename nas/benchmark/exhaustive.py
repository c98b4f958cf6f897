"""A table that holds every network of its space: searches are replayed on it with nothing modelled, and judged by what
the best network within each limit of FLOPs has. Needs no torch."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import mean

import numpy as np

from nas.benchmark.table import RecordedTable
from nas.records.settings import DESIGN
from nas.samplers.features import Floats
from space import Arch, Cost, cost
from space.count_networks import EXACT, bound, every

LIMITS = 33  # of FLOPs, evenly in log from the cheapest network to the dearest
BUDGETS = (0.25, 0.5, 1.0)  # places among the limits, in log, at which regret is told apart


def is_exhaustive(table: RecordedTable) -> bool:
    """Whether it holds every network of its space and band."""
    if table.settings.sampler == DESIGN:
        return False
    space, settings = table.settings.build_space(), table.settings
    if bound(space) > EXACT:
        return False
    return all(arch.key in table.networks for arch in every(space) if cost(arch, settings.task).flops in settings.band)


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """What each network is worth: the mean of its trainings. `best`: the highest worth within each of `limits`."""

    table: RecordedTable
    worth: Mapping[str, float]  # by key, 0 to 1
    limits: Floats  # (LIMITS,) FLOPs
    best: Floats  # (LIMITS,)
    cheapest: float  # worth of the network of least FLOPs, which stands where a search has found none

    @staticmethod
    def of(table: RecordedTable) -> Exhaustive:
        worth = {key: mean(one.accuracy for one in rows) for key, rows in table.networks.items()}
        flops = np.array([rows[0].flops for rows in table.networks.values()], dtype=float)
        values = np.array(list(worth.values()))
        limits = np.geomspace(flops.min(), flops.max(), LIMITS)
        limits[-1] = flops.max()  # and not a last bit less
        best = np.array([values[flops <= limit].max() for limit in limits])
        return Exhaustive(table, worth, limits, best, float(values[flops.argmin()]))

    def curve(self, arch: Arch, counts: Cost, seed: int) -> tuple[float, ...]:
        """Accuracies after each period of one of the network's trainings, the same for a seed."""
        return random.Random(f"{seed}/{arch.key}").choice(self.table.networks[arch.key]).accuracies


@dataclass(slots=True)
class Gaps:
    """What a search would still gain, as it goes on: at each limit, the worth of the best network less that of the
    network which the search would take there, by the accuracies that it has seen."""

    truth: Exhaustive
    seen: Floats = field(init=False)  # (LIMITS,) accuracy of the taken ones
    gaps: Floats = field(init=False)  # (LIMITS,)

    def __post_init__(self) -> None:
        self.seen = np.full(LIMITS, -np.inf)
        self.gaps = self.truth.best - self.truth.cheapest

    def add(self, key: str, flops: int, accuracy: float) -> None:
        """A network whose training ended with `accuracy`."""
        taken = (self.truth.limits >= flops) & (accuracy > self.seen)
        self.seen[taken] = accuracy
        self.gaps[taken] = self.truth.best[taken] - self.truth.worth[key]

    def summary(self) -> tuple[float, ...]:
        """The mean over all limits, then the gap at each of BUDGETS: simple regret."""
        return float(self.gaps.mean()), *(float(self.gaps[round(place * (LIMITS - 1))]) for place in BUDGETS)
