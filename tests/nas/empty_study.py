"""A study that was begun and has no trial yet."""

from __future__ import annotations

from pathlib import Path

from nas.records.data_card import DataCard
from nas.records.recipe import Recipe
from nas.records.settings import Settings
from space import Space


def write_empty_study(folder: Path, space: Path) -> Settings:
    """Writes study.yaml and nothing else."""
    card = DataCard(
        source="digits", name="digits", fingerprint="0" * 16, image_size=8, channels=1,
        classes=tuple("0123456789"), train=1079, validation=359, test=359,
    )  # fmt: skip
    settings = Settings(
        name=folder.name, created="2026-01-01T00:00:00+00:00", command="nas search ...", space_name="tiny",
        space=Space.load(space).to_dict(), flops_low=20_000, flops_high=200_000, data=card,
        recipe=Recipe().to_dict(), sampler="tpe", seed=0, device="cpu", versions={},
    )  # fmt: skip
    folder.mkdir(parents=True)
    settings.write(folder)
    return settings
