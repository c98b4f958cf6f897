"""Made-up trainings with the statistics of real ones (shared notes "Signal against noise": CIFAR-10, 8 epochs).

Networks are real draws. At equal FLOPs final accuracies spread by 1.96 points (standard deviation), 1.07 of them seed
noise; residuals of each period correlate with the last as measured (Kendall tau .10 .50 .56 .67 .76 .88 .93 1).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nas.benchmark.table import RecordedTable, Recording
from nas.records.data_card import DataCard
from nas.records.recipe import Recipe
from nas.records.settings import Settings
from nas.records.trial import Period
from space import Arch, Band, Budget, Space, Task
from space.draw import Proposal

TASK, BAND = Task(32, 3, 10), Band(3_000_000, 30_000_000)
SPACE = "convnext_or_modulation_32"
IMAGES = 12_000  # of a period
TAUS = (0.10, 0.50, 0.56, 0.67, 0.76, 0.88, 0.93, 1.0)
SPREAD, NOISE, SLOPE = 0.0196, 0.0107, 0.029  # accuracy; per factor e of FLOPs
KERNELS = {3: 0.010, 5: 0.002, 7: -0.003, 9: 0.001, 11: -0.008}


@dataclass(frozen=True, slots=True)
class MadeUp:
    """One training: accuracy after each period, the last one final."""

    proposal: Proposal
    seed: int
    accuracies: tuple[float, ...]


@cache
def proposals(count: int, seed: int = 0) -> tuple[Proposal, ...]:
    """Different networks, drawn uniformly in log FLOPs."""
    space, rng = Space.load(SPACE), random.Random(seed)
    found: dict[str, Proposal] = {}
    while len(found) < count:
        proposal = space.sample(rng, TASK, Budget(flops=BAND))
        found.setdefault(proposal.arch.key, proposal)
    return tuple(found.values())


def made_up(count: int, seed: int = 0, periods: int = 8, twice: int = 0) -> list[MadeUp]:
    """`count` networks trained once, the first `twice` of them with a second seed as well."""
    drawn = proposals(count, seed)
    rng = np.random.default_rng(seed)
    effects = np.array([_effect(p.arch) for p in drawn])
    effects = (effects - effects.mean()) / effects.std() * math.sqrt(SPREAD**2 - NOISE**2)
    rows = [(i, 0) for i in range(count)] + [(i, 1) for i in range(twice)]
    return [
        MadeUp(drawn[i], again, _curve(drawn[i], effects[i] + rng.normal(0, NOISE), periods, rng)) for i, again in rows
    ]


def _effect(arch: Arch) -> float:
    """What a network's parts are worth at equal FLOPs, before scaling: every part counts, and two of them interact."""
    shares = [stage.depth / arch.depth for stage in arch.stages]
    modulation = sum(s for s, stage in zip(shares, arch.stages, strict=True) if stage.block.name == "modulation")
    kernels = sum(s * KERNELS[getattr(stage.block, "kernel", 5)] for s, stage in zip(shares, arch.stages, strict=True))
    block = arch.stages[0].block
    patch = 0.012 if getattr(arch.stem, "stride", 4) == 2 else 0.0
    norm = 0.008 if getattr(block, "norm", "ln") == "bn" else 0.0
    act = {"gelu": 0.002, "silu": 0.003}.get(str(getattr(block, "act", "")), 0.0)
    depth = 0.002 * (arch.depth - 8) - 0.001 * (arch.depth - 8) ** 2 / 4
    return 0.024 * modulation + kernels + patch * (1 - 0.5 * modulation) + norm + act + depth


def _curve(proposal: Proposal, residual: float, periods: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Ends at the trend of FLOPs plus `residual`; half of the early periods' noise persists, half is of one period."""
    final = 0.555 + SLOPE * math.log(proposal.cost.flops / 9.5e6) + residual
    places = np.linspace(0, len(TAUS) - 1, periods) if periods > 1 else np.array([len(TAUS) - 1])
    rho = np.sin(np.pi / 2 * np.interp(places, range(len(TAUS)), TAUS))  # of a Gaussian pair with that tau
    spread = SPREAD * np.sqrt(1 / rho**2 - 1).clip(max=1.2)
    drift = np.cumsum(rng.normal(0, 1, periods)[::-1])[::-1] / np.sqrt(np.arange(periods, 0, -1))
    noise = (drift + rng.normal(0, 1, periods)) / math.sqrt(2) * spread
    rise = 0.22 * (1 - (np.arange(1, periods + 1) / periods)) ** 1.3
    scale = np.where(rho < 0.3, rho * 1.2, 1.0)  # the first period knows next to nothing of the residual
    trend = final - residual
    return tuple(float(x) for x in np.clip(trend - rise + scale * residual + noise, 0.1, 1))


def make_settings(periods: int = 8, **changes: Any) -> Settings:
    """Of a random-sampler study of the space on a part of CIFAR-10."""
    plain: dict[str, Any] = {
        "name": "made-up", "created": "2026-01-01T00:00:00+00:00", "command": "nas search ...", "space_name": SPACE,
        "space": Space.load(SPACE).to_dict(), "flops_low": BAND.low, "flops_high": BAND.high, "sampler": "random",
        "data": DataCard(
            source="../data/cifar10", name="cifar10", fingerprint="0" * 16, image_size=32, channels=3,
            classes=tuple("0123456789"), train=45_000, validation=5_000, test=10_000,
        ),
        "recipe": Recipe(epochs=periods, train_images=IMAGES).settled(45_000).to_dict(), "seed": 0, "device": "cpu",
        "versions": {"nas": "0.1.0"},
    }  # fmt: skip
    return Settings(**(plain | changes))


def make_table(count: int, seed: int = 0, periods: int = 8, twice: int = 0) -> RecordedTable:
    """A recorded table of made-up trainings."""
    rows = made_up(count, seed, periods, twice)
    made = {"studies": [{"name": "made-up", "seed": 0, "trainings": len(rows)}], "recorded": "today", "machine": "none"}
    return RecordedTable(tuple(map(_recording, rows)), make_settings(periods), made)


def _recording(row: MadeUp) -> Recording:
    arch, cost = row.proposal.arch, row.proposal.cost
    pace = cost.flops / 1e6
    curve = tuple(Period(e, IMAGES * e, 2.3 - 2 * a, a, pace * e) for e, a in enumerate(row.accuracies, 1))
    return Recording(
        key=arch.key, arch=arch.to_dict(), flops=cost.flops, params=cost.params, activations=cost.activations,
        seed=row.seed, log_density=row.proposal.log_density, accuracy=row.accuracies[-1],
        seconds=pace * len(curve), curve=curve,
    )  # fmt: skip
