"""A design's networks come once each, also when workers ask at once; further seeds come in turn."""

from __future__ import annotations

import optuna
import pytest

from nas.records.trial import Trial
from nas.samplers.design import DesignSampler, next_in_turn
from nas.samplers.parameters import TrialChooser
from space.factorial import Row
from tests.nas.analysis.test_step_effects import study


@pytest.fixture
def asked() -> tuple[optuna.Study, DesignSampler]:
    _, settings = study()
    sampler = DesignSampler(settings)
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler), sampler


def draw(study: optuna.Study, sampler: DesignSampler) -> Row:
    """What a new trial takes."""
    trial = study.ask()
    chooser = TrialChooser(trial)
    for name, axis in sampler.steps.axes.items():
        chooser.choice(name, axis)
    return sampler.steps.taken(trial.params)


def test_each_network_comes_once_in_the_order_of_the_design(asked: tuple[optuna.Study, DesignSampler]) -> None:
    optuna_study, sampler = asked
    rows = [draw(optuna_study, sampler) for _ in sampler.steps.rows]
    assert tuple(rows) == sampler.steps.rows
    assert draw(optuna_study, sampler) == rows[-1], "nothing new is left"


def test_those_that_begin_at_once_take_different_networks(asked: tuple[optuna.Study, DesignSampler]) -> None:
    optuna_study, sampler = asked
    others = [optuna_study.ask() for _ in range(3)]  # which have no parameters yet
    assert draw(optuna_study, sampler) == sampler.steps.rows[3]
    for trial in others:
        optuna_study.tell(trial, state=optuna.trial.TrialState.FAIL)  # their workers died
    rows = {draw(optuna_study, sampler) for _ in sampler.steps.rows[1:]}
    assert rows == {*sampler.steps.rows} - {sampler.steps.rows[3]}


def trained(number: int, repeat_of: int | None = None, state: str = "complete") -> Trial:
    return Trial(number=number, state=state, accuracy=0.5, flops=1, repeat_of=repeat_of)  # type: ignore[arg-type]


def test_further_seeds_go_to_the_network_that_has_fewest() -> None:
    known = [trained(0), trained(1, state="failed"), trained(2)]
    assert next_in_turn(known, 5) == 0
    known.append(trained(3, repeat_of=0, state="running"))
    assert next_in_turn(known, 5) == 2
    known.append(trained(4, repeat_of=2, state="interrupted"))
    assert next_in_turn(known, 5) == 2, "one that came to nothing does not count"
    known += [trained(5, repeat_of=2), trained(6, repeat_of=0)]
    assert next_in_turn(known, 5) == 2
    assert next_in_turn(known, 3) is None
    assert next_in_turn([], 3) is None
