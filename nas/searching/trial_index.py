"""What a search asks of its trials at every turn, kept up as they end: no turn looks at all of them again.

A trial that has ended never changes, so each is taken in once; only those that are still open are read anew. Trials of
other processes on the same study come in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.pareto import pareto_front, scored
from nas.records.scores import Metric
from nas.records.trial import ENDED, Period, Trial
from nas.samplers.early_stopping import Standing
from nas.storage.reader import Reader


@dataclass
class TrialIndex:
    """Kept up by `refresh`. Of the trials that have ended: see the fields; `open`: those that wait or train.

    Trials begin in the order in which their beginnings are in the journal, which is the same for every worker:
    `before` counts by it. Of several that begin the last network at once, the first in the journal trains it.
    """

    reader: Reader
    cost: CostAxis = FLOPS  # what the front is over
    open: list[Trial] = field(default_factory=list)
    networks: int = 0  # complete, stopped or failed; further seeds of one are not counted
    repeats: int = 0  # those further seeds
    keys: dict[str, int] = field(default_factory=dict)  # of these networks: the number of their first trial
    seeds: dict[tuple[str, int], int] = field(default_factory=dict)  # key and seed, further seeds included: the trial
    standings: list[Standing] = field(default_factory=list)  # complete and stopped, as the stopping rule sees them
    _interrupted: dict[int, Trial] = field(default_factory=dict)
    _retried: set[int] = field(default_factory=set)  # interrupted trials whose network was queued again
    _complete: dict[str | int, list[Trial]] = field(default_factory=dict)  # the seeds of each network
    _front: list[Trial] | None = field(default_factory=list)  # None: a mean has moved
    _read: int = 0

    def refresh(self) -> TrialIndex:
        """Takes in what the journal has grown by."""
        trials = self.reader.trials()
        fresh, opened = [*(t.number for t in self.open), *range(self._read, len(trials))], list[Trial]()
        self._read = len(trials)
        try:
            while fresh:
                trial = trials[fresh[0]]
                if trial.retry_of is not None:
                    self._retried.add(trial.retry_of)
                if trial.state in ("running", "waiting"):
                    opened.append(trial)
                elif trial.state == "interrupted" and trial.seed is not None:
                    self._interrupted[trial.number] = trial
                elif trial.state in ENDED:
                    self._take(trial)
                fresh.pop(0)
        finally:
            self.open = opened + [trials[number] for number in fresh]  # the rest where a curve could not be read
        return self

    @property
    def front(self) -> list[Trial]:
        """The front of all complete trials, as `nas.analysis.pareto.pareto_front` gives it."""
        if self._front is None:
            every = (trial for seeds in self._complete.values() for trial in seeds)
            self._front = pareto_front(every, self.cost.of)
        return self._front

    def front_with(self, trial: Trial) -> list[Trial]:
        """The front once this trial is complete too."""
        seeds = self._complete.get(trial.key or trial.number)
        if not seeds:
            return pareto_front([*self.front, trial], self.cost.of)
        return pareto_front([*(t for others in self._complete.values() for t in others), trial], self.cost.of)

    def seen(self) -> set[str]:
        """Keys of the networks that have ended or train."""
        return self.keys.keys() | {trial.key for trial in self.open if trial.key}

    def interrupted(self, *, repeats: bool) -> Trial | None:
        """The first trial that was interrupted and whose network is to be trained again: one of those further seeds
        (`repeats`), or a network of its own."""
        left = (trial for number, trial in self._interrupted.items() if number not in self._retried)
        return next((trial for trial in left if (trial.repeat_of is not None) == repeats), None)

    def waiting(self, *, repeats: bool) -> bool:
        """Whether such a trial is queued already."""
        return any(trial.state == "waiting" and (trial.repeat_of is not None) == repeats for trial in self.open)

    def first(self, trial: Trial) -> int | None:
        """The trial that this one would repeat: of the same network, for a further seed also of the same seed, that
        has ended or began before it."""
        again = trial.repeat_of is not None
        same = [t for t in self.before(trial) if t.key == trial.key and (not again or t.seed == trial.seed)]
        ended = self.seeds.get((trial.key or "", trial.seed or 0)) if again else self.keys.get(trial.key or "")
        return min((other.number for other in same), default=None) if ended is None else ended

    def before(self, trial: Trial) -> list[Trial]:
        """Those that train and began before this one."""
        if trial.begun is None:
            return []
        return [t for t in self.running if t.begun is not None and t.begun < trial.begun]

    def begun(self, before: Trial | None = None) -> int:
        """Networks that have ended, are drawn or train, here or in another process, further seeds not counted. `before`
        a trial: of those that are not over, the ones that began to train before it."""
        open_ones = self.running if before is None else self.before(before)
        return self.networks + sum(trial.repeat_of is None for trial in open_ones)

    def repeats_begun(self, before: Trial | None = None) -> int:
        """The same for those further seeds."""
        open_ones = self.running if before is None else self.before(before)
        return self.repeats + sum(trial.repeat_of is not None for trial in open_ones)

    @property
    def running(self) -> list[Trial]:
        """Those that are drawn or train, here or in another process."""
        return [trial for trial in self.open if trial.state == "running"]

    def rivals(self, number: int) -> list[Standing]:
        """Every network but that of trial `number` as the stopping rule sees it. Those that train in other processes
        are known up to their last rung, where they write what they have reached."""
        return self.standings + [
            Standing(trial.number, cost, trial.accuracies)
            for trial in self.running
            if trial.number != number and trial.repeat_of is None and trial.accuracies
            if (cost := self.cost.of(trial)) is not None
        ]

    def _take(self, trial: Trial) -> None:
        curve = self.reader.curve(trial.number) if trial.repeat_of is None and trial.state != "failed" else []
        if trial.key:
            self.keys.setdefault(trial.key, trial.number)
            if trial.seed is not None:
                self.seeds.setdefault((trial.key, trial.seed), trial.number)
        if trial.repeat_of is not None:
            self.repeats += 1
        else:
            self.networks += 1
            cost, accuracies = self.cost.of(trial), scores_of(curve, trial.metric) or trial.accuracies
            if trial.state != "failed" and cost is not None and accuracies:
                self.standings.append(Standing(trial.number, cost, accuracies))
        if scored([trial]):
            seeds = self._complete.setdefault(trial.key or trial.number, [])
            seeds.append(trial)
            if len(seeds) > 1:
                self._front = None
            elif self._front is not None:
                self._front = pareto_front([*self._front, trial], self.cost.of)


def scores_of(curve: Sequence[Period], metric: Metric) -> tuple[float, ...]:
    """What the study maximises, after each period."""
    return tuple(period.score(metric) for period in curve)
