"""The Pareto front: the networks that no other beats in both accuracy (or the study's other metric) and cost, which is
FLOPs unless the study minimises another; best, knee and hypervolume.

A network trained with several seeds is one point, at its mean accuracy, so that a lucky seed puts nothing on the front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from statistics import fmean
from typing import Any

from nas.records.scores import ClassCounts, binomial_error
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import Band, InputError


def scored(trials: Iterable[Trial]) -> list[Trial]:
    """Trials with a score and FLOPs."""
    return [t for t in trials if t.state == "complete" and t.score is not None and t.flops is not None]


def by_network(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Scored trials of the same network (by key) together, by number; a trial without a key is a network of its own."""
    groups: dict[str | int, list[Trial]] = {}
    for trial in sorted(scored(trials), key=lambda t: t.number):
        groups.setdefault(trial.key or trial.number, []).append(trial)
    return list(groups.values())


def failed(trials: Iterable[Trial]) -> list[Trial]:
    """Networks that have FLOPs, and failed in all their trainings: the first trial of each, by number."""
    known, found = list(trials), dict[str | int, Trial]()
    ended = {trial.key or trial.number for trial in scored(known)}
    for trial in sorted(known, key=lambda t: t.number):
        key = trial.key or trial.number
        if trial.state == "failed" and trial.flops is not None and key not in ended:
            found.setdefault(key, trial)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Point:
    """A network of a study. What is said of its accuracy anywhere is this mean, with the number of its seeds."""

    trial: Trial  # its first, which stands for all, at the means of its seeds
    seeds: int


def points(trials: Iterable[Trial]) -> list[Point]:
    """The trained networks of a study, by the number of their first trial."""
    return [Point(mean_of(same), len(same)) for same in by_network(trials)]


def mean_of(seeds: Sequence[Trial]) -> Trial:
    """The first of a network's trials, by number, with their mean scores."""
    if len(seeds) == 1:
        return seeds[0]
    first = min(seeds, key=lambda trial: trial.number)
    known = [trial.counts for trial in seeds if trial.counts]
    counts = ClassCounts.mean(known) if len(known) == len(seeds) else None
    accuracies = [trial.accuracy for trial in seeds if trial.accuracy is not None]
    return replace(first, accuracy=fmean(accuracies), balanced=counts.balanced if counts else None, counts=counts)


def merged(trials: Iterable[Trial]) -> list[Trial]:
    """The same without the numbers of seeds."""
    return [point.trial for point in points(trials)]


def top(trials: Iterable[Trial], cost: Callable[[Trial], float] | None = None) -> Point | None:
    """The most accurate network, the last of the front, and never the best single training; None without any."""
    cost = cost or flops
    return max(points(trials), key=lambda p: (score(p.trial), -cost(p.trial), -p.trial.number), default=None)


def pareto_front(trials: Iterable[Trial], cost: Callable[[Trial], float | None] | None = None) -> list[Trial]:
    """Networks by rising cost (FLOPs by default), each more accurate than all cheaper ones, as `merged` gives them;
    those that have no such cost are left out.

    Of equals, the first trial stands.
    """
    front: list[Trial] = []
    cost = cost or flops
    known = [(value, trial) for trial in merged(trials) if (value := cost(trial)) is not None]
    for _, trial in sorted(known, key=lambda each: (each[0], -score(each[1]), each[1].number)):
        if not front or score(trial) > score(front[-1]):
            front.append(trial)
    return front


def best(front: Sequence[Trial]) -> Trial:
    """The most accurate; it is the last of a front."""
    _require(front)
    return max(front, key=lambda t: (score(t), -flops(t)))


def knee(front: Sequence[Trial], cost: Callable[[Trial], float] | None = None) -> Trial:
    """The trial farthest above the line from the cheapest to the best, in log cost (FLOPs by default) and accuracy."""
    _require(front)
    cost = cost or flops
    first, last = front[0], front[-1]
    if len(front) < 3:
        return last
    width = math.log(cost(last) / cost(first))
    height = score(last) - score(first)

    def above(trial: Trial) -> float:
        return (score(trial) - score(first)) / height - math.log(cost(trial) / cost(first)) / width

    return max(front, key=above)


def hypervolume(trials: Iterable[Trial], band: Band, cost: Callable[[Trial], float] | None = None) -> float:
    """Area under the front's staircase over log cost (FLOPs by default) across `band`, from 0 to 1.

    0 below the cheapest network, then the best accuracy so far; 1 would be perfect accuracy at the band's low end.
    """
    cost = cost or flops
    front = [trial for trial in pareto_front(trials, cost) if cost(trial) <= band.high]
    edges = [max(cost(trial), band.low) for trial in front] + [band.high]
    area = sum(score(t) * math.log(right / left) for t, left, right in zip(front, edges, edges[1:], strict=False))
    return area / math.log(band.high / band.low) if band.high > band.low else (score(front[-1]) if front else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a study found, and the training that it took: to set beside another's, such as random search's."""

    study: str
    networks: int
    front: int
    hypervolume: float  # of means, over the log of what the study minimises, between its ends
    trainings: int  # begun and ended: complete, failed or stopped, repeats included
    images: int  # trained on in all; those of failed trainings are not known
    seconds: float  # of training and evaluation, all trainings together


def outcome(trials: Sequence[Trial], settings: Settings) -> Outcome:
    """The outcome of a study so far."""
    trained = [trial for trial in trials if trial.state in ("complete", "failed", "stopped")]
    return Outcome(
        study=settings.name,
        networks=len(by_network(trials)),
        front=len(pareto_front(trials, minimised(settings))),
        hypervolume=hypervolume(trials, settings.ends, minimised(settings)),
        trainings=len(trained),
        images=sum(trial.images or 0 for trial in trained),
        seconds=sum(trial.seconds or 0.0 for trial in trained),
    )


def split_error(trial: Trial, images: int) -> float:
    """The standard error of a trial's score from the number of images alone, `binomial_error`; of a balanced accuracy
    that of a mean of such shares, each class's with its own n."""
    if trial.metric == "accuracy" or trial.counts is None:
        return binomial_error(score(trial), images)
    return trial.counts.balanced_error


def score(trial: Trial) -> float:
    """What the study maximises of a trial that is complete."""
    found = trial.score
    assert found is not None
    return found


def minimised(settings: Settings) -> Callable[[Trial], Any]:
    """What the study minimises of a trial, in the units of `Settings.ends`."""
    return attrgetter(settings.minimize)


def flops(trial: Trial) -> int:
    assert trial.flops is not None
    return trial.flops


def _require(front: Sequence[Trial]) -> None:
    if not front:
        raise InputError("front must have a finished trial, got none; run `nas search` first, or for longer")
