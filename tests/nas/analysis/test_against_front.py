"""References beside a front: by hand, with noise and without."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]

from nas.analysis.against_front import against_front, ahead, ahead_words, reference_results
from nas.analysis.cost_axes import FLOPS, PARAMETERS
from nas.analysis.pareto import flops, merged, pareto_front, score
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


def test_what_another_study_is_ahead_of_by_brute_force() -> None:
    rng = random.Random(0)
    for _ in range(50):
        mine, others = (
            [trial(i, rng.randint(50, 70) / 100, rng.randint(1, 30) * 100_000, f"{who}{rng.randint(0, 15)}") for i in range(12)]
            for who in "ab"
        )  # fmt: skip
        front, rivals = pareto_front(mine), merged(others)
        wanted = {
            member.number: max(score(other) for other in rivals if flops(other) <= flops(member))
            for member in front
            if any(flops(other) <= flops(member) and score(other) > score(member) for other in rivals)
        }
        found = ahead(front, others)
        assert {member.number: score(rival) for member, rival in found} == wanted
        assert [member for member in front if member.number in wanted] == [member for member, _ in found]


def test_who_is_ahead_in_words() -> None:
    front = pareto_front(ONCE)
    assert ahead_words(ahead(front, front), len(front), "Random search", FLOPS) == "", "an equal is not ahead"
    assert ahead(front, []) == []
    lead = trial(7, 0.87, 2_000_000, "r")
    assert ahead_words(ahead(front, [lead]), len(front), "Random search", FLOPS) == (
        "Random search is ahead of 1 of 3 networks of the front, at 2M FLOPs: no dearer and more accurate, by up to 2.0 "
        "points, its trial 7 (87.00% at 2M) against trial 1 (85.00% at 2M). One run each: seeds may tell otherwise."
    )
    both = ahead_words(ahead(front, [replace(lead, flops=900_000)]), len(front), "Random search", FLOPS)
    assert "ahead of 2 of 3 networks of the front, from 1M to 2M FLOPs" in both
    assert "by up to 7.0 points, its trial 7 (87.00% at 900K) against trial 0" in both


def test_ahead_over_another_cost() -> None:
    member, rival = replace(ONCE[1], params=5000), replace(trial(7, 0.87, 9_000_000, "r"), params=4000)
    assert ahead([member], [rival]) == [], "it has more FLOPs"
    assert ahead([member], [rival], PARAMETERS.of) == [(member, rival)]
    assert ahead([member], [replace(rival, params=None)], PARAMETERS.of) == []
