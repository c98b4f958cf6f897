"""Scores: against scikit-learn's balanced accuracy, and simulated splits."""

from __future__ import annotations

import math
import random
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score  # type: ignore[import-untyped]

from nas.analysis.pareto import mean_of, split_error
from nas.records.scores import ClassCounts, binomial_error
from nas.records.trial import Trial

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def counted(pairs: list[tuple[int, int]]) -> ClassCounts:
    """Of (label, prediction)."""
    of = [[label == guess for label, guess in pairs if label == kind] for kind in range(4)]
    return ClassCounts(tuple(map(sum, of)), tuple(map(len, of)))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
@given(LABELS)
def test_the_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, guesses = np.array(pairs).T
    found = counted(pairs)
    assert found.accuracy == pytest.approx(accuracy_score(labels, guesses))
    assert found.balanced == pytest.approx(balanced_accuracy_score(labels, guesses))
    there = sorted(set(labels.tolist()))
    recalls = recall_score(labels, guesses, labels=there, average=None, zero_division=0)
    assert [found.by_class[kind] for kind in there] == pytest.approx(list(recalls))
    assert all(found.by_class[kind] is None for kind in set(range(4)) - set(there))


def test_the_mean_over_seeds_is_that_of_every_score() -> None:
    seeds = [ClassCounts((80, 2), (90, 10)), ClassCounts((70, 9), (90, 10))]
    trials = [
        Trial(number=i, state="complete", accuracy=c.accuracy, balanced=c.balanced, counts=c, metric="balanced")
        for i, c in enumerate(seeds)
    ]
    mean = mean_of(trials)
    assert mean.accuracy == pytest.approx(fmean(c.accuracy for c in seeds))
    assert mean.score == mean.balanced == pytest.approx(fmean(c.balanced for c in seeds))
    assert mean.counts is not None
    assert mean.counts.images == (90, 10), "n is that of the split, not of all seeds together"
    assert mean.counts.by_class == pytest.approx((75 / 90, 0.55))
    older = mean_of([trials[0], Trial(number=2, state="complete", accuracy=0.5)])
    assert (older.counts, older.balanced) == (None, None)


@pytest.mark.parametrize("metric", ["accuracy", "balanced"])
def test_the_split_s_error_is_that_of_simulated_splits(metric: str) -> None:
    rng = random.Random(0)
    true, images = (0.9, 0.6), (90, 10)

    def drawn() -> ClassCounts:
        pairs = zip(true, images, strict=True)
        return ClassCounts(tuple(sum(rng.random() < p for _ in range(n)) for p, n in pairs), images)

    splits = [drawn() for _ in range(3000)]
    scores = [c.accuracy if metric == "accuracy" else c.balanced for c in splits]
    whole = ClassCounts((81, 6), images)
    trial = Trial(
        number=0, state="complete", accuracy=whole.accuracy, balanced=whole.balanced, counts=whole,
        metric="balanced" if metric == "balanced" else "accuracy",
    )  # fmt: skip
    assert split_error(trial, 100) == pytest.approx(pstdev(scores), rel=0.1)


def test_a_share_of_all_or_none_has_an_error_too() -> None:
    assert binomial_error(0.5, 100) == 0.05
    assert binomial_error(1.0, 36) == pytest.approx(math.sqrt(38 / 40 * 2 / 40 / 40))
    assert binomial_error(0.0, 36) == pytest.approx(binomial_error(1.0, 36))
    assert ClassCounts((3, 3), (3, 3)).balanced_error > 0.1
