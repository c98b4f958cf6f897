"""The course of a study: its hypervolume as training goes on, its rate, its workers, and the time it still takes.

Needs no torch. Trials count in the order in which they ended; a network's mean moves as its further seeds end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from nas.analysis.pareto import hypervolume, mean_of, minimised, pareto_front, score, scored
from nas.records.extent import Extent
from nas.records.settings import Settings
from nas.records.trial import ENDED, Trial

RECENT = 20  # trials that the rate is of


@dataclass(frozen=True, slots=True)
class Step:
    """After a trial ended: what was spent so far, and the front's hypervolume (0 to 1)."""

    number: int
    images: int  # trained on in all
    seconds: float  # of training and evaluation, all workers together
    clock: float | None  # hours since the first trial began; None where the study has no times
    hypervolume: float
    best: float | None


@dataclass(frozen=True, slots=True)
class Span:
    """A trial on its worker. Times in UTC."""

    number: int
    worker: str
    state: str
    begun: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a study goes, and how long until its end. None where that cannot be said."""

    trainings: int  # ended: complete, stopped, failed; further seeds included
    total: int | None  # in all, further seeds included
    per_hour: float | None  # over the last RECENT trials
    left: timedelta | None


def hypervolume_history(trials: Sequence[Trial], settings: Settings) -> list[Step]:
    """A step for each trial that ended, in the order of their ends."""
    ended = [t for t in trials if t.state in ENDED]
    if all(t.finished for t in ended):
        ended.sort(key=lambda t: (t.finished, t.number))
    begun = min((t.started for t in ended if t.started), default=None)
    growing = _Growing(settings)
    images, seconds, steps = 0, 0.0, []
    for trial in ended:
        images += trial.images or 0
        seconds += trial.seconds or 0.0
        growing.add(trial)
        clock = (trial.finished - begun).total_seconds() / 3600 if trial.finished and begun else None
        steps.append(Step(trial.number, images, seconds, clock, growing.volume, growing.best))
    return steps


class _Growing:
    """A front that takes in one trial after another; the hypervolume is worked out anew only where the front moves."""

    def __init__(self, settings: Settings) -> None:
        self.ends, self.cost, self.volume = settings.ends, minimised(settings), 0.0
        self.seeds: dict[str | int, list[Trial]] = {}  # of each network
        self.networks: dict[str | int, Trial] = {}  # each at the mean of its seeds
        self.front: list[Trial] = []

    @property
    def best(self) -> float | None:
        return self.front[-1].score if self.front else None

    def add(self, trial: Trial) -> None:
        if not scored([trial]):
            return
        key = trial.key or trial.number
        self.seeds.setdefault(key, []).append(trial)
        before = self.networks.get(key)
        own = self.networks[key] = mean_of(self.seeds[key])
        if any(each is before for each in self.front):  # else it can only rise onto the front
            self.front = pareto_front(self.networks.values(), self.cost)
        elif all(self.cost(each) > self.cost(own) or score(each) < score(own) for each in self.front):
            self.front = pareto_front([*self.front, own], self.cost)
        else:
            return
        self.volume = hypervolume(self.front, self.ends, self.cost)


def spans(trials: Sequence[Trial], now: datetime) -> list[Span]:
    """When each trial was on which worker. A trial may be drawn long before it is trained: it counts from its end back
    by its seconds, never before it was drawn, nor before its worker was done with the one before."""
    found: list[Span] = []
    for trial in trials:
        if trial.owner is None or trial.started is None or trial.state in ("waiting", "outside", "repeat"):
            continue
        ended = trial.finished or now
        begun = trial.started
        if trial.finished and trial.seconds is not None:
            begun = max(begun, ended - timedelta(seconds=trial.seconds))
        found.append(Span(trial.number, trial.owner, trial.state, begun, ended))
    free: dict[str, datetime] = {}  # since when, by worker
    for at, span in sorted(enumerate(found), key=lambda pair: pair[1].ended):
        found[at] = replace(span, begun=min(span.ended, max(span.begun, free.get(span.worker, span.begun))))
        free[span.worker] = span.ended
    return found


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of a study, each of which lives from its first trial's begin to its last one's end."""

    workers: int  # in all
    together: int  # at work at once, at most
    share: float | None  # of their lives that they were training; None for lives of no length


def crew(spans: Sequence[Span]) -> Crew:
    """A study that is gone on with has another worker each time: one after the other is one at once."""
    lives: dict[str, tuple[datetime, datetime]] = {}
    for span in spans:
        begun, ended = lives.get(span.worker, (span.begun, span.ended))
        lives[span.worker] = min(begun, span.begun), max(ended, span.ended)
    together = max((sum(b <= at < e or at == b for b, e in lives.values()) for at, _ in lives.values()), default=0)
    lived = sum((ended - begun).total_seconds() for begun, ended in lives.values())
    busy = sum((span.ended - span.begun).total_seconds() for span in spans)
    return Crew(len(lives), together, busy / lived if lived else None)


def pace(trials: Sequence[Trial], settings: Settings, extent: Extent | None) -> Pace:
    """`extent`: as on record; else what the command that began the study says."""
    ended = sorted((t for t in trials if t.state in ENDED), key=lambda t: (t.finished is None, t.finished, t.number))
    total = extent.trials + extent.further if extent else _asked(settings.command)
    times = [t.finished for t in ended if t.finished][-RECENT:]
    if len(times) < 3 or times[-1] == times[0]:
        return Pace(len(ended), total, None, None)
    gaps = [(b - a).total_seconds() for a, b in pairwise(times)]
    usual = median(gaps)
    worked = sum(min(gap, 10 * usual + 60) for gap in gaps)  # a night between two sessions is no work
    rate = 3600 * len(gaps) / worked if worked else None
    left = timedelta(hours=max(0, total - len(ended)) / rate) if rate and total is not None else None
    return Pace(len(ended), total, rate, left)


def _asked(command: str) -> int | None:
    """`--trials 60 --repeats 16` -> 76."""
    found = {name: re.search(rf"--{name}[ =](\d{{1,9}})\b", command) for name in ("trials", "repeats")}
    if found["trials"] is None:
        return None
    return sum(int(match[1]) for match in found.values() if match)
