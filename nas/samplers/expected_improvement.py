"""How much a network is expected to raise a front's hypervolume (accuracy against log cost), or to save."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr, ndtr  # type: ignore[import-untyped]

from nas.samplers.bayesian_ridge import Floats
from space import Band


def staircase(log_cost: Floats, accuracy: Floats) -> list[int]:
    """Places of the front's members by rising cost: each is more accurate than all that cost no more."""
    front: list[int] = []
    for i in np.lexsort((-accuracy, log_cost)):
        if not front or accuracy[i] > accuracy[front[-1]]:
            front.append(int(i))
    return front


def expected_gain(log_cost: Floats, mean: Floats, deviation: Floats, edges: Floats, bars: Floats, band: Band) -> Floats:
    """(n,) by how much each of n networks is expected to raise the front's hypervolume (accuracy x log cost).

    Accuracies are normal with `mean` and `deviation`, all (n,); the front steps up to `bars` at `edges`, both (m,), and
    is 0 before. As costs are certain, the expected hypervolume improvement (arXiv 1904.12672 for two uncertain
    objectives) is a sum over the steps: width right of the network x expected improvement over the step.
    """
    starts = np.concatenate([[math.log(band.low)], edges])
    ends = np.concatenate([edges, [math.log(band.high)]])
    widths = (ends - np.maximum(starts, log_cost[:, None])).clip(0)  # (n, m + 1)
    scores = (mean[:, None] - np.concatenate([[0.0], bars])) / deviation[:, None]
    density = np.exp(-(scores**2) / 2) / math.sqrt(2 * math.pi)
    improvement = deviation[:, None] * (scores * ndtr(scores) + density)
    found: Floats = (widths * improvement).sum(axis=1)
    return found


def expected_saving(log_cost: Floats, mean: Floats, deviation: Floats, least: float, log_limit: float) -> Floats:
    """(n,) how much cheaper than a limit, in log, each of n networks is expected to be with an accuracy of at least
    `least`: the probability that it has it, times what it saves (constrained expected improvement, Gardner et al.
    2014, with a cost that is certain). Relative to the likeliest, as probabilities may be below what a float holds.
    """
    likely = log_ndtr((mean - least) / deviation)
    found: Floats = np.exp(likely - likely.max(initial=-math.inf)) * (log_limit - log_cost).clip(0)
    return found
