"""An accuracy to reach: the cheapest network that has it, what is still wanted then, and when a search for it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.analysis.cost_axes import cost_of
from nas.analysis.pareto import Point, minimised, points, score, top
from nas.analysis.wording import mean_words
from nas.records.extent import GOAL_SEEDS, Extent
from nas.records.scores import WORDS, has
from nas.records.settings import Settings
from nas.records.trial import ENDED, Trial

SAVED = 0.02  # part of its cost that a network must save to be looked for
MISSES = 10  # networks that were drawn to be cheaper, trained in vain, after which a search ends
TRIES = 2 * GOAL_SEEDS  # trainings of a network, failed ones included, to get its seeds


@dataclass(frozen=True, slots=True)
class Reached:
    """A network whose mean has the accuracy."""

    point: Point
    below: int  # what others are to cost less than
    seeds: int  # trainings that are complete, train or wait
    tries: int  # the same, failed ones included
    misses: int  # networks that were drawn to cost less, in vain
    last: bool  # the budget holds none that does

    @property
    def is_unsure(self) -> bool:
        """Whether it is to have another seed."""
        return self.seeds < GOAL_SEEDS and self.tries < TRIES

    @property
    def is_over(self) -> bool:
        """Whether nothing cheaper is to be drawn."""
        return self.last or self.misses >= MISSES


@dataclass(frozen=True, slots=True)
class AccuracyGoal:
    """`least`: of what the study maximises, 0 to 1. Costs are of what it minimises, in the units of its budget."""

    least: float
    settings: Settings

    def reached(self, trials: Sequence[Trial]) -> Reached | None:
        """The cheapest network that has it."""
        cost = minimised(self.settings)
        having = (point for point in points(trials) if has(score(point.trial), self.least))
        point = min(having, key=lambda each: (cost(each.trial), -score(each.trial), each.trial.number), default=None)
        if point is None:
            return None
        number, most = point.trial.number, cost(point.trial)
        below = max(1, int((1 - SAVED) * most))
        states = [t.state for t in trials if number in (t.number, t.repeat_of)]
        drawn = [t for t in trials if t.repeat_of is None and t.state in ENDED and (t.below or 0) >= below]
        return Reached(
            point, below, seeds=sum(state in ("complete", "running", "waiting") for state in states),
            tries=sum(state in (*ENDED, "running", "waiting") for state in states),
            misses=sum(cost(t) < most for t in drawn), last=self.settings.cheaper_than(below) is None,
        )  # fmt: skip

    def left(self, trials: Sequence[Trial], extent: Extent) -> int:
        """Trainings that are planned for: networks, and the seeds of one that has it."""
        found, ended = self.reached(trials), [trial for trial in trials if trial.state in ENDED]
        networks = sum(trial.repeat_of is None for trial in ended)
        wanted = GOAL_SEEDS - 1 if found is None else GOAL_SEEDS - found.seeds
        seeds = max(0, min(wanted, extent.repeats - (len(ended) - networks)))
        return seeds if found and found.is_over else max(0, extent.trials - networks) + seeds

    def words(self, trials: Sequence[Trial]) -> str:
        """How far a search for it is."""
        found, axis = self.reached(trials), cost_of(self.settings)
        what = f"{WORDS[self.settings.metric]}: {self.least:.2%}"
        if found is None:
            near = top(trials, minimised(self.settings))
            if near is None:
                return f"{what} is not reached: no network was trained to its end"
            has_most = mean_words(score(near.trial), near.seeds)
            return f"{what} is not reached; the nearest is trial {near.trial.number}, {has_most}"
        trial, missed = found.point.trial, found.misses
        which = f"{mean_words(score(trial), found.point.seeds)}, {axis.said(axis.on(trial))}"
        more = f"; {missed} network{'s' * (missed > 1)} drawn to be cheaper missed it" if missed else ""
        more += f"; the budget holds none that costs {SAVED:.0%} less" if found.last else ""
        return f"{what} is reached by trial {trial.number}, {which}{more}"

    def final_words(self, trials: Sequence[Trial], total: int) -> str:
        """The same of a search that has come to its end, and what is next; it was for `total` networks at most."""
        found, said = self.reached(trials), self.words(trials)
        if found and found.is_over:
            return said
        if sum(trial.state in ENDED and trial.repeat_of is None for trial in trials) < total:
            return f"{said}; the space holds no further network" + (" that is cheaper" if found else ": ask for less")
        return f"{said}; go on with more trials" + (" to look for a cheaper one" if found else ", or ask for less")
