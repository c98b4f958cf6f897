"""References on the chart of a front: labelled stars, and the sentences that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.charts.style import PURPLE, escape
from dashboard.number_format import count, percent
from nas.analysis.against_front import ReferenceResult, against_front
from nas.analysis.seed_noise import NetworkResults
from space import compact

LONGEST = 24  # letters of a label


def stars(
    results: Sequence[ReferenceResult], found: NetworkResults | None = None, size: int = 13
) -> list[dict[str, Any]]:
    """A trace of those that have a score, none without any; over FLOPs. They have no number, so that a click on one
    chooses nothing."""
    shown = [result for result in results if result.score is not None]
    if not shown:
        return []
    return [
        {
            "type": "scatter", "mode": "markers+text", "name": "references", "cliponaxis": False,
            "x": [result.reference.flops for result in shown],
            "y": [round(100 * (result.score or 0), 4) for result in shown],
            "text": [escape(result.label, LONGEST) for result in shown], "textposition": "bottom center",
            "textfont": {"size": 11, "color": "@text"},
            "marker": {
                "symbol": "star", "size": size, "color": PURPLE, "line": {"color": "@back", "width": 1},
            },
            "hovertext": [_hover(result, results, found) for result in shown],
            "hovertemplate": "%{hovertext}<extra></extra>",
        }
    ]  # fmt: skip


def _hover(result: ReferenceResult, results: Sequence[ReferenceResult], found: NetworkResults | None) -> str:
    each = result.reference
    half = "" if result.half is None else f" ± {100 * result.half:.2f}"
    lines = [
        f"<b>{escape(each.name)}</b>, reference", f"{percent(result.score, 2)}{half}, {count(result.seeds, 'seed')}",
        f"{compact(each.flops)} FLOPs, {compact(each.params)} parameters, {escape(each.built)}",
    ]  # fmt: skip
    if each.products:
        lines.append(f"{compact(each.products)} attention products, not in FLOPs")
    apart = against_front(result, found, len(results)) if found else None
    if apart:
        lines.append(f"front: {apart.words}, trial {apart.row.trial.number}")
    return "<br>".join(lines)


def stars_sentence(results: Sequence[ReferenceResult], found: NetworkResults | None = None) -> str:
    """What the stars are, and each in numbers; nothing without any."""
    shown = [result for result in results if result.score is not None]
    if not shown:
        return ""
    said = "; ".join(_sentence(result, results, found) for result in shown)
    return f"Stars: {count(len(shown), 'reference')}, trained by the same recipe and no part of the search. {said}."


def _sentence(result: ReferenceResult, results: Sequence[ReferenceResult], found: NetworkResults | None) -> str:
    apart = against_front(result, found, len(results)) if found else None
    front = f", the front {apart.words}" if apart else ""
    return f"{result.reference.name}: {percent(result.score)} at {compact(result.reference.flops)} FLOPs{front}"
