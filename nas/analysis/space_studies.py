"""Two studies of random networks as samples of their spaces, compared. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.analysis.baseline import training_differences
from nas.analysis.comparison import Sample
from nas.analysis.cost_axes import FLOPS, CostAxis
from nas.analysis.pareto import failed, merged, points, score
from nas.analysis.space_comparison import SpaceComparison, compare_samples
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import Band, InputError, Space

StudyTrials = tuple[Sequence[Trial], Settings]


def compare_studies(one: StudyTrials, other: StudyTrials, seed: int = 0) -> SpaceComparison:
    """By all networks that were trained to their end or failed to, in the FLOPs that both spaces reach. Raises
    InputError for studies that cannot be compared, and for too few networks."""
    settings = one[1], other[1]
    check_comparable(*settings)
    mine, others = (sample(study[0], name) for study, name in zip((one, other), names_of(*settings), strict=True))
    return compare_samples(mine, others, shared_band(*settings), seed)


def check_comparable(one: Settings, other: Settings) -> None:
    """Raises InputError where networks are not drawn at random, or not trained alike."""
    for each in (one, other):
        if (each.sampler, each.stop) != ("random", "none"):
            raise InputError(
                f"study must be of random networks, all trained to their end, to tell of its space, got {each.name} of "
                f"sampler {each.sampler}, stop {each.stop}; begin two with nas compare-spaces"
            )
    for field, mine, others in training_differences(one, other):
        raise InputError(
            f"{field} must be that of {one.name}, {mine}, to compare with {other.name}, got {others}; "
            "choose studies that were trained alike"
        )


def comparable(one: Settings, other: Settings) -> bool:
    """Whether their networks are of a kind, in FLOPs that both reach; not whether there are enough of them."""
    try:
        check_comparable(one, other)
        shared_band(one, other)
    except InputError:
        return False
    return True


def names_of(one: Settings, other: Settings) -> tuple[str, str]:
    """Of the spaces, or of the studies where the spaces go by the same name."""
    if one.space_name == other.space_name:
        return one.name, other.name
    return one.space_name, other.space_name


def shared_band(one: Settings, other: Settings) -> Band:
    """The FLOPs that both studies draw from and both spaces reach. Raises InputError where there are none."""
    ends = [_reached(each) for each in (one, other)]
    low, high = max(band.low for band in ends), min(band.high for band in ends)
    if low > high:
        raise InputError(
            f"flops must have a part that both spaces reach, got {ends[0]} of {one.name}, {ends[1]} of {other.name}; "
            "compare them in another band"
        )
    return Band(low, high)


def _reached(settings: Settings) -> Band:
    ends = settings.build_space().cost_range(settings.task)
    return Band(max(ends.low, settings.flops_low), min(ends.high, settings.flops_high))


def is_narrowing(one: Space, other: Space) -> bool:
    """Whether the other is the one with fewer choices: a proposal to be tested."""
    if one.image_size != other.image_size or not other.axes.keys() <= one.axes.keys():
        return False
    pairs = [(one.axes[name].values, axis.values) for name, axis in other.axes.items()]
    return all(set(few) <= set(many) for many, few in pairs) and any(len(few) < len(many) for many, few in pairs)


def sample(trials: Sequence[Trial], name: str, cost: CostAxis = FLOPS) -> Sample:
    """A study's networks that have such a cost: those that were trained to their end, at the means of their seeds, and
    those that failed to train. Those stopped early are no part of it."""
    every = [*((trial, score(trial)) for trial in merged(trials)), *((trial, -np.inf) for trial in failed(trials))]
    known = [(accuracy, value) for trial, accuracy in every if (value := cost.of(trial))]
    accuracies, costs = np.array(known, dtype=float).reshape(-1, 2).T
    return Sample(name, accuracies, costs)


def seeds_per_network(one: StudyTrials, other: StudyTrials) -> tuple[int, int]:
    """Fewest and most seeds that a network of either was trained with to its end."""
    counts = [point.seeds for study in (one, other) for point in points(study[0])]
    return min(counts, default=1), max(counts, default=1)


def seeds_words(one: StudyTrials, other: StudyTrials) -> str:
    """`1 seed per network`, or which means the accuracies are."""
    low, high = seeds_per_network(one, other)
    count = f"{low} to {high}" if low < high else str(high)
    return "1 seed per network" if high == 1 else f"the mean of each network's {count} seeds"
