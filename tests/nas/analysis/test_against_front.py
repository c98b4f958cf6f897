"""References beside a front: by hand, with noise and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]

from nas.analysis.against_front import against_front, reference_results
from nas.analysis.pareto import score
from nas.analysis.seed_noise import networks
from nas.records.reference import Reference
from nas.records.scores import ClassCounts
from nas.records.trial import Trial
from space import Band, Task

BAND = Band.parse("1M..4M")


def trial(number: int, accuracy: float, flops: int, key: str) -> Trial:
    return Trial(number=number, state="complete", accuracy=accuracy, flops=flops, key=key)


def reference(accuracy: float, flops: int, name: str = "timm:resnet18", index: int = 0) -> Reference:
    return Reference(
        name=name, source=name, origin="timm", scale=None, built="as it is", task=Task(8, 1, 10), flops=flops,
        products=0, params=1000, index=index, seed=index, counts=ClassCounts((1000 * accuracy,), (1000,)), seconds=1.0,
        device="cpu", versions={},
    )  # fmt: skip


ONCE = [trial(0, 0.80, 1_000_000, "a"), trial(1, 0.85, 2_000_000, "b"), trial(2, 0.84, 2_500_000, "c"),
        trial(3, 0.90, 4_000_000, "d")]  # fmt: skip
# six further seeds of two networks: a standard deviation of 1 point
REPEATED = [*ONCE, *(trial(4 + i, 0.80 + d, 1_000_000, "a") for i, d in enumerate((0.01, -0.01, 0.0))),
            *(trial(7 + i, 0.90 + d, 4_000_000, "d") for i, d in enumerate((0.01, -0.01, 0.0)))]  # fmt: skip


def test_the_best_of_the_front_at_no_more_flops_by_hand() -> None:
    found = networks(ONCE)
    results = reference_results([reference(0.83, 3_000_000), reference(0.5, 900_000, "x")], found, BAND)
    assert [(r.reference.name, r.inside, r.seeds) for r in results] == [("x", False, 1), ("timm:resnet18", True, 1)]
    assert against_front(results[0], found, 2) is None, "all of the front have more"
    apart = against_front(results[1], found, 2)
    assert apart is not None
    assert apart.row.trial.number == 1
    assert apart.points == pytest.approx(0.02)
    assert apart.share == pytest.approx(2 / 3)
    assert apart.words == "+2.0 points at 67% of its FLOPs, noise unknown"
    assert apart.told is None
    same = against_front(replace(results[1], reference=reference(0.91, 4_000_000)), found, 2)
    assert same is not None
    assert same.words == "-1.0 points at 100% of its FLOPs, noise unknown"


def test_seeds_are_one_point_at_their_mean() -> None:
    seeds = [reference(0.82, 3_000_000), reference(0.86, 3_000_000, index=1)]
    lost = replace(reference(0, 3_000_000, index=2), counts=None, reason="loss became nan")
    (result,) = reference_results([*seeds, lost], networks(REPEATED), BAND)
    assert result.score == pytest.approx(0.84)
    assert result.seeds == 2
    sd = (4 * 0.01**2 / 6) ** 0.5
    assert result.half == pytest.approx(scipy.stats.t.ppf(0.975, 6) * sd / 2**0.5)
    (none,) = reference_results([lost], networks(REPEATED), BAND)
    assert (none.score, none.seeds, none.half) == (None, 0, None)
    assert against_front(none, networks(REPEATED), 1) is None


def test_told_apart_by_what_is_expected_and_for_all_references_together() -> None:
    found = networks(REPEATED)
    row = found.of(REPEATED[3])
    assert row is not None
    assert row.expected is not None
    sd = (4 * 0.01**2 / 6) ** 0.5
    for statements in (1, 20):
        width = scipy.stats.t.ppf(1 - 0.025 / statements, 6) * sd * (1 / 4 + 1) ** 0.5
        for gap, told in ((0.9 * width, False), (1.1 * width, True)):
            (result,) = reference_results([reference(row.expected - gap, 4_000_000)], found, BAND)
            apart = against_front(result, found, statements)
            assert apart is not None
            assert apart.told is told
            assert apart.words.endswith("FLOPs" if told else "FLOPs, within noise")
            assert apart.points == pytest.approx(gap), "what is printed is what is tested"
            assert "points expected at 100% of its FLOPs" in apart.words


def test_a_lucky_front_is_not_said_to_lead_a_better_reference() -> None:
    """200 networks of 80%, with a noise of 2 points: the highest of them have some 85%, and 84% is better than all."""
    said = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        costs = np.exp(rng.uniform(np.log(1e6), np.log(4e6), 200)).astype(int)
        trials = [trial(i, rng.normal(0.80, 0.02), int(cost), str(i)) for i, cost in enumerate(costs)]
        trials += [trial(200 + i, rng.normal(0.80, 0.02), int(costs[i % 10]), str(i % 10)) for i in range(20)]
        found = networks(trials)
        (result,) = reference_results([reference(0.84, 4_000_000, index=i) for i in range(20)], found, BAND)
        apart = against_front(result, found, 1)
        assert apart is not None
        said.append((score(apart.row.trial) > 0.84, apart.points < 0))
    assert sum(lucky for lucky, _ in said) > 5
    assert all(below for _, below in said)


def test_they_are_no_part_of_the_front_or_its_noise() -> None:
    found = networks(REPEATED)
    reference_results([reference(0.99, 1_000_000, index=i) for i in range(5)], found, BAND)
    assert networks(REPEATED) == found
