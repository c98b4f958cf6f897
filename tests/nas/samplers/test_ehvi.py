"""The search's own sampler: its gains are those of the front's hypervolume, its proposals arrive as they were made."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from nas.analysis.pareto import hypervolume
from nas.records.settings import Settings
from nas.records.trial import Trial
from nas.samplers.build import build_sampler
from nas.samplers.ehvi import SPREAD, Candidate, EhviSampler, van_der_corput
from nas.samplers.expected_improvement import expected_gain, staircase
from nas.samplers.parameters import TrialChooser, record_network
from space import Arch, Band, InputError, Space, Task
from space.budget import MEASURES
from space.draw import Proposal
from tests.dashboard.studies import make_settings
from tests.nas import made_up
from tests.nas.samplers.test_parameters import load
from tests.space.test_latency_model import model_of

CHANNELS = {"digits": 1}


class Watched(EhviSampler):
    """Notes what it proposes, and refuses to have a parameter drawn that it did not propose."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.made: list[Candidate] = []

    def _propose(self, number: int, running: Any) -> Candidate | None:
        found = super()._propose(number, running)
        assert found is not None
        self.made.append(found)
        return found

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError(f"{param_name} must come from the proposal")


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def settings_of(name: str, band: str | None = None, **changes: Any) -> Settings:
    """A study of a space; without a band the middle third of what it can reach, in log."""
    space = load(name)
    size = space.image_size
    chosen: Settings = make_settings("mine", space=space.to_dict(), space_name=name, sampler="ehvi", **changes)
    data = asdict(chosen.data) | {"image_size": size, "channels": CHANNELS.get(name, 3)}
    card = type(chosen.data)(**data)
    reach = space.cost_range(Task(size, card.channels, 10))
    ratio = (reach.high / reach.low) ** (1 / 3)
    limits = Band.parse(band) if band else Band(round(reach.low * ratio), round(reach.high / ratio))
    return make_settings(
        "mine", space=space.to_dict(), space_name=name, sampler="ehvi", data=card,
        flops_low=limits.low, flops_high=limits.high, **changes,
    )  # fmt: skip


def in_memory(settings: Settings, sampler: EhviSampler | None = None) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler or EhviSampler(settings))


def ask(study: optuna.Study, settings: Settings, space: Space) -> tuple[optuna.Trial, Proposal]:
    """As a search does."""
    trial = study.ask()
    proposal = space.compose(TrialChooser(trial), settings.task, settings.budget)
    record_network(trial, proposal)
    return trial, proposal


def some_accuracy(arch: Arch, flops: int) -> float:
    """Grows with FLOPs; a kernel of 3 in the first stage is worth two points, and depth something that no line fits."""
    small = arch.to_dict()["stages"][0].get("kernel") == 3
    return 0.3 + 0.03 * math.log(flops) + 0.02 * bool(small) + 0.002 * (arch.depth % 3)


def fill(study: optuna.Study, settings: Settings, count: int) -> list[Proposal]:
    space, found = settings.build_space(), []
    for _ in range(count):
        trial, proposal = ask(study, settings, space)
        flops = proposal.cost.flops
        study.tell(trial, [some_accuracy(proposal.arch, flops), float(flops)])
        found.append(proposal)
    return found


PRESETS = ("digits", "convnext_32", "conv2former_32", "convnext_or_modulation_32", "roadmap_32")


@pytest.mark.parametrize(
    ("name", "band"),
    [
        *((name, None) for name in (*PRESETS, "mixed", "small")), ("deep", "1..10M"), ("free", "1..10M"),
        ("digits", "1M..1.02M"), ("convnext_or_modulation_32", "10M..10.2M"), ("roadmap_32", "20M..20.5M"),
    ],
)  # fmt: skip
def test_a_trial_gets_the_network_that_was_proposed(name: str, band: str | None) -> None:
    settings = settings_of(name, band)
    sampler = Watched(settings)
    found = fill(in_memory(settings, sampler), settings, SPREAD + 6)
    assert [p.arch.key for p in found] == [c.arch.key for c in sampler.made]
    assert [p.arch for p in found] == [c.arch for c in sampler.made]
    assert all(p.inside and p.cost.flops in settings.band for p in found)
    assert len({p.arch.key for p in found}) == len(found)


def test_parameters_and_distributions_are_those_of_any_other_sampler() -> None:
    settings = settings_of("roadmap_32")
    study = in_memory(settings)
    fill(study, settings, SPREAD + 3)
    other = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    for trial in study.trials:
        other.enqueue_trial(trial.params)
        again = other.ask()
        settings.build_space().compose(TrialChooser(again), settings.task, settings.budget)
        assert (again.params, again.distributions) == (trial.params, trial.distributions)


def test_the_first_networks_are_spread_over_the_band_from_its_low_end() -> None:
    assert [van_der_corput(n) for n in range(8)] == [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8]
    settings = settings_of("convnext_or_modulation_32", "3M..30M")
    found = fill(in_memory(settings), settings, SPREAD)
    parts = [math.log(p.cost.flops / 3e6) / math.log(10) for p in found]
    assert parts[:3] == pytest.approx([0, 0.5, 0.25], abs=0.05)
    assert parts == pytest.approx([van_der_corput(n) for n in range(SPREAD)], abs=0.05)
    assert len({p.arch.stages[0].block for p in found}) == SPREAD


# What is known


def test_the_same_trials_get_the_same_proposal_in_any_process() -> None:
    settings = settings_of("digits", "1M..4M")
    study = in_memory(settings)
    fill(study, settings, 14)
    grown, resumed = study.sampler, EhviSampler(settings)
    other = EhviSampler(settings_of("digits", "1M..4M", seed=1))
    keys = []
    for sampler in (grown, resumed, other):
        sampler_study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        for trial in study.get_trials(deepcopy=False):
            sampler_study.add_trial(trial)
        keys.append(ask(sampler_study, settings, settings.build_space())[1].arch.key)
    assert keys[0] == keys[1] != keys[2]


def test_no_network_comes_twice_whatever_became_of_it() -> None:
    """Complete, stopped, failed, outside, and still running: until the space is exhausted, and then without an error."""
    axes = {
        "stages": [1],
        "depth": [2, 3, 4],
        "width": [8, 16],
        "stem.stride": [2],
        "kernel": [3, 5, 7],
        "act": ["gelu", "relu"],
    }
    settings = make_settings(
        "few", space={"image_size": 8, "axes": axes}, flops_low=1, flops_high=10**9, sampler="ehvi"
    )
    study, space, keys = in_memory(settings), settings.build_space(), []
    for i in range(36):
        trial, proposal = ask(study, settings, space)
        keys.append(proposal.arch.key)
        if i % 4 == 3:
            study.tell(trial, state=[TrialState.FAIL, TrialState.PRUNED][i % 8 == 3])
        elif i % 4 != 2:
            study.tell(trial, [some_accuracy(proposal.arch, proposal.cost.flops), float(proposal.cost.flops)])
    assert len(set(keys)) == 36
    assert ask(study, settings, space)[1].arch.key in keys, "nothing else is left"
    with patch.object(Space, "compose", autospec=True, side_effect=Space.compose) as composed:
        ask(study, settings, space)
    assert composed.call_count == 1, "Optuna's draw alone: the sampler looks for no other again"


def test_further_seeds_of_a_network_count_by_their_mean() -> None:
    settings = settings_of("digits", "1M..4M")
    sampler = EhviSampler(settings)
    study, space = in_memory(settings, sampler), settings.build_space()
    first = fill(study, settings, SPREAD + 1)[3]
    study.enqueue_trial(study.trials[3].params, user_attrs={"repeat_of": 3})
    trial, proposal = ask(study, settings, space)
    assert proposal.arch == first.arch
    study.tell(trial, [0.1, float(first.cost.flops)])
    fill(study, settings, 1)
    point = sampler.known.points[first.arch.key]
    assert point.total / point.count == pytest.approx((some_accuracy(first.arch, first.cost.flops) + 0.1) / 2)
    assert sampler.ridge.count == SPREAD + 2


def test_a_network_that_runs_counts_as_a_point_at_its_forecast() -> None:
    settings = settings_of("digits", "1M..4M")
    sampler = EhviSampler(settings)
    study = in_memory(settings, sampler)
    fill(study, settings, 20)
    ranked = partial(sampler.ranked, 20)
    best = ranked(random.Random(0), [])[0]
    row = sampler._matrix([best])[0]
    after = [each.arch.key for each in ranked(random.Random(0), [row])]
    assert after.index(best.arch.key) > 0
    trials = [ask(study, settings, settings.build_space()) for _ in range(6)]
    logs = sorted(math.log(proposal.cost.flops) for _, proposal in trials)
    assert max(b - a for a, b in pairwise(logs)) > 0.1, "workers at once do not all look at one place"


def test_where_trainings_fail_it_does_not_return() -> None:
    settings = settings_of("digits", "1M..4M")
    study, space, relu = in_memory(settings), settings.build_space(), []
    for _ in range(60):
        trial, proposal = ask(study, settings, space)
        relu.append(getattr(proposal.arch.stages[0].block, "act", "") == "relu")
        if relu[-1]:
            trial.set_user_attr("outcome", "failed")
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, [some_accuracy(proposal.arch, proposal.cost.flops), float(proposal.cost.flops)])
    assert sum(relu[:20]) >= 3
    assert sum(relu[-20:]) <= 3


def taught(sampler: EhviSampler, settings: Settings, last: Callable[[optuna.Trial, Proposal], None]) -> float:
    """What the model says of a network after SPREAD + 5 complete ones, which reach .8 of their accuracy at period 3, and
    a last trial: that network's own."""
    study, space = in_memory(settings, sampler), settings.build_space()
    for _ in range(SPREAD + 5):
        trial, proposal = ask(study, settings, space)
        accuracy = some_accuracy(proposal.arch, proposal.cost.flops)
        trial.set_user_attr("decisions", [{"period": 3, "accuracy": 0.8 * accuracy}])
        study.tell(trial, [accuracy, float(proposal.cost.flops)])
    trial, proposal = ask(study, settings, space)
    last(trial, proposal)
    sampler._read(study, -1)
    return float(sampler._fit().predict(sampler._matrix([Candidate(proposal.arch, proposal.cost, {})]))[0][0])


def test_a_stopped_network_counts_at_what_its_last_rung_forecasts() -> None:
    """Where the forecast is sure, as one that was trained to its end (but for the prior's strength, which complete
    networks choose); without one, not at all."""
    settings = settings_of("digits", "1M..4M")

    def complete(trial: optuna.Trial, proposal: Proposal) -> None:
        trial.study.tell(trial, [0.69, float(proposal.cost.flops)])

    def stop(trial: optuna.Trial, proposal: Proposal) -> None:
        trial.set_user_attr("decisions", [{"period": 3, "accuracy": 0.8 * 0.69}])
        trial.set_user_attr("outcome", "stopped")
        trial.study.tell(trial, state=TrialState.PRUNED)

    def stop_early(trial: optuna.Trial, proposal: Proposal) -> None:
        trial.set_user_attr("decisions", [{"period": 1, "accuracy": 0.8 * 0.69}])  # no other was seen at that rung
        trial.set_user_attr("outcome", "stopped")
        trial.study.tell(trial, state=TrialState.PRUNED)

    def stopped_by_an_earlier_release(trial: optuna.Trial, proposal: Proposal) -> None:
        trial.set_user_attr("decisions", [{"epoch": 3, "accuracy": 0.8 * 0.69}])
        trial.set_user_attr("outcome", "stopped")
        trial.study.tell(trial, state=TrialState.PRUNED)

    def leave(trial: optuna.Trial, proposal: Proposal) -> None:
        pass

    ways = (complete, stop, stop_early, stopped_by_an_earlier_release, leave)
    trained, stopped, early, before, unknown = (taught(EhviSampler(settings), settings, last) for last in ways)
    assert before == stopped
    assert trained < unknown - 0.005
    assert 0.69 < stopped < unknown - 0.005
    assert early == unknown


def test_it_is_built_from_settings_and_an_impossible_budget_is_refused_before() -> None:
    settings = settings_of("digits", "1M..4M")
    assert type(build_sampler(settings, 7)) is EhviSampler
    with pytest.raises(InputError, match="flops must"):
        settings.build_space().check_budget(settings_of("digits", "1..2").budget, settings.task)


def test_a_band_of_a_single_count_is_searched() -> None:
    axes = {"stages": [1], "depth": [2], "width": [8, 64], "stem.stride": [2], "act": ["gelu", "relu", "silu"]}
    space = Space.from_dict({"image_size": 8, "axes": axes}, "few", "few.yaml")
    least = space.cost_range(make_settings("x").task).low
    settings = make_settings("few", space=space.to_dict(), flops_low=least, flops_high=least, sampler="ehvi")
    assert {p.cost.flops for p in fill(in_memory(settings), settings, 3)} == {least}


@pytest.mark.parametrize("minimize", ["flops", "params", "activations", "latency"])
def test_gains_are_over_what_the_study_minimises(minimize: str) -> None:
    """Candidates stand in the order of what each adds to the hypervolume of the front over that cost, by FLOPs^0.5."""
    model = model_of(Space.load("convnext_or_modulation_32"), fixed=10_000.0).to_dict()
    plain = settings_of("convnext_or_modulation_32", "3M..30M", minimize=minimize)
    settings = replace(plain, latency=(1, 10**9), latency_model=model) if minimize == "latency" else plain
    sampler = EhviSampler(settings)
    study = in_memory(settings, sampler)
    found = fill(study, settings, 12)
    place = MEASURES.index(minimize)
    costs = {proposal.arch.key: proposal.counts[place] for proposal in found}
    assert {key: math.exp(point.log_cost) for key, point in sampler.known.points.items()} == pytest.approx(
        {key: costs[key] for key in sampler.known.points}
    )
    sampler._read(study, -1)
    ranked = sampler.ranked(12, random.Random(0), [])
    logs = np.log([_count(each, minimize) for each in ranked])
    points = [(math.log(costs[p.arch.key]), some_accuracy(p.arch, p.cost.flops)) for p in found]
    edges, bars = (np.array([point[i] for point in points]) for i in (0, 1))
    front = staircase(edges, bars)
    forecast = sampler._fit().predict(sampler._matrix(ranked))
    gains = expected_gain(logs, *forecast, edges[front], bars[front], settings.ends)
    worth = gains / np.sqrt([each.cost.flops for each in ranked])
    assert list(worth) == pytest.approx(sorted(worth, reverse=True), rel=1e-6)


def _count(network: Candidate, minimize: str) -> int:
    return network.latency if minimize == "latency" else int(asdict(network.cost)[minimize])


# What it is for


def growth(sampler: str, seed: int, cost: float, accuracy: Callable[[Proposal], float]) -> float:
    """Hypervolume of means that a search has when its FLOPs add up to `cost`."""
    settings = made_up.make_settings(sampler=sampler, seed=seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=build_sampler(settings, 0))
    space, rng, spent, done = settings.build_space(), random.Random(seed), 0.0, list[Trial]()
    while spent < cost:
        trial, proposal = ask(study, settings, space)
        mean, flops = accuracy(proposal), proposal.cost.flops
        spent += flops
        study.tell(trial, [mean + rng.gauss(0, made_up.NOISE), float(flops)])
        done.append(Trial(number=len(done), state="complete", accuracy=mean, flops=flops))
    return hypervolume(done, settings.band)


def test_it_is_at_a_third_of_the_cost_beyond_random_search() -> None:
    """Made-up accuracies with seed noise; what is compared is without it."""
    drawn = made_up.proposals(200)
    effects = np.array([made_up._effect(p.arch) for p in drawn])

    def accuracy(proposal: Proposal) -> float:
        effect = (made_up._effect(proposal.arch) - effects.mean()) / effects.std()
        return float(0.5 + made_up.SLOPE * math.log(proposal.cost.flops / 3e6) + 0.0164 * effect)

    budget = 36 * float(np.mean([p.cost.flops for p in drawn]))
    ours = [growth("ehvi", seed, budget / 3, accuracy) for seed in range(4)]
    theirs = [growth("random", seed, budget, accuracy) for seed in range(4)]
    assert np.mean(ours) > np.mean(theirs)
    assert min(ours) > np.mean(theirs) - 0.01
