"""The model card of a study whose classes are far from even."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas.export.model_card import ModelCard
from nas.records.scores import ClassCounts
from nas.storage.reader import Reader
from tests.dashboard.studies import make_imbalanced


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    reader = Reader(make_imbalanced(tmp_path))
    trials = reader.trials()
    return ModelCard(
        trial=trials[5], settings=reader.settings, trials=trials, validation=330 / 360, test=0.9, note=None,
        versions={}, test_counts=ClassCounts((306, 18), (324, 36)),
    )  # fmt: skip


def test_both_splits_are_told_by_class_each_with_its_n(card: ModelCard) -> None:
    validation, test = card.class_lines()
    means = "(mean of each class's share told right, n = 360, 1 seed,"
    assert validation == (
        f"validation balanced accuracy 0.8796 {means} the split they were selected on, in the search): "
        "many 92.59% (n = 324), few 83.33% (n = 36)"
    )
    assert test == (
        f"test balanced accuracy 0.7222 {means} untouched by the search): many 94.44% (n = 324), few 50.00% (n = 36)"
    )
    summary = card.summary(Path("out"))
    assert validation in summary
    assert test in summary
    found = card.to_json()
    assert (found["balanced_accuracy"], found["test_balanced_accuracy"]) == pytest.approx((0.87963, 0.72222), abs=1e-5)
    assert found["test_class_accuracies"] == pytest.approx((306 / 324, 0.5))
    assert found["mean_balanced_accuracy"] == found["balanced_accuracy"]


def test_without_counts_the_card_says_what_it_has(card: ModelCard) -> None:
    older = replace(card.trial, counts=None, balanced=None, metric="accuracy")
    without = replace(card, trial=older, trials=[older], test_counts=None)
    assert without.class_lines() == []
    assert "balanced" not in without.summary(Path("out"))
