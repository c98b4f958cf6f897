"""Whether an accuracy is told from guessing: from what one gets who looks at no picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from nas.analysis.multiple_comparisons import bonferroni_level
from nas.analysis.pareto import score
from nas.records.scores import Metric
from nas.records.settings import Settings
from nas.records.trial import Trial


def chance_words(found: float, images: Sequence[int], *, metric: Metric = "accuracy", many: int = 1) -> str:
    """`at chance: guessing the largest class gives 25%, n = 60` (above it `not told from chance: ...`), or
    nothing where `found` is told from that.

    `images`: of each class of the split. Guessing the largest class gives its share of all images, guessing at all
    1 / classes of a balanced accuracy. Told is what lies 1.96 standard errors (the binomial's, of guessing) above;
    more of the best of `many` networks, each of which might have had luck (Bonferroni).
    """
    there = [count for count in images if count]
    if metric == "accuracy":
        guess = max(there) / sum(there)
        error, what = math.sqrt(guess * (1 - guess) / sum(there)), "guessing the largest class"
    else:
        guess = 1 / len(there)
        error = math.sqrt(guess * (1 - guess) * sum(1 / count for count in there)) / len(there)
        what = f"guessing among {len(there)} classes"
    if found - guess >= NormalDist().inv_cdf((1 + bonferroni_level(many)) / 2) * error:
        return ""
    where = "not told from chance" if found > guess else "at chance"
    return f"{where}: {what} gives {100 * guess:.3g}%, n = {sum(there):,}"


def front_chance(front: Sequence[Trial], networks: int, settings: Settings) -> str:
    """That the best of a front, by rising cost, of so many networks is at chance, and what to do; nothing where it is
    not."""
    if not front:
        return ""
    best, data = front[-1], settings.data
    if best.counts:
        images: Sequence[int] = best.counts.images
    elif data.look:
        images = list(data.look.counts["validation"].values())
    else:  # of earlier releases: as if classes were equally large, than which no guess is lower
        images = [max(1, data.validation // len(data.classes))] * len(data.classes)
    words = chance_words(score(best), images, metric=settings.metric, many=networks)
    of_many = f"the best of {networks:,} is " if networks > 1 else ""
    return words and f"{of_many}{words}; train for longer (--images) or give more pictures"
