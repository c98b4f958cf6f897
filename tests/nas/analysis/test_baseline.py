"""The random search beside a study: by its name, and only where it was trained alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.analysis.baseline import baseline_of, study_beside, why_not
from space import Space
from tests.dashboard.studies import make_settings

MINE = make_settings("mine")
RANDOM = replace(MINE, name="mine-random", sampler="random", command="nas search digits --baseline")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"seed": 7, "device": "cuda", "command": "nas search digits --sampler random"}, ""),
        ({"sampler": "tpe"}, "its sampler is tpe"),
        ({"flops_high": 8_000_000}, "its budget is 1M..8M FLOPs"),
        ({"space": Space.load("convnext_32").to_dict(), "space_name": "other"}, "its space is another, other"),
        ({"recipe": {name: value for name, value in MINE.recipe.items() if name != "mixup"}}, ""),
        ({"metric": "balanced"}, "its metric is balanced, and not accuracy"),
        ({"recipe": MINE.recipe | {"lr": 0.5}}, "its recipe.lr is 0.5, and not 0.002"),
        ({"data": replace(MINE.data, fingerprint="1" * 16)}, f"its data.fingerprint is {'1' * 16}, and not {'0' * 16}"),
    ],
)
def test_a_study_of_that_name_is_a_baseline_where_it_was_trained_alike(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    other = replace(RANDOM, **changes)
    assert why_not(MINE, other) == why
    for settings in (MINE, other):
        (tmp_path / settings.name).mkdir()
        settings.write(tmp_path / settings.name)
    folder = tmp_path / "mine"
    assert study_beside(folder) == tmp_path / "mine-random"
    assert baseline_of(folder) == (None if why else tmp_path / "mine-random")


def test_without_a_study_of_that_name_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    MINE.write(tmp_path / "mine")
    (tmp_path / "mine-random").mkdir()
    assert study_beside(tmp_path / "mine") is baseline_of(tmp_path / "mine") is None
