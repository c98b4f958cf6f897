"""Accuracies that are told from guessing, and those that are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.analysis.chance import chance_words, front_chance
from nas.records.scores import ClassCounts, Metric
from tests.dashboard.charts.figures import trial
from tests.dashboard.studies import LOOK, make_settings


@pytest.mark.parametrize("metric", ["accuracy", "balanced"])
@pytest.mark.parametrize("many", [1, 20])
def test_who_guesses_is_taken_for_better_in_one_study_of_forty(metric: Metric, many: int) -> None:
    random, images = np.random.default_rng(0), np.array([60, 30, 30])
    told = 0
    for _ in range(2000):
        if metric == "accuracy":
            found = random.binomial(images.sum(), images.max() / images.sum(), many) / images.sum()
        else:
            found = (random.binomial(images, 1 / 3, (many, 3)) / images).mean(axis=1)
        told += not chance_words(float(found.max()), images.tolist(), metric=metric, many=many)
    assert told / 2000 == pytest.approx(0.025, abs=0.015)


def test_words_and_thresholds() -> None:
    even = [15, 15, 15, 15]
    assert chance_words(0.35, even) == "not told from chance: guessing the largest class gives 25%, n = 60"
    assert chance_words(0.37, even) == ""
    assert chance_words(0.37, even, many=12).startswith("not told from chance: ")
    assert chance_words(0.1, even).startswith("at chance: ")
    assert chance_words(0.9, [90, 10]) == "at chance: guessing the largest class gives 90%, n = 100"
    assert chance_words(0.55, [90, 10], metric="balanced").startswith("not told from chance: guessing among 2 ")
    assert chance_words(0.3, [20, 0, 20, 20]) == "at chance: guessing the largest class gives 33.3%, n = 60"


def test_a_front_says_what_to_do() -> None:
    settings = make_settings("s")
    best = replace(trial(0, 0.3, 2_000_000), counts=ClassCounts((9, 9), (30, 30)))
    rest = "; train for longer (--images) or give more pictures"
    assert front_chance([best], 1, settings) == f"at chance: guessing the largest class gives 50%, n = 60{rest}"
    assert front_chance([best], 7, settings).startswith("the best of 7 is at chance: ")
    assert front_chance([replace(best, accuracy=0.9)], 7, settings) == ""
    assert front_chance([], 0, settings) == ""
    without = replace(best, counts=None)
    seen = replace(settings, data=replace(settings.data, look=LOOK))  # 9 cats and a dog to validate on
    assert "gives 90%, n = 10" in front_chance([without], 1, seen)
    assert "gives 10%, n = 360" in front_chance([replace(without, accuracy=0.11)], 1, settings), "of ten classes"
