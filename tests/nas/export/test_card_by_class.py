"""The model card of a study whose classes are far from even."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas.export.by_class import card_table, terminal_table
from nas.export.folder import Written
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
        versions={}, validation_counts=trials[5].counts, test_counts=ClassCounts((306, 18), (324, 36)),
    )  # fmt: skip


def test_both_splits_are_told_by_class_each_with_its_n(card: ModelCard) -> None:
    validation, test = card.class_lines()
    means = "(mean of each class's share told right, n = 360, 1 seed,"
    assert validation == f"validation balanced accuracy 87.96% {means} the split they were selected on)"
    assert test == f"test balanced accuracy 72.22% {means} untouched by the search)"
    summary = card.summary(Path("out"))
    assert validation in " ".join(summary.split())
    assert test in " ".join(summary.split())
    rows = (["many", "92.59%", "324", "94.44%", "324"], ["few", "83.33%", "36", "50.00%", "36"])
    lines = [line.split() for line in summary.splitlines()]
    assert all(row in lines for row in (["class", "validation", "n", "test", "n"], *rows))
    text = card.markdown(Written((), ()))
    assert all(f"| {' | '.join(row)} |" in text for row in rows)
    for line in (validation, test):
        assert f"- {line}\n" in text
    found = card.to_json()
    assert (found["balanced_accuracy"], found["test_balanced_accuracy"]) == pytest.approx((0.87963, 0.72222), abs=1e-5)
    assert found["test_class_accuracies"] == pytest.approx((306 / 324, 0.5))
    assert found["mean_balanced_accuracy"] == found["balanced_accuracy"]


def test_a_test_accuracy_that_a_guess_has_too_is_said_to_be_that(card: ModelCard) -> None:
    line = (
        "test accuracy at chance: guessing the largest class gives 90%, n = 360; train it for longer (nas train) or "
        "give more pictures"
    )
    assert card.chance_line() == line
    assert f"{line}\n" in card.summary(Path("out"))
    assert f"- {line}\n" in card.markdown(Written((), ()))
    assert "at chance" not in replace(card, test=0.95).summary(Path("out"))


def test_without_counts_the_card_says_what_it_has(card: ModelCard) -> None:
    older = replace(card.trial, counts=None, balanced=None, metric="accuracy")
    without = replace(card, trial=older, trials=[older], validation_counts=None, test_counts=None)
    assert without.class_lines() == []
    assert "balanced" not in without.summary(Path("out"))
    assert "By class" not in without.markdown(Written((), ()))


def test_of_many_classes_the_terminal_has_the_ends_and_the_card_all() -> None:
    classes = ["a | b", "c" * 100, "d[red]", *(f"class {i}" for i in range(3, 60))]
    counts = ClassCounts(tuple(range(60)), (100,) * 59 + (0,))
    text = terminal_table({"validation": counts}, classes)
    assert max(map(len, text.splitlines())) <= 80
    shown = [line.split()[-2] for line in text.splitlines()[2:-1]]
    assert shown == [f"{share:.2f}%" for share in (*range(5), *range(54, 59))]
    assert "d[red]" in text, "no markup"
    assert text.endswith("the worst and the best 5 of 60 classes, validation; README.md has all")
    card = card_table({"validation": counts, "test": counts}, classes).splitlines()
    assert len(card) == 2 + 60
    assert {line.count("|") for line in card} == {6}
    assert card[2] == "| a &#124; b | 0.00% | 100 | 0.00% | 100 |"
    assert card[-1] == "| class 59 |  | 0 |  | 0 |", "no image of it in the split"


def test_up_to_twenty_classes_are_listed_in_their_order() -> None:
    classes = [f"c{i}" for i in range(20)]
    text = terminal_table({"test": ClassCounts(tuple(range(20, 0, -1)), (20,) * 20)}, classes)
    assert [line.split()[0] for line in text.splitlines()[2:]] == classes
