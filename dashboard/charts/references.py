"""References on the chart of a front: labelled stars, and the sentences that say the same."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from dashboard.charts.labels import HEIGHT, WIDTH, Spot, placed
from dashboard.charts.style import escape
from dashboard.number_format import count, percent
from nas.analysis.against_front import ReferenceResult, against_front
from nas.analysis.seed_noise import NetworkResults
from space import compact

LONGEST = 24  # letters of a label


def short_name(result: ReferenceResult) -> str:
    """Of a label, without the options of its network: `vit` for `vit:depth=4:width=64`, `resnet18 x0.18`."""
    return result.label.partition(":")[0] or result.label


def stars(
    results: Sequence[ReferenceResult], found: NetworkResults | None = None, size: int = 13
) -> list[dict[str, Any]]:
    """A trace of those that have a score, none without any; over FLOPs. They have no number, so that a click on one
    chooses nothing. Their names go below them until `name_stars` has seen the rest of the chart; on a narrow screen the
    browser leaves them out (theme.js), and they stand where the pointer is."""
    shown = [result for result in results if result.score is not None]
    if not shown:
        return []
    return [
        {
            "type": "scatter", "mode": "markers+text", "name": "references", "cliponaxis": False,
            "x": [result.reference.flops for result in shown],
            "y": [round(100 * (result.score or 0), 4) for result in shown],
            "text": [escape(short_name(result), LONGEST) for result in shown], "textposition": "bottom center",
            "meta": {"names": True},
            "textfont": {"size": 11, "color": "@text"},
            "marker": {
                "symbol": "star", "size": size, "color": "@text", "line": {"color": "@back", "width": 1},
            },
            "hovertext": [_hover(result, results, found) for result in shown],
            "hovertemplate": "%{hovertext}<extra></extra>",
        }
    ]  # fmt: skip


def name_stars(
    star: dict[str, Any],
    xs: Sequence[float],
    ys: Sequence[float],
    x: Sequence[float],
    y: Sequence[float],
) -> None:
    """Puts the names of stars where they lie neither on each other nor, where that can be, on the points at `xs`, `ys`;
    a name without room is left out. `x`, `y`: the ends of the axes, `x` in log10."""

    def spots(across: Sequence[float], up: Sequence[float]) -> list[Spot]:
        return [
            (WIDTH * (math.log10(a) - x[0]) / (x[1] - x[0]), HEIGHT * (b - y[0]) / (y[1] - y[0]))
            for a, b in zip(across, up, strict=True)
        ]

    names = [html.unescape(name) for name in star["text"]]
    found = placed(names, spots(star["x"], star["y"]), spots(xs, ys))
    star["text"] = [name if place else "" for name, place in zip(star["text"], found, strict=True)]
    star["textposition"] = [place or "bottom center" for place in found]


def _hover(result: ReferenceResult, results: Sequence[ReferenceResult], found: NetworkResults | None) -> str:
    each = result.reference
    half = "" if result.half is None else f" ± {100 * result.half:.2f} (95%)"
    lines = [
        f"<b>{escape(each.name)}</b>, reference", f"{percent(result.score)}{half}, {count(result.seeds, 'seed')}",
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
