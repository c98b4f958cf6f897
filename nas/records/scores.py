"""Scores: how many images of each class a network told right, and which number made of that a search maximises."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, Protocol, get_args

from space.reading import InputError

Metric = Literal["accuracy", "balanced"]
METRICS: tuple[Metric, ...] = get_args(Metric)
WORDS: dict[Metric, str] = {"accuracy": "accuracy", "balanced": "balanced accuracy"}
SHORT: dict[Metric, str] = {"accuracy": "top-1", "balanced": "balanced accuracy"}  # before `, n = 5,000`
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_SHARE = re.compile(r"0?\.\d+|1(?:\.0*)?")
BALANCED = "balanced accuracy: mean of each class's share of images told right"


def parse_share(text: str) -> float:
    """`92%` or `.92`. Raises InputError for anything else."""
    match = _PERCENT.fullmatch(text.strip())
    found = float(match[1]) / 100 if match else float(text) if _SHARE.fullmatch(text.strip()) else 0.0
    if 0 < found <= 1:
        return found
    raise InputError(
        f"accuracy must be a percentage or a share up to 1, got {text.strip() or 'nothing'}; write e.g. 92% or .92"
    )


def has(score: float, least: float) -> bool:
    """Whether a score is at least so high, to the hundredth of a percent in which it is shown."""
    return round(score, 4) >= round(least, 4)


class Scored(Protocol):
    """What has both scores, 0 to 1: a trial, a period, counts. None where it does not have that one."""

    @property
    def accuracy(self) -> float | None: ...

    @property
    def balanced(self) -> float | None: ...


def score_of(scored: Scored, metric: Metric) -> float | None:
    """The number that a search by `metric` maximises, and that fronts, stopping rules and noise are of."""
    return scored.balanced if metric == "balanced" else scored.accuracy


def binomial_error(share: float, images: int) -> float:
    """The standard error of a share of so many images: `sqrt(p (1 - p) / n)`. Where all or none are told right that is
    0, though the next one may be otherwise: then with two more right and two more wrong (Agresti and Coull, The
    American Statistician 52, 1998)."""
    if share in (0, 1):
        share, images = (share * images + 2) / (images + 4), images + 4
    return math.sqrt(max(share * (1 - share), 0) / max(images, 1))


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Images of each class in a split, at least one in all, and how many of them a network told right."""

    correct: tuple[float, ...]  # whole numbers, but for a mean over seeds
    images: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """Top-1: the share of all images."""
        return sum(self.correct) / sum(self.images)

    @property
    def by_class(self) -> tuple[float | None, ...]:
        """The share of each class's images (recall); None for a class that the split has no image of."""
        pairs = zip(self.correct, self.images, strict=True)
        return tuple(right / images if images else None for right, images in pairs)

    @property
    def balanced(self) -> float:
        """The mean of these shares: every class counts the same, however few its images."""
        return fmean(share for share in self.by_class if share is not None)

    @property
    def balanced_error(self) -> float:
        """Its standard error from the numbers of images alone: each share is a binomial's, the classes independent."""
        pairs = [(share, images) for share, images in zip(self.by_class, self.images, strict=True) if share is not None]
        return math.hypot(*(binomial_error(share, images) for share, images in pairs)) / len(pairs)

    @staticmethod
    def mean(seeds: Sequence[ClassCounts]) -> ClassCounts:
        """Of several trainings judged on the same split: all scores are then the means of theirs."""
        return ClassCounts(tuple(map(fmean, zip(*(each.correct for each in seeds), strict=True))), seeds[0].images)
