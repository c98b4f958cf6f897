"""Effects of steps against accuracies that were made from known ones, and how often an interval is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from nas.analysis.step_effects import GREEDY, OrderOf, StepAnswers
from nas.analysis.step_model import Estimate
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import Arch
from space.factorial import Row, along
from space.steps import Steps
from tests.nas.made_up import make_settings

LOW, HIGH = 1_900_000, 2_100_000


def network(**changes: Any) -> Arch:
    stage = {"depth": 1, "kernel": 3, "norm": "bn", "act": "relu", "layer_scale": None, "expansion": 2}
    stages = [{**stage, "width": 16 * 2**i, **changes} for i in range(2)]
    return Arch.from_dict({"stem": {"stride": changes.pop("stride", 2)}, "stages": stages})


FIRST = network()
LAST = network(kernel=7, norm="ln", act="gelu", grn=True, bias=False)


def study(design: str = "full", first: Arch = FIRST, last: Arch = LAST) -> tuple[Steps, Settings]:
    steps = Steps.between(first, last, design, image_size=32)
    settings = make_settings(
        sampler="design", space=steps.to_dict(), space_name=steps.name, flops_low=LOW, flops_high=HIGH
    )
    return steps, settings


def trials(
    steps: Steps,
    settings: Settings,
    accuracy: Callable[[Row], float],
    seeds: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> list[Trial]:
    """A study in which each set of steps has this accuracy."""
    rng = np.random.default_rng(seed)
    found: list[Trial] = []
    for again in range(seeds):
        for i, row in enumerate(steps.rows):
            drawn = steps.network(row, settings.task, settings.budget)
            found.append(Trial(
                number=len(found), state="complete", accuracy=float(accuracy(row) + rng.normal(0, noise)),
                flops=drawn.cost.flops, key=drawn.arch.key, repeat_of=i if again else None,
            ))  # fmt: skip
    return found


def additive(row: Row) -> float:
    """Steps worth 1, 2, ... points; the first two together lose 3."""
    return 0.5 + sum(0.01 * (i + 1) * taken for i, taken in enumerate(row)) - 0.03 * (row[0] and row[1])


@pytest.mark.parametrize("design", ["full", "fraction"])
def test_known_effects_come_back(design: str) -> None:
    steps, settings = study(design)
    answers = StepAnswers(steps, settings, trials(steps, settings, additive, seeds=2, noise=1e-6))
    assert answers.ready
    gains = [100 * step.gain.value for step in answers.effects]
    assert gains == pytest.approx([1 - 1.5, 2 - 1.5, 3, 4, 5], abs=0.01)
    pair = answers.interactions[0]
    assert {pair.first, pair.second} == {answers.names[0], answers.names[1]}
    assert 100 * pair.change.value == pytest.approx(-3, abs=0.01)
    assert all(abs(each.change.value) < 1e-4 for each in answers.interactions[1:])
    first = answers.effects[0]
    assert 100 * first.on_path == pytest.approx(1, abs=0.01)
    assert first.helps == 0.5
    assert 100 * first.shapley == pytest.approx(-0.5, abs=0.01)


def test_networks_that_failed_are_told_with_what_they_share() -> None:
    steps, settings = study()
    found = trials(steps, settings, additive)
    assert StepAnswers(steps, settings, found).failures_line() == ""
    lost = [row for row in steps.rows if row[0] and not row[3]]
    failed = [replace(t, state="failed", accuracy=None) if steps.rows[t.number] in lost else t for t in found]
    answers = StepAnswers(steps, settings, failed)
    assert sorted(answers.failed) == sorted(lost)
    assert len(answers.model.networks) == 24
    name, other = answers.names[0], answers.names[3]
    assert answers.failures_line() == (
        f"failed to train, in none of these numbers: 8 of the design's networks, all of them with {name}, "
        f"without {other}; "
        f"why: nas trials {settings.name}"
    )
    again = [*failed, replace(found[0], number=99, repeat_of=0), replace(found[1], number=100, repeat_of=1)]
    assert len(StepAnswers(steps, settings, again).failed) == len({*lost} - {*steps.rows[:2]})


def test_shapley_values_of_all_sets_are_means_over_all_orders() -> None:
    """Also where three steps do something together, which the model of pairs does not have."""
    steps, settings = study()

    def accuracy(row: Row) -> float:
        return additive(row) + 0.02 * (row[1] and row[2] and row[4])

    answers = StepAnswers(steps, settings, trials(steps, settings, accuracy))
    assert answers.ready
    for i, step in enumerate(answers.effects):
        gains = []
        for order in permutations(range(5)):
            path = along(order)
            gains.append(accuracy(path[order.index(i) + 1]) - accuracy(path[order.index(i)]))
        assert step.shapley == pytest.approx(np.mean(gains), abs=1e-9)
        assert step.gain.value == pytest.approx(step.contexts.mean(), abs=1e-9)


def test_an_order_is_compared_with_all_orders() -> None:
    steps, settings = study()
    answers = StepAnswers(steps, settings, trials(steps, settings, additive, seeds=2, noise=1e-7))
    every = {
        order: np.mean([additive(row) for row in along(order)]) for order in permutations(range(5))
    }  # fmt: skip
    best = max(every, key=lambda order: every[order])
    for order in (tuple(range(5)), best):
        found = answers.order(order)
        assert found.advantage.value == pytest.approx(every[order] - np.mean(list(every.values())), abs=1e-5)
        assert found.above == pytest.approx(np.mean([every[order] > each for each in every.values()]), abs=0.04)
        assert found.accuracies == pytest.approx([additive(row) for row in along(order)], abs=1e-5)


def test_a_share_of_orders_is_said_where_it_says_something() -> None:
    half = OrderOf(names=("a", "b"), accuracies=np.zeros(3), advantage=Estimate(0.01, None), above=0.5, chosen=False)
    for above, end in (
        (0.0, "order"),
        (0.5, "order, above 50% of orders"),
        (0.999, "nearly all orders"),
    ):
        assert f"{end}; " in replace(half, above=above).sentence
    sure = replace(half, advantage=Estimate(0.01, 0.002)).sentence
    assert "1.00 ± 0.20 points (95%) more accurate" in sure


def test_an_order_that_these_accuracies_chose_is_told_from_nothing() -> None:
    """Of pure noise, the one that takes the largest gain first lies far above random orders."""
    steps, settings = study()
    answers = StepAnswers(steps, settings, trials(steps, settings, lambda row: 0.5, seeds=2, noise=0.01))
    order = answers.known_orders()[GREEDY]
    assert answers.order(order).advantage.value > 0.001
    found = answers.order(order, chosen=True)
    assert not found.advantage.told
    assert found.sentence.endswith("it was chosen by these accuracies, so that nothing is told of it")


def test_the_order_that_was_asked_for_is_the_one_that_is_told() -> None:
    steps = Steps.between(FIRST, LAST, "full", [["bias", "grn", "act", "norm", "kernel"]], image_size=32)
    settings = study()[1]
    answers = StepAnswers(steps, settings, trials(steps, settings, additive, seeds=2, noise=1e-6))
    assert answers.order().names == ("bias", "grn", "act", "norm", "kernel")
    assert next(iter(answers.known_orders())) == "bias, grn, act, norm, kernel"


def test_shapley_values_of_more_steps_than_can_be_listed_are_mean_gains() -> None:
    """Of 14 steps, whose contexts are drawn at random."""
    changes = {
        "kernel": 7, "norm": "ln", "act": "gelu", "grn": True, "bias": False, "expansion": 3, "norm_after": "2",
        "act_after": "1",
    }  # fmt: skip
    first, last = network(block="depthwise_first"), network(block="depthwise_first", **changes)
    steps, settings = study("fraction", first, last)
    answers = StepAnswers(steps, settings, trials(steps, settings, lambda row: 0.5 + 0.01 * row[2], noise=1e-6))
    assert answers.ready
    assert [step.shapley for step in answers.effects] == [step.gain.value for step in answers.effects]


def test_what_a_design_needs_is_said() -> None:
    steps, settings = study()
    assert "need 20 networks" in StepAnswers(steps, settings, []).needed
    small = Steps.between(FIRST, network(kernel=7, norm="ln"), "full", image_size=32)
    assert "need all 4 networks and 4 further seeds of any" in StepAnswers(small, settings, []).needed
    four = trials(small, settings, lambda row: 0.5, seeds=2, noise=0.01)
    assert not StepAnswers(small, settings, four[:7]).ready
    assert StepAnswers(small, settings, four).ready


def test_intervals_hold_together_in_95_percent_of_studies_of_pure_noise() -> None:
    """Of the model's error: 32 networks, 16 numbers."""
    first, last = network(), network(kernel=7, norm="ln", act="gelu", grn=True, bias=False, expansion=3)
    steps, settings = study("fraction", first, last)
    assert len(steps.rows) == 32
    wrong = 0
    template = StepAnswers(steps, settings, trials(steps, settings, lambda row: 0.5))
    assert template.ready
    for seed in range(80):
        answers = StepAnswers(steps, settings, trials(steps, settings, lambda row: 0.5, noise=0.01, seed=seed))
        wrong += any(step.gain.told for step in answers.effects) or any(p.change.told for p in answers.interactions)
    assert wrong <= 11  # 4 are expected; more than 11 by a chance of 1 in 1,000


def test_an_effect_well_above_the_noise_is_told_and_no_other() -> None:
    steps, settings = study()
    noisy = trials(steps, settings, lambda row: 0.5 + 0.03 * row[0], noise=0.004)
    answers = StepAnswers(steps, settings, noisy)
    assert [step.gain.told for step in answers.effects] == [True, False, False, False, False]


def test_too_few_networks_give_no_answers() -> None:
    steps, settings = study()
    some = trials(steps, settings, additive)[:12]
    answers = StepAnswers(steps, settings, some)
    assert not answers.ready
    assert not StepAnswers(steps, settings, []).ready
    assert answers.seed_line() == "12 trainings of 12 networks"


def test_sets_that_give_one_network_share_its_accuracy() -> None:
    steps, settings = study(last=network(act="gelu", act_after="none", kernel=5))
    assert len(steps.rows) < len(steps.design.rows)
    answers = StepAnswers(steps, settings, trials(steps, settings, lambda row: 0.5, seeds=2, noise=0.01))
    assert len(answers.trained) == len(steps.design.rows)
    assert len(answers.model.networks) == len(steps.rows)
