"""References beside a study's front: what the front reaches at no more FLOPs, and whether the seeds tell the two apart.

A reference is no trial: it has no part in the front, its noise or its probabilities. Its own noise over seeds is taken
to be that of the study's networks. The front's member was chosen as the highest of many accuracies and flatters: the
difference is of what is expected of it (`seed_noise`), not of its mean, and so is whether the two are told apart, at a
level that holds for all references together. Without a repeat nothing is expected, and the difference is the mean's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from nas.analysis.multiple_comparisons import bonferroni_level
from nas.analysis.pareto import flops, score
from nas.analysis.seed_noise import NetworkResult, NetworkResults, interval
from nas.analysis.wording import signed
from nas.records.reference import Reference
from nas.records.scores import ClassCounts, Metric
from space import Band


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceResult:
    """One reference with all its seeds. None: no training of it gave a score."""

    reference: Reference  # its first training, at the mean counts of all that gave a score
    metric: Metric
    seeds: int
    inside: bool  # whether it lies in the study's band
    half: float | None = None  # of the 95% interval of the mean over seeds

    @property
    def score(self) -> float | None:
        return self.reference.score(self.metric)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the mean over seeds."""
        return None if self.score is None or self.half is None else interval(self.score, self.half)

    @property
    def label(self) -> str:
        """Its name without who defines it: `mobilenetv3_small_100`."""
        name = self.reference.name
        return name.partition(":")[2] or name


@dataclass(frozen=True, slots=True)
class ReferenceGap:
    """Of a network of the study from a reference. `points`: of the score (0 to 1) that is expected of the network, of
    its mean where nothing is. `share`: of the reference's FLOPs."""

    row: NetworkResult
    result: ReferenceResult
    points: float
    share: float
    told: bool | None  # whether the seeds tell them apart; None: the noise is not known

    @property
    def gain(self) -> str:
        """In points: `+2.1`."""
        return signed(100 * self.points, 1)

    @property
    def words(self) -> str:
        """`+2.1 points expected at 33% of its FLOPs`, and whether that is more than noise."""
        expected = "" if self.row.expected is None else " expected"
        told = {True: "", False: ", within noise", None: ", noise unknown"}[self.told]
        return f"{self.gain} points{expected} at {self.share:.0%} of its FLOPs{told}"


def reference_results(references: Iterable[Reference], found: NetworkResults, band: Band) -> list[ReferenceResult]:
    """By rising FLOPs, the seeds of each together; `found`: of the study."""
    metric: Metric = next((row.trial.metric for row in found.rows.values()), "accuracy")
    groups: dict[str, list[Reference]] = {}
    for each in references:
        groups.setdefault(each.name, []).append(each)
    results = [_result(same, metric, found, band) for same in groups.values()]
    return sorted(results, key=lambda result: (result.reference.flops, result.reference.name))


def _result(same: Sequence[Reference], metric: Metric, found: NetworkResults, band: Band) -> ReferenceResult:
    scored = [each for each in same if each.counts]
    known = [each.counts for each in scored if each.counts]
    first = (scored or same)[0]
    if known:
        first = replace(first, counts=ClassCounts.mean(known), seconds=fmean(each.seconds for each in scored))
    half = found.noise.half_width(len(known)) if found.noise and known else None
    return ReferenceResult(
        reference=first, metric=metric, seeds=len(known), inside=first.flops in band, half=half
    )  # fmt: skip


def against_front(result: ReferenceResult, found: NetworkResults, statements: int) -> ReferenceGap | None:
    """The most accurate network with at most the FLOPs of a reference, one of the front over FLOPs; None where all have
    more, or either has no score. `statements`: how many such differences are made together."""
    cheaper = [row for row in found.rows.values() if flops(row.trial) <= result.reference.flops]
    best = max(cheaper, key=lambda row: (score(row.trial), -flops(row.trial), -row.trial.number), default=None)
    return None if best is None else difference(best, result, found, statements)


def difference(
    row: NetworkResult, result: ReferenceResult, found: NetworkResults, statements: int
) -> ReferenceGap | None:
    """Of a network of the study from a reference."""
    if result.score is None:
        return None
    seeds = 1 / (1 / row.seeds + 1 / result.seeds)
    half = found.noise.half_width(seeds, bonferroni_level(statements)) if found.noise else None
    fair = score(row.trial) if row.expected is None else row.expected
    points, share = fair - result.score, flops(row.trial) / result.reference.flops
    return ReferenceGap(row, result, points, share, None if half is None else abs(points) > half)
