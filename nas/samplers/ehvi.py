"""The search's own sampler: of some candidates, the network with the highest expected gain in hypervolume for its cost.

Accuracy is forecast by a Bayesian ridge on features of the network; its cost, FLOPs or what else the study minimises,
is known beforehand. Every proposal is made through `Space.compose`, so that it lands in the budget by construction.
Needs no torch.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from nas.records.settings import Settings
from nas.records.trial import period_of
from nas.samplers.bayesian_ridge import Fit, Forecast, Ridge
from nas.samplers.candidates import Aimed, Mutation
from nas.samplers.expected_improvement import expected_gain, expected_saving, staircase
from nas.samplers.features import Features, Floats, network_features
from nas.samplers.parameters import ATTEMPTS, RecordingChooser
from space import Arch, Cost
from space.chooser import Chooser, RandomChooser

SPREAD = 4  # complete networks before the model is asked; until then they are spread over the band
SHAPES = 8  # random ones at the same FLOPs, of which such a network is the one that is least like those before
PRIOR = 30.0  # strength of the prior by which that is measured
SCALE = 200  # random networks that features are standardised by
FRESH, BLOCKS = 8, 16  # random candidates of a trial, and how many trials' of them each ask looks at
MUTANTS = 16  # candidates of an ask that are mutations of front members
LEAST = 8  # complete networks that a forecast of the stopped ones is fitted to at least
COST_POWER = 0.5  # a gain counts by FLOPs^-0.5, whatever is minimised: training it takes as long
MARGIN = 1.2  # of a search for an accuracy: times the dearest candidate's cost, what it saves against
TREND = (1e-6, 1e-3, 1e-3)  # prior strengths of 1, log cost and its square: next to none
AT_RUNG = (1e-6, 1e-3, 1e-9)  # likewise of 1, log cost and the accuracy at a rung


@dataclass(slots=True)
class Point:
    """A network that was trained: the sum of its accuracies, its trainings, its parameters."""

    log_cost: float
    total: float
    count: int
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    arch: Arch
    cost: Cost
    params: dict[str, Any]
    latency: int = 0  # nanoseconds, where they are forecast


@dataclass
class Known:
    """What the study's trials say, taken in once each: their keys, the model's data and the networks' mean accuracy."""

    keys: set[str] = field(default_factory=set)
    points: dict[str, Point] = field(default_factory=dict)
    failed: list[Floats] = field(default_factory=list)  # rows of networks whose training failed
    stopped: dict[int, Forecast] = field(default_factory=dict)  # by last rung: networks that were stopped there
    at_rungs: dict[int, Ridge] = field(default_factory=dict)  # by period: final accuracy from 1, log cost, accuracy
    worst: float = 1.0  # accuracy so far
    read: int = 0  # trials seen
    open: list[int] = field(default_factory=list)  # of them those that had not ended


class EhviSampler(BaseSampler):
    """Proposes whole networks; the same trials with the same seed get the same proposal, in any process.

    Until SPREAD networks are complete, FLOPs follow a van der Corput sequence in log over the band, from its low end;
    of SHAPES random networks there it is the one whose accuracy the model could say least about. Then it is the best
    candidate by `expected_gain` over FLOPs^0.5. Trials that run count as points at their forecast ("Kriging believer":
    Ginsbourger et al. 2010), so that parallel workers spread; failed ones as no better than the worst accuracy seen;
    stopped ones at what the accuracy of their last rung forecasts.

    In a search for an accuracy (`seek`) it is the best candidate by `expected_saving` instead.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.space = settings, settings.build_space()
        self.known, self.random = Known(), RandomSampler(seed=settings.seed % 2**32)
        # One thread for numpy: beside trainings on every core, several would wait for each other at each small matrix.
        self.algebra = ThreadpoolController().select(internal_api="openblas")
        self.distributions: dict[str, BaseDistribution] = {}  # by name, as they came up
        self.proposed: dict[int, dict[str, Any]] = {}  # parameters, by trial, until Optuna asks for them
        self.blocks: dict[int, tuple[list[Candidate], Floats]] = {}  # random candidates with their rows, by trial
        self.exhausted = 0.0  # a cost below which no draw found a network that no trial has
        self.budget = settings.budget
        self.least: float | None = None  # the accuracy of a search for one
        self.below = math.inf  # what is still wanted costs less than this
        band = self.ends = settings.ends
        self.middle = math.log(band.low * band.high) / 2
        self.half = max(math.log(band.high / band.low) / 2, 1e-9)
        rng, compose = random.Random(0), self.space.compose
        drawn = [compose(RandomChooser(rng, None), settings.task, settings.budget) for _ in range(SCALE)]
        self.features = Features.of([network_features(each.arch, each.cost) for each in drawn])
        self.ridge = Ridge(TREND, len(TREND) + len(self.features.names))

    def seek(self, least: float | None, below: int | None) -> None:
        """From now on the cheapest network of at least this accuracy is looked for; `below`: the cost of one that was
        found. Without it hypervolume is what is looked for."""
        self.least, self.below = least, math.inf if below is None else below
        budget = (self.settings.cheaper_than(below) or self.settings).budget
        if budget != self.budget:
            self.budget, self.blocks = budget, {}

    # What Optuna calls

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters of the proposal, which is made here. Not called for a trial that was queued with its own."""
        with self.algebra.limit(limits=1):
            chosen = self._propose(trial.number, self._read(study, trial.number))
        if chosen is None:
            return {}  # nothing new was found: Optuna draws, and the search sees what comes of it
        self.proposed[trial.number] = chosen.params
        return {name: self.distributions[name] for name in chosen.params}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.proposed.pop(trial.number, {})

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.random.sample_independent(study, trial, param_name, param_distribution)

    # What is known

    def _read(self, study: Study, own: int) -> list[Floats]:
        """Takes in what is new, and returns the rows of the trials that run."""
        trials, known = study.get_trials(deepcopy=False), self.known
        fresh, known.open = [*known.open, *range(known.read, len(trials))], []
        known.read = len(trials)
        running = []
        for number in fresh:
            trial = trials[number]
            if trial.state.is_finished():
                self._settle(trial)
                continue
            known.open.append(number)
            if number != own and "key" in trial.user_attrs:
                known.keys.add(trial.user_attrs["key"])
                running.append(self._row(trial))
        return running

    def _settle(self, trial: FrozenTrial) -> None:
        """A trial that has ended, once."""
        known, key = self.known, trial.user_attrs.get("key")
        if key is None:
            return
        known.keys.add(key)
        rungs = {period_of(each): each["accuracy"] for each in trial.user_attrs.get("decisions", ())}
        if trial.state == TrialState.COMPLETE:
            accuracy = trial.values[0]
            known.worst = min(known.worst, accuracy)
            row = self._row(trial)
            self.ridge.add(row[None], np.array([accuracy]))
            for period, reached in rungs.items():
                known.at_rungs.setdefault(period, Ridge(AT_RUNG, len(AT_RUNG))).add(
                    np.array([[*row[:2], reached]]), np.array([accuracy])
                )
            begun = Point(math.log(trial.user_attrs[self.settings.minimize]), 0.0, 0, trial.params)
            point = known.points.setdefault(key, begun)
            point.total, point.count = point.total + accuracy, point.count + 1
        elif trial.user_attrs.get("outcome") == "failed":
            known.failed.append(self._row(trial))
        elif trial.user_attrs.get("outcome") == "stopped" and rungs:
            period, reached = list(rungs.items())[-1]
            row = self._row(trial)
            known.stopped.setdefault(period, Forecast(len(row), len(AT_RUNG))).add(row, np.array([*row[:2], reached]))

    def _row(self, trial: FrozenTrial) -> Floats:
        attrs = trial.user_attrs
        cost = Cost(attrs["flops"], attrs["params"], attrs["activations"])
        network = Candidate(Arch.from_dict(attrs["arch"]), cost, trial.params, attrs.get("latency", 0))
        row: Floats = self._matrix([network])[0]
        return row

    def _cost(self, network: Candidate) -> float:
        """What is minimised of it."""
        minimize = self.settings.minimize
        return float(network.latency if minimize == "latency" else getattr(network.cost, minimize))

    def _matrix(self, networks: Sequence[Candidate]) -> Floats:
        """(networks, columns): 1, log cost from -1 to 1 between its ends, its square, and the features."""
        x = (np.log([self._cost(each) for each in networks]) - self.middle) / self.half
        features = self.features.matrix([network_features(each.arch, each.cost) for each in networks])
        return np.column_stack([np.ones_like(x), x, x**2, features])

    def _fit(self) -> Fit:
        """Failed and stopped networks belong to it too: without them the model knows only what went well."""
        known, ridge = self.known, copy.deepcopy(self.ridge)
        if known.failed:
            ridge.add(np.array(known.failed), np.full(len(known.failed), known.worst))
        fit = ridge.fit()
        if not known.stopped:
            return fit
        for period, forecast in known.stopped.items():
            finals = known.at_rungs.get(period)
            if finals and finals.count >= LEAST:
                ridge.add_forecast(forecast, finals.fit(), fit.noise)
        return ridge.fit(fit.strength)

    # What is proposed

    def _propose(self, number: int, running: Sequence[Floats]) -> Candidate | None:
        """A network in the budget that no trial has. None once no draw has found one."""
        if self.below <= self.exhausted:
            return None
        rng = random.Random(f"{self.settings.seed}/{number}")
        begun = len(self.known.points) >= SPREAD
        ranked = self.ranked(number, rng, running) if begun else self._spread(rng)
        for candidates in (ranked, self._draw(rng, ATTEMPTS)):
            for each in candidates:
                if each.arch.key not in self.known.keys:
                    return each
        self.exhausted = self.below
        return None

    def _spread(self, rng: random.Random) -> list[Candidate]:
        """Random networks at the next place in the band, the least known first."""
        part = van_der_corput(len(self.known.keys))
        found = list(self._compose(Aimed(rng, None, part=part) for _ in range(SHAPES)))
        spread = self.ridge.spread(self._matrix(found), PRIOR)
        return [found[i] for i in np.argsort(-spread, kind="stable")]

    def ranked(self, number: int, rng: random.Random, running: Sequence[Floats]) -> list[Candidate]:
        """Candidates, the most promising first."""
        fit, points = self._fit(), list(self.known.points.values())
        logs = [point.log_cost for point in points]
        means = [point.total / point.count for point in points]
        front = staircase(np.array(logs), np.array(means))
        parents = [points[i].params for i in front]
        if running:
            rows = np.array(running)
            logs += list(self.middle + self.half * rows[:, 1])
            means += list(fit.predict(rows)[0])
            front = staircase(np.array(logs), np.array(means))
        mutants = list(self._compose(Mutation(rng, None, parent=rng.choice(parents)) for _ in range(MUTANTS)))
        groups = [self._block(each) for each in range(number - BLOCKS + 1, number + 1)]
        groups.append((mutants, self._matrix(mutants)))
        candidates = [each for group, _ in groups for each in group]
        rows = np.concatenate([rows for _, rows in groups])
        own = self.middle + self.half * rows[:, 1]
        edges, bars = np.array(logs)[front], np.array(means)[front]
        mean, deviation = fit.predict(rows)
        if self.least is None:
            gains = expected_gain(own, mean, deviation, edges, bars, self.ends)
        else:
            limit = min(math.log(self.below), own.max(initial=-math.inf) + math.log(MARGIN))
            gains = expected_saving(own, mean, deviation, self.least, limit)
        flops = np.array([float(each.cost.flops) for each in candidates])
        order = np.argsort(-gains * flops**-COST_POWER, kind="stable")
        return [candidates[i] for i in order]

    def _block(self, number: int) -> tuple[list[Candidate], Floats]:
        """The random candidates that came with trial `number`."""
        if number not in self.blocks:
            found = list(self._draw(random.Random(f"{self.settings.seed}/random/{number}"), FRESH))
            self.blocks[number] = found, self._matrix(found)
            self.blocks.pop(number - 2 * BLOCKS, None)
        return self.blocks[number]

    def _draw(self, rng: random.Random, count: int) -> Iterator[Candidate]:
        return self._compose(RandomChooser(rng, None) for _ in range(count))

    def _compose(self, choosers: Iterator[Chooser]) -> Iterator[Candidate]:
        """The networks of these choosers that are inside the budget."""
        for chooser in choosers:
            recorder = RecordingChooser(chooser, distributions=self.distributions)
            proposal = self.space.compose(recorder, self.settings.task, self.budget)
            if proposal.inside:
                yield Candidate(proposal.arch, proposal.cost, recorder.params, *proposal.counts[3:])


def van_der_corput(n: int) -> float:
    """The n-th number of the sequence in base 2: 0, 1/2, 1/4, 3/4, 1/8, ..."""
    return int(f"{n:b}"[::-1], 2) / (1 << n.bit_length())
