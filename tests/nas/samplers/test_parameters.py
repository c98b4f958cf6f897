"""Proposing: a trial and a queue of recorded choices build the same network; samplers are those of the settings."""

from __future__ import annotations

import math
import random
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas.records.settings import Settings
from nas.samplers.build import build_sampler
from nas.samplers.parameters import RecordingChooser, TrialChooser, unseen_params
from space import Arch, Band, Budget, Space, Task, cost
from space.axes import Axis, Value
from space.chooser import RandomChooser
from space.draw import Proposal
from tests.dashboard.studies import make_settings

CIFAR = "convnext_or_modulation_32"
TASKS = {
    "digits": (Task(8, 1, 10), Budget(flops=Band.parse("1M..4M"))),
    CIFAR: (Task(32, 3, 10), Budget(flops=Band.parse("5M..40M"), params=Band.parse("50K..2M"))),
    "roadmap_32": (Task(32, 3, 10), Budget(flops=Band.parse("20M..40M"))),
}
MIXED: dict[str, Any] = {
    "image_size": 8,
    "axes": {
        "stages": [1, 2], "depth": {"low": 2, "high": 6, "step": 2}, "width": {"each_stage": [8, 12, 20]},
        "expansion": {"each_stage": [1, 2.5, 4]}, "layer_scale": [None, 0.1], "kernel": [3, 5, 7], "stem.stride": [1, 2],
    },
}  # fmt: skip
DEEP: dict[str, Any] = {
    "image_size": 8,
    "axes": {"stages": [2], "depth": {"low": 2, "high": 9}, "width": [16], "stem.stride": [2], "kernel": [3, 5]},
}
SMALL: dict[str, Any] = {
    "image_size": 8,
    "axes": {
        "stages": [1, 2], "ratio": ["1", "1-1", "1-2"], "depth": {"low": 2, "high": 6}, "width": [8, 16, 28, 40],
        "growth": [1.0, 1.5, 2.5], "kernel": [3, 5], "stem.stride": [2], "layer_scale": [None],
    },
}  # fmt: skip
FREE: dict[str, Any] = {
    "image_size": 8,
    "axes": {
        "stages": [2], "depth": {"low": 2, "high": 6, "step": 2}, "width": {"each_stage": [8, 12, 20]}, "stem.stride": [2],
    },
}  # fmt: skip
OWN = {"mixed": MIXED, "deep": DEEP, "small": SMALL, "free": FREE}
OWN_TASK = Task(8, 3, 5), Budget(flops=Band.parse("50K..400K"))


def load(name: str) -> Space:
    return Space.from_dict(OWN[name], name, f"{name}.yaml") if name in OWN else Space.load(name)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def in_memory(sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


@pytest.mark.parametrize("name", ["digits", CIFAR, "roadmap_32", "mixed", "deep", "small"])
@pytest.mark.parametrize("with_budget", [True, False])
def test_recorded_choices_reproduce_the_network(name: str, with_budget: bool) -> None:
    space, (task, budget) = load(name), TASKS.get(name, OWN_TASK)
    study, rng = in_memory(RandomSampler(seed=3)), random.Random(0)
    for _ in range(15):
        recorder = RecordingChooser(RandomChooser(rng))
        expected = space.compose(recorder, task, budget if with_budget else None)
        study.enqueue_trial(recorder.params)
        trial = study.ask()
        again = space.compose(TrialChooser(trial), task, budget if with_budget else None)
        assert (again.arch, again.cost, again.inside) == (expected.arch, expected.cost, expected.inside)
        assert (again.log_density, expected.log_density is None) == (None, False)
        assert trial.params == recorder.params
        assert trial.distributions == recorder.distributions


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
@pytest.mark.parametrize("name", ["digits", CIFAR, "roadmap_32"])
def test_a_sampler_s_networks_are_in_the_budget_and_the_space(name: str, sampler: str) -> None:
    """In the budget wherever any size is: told to prefer small ones, a sampler that learns stays in it too."""
    space, (task, budget) = load(name), TASKS[name]
    study, proposals = in_memory(build_sampler(make_settings("mine", sampler=sampler), 0)), []
    for _ in range(40):
        trial = study.ask()
        proposal = space.compose(TrialChooser(trial), task, budget)
        proposals.append(proposal)
        study.tell(trial, [-float(proposal.cost.params), float(proposal.cost.flops)])
    assert all(p.arch in space and p.cost == cost(p.arch, task) for p in proposals)
    assert all(p.inside == budget.holds((p.cost.flops, p.cost.params, p.cost.activations)) for p in proposals)
    assert sum(p.inside for p in proposals) >= 36
    assert len({p.arch.key for p in proposals}) > 30


def kinds_of(space: Space, task: Task, budget: Budget) -> dict[str, str]:
    study, kinds = in_memory(RandomSampler(seed=0)), dict[str, str]()
    for _ in range(30):
        trial = study.ask()
        space.compose(TrialChooser(trial), task, budget)
        kinds |= {name: type(kind).__name__ for name, kind in trial.distributions.items()}
    return kinds


def test_even_rows_are_quantities_and_the_rest_categories() -> None:
    kinds = kinds_of(Space.load("digits"), *TASKS["digits"])
    assert kinds["depth"] == kinds["kernel.1"] == "IntDistribution"
    assert kinds["flops"] == "FloatDistribution"
    names = ("ratio.3", "block.2", "norm", "growth", "stages", "stem.stride")
    assert {kinds[name] for name in names} == {"CategoricalDistribution"}
    assert "layer_scale" not in kinds, "where there is no choice there is no parameter"


def test_what_the_budget_settles_is_no_parameter() -> None:
    assert "width" not in kinds_of(load(CIFAR), *TASKS[CIFAR])
    deep = kinds_of(load("deep"), *OWN_TASK)
    assert set(deep) == {"kernel", "flops"}, "at a single width and ratio the depth is settled"
    assert {"width.1", "width.2", "depth", "flops"} <= set(kinds_of(load("mixed"), *OWN_TASK))
    assert set(kinds_of(load("deep"), OWN_TASK[0], Budget(params=Band(1, 10**9)))) == {"kernel", "params"}


@dataclass(slots=True)
class Noting(TrialChooser):
    """Remembers what was chosen, as a trial's parameters do not: they hold what was asked for."""

    chosen: dict[str, Value] = field(default_factory=dict)

    def choice(self, name: str, axis: Axis) -> Value:
        self.chosen[name] = TrialChooser.choice(self, name, axis)
        return self.chosen[name]

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        place = TrialChooser.choice_within(self, name, axis, allowed)
        if name != "depth":  # another may land; the network tells
            self.chosen[name] = allowed[place]
        return place


@pytest.mark.parametrize(("name", "band"), [("small", "60K..70K"), ("deep", "100K..200K"), ("free", "50K..90K")])
def test_the_density_of_the_random_sampler_is_that_of_its_draws(name: str, band: str) -> None:
    space, task, budget, n = load(name), OWN_TASK[0], Budget(flops=Band.parse(band)), 2500
    study, counted, density = in_memory(RandomSampler(seed=0)), Counter[str](), dict[str, float]()
    for _ in range(n):
        chooser = Noting(study.ask(), 0.0)
        proposal: Proposal = space.compose(chooser, task, budget)
        if proposal.inside:
            setting = repr((sorted(chooser.chosen.items()), proposal.arch))
            assert proposal.log_density is not None
            assert math.isclose(density.setdefault(setting, proposal.log_density), proposal.log_density)
            counted[setting] += 1
    landed = sum(counted.values()) / n
    expected = {setting: n * math.exp(log_density) for setting, log_density in density.items()}
    chi_square = sum((counted[setting] - value) ** 2 / value for setting, value in expected.items())
    assert abs(sum(expected.values()) / n - landed) < 4 * (landed * (1 - landed) / n) ** 0.5 + 0.01
    assert abs(chi_square - len(expected)) < 4 * (2 * len(expected)) ** 0.5


@pytest.mark.parametrize(("name", "kind"), [("tpe", TPESampler), ("nsga2", NSGAIISampler), ("random", RandomSampler)])
def test_the_sampler_is_the_one_of_the_settings(name: str, kind: type[BaseSampler]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert type(build_sampler(make_settings("mine", sampler=name), 0)) is kind


def first_network(settings: Settings, trials: int) -> Arch:
    study = in_memory(build_sampler(settings, trials))
    return Space.load("digits").compose(TrialChooser(study.ask()), settings.task, settings.budget).arch


def test_the_seed_moves_on_with_the_trials() -> None:
    settings = make_settings("mine", sampler="random")
    assert first_network(settings, 0) == first_network(settings, 0)
    assert first_network(settings, 0) != first_network(settings, 5), "a resumed study must not repeat its draws"
    assert first_network(settings, 0) != first_network(make_settings("mine", sampler="random", seed=1), 0)


def test_unseen_params_are_of_a_network_that_was_not_seen() -> None:
    axes = {"stages": [1], "depth": [2, 3], "width": [8, 16], "stem.stride": [2], "kernel": [3, 5]}
    space = Space.from_dict({"image_size": 8, "axes": axes}, "few", "few.yaml")
    settings = make_settings("mine", flops_low=1, flops_high=10**9)
    study, seen = in_memory(RandomSampler(seed=0)), set[str]()
    for seed in range(8):  # two depths, two widths, two kernels
        params = unseen_params(space, settings, seen, seed)
        assert params is not None
        study.enqueue_trial(params)
        key = space.compose(TrialChooser(study.ask()), settings.task, settings.budget).arch.key
        assert key not in seen
        seen.add(key)
    assert unseen_params(space, settings, seen, 8) is None


def test_unseen_params_keep_to_the_budget() -> None:
    axes = {"stages": [1], "depth": [2], "width": [8, 64], "stem.stride": [2]}
    space = Space.from_dict({"image_size": 8, "axes": axes}, "few", "few.yaml")
    task = make_settings("mine").task
    least = space.cost_range(task).low
    inside = make_settings("mine", flops_low=least, flops_high=least)
    assert unseen_params(space, inside, set(), 0) is not None
    outside = make_settings("mine", flops_low=least + 1, flops_high=least + 2)
    assert unseen_params(space, outside, set(), 0) is None
