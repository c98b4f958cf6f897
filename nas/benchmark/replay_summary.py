"""What a replay found, as numbers: hypervolume along the budget, the gap to the best networks where all are known, what
early stops saved and cost, reaching others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.analysis.multiple_comparisons import VALUES, bonferroni_level
from nas.analysis.seed_noise import Floats, mean_half_width
from nas.benchmark.exhaustive import BUDGETS, Gaps
from nas.benchmark.replay import Bench, ReplayPlan, Run

SHARES = (0.1, 0.2, 0.33, 0.5, 1.0)  # of the budget, at which the table gives hypervolumes
STEPS = 500  # of the grid of costs
RESAMPLES = 10_000  # of which a dozen lie beyond either end of one of 20 intervals
REFERENCES = ("random/none", "spread/none", "tpe/none", "nsga2/none", "random/moasha")
Curves = Mapping[ReplayPlan, Floats]  # (seeds, STEPS + 1) along the budget: hypervolume, or the mean gap


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds, 0 to 1, and its interval; None for too few seeds, and where it is wider than that."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """In percent: `57.93 ±0.21`, or `57.93` without an interval."""
        half = "" if self.low is None or self.high is None else f" ±{50 * (self.high - self.low):.2f}"
        return f"{100 * self.mean:.2f}{half}"


@dataclass(frozen=True, slots=True)
class ShareToReach:
    """The part of the budget at which a plan's mean hypervolume reaches what a reference has at the end; None: never.
    The interval is of resamples of the seeds, None in it: not within the budget; none at all for fewer than VALUES."""

    reference: str
    share: float | None
    interval: tuple[float | None, float | None] | None

    def __str__(self) -> str:
        """In percent: `44 [36, 69]`, `90 [68, -]`, or `44` without an interval or where that is no wider; -: never."""
        share, *ends = (
            "-" if value is None else f"{100 * value:.0f}" for value in (self.share, *(self.interval or ()))
        )
        return share if set(ends) <= {share} else f"{share} [{', '.join(ends)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySummary:
    """One plan over all seeds."""

    plan: ReplayPlan
    seeds: int
    volumes: tuple[Estimate, ...]  # at SHARES of the budget
    reaches: tuple[ShareToReach, ...]
    trials: float  # mean
    stopped: float  # share of trials
    spent: float  # cost over what the same trials had cost without stopping
    kept: float  # hypervolume over what the same trials had given without stopping
    missed: Estimate  # share of front members that were stopped
    gaps: tuple[Estimate, ...] = ()  # mean gap to the best networks at SHARES of the budget, of an exhaustive table
    regrets: tuple[Estimate, ...] = ()  # at the end, at each of BUDGETS
    closes: tuple[ShareToReach, ...] = ()  # as `reaches`, of the mean gap
    exhausted: int  # runs that had no network left


def curves_of(runs: Mapping[ReplayPlan, Sequence[Run]], bench: Bench) -> Curves:
    """Hypervolume, 0 before the first trial has finished."""
    return {
        plan: np.array([along(run, bench.limit, [0.0, *(step.hypervolume for step in run.steps)]) for run in each])
        for plan, each in runs.items()
    }


def gaps_of(runs: Mapping[ReplayPlan, Sequence[Run]], bench: Bench) -> Curves:
    """The mean gap, of the plans that run on an exhaustive table."""
    if bench.truth is None:
        return {}
    begin = Gaps(bench.truth).summary()[0]
    return {
        plan: np.array([along(run, bench.limit, [begin, *(step.gaps[0] for step in run.steps)]) for run in each])
        for plan, each in runs.items()
        if plan.world == "exhaustive"
    }


def along(run: Run, limit: float, values: Sequence[float]) -> Floats:
    """(STEPS + 1,) at 0, ..., 1 of the budget. `values`: before the first of the run's steps, and after each."""
    costs = np.array([step.cost for step in run.steps])
    grid = np.linspace(0, limit, STEPS + 1)
    found: Floats = np.array(values)[np.searchsorted(costs, grid, side="right")]
    return found


def of_world(curves: Curves, world: str) -> Curves:
    """Those whose intervals hold together."""
    return {plan: each for plan, each in curves.items() if plan.world == world}


def summarise(plan: ReplayPlan, runs: Sequence[Run], curves: Curves, gaps: Curves) -> ReplaySummary:
    """Compared with the references of its own world."""
    beside = of_world(curves, plan.world)
    places = [round(share * STEPS) for share in SHARES]
    at_shares = bonferroni_level(len(beside) * len(places))
    regrets = np.array([run.steps[-1].gaps[1:] for run in runs]).T if plan in gaps else np.empty((0, 0))
    at_budgets = bonferroni_level(len(beside) * len(BUDGETS))
    missed = np.array([run.missed / run.front for run in runs])
    return ReplaySummary(
        plan=plan, seeds=len(runs), volumes=tuple(estimate(curves[plan][:, at], at_shares) for at in places),
        reaches=_shares_needed(plan, beside),
        gaps=tuple(estimate(gaps[plan][:, at], at_shares) for at in places) if plan in gaps else (),
        regrets=tuple(estimate(column, at_budgets) for column in regrets),
        closes=_shares_needed(plan, {other: -each for other, each in gaps.items()}) if plan in gaps else (),
        trials=float(np.mean([run.trials for run in runs])),
        stopped=float(np.mean([run.stopped / run.trials for run in runs])),
        spent=float(np.mean([run.cost / run.full_cost for run in runs])),
        kept=float(np.mean([run.kept for run in runs])), missed=estimate(missed, bonferroni_level(len(beside))),
        exhausted=sum(run.exhausted for run in runs),
    )  # fmt: skip


def _shares_needed(plan: ReplayPlan, beside: Curves) -> tuple[ShareToReach, ...]:
    """For each reference among the plans of its world. The more a curve has, the better."""
    finals = {str(other): each[:, -1] for other, each in beside.items()}
    references = [name for name in REFERENCES if name in finals]
    level = bonferroni_level(len(beside) * len(references))
    return tuple(share_needed(name, beside[plan], finals[name], level) for name in references)


def estimate(values: Floats, level: float) -> Estimate:
    """Mean and Student's interval at this level; the mean alone for fewer than VALUES, or where it leaves 0 to 1."""
    mean, half = float(values.mean()), mean_half_width(values, level)
    if half is None or mean - half < 0 or mean + half > 1:
        return Estimate(mean, None, None)
    return Estimate(mean, float(mean - half), float(mean + half))


def share_needed(reference: str, own: Floats, finals: Floats, level: float) -> ShareToReach:
    """`own`: (seeds, STEPS + 1) curves; `finals`: (seeds,) of the reference."""
    share = _finite(_crossing(own.mean(axis=0), finals.mean()))
    if min(len(own), len(finals)) < VALUES:
        return ShareToReach(reference, share, None)
    rng = np.random.default_rng(0)
    picks = rng.integers(len(own), size=(RESAMPLES, len(own)))
    targets = finals[rng.integers(len(finals), size=(RESAMPLES, len(finals)))].mean(axis=1)
    weights = np.apply_along_axis(np.bincount, 1, picks, minlength=len(own)) / len(own)
    found = np.array([_crossing(curve, target) for curve, target in zip(weights @ own, targets, strict=True)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return ShareToReach(reference, share, (_finite(low), _finite(high)))


def _finite(value: float) -> float | None:
    return None if np.isinf(value) else float(value)


def _crossing(curve: Floats, target: float) -> float:
    """Share of the budget from which a curve is at the target, infinite for never."""
    above = np.flatnonzero(curve >= target - 1e-12)
    return float(above[0] / STEPS) if len(above) else float("inf")
