"""Expected gains are those of the front's hypervolume."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from nas.analysis.pareto import hypervolume, pareto_front
from nas.records.trial import Trial
from nas.samplers.expected_improvement import expected_gain, staircase
from space import Band


def front_of(points: list[tuple[float, float]]) -> list[Trial]:
    return [Trial(number=i, state="complete", accuracy=a, flops=round(f)) for i, (f, a) in enumerate(points)]


@pytest.mark.parametrize("points", [[], [(4e6, 0.5)], [(1e6, 0.4), (1.5e6, 0.5), (3e6, 0.55)]])
def test_the_expected_gain_is_that_of_the_hypervolume(points: list[tuple[float, float]]) -> None:
    """Against the mean over 1500 accuracies of what `nas.analysis.pareto` measures with the network and without."""
    band, rng = Band(1_000_000, 4_000_000), np.random.default_rng(0)
    trials = front_of(points)
    edges, bars = (np.array([p[i] for p in points]) for i in (0, 1))
    for flops, mean, deviation in [(1e6, 0.45, 0.02), (1.2e6, 0.5, 0.1), (2e6, 0.48, 0.03), (3.5e6, 0.52, 0.02)]:
        row = (np.array([math.log(flops)]), np.array([mean]), np.array([deviation]))
        found = expected_gain(*row, np.log(edges), bars, band)[0]
        gains = [
            hypervolume([*trials, Trial(number=99, state="complete", accuracy=a, flops=round(flops))], band)
            - hypervolume(trials, band)
            for a in rng.normal(mean, deviation, 1500)
        ]
        error = float(np.std(gains)) / math.sqrt(len(gains))
        assert found / math.log(4) == pytest.approx(float(np.mean(gains)), abs=4 * error + 1e-9)


def test_the_staircase_is_the_front() -> None:
    rng = random.Random(0)
    points = [(rng.choice([1e6, 1.5e6, 2e6, 3e6, 3.1e6]), round(rng.uniform(0.3, 0.5), 2)) for _ in range(40)]
    places = staircase(np.log([f for f, _ in points]), np.array([a for _, a in points]))
    assert places == [trial.number for trial in pareto_front(front_of(points))]
