"""What random networks tell of two spaces, as a table for the terminal and for `--json`. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from nas.analysis.about import about_budget, about_data
from nas.analysis.plain_table import plain_table
from nas.analysis.space_comparison import RESAMPLES, Measured, Side, SpaceComparison
from nas.analysis.wording import FLOPS_WORDS, basis
from nas.records.settings import Settings
from space import Band

BEST_OF = (1, 2, 5, 10, 20, 50)  # of which the best is told


def comparison_table(found: SpaceComparison, settings: Settings, band: Band, seeds: str) -> Table:
    """A column for each space. `seeds`: what an accuracy is of, in words."""
    sides = found.one, found.other
    heads = (Column(side.name, justify="right", overflow="fold") for side in sides)
    title = f"random networks of two spaces in {band} FLOPs"
    note = escape("\n".join(_notes(found, settings, seeds)))
    table = plain_table(Column("", no_wrap=True), *heads, title=title, note=note)
    table.add_row("networks", *(f"{side.edf.networks:,}" for side in sides))
    if found.failures():
        table.add_row("failed to train", *(f"{side.failed:,}" for side in sides))
    table.add_row("median accuracy", *(_percent(side.median, 2) for side in sides))
    table.add_row("above the other's median", *(_percent(side.ahead, 0) for side in sides))
    for count in BEST_OF:
        best = [side.best_of(count) for side in sides]
        if any(best):
            table.add_row(f"best of {count}, expected", *(_percent(each, 2) if each else "" for each in best))
    return table


def _percent(found: Measured, digits: int) -> str:
    """`51.20% (50.10 to 52.31)`."""
    value = f"{100 * found.value:.{digits}f}%"
    if found.low is None or found.high is None:
        return value
    return f"{value} ({100 * found.low:.{digits}f} to {100 * found.high:.{digits}f})"


def _notes(found: SpaceComparison, settings: Settings, seeds: str) -> list[str]:
    one = found.bins == 1
    parts = f"{found.bins} part{'s' * (not one)} of the band, in log, count{'s' * one} the same for both"
    lines = [
        basis(settings, seeds),
        f"Weighted to equal FLOPs: {parts}.",
        "(): 95% of a bootstrap over networks, each by itself; none for a best of more than a tenth of them.",
        f"p: of {found.permutations:,} permutations within these parts; the verdict rests on it alone.",
    ]
    if found.failures():
        lines.append("failed to train: below all others in every row, in medians and means with accuracy 0.")
    return lines


def comparison_json(
    found: SpaceComparison, pair: tuple[Settings, Settings], band: Band, seeds: str, narrowing: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What it is of, and a row for each space."""
    one = pair[0]
    about = {
        "data": about_data(one.data), "task": asdict(one.task), "budget": about_budget(one.budget),
        "flops": [band.low, band.high], "flops_convention": FLOPS_WORDS,
        "score": {
            "metric": one.metric, "split": "validation", "n": one.data.validation, "seeds": seeds,
            "training": one.training,
        },
        "weights": "equal in each part of log FLOPs", "parts": found.bins, "permutations": found.permutations,
        "resamples": RESAMPLES, "distance": found.distance.value, "p": found.distance.p, "needed": found.needed,
        "better": {"one": found.one.name, "other": found.other.name}.get(found.outcome),
        "verdict": found.verdict(), "ruling": found.ruling() if narrowing else None,
    }  # fmt: skip
    gaps = found.one_ahead, found.other_ahead
    rows = [
        {
            "space": side.name, "study": settings.name, "seed": settings.seed, "networks": side.edf.networks,
            "trained": side.trained, "failed": side.failed, "median": asdict(side.median),
            "above_others_median": asdict(side.ahead), "ahead": gap.value, "ahead_p": gap.p,
            "best_of": [{"networks": n, **asdict(best)} for n, best in _bests(side)],
        }
        for side, settings, gap in zip((found.one, found.other), pair, gaps, strict=True)
    ]  # fmt: skip
    return about, rows


def _bests(side: Side) -> list[tuple[int, Measured]]:
    found = ((count, side.best_of(count)) for count in range(1, len(side.best) + 1))
    return [(count, best) for count, best in found if best]
