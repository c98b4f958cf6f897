"""How much a network is expected to raise a front's hypervolume (accuracy against log FLOPs)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr  # type: ignore[import-untyped]

from nas.samplers.bayesian_ridge import Floats
from space import Band


def staircase(log_flops: Floats, accuracy: Floats) -> list[int]:
    """Places of the front's members by rising FLOPs: each is more accurate than all that cost no more."""
    front: list[int] = []
    for i in np.lexsort((-accuracy, log_flops)):
        if not front or accuracy[i] > accuracy[front[-1]]:
            front.append(int(i))
    return front


def expected_gain(
    log_flops: Floats, mean: Floats, deviation: Floats, edges: Floats, bars: Floats, band: Band
) -> Floats:
    """(n,) by how much each of n networks is expected to raise the front's hypervolume (accuracy x log FLOPs).

    Accuracies are normal with `mean` and `deviation`, all (n,); the front steps up to `bars` at `edges`, both (m,), and
    is 0 before. As FLOPs are certain, the expected hypervolume improvement (arXiv 1904.12672 for two uncertain
    objectives) is a sum over the steps: width right of the network x expected improvement over the step.
    """
    starts = np.concatenate([[math.log(band.low)], edges])
    ends = np.concatenate([edges, [math.log(band.high)]])
    widths = (ends - np.maximum(starts, log_flops[:, None])).clip(0)  # (n, m + 1)
    scores = (mean[:, None] - np.concatenate([[0.0], bars])) / deviation[:, None]
    density = np.exp(-(scores**2) / 2) / math.sqrt(2 * math.pi)
    improvement = deviation[:, None] * (scores * ndtr(scores) + density)
    found: Floats = (widths * improvement).sum(axis=1)
    return found
