"""Features: a network as numbers, for models that forecast accuracy. Serves any part with any options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space import Arch, Cost
from space.blocks import Block

Floats = NDArray[np.float64]
LIMIT = 4  # standard deviations; what lies farther out is taken to lie there: no far extrapolation


def network_features(arch: Arch, cost: Cost) -> dict[str, float]:
    """Named features of a network; some 20 us.

    Numbers are means over blocks and values by stage; words are the share of blocks that have them, and 0 or 1 by
    stage; counts and widths are logarithms.
    """
    depth, stages = arch.depth, arch.stages
    found = {
        "flops": math.log(cost.flops), "params": math.log(cost.params), "activations": math.log(cost.activations),
        "stages": float(len(stages)), "depth": float(depth), "drop_path": arch.drop_path,
        "first width": math.log(stages[0].width), "last width": math.log(stages[-1].width),
        **_part("stem", arch.stem), **_part("head", arch.head),
    }  # fmt: skip
    for i, stage in enumerate(stages, 1):
        share = stage.depth / depth
        found[f"share.{i}"] = share
        for name, here, number in _stage(i, stage.block, stage.downsample):
            found[name] = found.get(name, 0.0) + number * share
            found[here] = number
    return found


@lru_cache(2**12)
def _part(kind: str, part: Any) -> dict[str, float]:
    """Of a stem or head."""
    plain = {"kind": part.name, **part.to_dict()}
    return dict(_numeric(f"{kind}.{option}", value) for option, value in plain.items())


@lru_cache(2**14)
def _stage(place: int, block: Block, downsample: str) -> tuple[tuple[str, str, float], ...]:
    """(feature, feature of the stage at this place, number) of a stage's block and downsampling."""
    plain = {"block": block.name, "downsample": downsample, **block.to_dict()}
    pairs = (_numeric(option, value) for option, value in plain.items())
    return tuple((name, f"{name}.{place}", number) for name, number in pairs)


def _numeric(name: str, value: Any) -> tuple[str, float]:
    """A number stands for itself; a word or a flag is a feature of its own."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return name, float(value)
    return f"{name}={value}", 1.0


@dataclass(frozen=True)
class Features:
    """Features as standardised numbers. What a network does not have (a word, a fourth stage) is 0 before that."""

    names: tuple[str, ...]
    means: Floats
    deviations: Floats

    @staticmethod
    def of(described: Sequence[Mapping[str, float]]) -> Features:
        """Those that vary."""
        names = sorted({name for each in described for name in each})
        raw = np.array([[each.get(name, 0.0) for name in names] for each in described])
        varies = raw.std(axis=0) > 1e-9
        kept = tuple(name for name, keep in zip(names, varies, strict=True) if keep)
        return Features(kept, raw[:, varies].mean(axis=0), raw[:, varies].std(axis=0))

    def matrix(self, described: Sequence[Mapping[str, float]]) -> Floats:
        """(networks, features)"""
        raw = np.array([[each.get(name, 0.0) for name in self.names] for each in described])
        raw = raw.reshape(len(described), len(self.names))
        found: Floats = ((raw - self.means) / self.deviations).clip(-LIMIT, LIMIT)
        return found
