"""An accuracy to reach: the cheapest network that has it, what is still wanted then, and when a search for it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.analysis.cost_axes import cost_of
from nas.analysis.pareto import Point, minimised, points, score, top
from nas.analysis.wording import mean_words
from nas.records.scores import parse_share
from nas.records.settings import Settings
from nas.records.trial import ENDED, Trial
from nas.storage.reader import Reader

SEEDS = 3  # trainings whose mean is believed: of many networks that are trained once, some reach it by luck
SAVED = 0.02  # part of its cost that a network must save to be looked for
MISSES = 10  # networks that were drawn to be cheaper, trained in vain, after which a search ends


@dataclass(frozen=True, slots=True)
class AccuracyGoal:
    """`least`: of what the study maximises, 0 to 1. Costs are of what it minimises, in the units of its budget."""

    least: float
    settings: Settings

    def reached(self, trials: Sequence[Trial]) -> Point | None:
        """The cheapest network whose mean has it."""
        cost = minimised(self.settings)
        found = (point for point in points(trials) if score(point.trial) >= self.least)
        return min(found, key=lambda point: (cost(point.trial), point.trial.number), default=None)

    def below(self, trials: Sequence[Trial]) -> int | None:
        """What the next network is to cost less than; None before the accuracy is reached."""
        found = self.reached(trials)
        return None if found is None else self._below(found)

    def to_confirm(self, trials: Sequence[Trial]) -> int | None:
        """The network that reaches it, by its first trial, while it has too few seeds, those that train included."""
        found = self.reached(trials)
        if found is None or len(_seeds(trials, found)) >= SEEDS:
            return None
        return found.trial.number

    def is_over(self, trials: Sequence[Trial], repeats: int) -> bool:
        """Whether no further network is to be drawn: there is none in the budget that costs less than the one which
        reaches it, or MISSES of them were in vain, and that one has its SEEDS, or as many as `repeats` allow."""
        found = self.reached(trials)
        if found is None:
            return False
        if self.settings.cheaper_than(self._below(found)) is None:
            return True
        seeds = _seeds(trials, found)
        spent = sum(trial.repeat_of is not None and trial.state in ENDED for trial in trials) >= repeats
        sure = all(trial.state in ENDED for trial in seeds) and (len(seeds) >= SEEDS or spent)
        return sure and self.misses(trials, found) >= MISSES

    def _below(self, reached: Point) -> int:
        return max(1, int((1 - SAVED) * minimised(self.settings)(reached.trial)))

    def misses(self, trials: Sequence[Trial], reached: Point) -> int:
        """Networks that were drawn to be cheaper than one which reaches it, and cost less than `reached`."""
        cost = minimised(self.settings)
        drawn = (t for t in trials if t.below is not None and t.state in ENDED and t.repeat_of is None)
        return sum(cost(trial) < cost(reached.trial) for trial in drawn)

    def words(self, trials: Sequence[Trial]) -> str:
        """How far a search for it is."""
        found, axis = self.reached(trials), cost_of(self.settings)
        if found is None:
            near = top(trials, minimised(self.settings))
            if near is None:
                return f"accuracy: {self.least:.2%} is not reached: no network was trained to its end"
            return (
                f"accuracy: {self.least:.2%} is not reached; the nearest is trial {near.trial.number}, "
                f"{mean_words(score(near.trial), near.seeds)}: go on with more --trials, or ask for less"
            )
        trial = found.trial
        missed = self.misses(trials, found)
        vain = f"; {missed} network{'s' * (missed > 1)} drawn to be cheaper missed it" if missed else ""
        what = f"{mean_words(score(trial), found.seeds)}, {axis.said(axis.on(trial))}"
        return f"accuracy: {self.least:.2%} is reached by trial {trial.number}, {what}{vain}"


def has_reached(folder: Path, accuracy: str) -> bool:
    """Whether a study has a network of at least this accuracy, such as `92%`."""
    goal = AccuracyGoal(parse_share(accuracy, "accuracy"), Settings.read(folder))
    return goal.reached(Reader(folder).trials()) is not None


def _seeds(trials: Sequence[Trial], point: Point) -> list[Trial]:
    """The trainings of a network, those that failed and those that are to come included."""
    states = (*ENDED, "running", "waiting")
    first = point.trial.number
    return [trial for trial in trials if first in (trial.number, trial.repeat_of) and trial.state in states]
