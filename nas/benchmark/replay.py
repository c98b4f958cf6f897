"""Replaying searches against a recorded table, in simulated time: any sampler, any stopping rule, many seeds.

Three worlds. In `table` the recorded networks come in random order with their real curves: for stopping rules. In the
others a sampler proposes any network of the space, by the code of a real search and real Optuna: in `exhaustive` the
table holds each of them, in `surrogate` a model says its curve. Trials run one after another. Needs no torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple, Protocol, get_args

import optuna
from optuna.trial import TrialState
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from nas.analysis.pareto import hypervolume, pareto_front
from nas.benchmark.exhaustive import Exhaustive, Gaps
from nas.benchmark.surrogate import Surrogate, mean_period_seconds
from nas.benchmark.table import RecordedTable
from nas.process.progress import Report
from nas.records.settings import Sampler, Stop
from nas.records.trial import Trial
from nas.samplers.build import build_sampler
from nas.samplers.early_stopping import Standing, StoppingRule, build_rule
from nas.samplers.parameters import PATIENCE, TrialChooser, record_network, unseen_params
from nas.searching.ask import trial_seed
from space import Band
from space.draw import Proposal

World = Literal["table", "surrogate", "exhaustive"]
Unit = Literal["flops", "seconds"]
BACKWARD = 3  # training an image costs about three times what running it does


@dataclass(frozen=True, slots=True, order=True)
class ReplayPlan:
    """What is replayed: who draws the networks, what stops them, and where their curves are from."""

    world: World
    sampler: Sampler
    stop: Stop

    def __str__(self) -> str:
        return f"{self.sampler}/{self.stop}"


REFERENCES: dict[World, tuple[Sampler, ...]] = {"surrogate": ("random",), "exhaustive": ("random", "spread")}
COMPARED = (
    *(ReplayPlan("table", "random", stop) for stop in get_args(Stop)),
    *(ReplayPlan("surrogate", sampler, "none") for sampler in ("random", "tpe", "nsga2")),
    ReplayPlan("surrogate", "random", "moasha"), ReplayPlan("surrogate", "ehvi", "quantile"),
)  # fmt: skip
COMPARED_EXHAUSTIVE = (
    *(ReplayPlan("exhaustive", sampler, "none") for sampler in ("random", "spread", "tpe", "nsga2", "ehvi")),
    ReplayPlan("exhaustive", "random", "moasha"), ReplayPlan("exhaustive", "ehvi", "quantile"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network to train. `period_cost`: of one period, in multiply-accumulates of training or in seconds."""

    key: str
    flops: int
    accuracies: tuple[float, ...]  # after each period, were it trained to the end
    period_cost: float


class Source(Protocol):
    """Gives networks one at a time and hears what came of them."""

    def ask(self) -> Candidate | None:
        """The next network; None when there is none left."""

    def tell(self, accuracy: float | None, rungs: Mapping[int, float]) -> None:
        """The final accuracy of the last network asked for, None if it was stopped; those at its rungs by period."""


class Step(NamedTuple):
    """After a trial that finished: what was spent so far and what is reached. `gaps`: as `Gaps.summary`, of an
    exhaustive table."""

    cost: float
    hypervolume: float
    gaps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated search."""

    steps: tuple[Step, ...]
    cost: float
    full_cost: float  # had no trial been stopped
    trials: int
    stopped: int
    front: int  # members of the front of all trials, had none been stopped
    missed: int  # of them those that were stopped: wrong stops
    kept: float  # hypervolume over what it had been, had none been stopped
    exhausted: bool  # no network was left before the budget was spent


def plans(samplers: Sequence[Sampler], stops: Sequence[Stop], exhaustive: bool = False) -> list[ReplayPlan]:
    """On the table's real curves: random order with each of `stops` (empty: all rules) and without stopping. On the
    surrogate, or an exhaustive table: each sampler but random search, with each of `stops` and without, and random
    search without. Where both are empty, what is compared by default."""
    if not samplers and not stops:
        return list(COMPARED_EXHAUSTIVE if exhaustive else COMPARED)
    world: World = "exhaustive" if exhaustive else "surrogate"
    found = [ReplayPlan("table", "random", stop) for stop in dict.fromkeys(["none", *(stops or get_args(Stop))])]
    learning = [sampler for sampler in samplers if sampler != "random"]
    if learning:
        found += [ReplayPlan(world, sampler, "none") for sampler in REFERENCES[world]]
        found += [ReplayPlan(world, *pair) for pair in product(learning, dict.fromkeys(["none", *stops]))]
    return list(dict.fromkeys(found))


def budget(table: RecordedTable, trials: int, unit: Unit) -> float:
    """The cost of that many average networks of the table, trained to the end."""
    costs = [_period_cost(table, one.flops, one.seconds, unit) for rows in table.networks.values() for one in rows[:1]]
    return trials * table.periods * sum(costs) / len(costs)


def _period_cost(table: RecordedTable, flops: int, seconds: float, unit: Unit) -> float:
    return float(BACKWARD * flops * table.images) if unit == "flops" else seconds / table.periods


def simulate(
    source: Source, rule: StoppingRule, periods: int, band: Band, limit: float, truth: Exhaustive | None = None
) -> Run:
    """Asks, trains rung by rung, judges and tells, until the cost reaches `limit`."""
    standings: list[Standing] = []
    steps: list[Step] = []
    gaps = truth and Gaps(truth)
    front: list[Trial] = []
    every: list[Trial] = []
    cost = full_cost = 0.0
    while cost < limit and (candidate := source.ask()):
        number = len(standings)
        seen = periods_until_stopped(number, candidate, rule, periods, standings)
        standings.append(_standing(number, candidate, seen))
        cost += seen * candidate.period_cost
        full_cost += periods * candidate.period_cost
        final = candidate.accuracies[-1]
        trial = Trial(number=number, state="complete", accuracy=final, flops=candidate.flops)
        every = pareto_front([*every, trial])
        if seen == periods:
            front = pareto_front([*front, trial])
            if gaps:
                gaps.add(candidate.key, candidate.flops, final)
            steps.append(Step(cost, hypervolume(front, band), gaps.summary() if gaps else ()))
        rungs = {period: candidate.accuracies[period - 1] for period in rule.rungs if period <= seen}
        source.tell(final if seen == periods else None, rungs)
    stopped = {standing.number for standing in standings if not standing.reached(periods)}
    return Run(
        steps=tuple(steps), cost=cost, full_cost=full_cost, trials=len(standings), stopped=len(stopped),
        front=len(every), missed=sum(trial.number in stopped for trial in every),
        kept=hypervolume(front, band) / hypervolume(every, band), exhausted=cost < limit,
    )  # fmt: skip


def periods_until_stopped(
    number: int, candidate: Candidate, rule: StoppingRule, periods: int, others: Sequence[Standing]
) -> int:
    """Periods that the rule lets a network train."""
    stops = (rung for rung in rule.rungs if rule.judge(_standing(number, candidate, rung), rung, others).stop)
    return next(stops, periods)


def _standing(number: int, candidate: Candidate, seen: int) -> Standing:
    return Standing(number, candidate.flops, tuple(candidate.accuracies[:seen]))


class TableSource:
    """The networks of a table in random order, each with one of its trainings."""

    def __init__(self, table: RecordedTable, seed: int, unit: Unit) -> None:
        self.table, self.unit, self.rng = table, unit, random.Random(seed)
        self.left = list(table.networks.values())
        self.rng.shuffle(self.left)

    def ask(self) -> Candidate | None:
        if not self.left:
            return None
        one = self.rng.choice(self.left.pop())
        return Candidate(
            one.key, one.flops, one.accuracies, _period_cost(self.table, one.flops, one.seconds, self.unit)
        )

    def tell(self, accuracy: float | None, rungs: Mapping[int, float]) -> None:
        """A random order does not listen."""


class SamplerSource:
    """A sampler of a real search, in a study in memory: it proposes; a surrogate, or an exhaustive table, answers."""

    def __init__(
        self, table: RecordedTable, answers: Surrogate | Exhaustive, sampler: Sampler, seed: int, unit: Unit
    ) -> None:
        self.table, self.answers, self.seed, self.unit = table, answers, seed, unit
        self.settings = replace(table.settings, sampler=sampler, seed=seed, minimize="flops")
        self.space, self.pace = self.settings.build_space(), mean_period_seconds(table.recordings)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(directions=["maximize", "minimize"], sampler=build_sampler(self.settings, 0))
        self.seen: set[str] = set()
        self.asked: tuple[optuna.Trial, int] | None = None  # and its FLOPs

    def ask(self) -> Candidate | None:
        """As a search does: after PATIENCE asks in vain random networks stand in."""
        for asks in range(2 * PATIENCE):
            if asks >= PATIENCE:
                seed = trial_seed(self.seed, len(self.seen) + asks)
                params = unseen_params(self.space, self.settings, self.seen, seed)
                if params is None:
                    break
                self.study.enqueue_trial(params, user_attrs={"stand_in": True})
            trial = self.study.ask()
            if proposal := self._propose(trial):
                self.asked = trial, proposal.cost.flops
                return self._candidate(proposal)
        return None

    def tell(self, accuracy: float | None, rungs: Mapping[int, float]) -> None:
        assert self.asked is not None
        trial, flops = self.asked
        trial.set_user_attr("decisions", [{"period": period, "accuracy": value} for period, value in rungs.items()])
        if accuracy is None:
            trial.set_user_attr("outcome", "stopped")
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, [accuracy, float(flops)])

    def _propose(self, trial: optuna.Trial) -> Proposal | None:
        """None, and Optuna told so, for a network that is outside the budget or was seen."""
        proposal = self.space.compose(TrialChooser(trial), self.settings.task, self.settings.budget)
        violation = self.settings.budget.violation(proposal.counts)
        trial.set_constraint("budget", violation)
        record_network(trial, proposal)
        if violation > 0 or proposal.arch.key in self.seen:
            self.study.tell(trial, state=TrialState.PRUNED if violation > 0 else TrialState.FAIL)
            return None
        self.seen.add(proposal.arch.key)
        return proposal

    def _candidate(self, proposal: Proposal) -> Candidate:
        flops = proposal.cost.flops
        curve = self.answers.curve(proposal.arch, proposal.cost, self.seed)
        seconds = self.pace * flops * self.table.periods
        return Candidate(proposal.arch.key, flops, curve, _period_cost(self.table, flops, seconds, self.unit))


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that runs of a replay share; sent once to each process."""

    table: RecordedTable
    answers: Surrogate | Exhaustive | None  # to samplers
    unit: Unit
    limit: float  # cost at which a run ends

    @property
    def truth(self) -> Exhaustive | None:
        return self.answers if isinstance(self.answers, Exhaustive) else None

    def run(self, plan: ReplayPlan, seed: int) -> Run:
        source: Source
        if plan.world == "table":
            source = TableSource(self.table, seed, self.unit)
        else:
            assert self.answers is not None
            source = SamplerSource(self.table, self.answers, plan.sampler, seed, self.unit)
        rule = build_rule(plan.stop, self.table.periods, seed)
        return simulate(source, rule, self.table.periods, self.table.band, self.limit, self.truth)


def replay(
    bench: Bench,
    plans: Sequence[ReplayPlan],
    seeds: int,
    processes: int,
    report: Report = lambda done, total=None: None,
) -> dict[ReplayPlan, list[Run]]:
    """Every plan with seeds 0, 1, ...; seeds are shared: run i of each plan in the table has the same order. `report`
    hears of each run that is done."""
    jobs, runs = list(product(plans, range(seeds))), list[Run]()

    def gather(found: Iterable[Run]) -> None:
        for run in found:
            runs.append(run)
            report(len(runs), len(jobs))

    if processes == 1:
        gather(bench.run(*job) for job in jobs)
    else:
        with ProcessPoolExecutor(processes, initializer=_share, initargs=(bench,)) as pool:
            gather(pool.map(_run, jobs))
    return {plan: runs[place * seeds : (place + 1) * seeds] for place, plan in enumerate(plans)}


_shared: Bench  # of a worker process


def _share(bench: Bench) -> None:
    """One thread a process: several in each, on matrices this small, wait for each other most of the time."""
    global _shared
    _shared = bench
    threadpool_limits(1)


def _run(job: tuple[ReplayPlan, int]) -> Run:
    return _shared.run(*job)
