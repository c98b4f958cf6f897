"""Proposing: a trial and a queue of recorded choices build the same network; samplers are those of the settings."""

from __future__ import annotations

import random
import warnings
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas.propose import RecordingChooser, TrialChooser, build_sampler, unseen_params
from nas.settings import Settings
from space import Arch, Band, Space, Task, cost
from space.chooser import RandomChooser
from tests.dashboard.studies import make_settings

TASKS = {"digits": (Task(8, 1, 10), Band.parse("1M..4M")), "cifar": (Task(32, 3, 10), Band.parse("5M..40M"))}
MIXED: dict[str, Any] = {
    "image_size": 8,
    "axes": {
        "stages": [1, 2], "depth": {"low": 2, "high": 6, "step": 2}, "width": {"each_stage": [8, 12, 20]},
        "expansion": {"each_stage": [1, 2.5, 4]}, "layer_scale": [None, 0.1], "kernel": [3, 5, 7], "stem_stride": [1, 2],
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def in_memory(sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


@pytest.mark.parametrize("preset", ["digits", "cifar", "mixed"])
@pytest.mark.parametrize("with_band", [True, False])
def test_recorded_choices_reproduce_the_network(preset: str, with_band: bool) -> None:
    space = Space.from_dict(MIXED, "mixed", "mixed.yaml") if preset == "mixed" else Space.load(preset)
    task, band = TASKS.get(preset, (Task(8, 3, 5), Band.parse("50K..400K")))
    study, rng = in_memory(RandomSampler(seed=3)), random.Random(0)
    for _ in range(15):
        recorder = RecordingChooser(RandomChooser(rng))
        expected = space.compose(recorder, task, band if with_band else None)
        study.enqueue_trial(recorder.params)
        trial = study.ask()
        assert space.compose(TrialChooser(trial), task, band if with_band else None) == expected
        assert trial.params == recorder.params


def test_a_sampler_s_networks_are_in_the_budget_and_the_space() -> None:
    space, (task, band) = Space.load("digits"), TASKS["digits"]
    study = in_memory(RandomSampler(seed=0))
    networks = [space.compose(TrialChooser(study.ask()), task, band) for _ in range(40)]
    assert all(network in space for network in networks)
    assert sum(cost(network, task).flops in band for network in networks) >= 36
    assert len({network.key for network in networks}) > 30


def test_even_rows_are_quantities_and_the_rest_categories() -> None:
    space, (task, band) = Space.load("digits"), TASKS["digits"]
    study = in_memory(RandomSampler(seed=0))
    kinds: dict[str, str] = {}
    for _ in range(20):
        trial = study.ask()
        space.compose(TrialChooser(trial), task, band)
        kinds |= {name: type(kind).__name__ for name, kind in trial.distributions.items()}
    assert kinds["depth"] == kinds["kernel.1"] == "IntDistribution"
    assert kinds["flops"] == "FloatDistribution"
    assert {kinds[name] for name in ("ratio.3", "block.2", "norm", "growth", "stages")} == {"CategoricalDistribution"}
    assert "layer_scale" not in kinds, "where there is no choice there is no parameter"


@pytest.mark.parametrize(("name", "kind"), [("tpe", TPESampler), ("nsga2", NSGAIISampler), ("random", RandomSampler)])
def test_the_sampler_is_the_one_of_the_settings(name: str, kind: type[BaseSampler]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert type(build_sampler(make_settings("mine", sampler=name), 0)) is kind


def first_network(settings: Settings, trials: int) -> Arch:
    study = in_memory(build_sampler(settings, trials))
    return Space.load("digits").compose(TrialChooser(study.ask()), settings.task, settings.band)


def test_the_seed_moves_on_with_the_trials() -> None:
    settings = make_settings("mine", sampler="random")
    assert first_network(settings, 0) == first_network(settings, 0)
    assert first_network(settings, 0) != first_network(settings, 5), "a resumed study must not repeat its draws"
    assert first_network(settings, 0) != first_network(make_settings("mine", sampler="random", seed=1), 0)


def test_unseen_params_are_of_a_network_that_was_not_seen() -> None:
    axes = {"stages": [1], "depth": [2, 3], "width": [8, 16], "stem_stride": [2], "kernel": [3, 5]}
    space = Space.from_dict({"image_size": 8, "axes": axes}, "few", "few.yaml")
    settings = make_settings("mine", flops_low=1, flops_high=10**9)
    study, seen = in_memory(RandomSampler(seed=0)), set[str]()
    for seed in range(8):  # two depths, two widths, two kernels
        params = unseen_params(space, settings, seen, seed)
        assert params is not None
        study.enqueue_trial(params)
        key = space.compose(TrialChooser(study.ask()), settings.task, settings.band).key
        assert key not in seen
        seen.add(key)
    assert unseen_params(space, settings, seen, 8) is None


def test_unseen_params_keep_to_the_budget() -> None:
    axes = {"stages": [1], "depth": [2], "width": [8, 64], "stem_stride": [2]}
    space = Space.from_dict({"image_size": 8, "axes": axes}, "few", "few.yaml")
    narrow = cost(Arch.from_dict(_narrow(space)), make_settings("mine").task).flops
    settings = make_settings("mine", flops_low=narrow + 1, flops_high=narrow + 2)
    assert unseen_params(space, settings, set(), 0) is None


def _narrow(space: Space) -> dict[str, Any]:
    task = make_settings("mine").task
    return space.draw(random.Random(0), task, Band(1, space.reach(task).low)).to_dict()
