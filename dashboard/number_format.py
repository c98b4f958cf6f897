"""Numbers as text, with their units and with what they rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from nas.records.scores import SHORT, Metric
from nas.records.settings import Settings
from nas.records.trial import Trial
from space import compact

NONE = "–"  # noqa: RUF001  a dash where there is no value


def percent(share: float | None, digits: int = 2) -> str:
    """`0.967` -> `96.70%`; a dash where there is nothing to say."""
    return NONE if share is None else f"{100 * share:.{digits}f}%"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 trial`, `2 trials`, `1,000 trials`, `10 classes`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def short(number: int | None) -> str:
    """`4455531264` -> `4.46G`."""
    return NONE if number is None else compact(number)


def evidence(settings: Settings, seeds: int | tuple[int, int] = 1, metric: Metric | None = None) -> str:
    """What an accuracy rests on: `validation top-1, n = 5,000 images, 1 seed`, or `mean of 1 to 3 seeds`. `metric`: the
    study's own, unless it is said."""
    low, high = seeds if isinstance(seeds, tuple) else (seeds, seeds)
    words = "1 seed" if high == 1 else f"mean of {low} to {high} seeds" if low < high else f"mean of {high} seeds"
    return f"validation {SHORT[metric or settings.metric]}, n = {settings.data.validation:,} images, {words}"


def seed_range(trials: Iterable[Trial]) -> tuple[int, int]:
    """Fewest and most seeds that a finished network was trained with."""
    times = Counter(trial.key or f"trial {trial.number}" for trial in trials if trial.state == "complete")
    return (min(times.values()), max(times.values())) if times else (1, 1)


def ago(moment: datetime | None) -> str:
    """`12 s ago`, `3 min ago`, `2 h ago`, `5 days ago`."""
    if moment is None:
        return "never"
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
