"""References of a study as a table for the terminal, and for `--json`. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from nas.analysis.against_front import ReferenceGap, ReferenceResult, against_front, reference_results
from nas.analysis.multiple_comparisons import bonferroni_note
from nas.analysis.plain_table import number, plain_table
from nas.analysis.seed_noise import NetworkResults
from nas.records.reference import read_references
from nas.records.scores import WORDS
from nas.records.settings import Settings
from space import compact


def references_table(folder: Path, found: NetworkResults, settings: Settings) -> Table | None:
    """By rising FLOPs, each with the best of the front at no more FLOPs; None where the study has no references."""
    results = reference_results(read_references(folder), found, settings.band)
    if not results:
        return None
    rows = [(result, against_front(result, found, len(results))) for result in results]
    title = "references: trained by the study's recipe, no part of its search"
    products = any(result.reference.products for result in results)  # a column only where there are some
    heads = [WORDS[settings.metric].replace(" ", "\n"), "n", "FLOPs", *["products"] * products, "params", "front", "at"]
    columns = [Column("reference", overflow="fold"), *map(number, heads), Column("")]
    table = plain_table(*columns, title=title, note=escape(_note(rows)))
    for result, apart in rows:
        each = result.reference
        more = [compact(each.products) if each.products else ""] * products
        gain = (apart.gain, f"{apart.share:.0%}") if apart else ("", "")
        numbers = (_score(result), str(result.seeds), compact(each.flops), *more, compact(each.params), *gain)
        table.add_row(Text(result.label), *numbers, Text(_mark(result, apart)))
    return table


def _score(result: ReferenceResult) -> str:
    if result.score is None:
        return "none"
    return f"{result.score:.2%}" if result.half is None else f"{100 * result.score:.2f} ± {100 * result.half:.2f}%"


def _mark(result: ReferenceResult, apart: ReferenceGap | None) -> str:
    """What is to be known of its row."""
    if result.score is None:
        return f"came to nothing: {result.reference.reason}"
    noise = {True: "", False: "within noise", None: "noise unknown"}[apart.told] if apart else "below the front"
    return ", ".join(filter(None, [noise, "" if result.inside else "outside the band"]))


def _note(rows: Sequence[tuple[ReferenceResult, ReferenceGap | None]]) -> str:
    compared = [apart for _, apart in rows if apart]
    lines = []
    if compared:
        by = "," if any(apart.row.expected is not None for apart in compared) else ""
        lines.append(f"front: points by which its best network at no more FLOPs is ahead{by}")
        lines += ["  by what further seeds are expected to give it: the highest of many flatters"] if by else []
        lines.append("at: FLOPs of that network, in percent of the reference's")
    if told := [apart.told for apart in compared if apart.told is not None]:
        what = "all are told from it" if all(told) else "within noise: seeds do not tell them apart"
        lines.append(f"{what}, {bonferroni_note(len(rows), 'references')},")
        lines.append("  where a reference has the seed noise of the study's networks")
    if any(result.reference.products for result, _ in rows):
        lines.append("products: multiply-accumulates of attention, no part of FLOPs")
    return "\n".join(lines)


def reference_records(folder: Path, found: NetworkResults, settings: Settings) -> list[dict[str, Any]]:
    """For `--json`, by rising FLOPs: each at the mean of its `seeds`, with what the front has at no more FLOPs."""
    results = reference_results(read_references(folder), found, settings.band)
    return [_record(result, against_front(result, found, len(results))) for result in results]


def _record(result: ReferenceResult, apart: ReferenceGap | None) -> dict[str, Any]:
    each = result.reference
    names = ("name", "source", "origin", "scale", "built", "flops", "products", "params", "seconds", "reason")
    return {
        **{name: getattr(each, name) for name in names}, "accuracy": each.accuracy, "balanced_accuracy": each.balanced,
        "metric": result.metric, "seeds": result.seeds, "interval": result.interval, "in_band": result.inside,
        "front": None if apart is None else {
            "trial": apart.row.trial.number, "difference": apart.points, "flops_share": apart.share,
            "told_apart": apart.told,
        },
    }  # fmt: skip
