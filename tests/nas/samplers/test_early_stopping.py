"""Stopping rules: judged against what costs no more, protected where little is known, deterministic, and few wrong stops."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.records.settings import Stop
from nas.samplers.early_stopping import (
    ETA,
    LEAST,
    NEVER,
    RUNGS,
    Decision,
    MoashaRule,
    NoRule,
    QuantileRule,
    Standing,
    build_rule,
    is_never_stopped,
    place_of_last,
)
from space import InputError
from tests.nas.made_up import BAND, made_up

PERIODS = 8


def standing(number: int, flops: int, curve: list[float]) -> Standing:
    return Standing(number, flops, tuple(curve))


def crowd(count: int = 60, seed: int = 0, flops: float = 1e7) -> list[Standing]:
    """Finished trials within a factor 1.5 of `flops`, final accuracy between .5 and .6, which every period foretells."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        final = rng.uniform(0.5, 0.6)
        curve = [final - 0.02 * (PERIODS - e) + rng.gauss(0, 0.002) for e in range(1, PERIODS)] + [final]
        found.append(standing(number, int(flops * math.exp(rng.uniform(-0.4, 0.4))), curve))
    return found


def partial(final: float, period: int, number: int = 1000, flops: float = 1e7) -> Standing:
    """A trial that has come to `period` on its way to `final`."""
    return standing(number, int(flops), [final - 0.02 * (PERIODS - e) for e in range(1, period + 1)])


def stoppable(seed: int = 0) -> int:
    return next(n for n in range(1000, 2000) if not is_never_stopped(seed, n))


@pytest.mark.parametrize(
    ("periods", "rungs"),
    [(1, ()), (2, (1,)), (3, (1, 2)), (8, (1, 2, 3, 5, 6, 7)), (6, (1, 2, 3, 4, 5)), (10, (1, 3, 4, 6, 7, 9)), (100, (1, 21, 40, 60, 79, 99))],
)  # fmt: skip
def test_rungs_of_the_quantile_rule(periods: int, rungs: tuple[int, ...]) -> None:
    assert build_rule("quantile", periods, 0).rungs == rungs


@given(st.integers(1, 10_000), st.sampled_from(get_args(Stop)))
def test_rungs_rise_and_come_before_the_last_period(periods: int, name: str) -> None:
    rungs = build_rule(name, periods, 0).rungs  # type: ignore[arg-type]
    assert list(rungs) == sorted(set(rungs))
    assert all(1 <= rung < periods for rung in rungs)
    assert len(rungs) <= (RUNGS if name == "quantile" else math.log(periods, ETA) + 1)


def test_rungs_of_moasha_and_none() -> None:
    assert MoashaRule(10).rungs == (1, 3, 9)
    assert MoashaRule(9).rungs == (1, 3)
    assert NoRule().rungs == ()


def test_every_rule_describes_itself_in_a_line() -> None:
    for name in get_args(Stop):
        rule = build_rule(name, PERIODS, 0)
        assert rule.describe(5000).startswith(f"{rule.name}: ")
        assert "\n" not in rule.describe(5000)
    assert "after 5K, 10K, 15K, 25K, 30K, 35K images the trials" in build_rule("quantile", PERIODS, 0).describe(5000)
    short = [build_rule("quantile", 1, 0).describe(5000), build_rule("moasha", 1, 0).describe(5000)]
    assert short == [f"{name}: trainings this short are not judged before their end" for name in ("quantile", "moasha")]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="stop must be one of none, quantile, moasha, got asha; choose one"):
        build_rule("asha", 8, 0)  # type: ignore[arg-type]


def test_a_decision_survives_json() -> None:
    decision = QuantileRule(PERIODS, 0).judge(partial(0.5, 4), 4, crowd())
    assert decision.threshold is not None
    assert Decision(**json.loads(json.dumps(asdict(decision)))) == decision


def test_the_hopeless_is_stopped_and_the_best_is_kept() -> None:
    rule, others, number = QuantileRule(PERIODS, 0), crowd(), stoppable()
    poor = rule.judge(partial(0.48, 4, number), 4, others)
    assert (poor.stop, poor.why, poor.rivals) == (True, "below", 60)
    assert poor.threshold is not None
    assert 0.5 - 0.08 < poor.threshold < 0.6 - 0.08
    best = rule.judge(partial(0.62, 4, number), 4, others)
    assert (best.stop, best.why) == (False, "kept")


@pytest.mark.parametrize("name", get_args(Stop))
@pytest.mark.parametrize("periods", [1, 2, 3, 4, 6, 10, 40])
def test_rivals_may_be_anywhere_in_their_training(name: str, periods: int) -> None:
    """Workers train side by side, so a rung is judged among siblings that have come to any other period."""
    rule, rng = build_rule(name, periods, 0), random.Random(periods)  # type: ignore[arg-type]
    others, decisions = list[Standing](), []
    for number in range(40):
        curve = sorted(rng.random() for _ in range(periods))
        seen = periods if number < 20 else rng.randrange(periods + 1)
        decisions += [
            rule.judge(standing(number, 10_000, curve[:rung]), rung, others) for rung in rule.rungs if rung <= seen
        ]
        others.append(standing(number, rng.randrange(8_000, 12_000), curve[:seen]))
    assert all(0 <= decision.accuracy <= 1 for decision in decisions)
    assert any(decision.rivals >= LEAST for decision in decisions) or not rule.rungs


def test_the_threshold_is_what_decides() -> None:
    rule, others, number = QuantileRule(PERIODS, 0), crowd(), stoppable()
    seen = partial(0.5, 4, number)
    threshold = rule.judge(seen, 4, others).threshold
    assert threshold is not None
    for change, stop in ((-1e-4, True), (1e-4, False)):
        shift = threshold + change - seen.at(4)
        moved = Standing(number, seen.cost, tuple(value + shift for value in seen.accuracies))
        assert rule.judge(moved, 4, others).stop is stop


def test_a_better_network_that_costs_less_counts_however_little_it_costs() -> None:
    """And one that costs more does not: it leaves room on the front below it."""
    rule, others, number = QuantileRule(PERIODS, 0), crowd(), stoppable()
    trial = partial(0.63, 4, number)
    assert not rule.judge(trial, 4, others).stop
    ahead = [0.75 - 0.02 * (PERIODS - e) for e in range(1, PERIODS + 1)]
    for flops, stop in ((10**5, True), (10**9, False)):
        decision = rule.judge(trial, 4, [*others, standing(500, flops, ahead)])
        assert (decision.stop, decision.why) == (stop, "below" if stop else "kept")


@settings(deadline=None, max_examples=30)
@given(st.randoms(use_true_random=False), st.floats(0.4, 0.65), st.sampled_from([2, 5, 7]))
def test_a_decision_does_not_hang_on_the_order_of_others(rng: random.Random, final: float, period: int) -> None:
    others = crowd(30)
    shuffled = others[:]
    rng.shuffle(shuffled)
    for name in ("quantile", "moasha"):
        rule = build_rule(name, PERIODS, 0)
        one, two = (rule.judge(partial(final, period), period, each) for each in (others, shuffled))
        assert (one.stop, one.why, one.rivals) == (two.stop, two.why, two.rivals)
        assert one.threshold == pytest.approx(two.threshold)


def test_a_trial_is_not_its_own_rival() -> None:
    rule, others = QuantileRule(PERIODS, 0), crowd()
    trial = partial(0.5, 4, number=others[0].number)
    assert rule.judge(trial, 4, others) == rule.judge(trial, 4, others[1:])


def test_the_first_trials_are_protected() -> None:
    rule, number = QuantileRule(PERIODS, 0), stoppable()
    assert rule.judge(partial(0.1, 4, number), 4, crowd(LEAST - 1)).why == "sparse"
    assert rule.judge(partial(0.1, 4, number), 4, crowd(60, flops=1e8)).why == "cheapest"  # all are far larger
    assert rule.judge(partial(0.1, 4, number), 4, crowd(60)).stop


def test_the_cheapest_is_on_the_front_whatever_its_accuracy() -> None:
    decision = QuantileRule(PERIODS, 0).judge(partial(0.1, 4, stoppable(), flops=6e6), 4, crowd())
    assert (decision.stop, decision.why) == (False, "cheapest")


def test_identical_rivals_do_not_break_the_forecast() -> None:
    others = [standing(i, 10**7, [0.5] * PERIODS) for i in range(20)]
    for final in (0.1, 0.5, 0.9):
        decision = QuantileRule(PERIODS, 0).judge(partial(final, 4, stoppable()), 4, others)
        assert decision.why in ("kept", "below")


def test_some_are_never_stopped_and_what_would_have_been_is_recorded() -> None:
    protected = next(n for n in range(1000, 2000) if is_never_stopped(7, n))
    rule, others = QuantileRule(PERIODS, 7), crowd()
    decision = rule.judge(partial(0.45, 4, protected), 4, others)
    assert (decision.stop, decision.why) == (False, "protected")
    assert decision.threshold is not None
    assert decision.accuracy < decision.threshold
    share = np.mean([is_never_stopped(7, n) for n in range(5000)])
    assert share == pytest.approx(NEVER, abs=0.015)
    assert [is_never_stopped(7, n) for n in range(99)] != [is_never_stopped(8, n) for n in range(99)]


def test_moasha_spares_the_smallest_however_poor_and_quantile_does_not() -> None:
    others, number = crowd(), stoppable()
    smallest = min(other.cost for other in others)
    moasha, quantile = MoashaRule(PERIODS), QuantileRule(PERIODS, 0)
    poor = partial(0.2, 3, number, flops=smallest - 1)
    assert not moasha.judge(poor, 3, others).stop
    twin = partial(0.2, 3, number, flops=smallest)
    assert quantile.judge(twin, 3, others).stop
    assert moasha.judge(partial(0.2, 3, number), 3, others).stop


def brute_place(points: list[tuple[float, float]]) -> int:
    """How many points come in fronts before the last one's."""
    left, before = dict(enumerate(points)), 0
    while True:
        front = [
            i for i, p in left.items()
            if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in left.values())
        ]  # fmt: skip
        if len(points) - 1 in front:
            return before
        before += len(front)
        left = {i: p for i, p in left.items() if i not in front}


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=25, unique=True))
def test_places_are_those_of_a_non_dominated_sort(points: list[tuple[float, float]]) -> None:
    scaled = [(round(x, 6), round(y, 6)) for x, y in points]
    if len(set(scaled)) < len(scaled):
        return
    before = brute_place(scaled)
    place = place_of_last(np.array(scaled))
    assert place >= before
    assert place < len(scaled)
    places = sorted(place_of_last(np.array(scaled[i:] + scaled[:i])) for i in range(len(scaled)))
    assert places == list(range(len(scaled)))  # every place once


def test_within_a_front_the_most_accurate_comes_first_then_the_farthest() -> None:
    near, best, far = (0.1, 0.9), (0.0, 1.0), (1.0, 0.0)
    for last, place in ((best, 0), (far, 1), (near, 2)):
        others = [point for point in (near, far, best) if point != last]
        assert place_of_last(np.array([*others, last])) == place


def test_wrong_stops_are_few_on_made_up_trainings() -> None:
    """The promise of the rule: its stops cost under 5% of the front. 12 orders of 160 networks."""
    missed = members = 0
    spent = full = 0.0
    for seed in range(12):
        rows = made_up(400, seed=seed % 3)
        random.Random(seed).shuffle(rows)
        rule, others = QuantileRule(PERIODS, seed), list[Standing]()
        for number, row in enumerate(rows[:160]):
            seen = PERIODS
            for rung in rule.rungs:
                trial = standing(number, row.proposal.cost.flops, list(row.accuracies[:rung]))
                if rule.judge(trial, rung, others).stop:
                    seen = rung
                    break
            others.append(standing(number, row.proposal.cost.flops, list(row.accuracies[:seen])))
            spent += seen * row.proposal.cost.flops
            full += PERIODS * row.proposal.cost.flops
        best = 0.0
        for number, row in sorted(enumerate(rows[:160]), key=lambda pair: pair[1].proposal.cost.flops):
            if row.accuracies[-1] > best:
                best = row.accuracies[-1]
                members += 1
                missed += not others[number].reached(PERIODS)
    assert members > 60
    assert missed / members < 0.05
    assert spent / full < 0.68
    assert BAND.low < rows[0].proposal.cost.flops < BAND.high
