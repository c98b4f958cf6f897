"""How the dashboard says things: numbers with their units, and what a number rests on."""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from nas.settings import Settings
from nas.trials import Trial
from space import compact

FLOPS = "FLOPs (conv + linear multiply-accumulates, batch 1)"
FIRST_SEARCH = "nas search digits --data digits --flops 1M..4M --trials 30"
PLAIN, MODULATION, MIXED, OTHER = "ConvNeXt blocks", "modulation blocks", "several kinds", "other blocks"
BOTTLENECK, INVERTED, DEPTHWISE_FIRST = "bottlenecks", "inverted bottlenecks", "depthwise-first blocks"
NONE = "–"  # noqa: RUF001  a dash where there is nothing to say
KINDS = {
    "convnext": PLAIN, "modulation": MODULATION, "bottleneck": BOTTLENECK, "inverted": INVERTED,
    "depthwise_first": DEPTHWISE_FIRST,
}  # fmt: skip
MIXES = (*KINDS.values(), OTHER, MIXED)


def percent(share: float | None, digits: int = 1) -> str:
    """`0.967` -> `96.7%`; a dash where there is nothing to say."""
    return NONE if share is None else f"{100 * share:.{digits}f}%"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 trial`, `2 trials`, `1,000 trials`, `10 classes`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def short(number: int | None) -> str:
    """`4455531264` -> `4.46G`."""
    return NONE if number is None else compact(number)


def evidence(settings: Settings, seeds: int | tuple[int, int] = 1) -> str:
    """What an accuracy rests on: `validation top-1, n = 5,000 images, 1 seed`, or `mean of 1 to 3 seeds`."""
    low, high = seeds if isinstance(seeds, tuple) else (seeds, seeds)
    words = "1 seed" if high == 1 else f"mean of {low} to {high} seeds" if low < high else f"mean of {high} seeds"
    return f"validation top-1, n = {settings.data.validation:,} images, {words}"


def seeds_per_network(trials: Iterable[Trial]) -> tuple[int, int]:
    """Fewest and most seeds that a finished network was trained with."""
    times = Counter(trial.key or f"trial {trial.number}" for trial in trials if trial.state == "complete")
    return (min(times.values()), max(times.values())) if times else (1, 1)


def standard_error(accuracy: float, images: int) -> float:
    """Of an accuracy measured on `images`: `sqrt(p (1 - p) / n)`, the binomial's."""
    return math.sqrt(max(accuracy * (1 - accuracy), 0) / max(images, 1))


def ago(moment: datetime | None) -> str:
    """`12 s ago`, `3 min ago`, `2 h ago`, `5 days ago`."""
    if moment is None:
        return "never"
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def stages(trial: Trial) -> list[dict[str, Any]]:
    """The stages of a trial's network as they stand in the journal, unchecked and so quick; empty where it has none."""
    listed = trial.arch.get("stages") if isinstance(trial.arch, dict) else None
    return [stage for stage in listed if isinstance(stage, dict)] if isinstance(listed, (list, tuple)) else []


def mix(trial: Trial) -> str:
    """Which blocks a network is made of: one of MIXES."""
    kinds = {str(stage.get("block")) for stage in stages(trial)}
    return KINDS.get(kinds.pop(), OTHER) if len(kinds) == 1 else MIXED


def stage_line(stage: dict[str, Any]) -> str:
    """A stage in one line: `convnext 2 x 64, kernel 7, expansion 4, ln, gelu`; what its block has not is left out."""
    words = [f"{stage.get('block')} {stage.get('depth')} x {stage.get('width')}"]
    words += [f"{name} {stage[name]}" for name in ("kernel", "expansion") if name in stage]
    words += [str(stage[name]) for name in ("norm", "act") if name in stage]
    if stage.get("downsample") == "strided":
        words.append("strided")
    return ", ".join(words)


def escape(text: object, longest: int = 120) -> str:
    """Text for plotly, which reads tags in labels: `&`, `<` and `>` become entities; long text is cut."""
    plain = str(text)
    return html.escape(plain if len(plain) <= longest else plain[: longest - 1] + "…", quote=False)


def heading(name: str) -> str | None:
    """A study's name as Markdown that shows it letter by letter; None for a name that `nas` would not give."""
    return re.sub(r"([_.-])", r"\\\1", name) if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name) else None


def cell(text: str | None) -> str:
    """Text for a table that may be saved as CSV: a spreadsheet would take `= + - @` at its start for a formula."""
    plain = text or ""
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@", "\t", "\r")) else plain
