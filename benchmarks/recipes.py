"""Recipes against each other on the same networks and seeds: accuracy and seconds, for plain and modulation blocks.

    python -m benchmarks.recipes path/to/cifar10 benchmarks/recipes.jsonl

Networks are drawn from `convnext_or_modulation_32`, one in each of equal steps of log FLOPs; each is one block kind
throughout, in turn, so that the kinds can be told apart. The last lines printed are each recipe's mean difference to
the first one, with Student's interval over networks, all of them holding together with 95%; fewer than VALUES have
none.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.trainings import Row, by_recipe, train_missing
from nas.analysis.multiple_comparisons import VALUES, bonferroni_level, bonferroni_note
from nas.analysis.seed_noise import mean_half_width
from nas.analysis.wording import signed
from space import Band

KINDS = (None, "convnext", "modulation")
NETWORKS = 6
EDGES = [round(float(edge)) for edge in np.geomspace(1_000_000, 10_000_000, NETWORKS + 1)]  # FLOPs
BANDS = [Band(low, high) for low, high in pairwise(EDGES)]  # of conv + linear multiply-accumulates
FIRST: dict[str, Any] = {
    "optimizer": "adamw", "epochs": 8, "train_images": 6000, "lr": 2e-3, "batch_size": 64, "seed": 1,
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "lr 2e-3, batch 64": {},
    "lr 1e-3": {"lr": 1e-3},
    "lr 4e-3": {"lr": 4e-3},
    "weights averaged, .98": {"ema": 0.98},
    "no crop": {"crop": 0},
    "lr 2e-3, batch 32": {"batch_size": 32},
    "no label smoothing": {"label_smoothing": 0.0},
    "LayerScale from .1": {"layer_scale": 0.1},
    "warm-up .25": {"warmup": 0.25},
    "weight decay .2": {"weight_decay": 0.2},
}


def main() -> None:
    report(train_missing(BANDS, {name: FIRST | fields for name, fields in CHANGES.items()}, processes=1))


def report(rows: list[Row]) -> None:
    """Mean accuracy, seconds, and the paired difference to the first recipe: all networks, then by block."""
    by = by_recipe(rows)
    base, first = next(iter(by.items()))
    pairs = {(name, kind): _gaps(found, first, kind) for name, found in by.items() for kind in KINDS}
    statements = sum(len(gaps) >= VALUES for (name, _), gaps in pairs.items() if name != base)
    for name, found in by.items():
        cells = [
            f"{mean(r['curve'][-1] for r in found.values()):.2%}",
            f"{mean(r['seconds'] for r in found.values()):.0f} s",
        ]
        for kind in KINDS:
            gaps = pairs[name, kind]
            half = mean_half_width(np.array(gaps), bonferroni_level(statements)) if name != base else None
            spread = "" if half is None else f" +- {half:.2f}"
            cells.append(f"{kind or 'all'} {signed(mean(gaps), 2)}{spread}, n = {len(gaps)}" if gaps else "")
        print(f"{name:36s}", *(f"{cell:>30s}" for cell in cells))
    print(f"+-: {bonferroni_note(statements, 'intervals')}; none for fewer than {VALUES} networks")


def _gaps(found: dict[str, Row], first: dict[str, Row], kind: str | None) -> list[float]:
    """Differences in points, network by network."""
    both = [(found[k], first[k]) for k in found if k in first and kind in (None, found[k]["block"])]
    return [100 * (a["curve"][-1] - b["curve"][-1]) for a, b in both]


if __name__ == "__main__":
    main()
