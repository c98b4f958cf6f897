"""The random search beside a study: found by its name, and shown only where it drew from the same and trained alike."""

from __future__ import annotations

from pathlib import Path

from nas.records.settings import BASELINE, FILE, Settings


def study_beside(folder: Path) -> Path | None:
    """The study in the sibling folder `<name>-random`, whatever it is."""
    folder = folder.resolve() if folder.name in ("", "..") else folder  # which have no name of their own
    other = folder.with_name(f"{folder.resolve().name}{BASELINE}")
    return other if (other / FILE).is_file() else None


def baseline_of(folder: Path) -> Path | None:
    """The same, where it is the study's baseline. Raises InputError where one of the two cannot be read."""
    other = study_beside(folder)
    return other if other and not why_not(Settings.read(folder), Settings.read(other)) else None


def why_not(settings: Settings, other: Settings) -> str:
    """Why a study is no baseline of another, `recipe.images is 10,000, and not 90,000`; empty where it is one."""
    if other.sampler != "random":
        return f"its sampler is {other.sampler}"
    if settings.space != other.space:
        return f"its space is another, {other.space_name}"
    if str(settings.budget) != str(other.budget):
        return f"its budget is {other.budget}"
    for field, here, there in training_differences(settings, other):
        return f"its {field} is {there}, and not {here}"
    return ""


def training_differences(one: Settings, other: Settings) -> list[tuple[str, str, str]]:
    """What two studies do not have alike in data, metric and recipe, in words: `(recipe.images, 27,000, 90,000)`."""
    sides = [
        {f"data.{name}": getattr(each.data, name) for name in ("fingerprint", "image_size")}
        | {"metric": each.metric}
        | {f"recipe.{name}": value for name, value in each.build_recipe().to_dict().items()}
        for each in (one, other)
    ]
    fields = dict.fromkeys(name for side in sides for name in side)
    pairs = [(name, sides[0].get(name), sides[1].get(name)) for name in fields]
    return [(name, _word(mine), _word(others)) for name, mine, others in pairs if mine != others]


def _word(value: object) -> str:
    """`27,000`, `0.05`, `yes`, `none`."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
