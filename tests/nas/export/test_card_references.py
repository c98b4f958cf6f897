"""The model card of a study that has references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas.export.model_card import ModelCard
from nas.storage.reader import Reader
from tests.dashboard.studies import make_study
from tests.nas.analysis.test_against_front import reference


def test_the_network_stands_beside_each_of_them(tmp_path: Path) -> None:
    reader = Reader(make_study(tmp_path, complete=6))
    trial = reader.trials()[0]
    assert trial.flops is not None
    assert trial.accuracy is not None
    dear = reference(round(trial.accuracy - 0.03, 3), 2 * trial.flops)
    lost = replace(reference(0, 2_000_000, "timm:lost"), counts=None, reason="loss became nan")
    card = ModelCard(
        trial=trial, settings=reader.settings, trials=reader.trials(), validation=0.9, test=0.9, note=None,
        versions={}, references=[dear, lost],
    )  # fmt: skip
    (line,) = card.reference_lines()
    points = 100 * (trial.accuracy - (dear.accuracy or 0))
    assert line.startswith(f"beside timm:resnet18 ({dear.accuracy:.2%}, 1 seed, ")
    assert line.endswith(f"this network has +{points:.1f} points at 50% of its FLOPs, noise unknown")
    assert replace(card, references=()).reference_lines() == []
    assert points == pytest.approx(3.0, abs=0.1)
