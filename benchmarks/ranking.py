"""Which brief recipe tells networks apart: accuracy, processor seconds, and ranks at equal FLOPs, in two bands.

    python -m benchmarks.ranking path/to/cifar10 benchmarks/ranking.jsonl [--band low] [--only RECIPE ...] [--report]

24 networks of `convnext_or_modulation_32` in each band of FLOPs, of plain and of modulation blocks in turn, are trained
under each recipe, and long: all images four times, with two seeds. Each row of the file is one training, in a process
of one thread; a second run goes on where the first was stopped. Seconds are of the processor, evaluations included.

The table has for each recipe, on the networks that it and the first one were both trained on: mean validation accuracy
and its difference to the first recipe's (Student's interval, all of a band's holding together with 95%); processor
seconds relative to the first; the difference at equal processor time, where a constant rate and averaged weights make
an earlier look what a shorter training would give; Kendall's tau, over pairs within a factor 1.5 of FLOPs, with the
mean of the long trainings, and of the accuracy after a third of the images with the last (bootstrap over networks).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.machine import heading
from benchmarks.trainings import Row, by_recipe, networks, train_missing
from nas.analysis.multiple_comparisons import VALUES, bonferroni_level, bonferroni_note
from nas.analysis.rank_agreement import NEAR, bootstrap
from nas.analysis.seed_noise import mean_half_width
from nas.analysis.wording import signed
from space import Arch, Band, Task

NETWORKS = 24
BANDS = {"low": (500_000, 5_000_000), "high": (4_000_000, 16_000_000)}  # FLOPs: conv + linear multiply-accumulates
LONG = ("long", "long, another seed")
FIRST = "AdamW, cosine, the same 5,000 images"
COSINE: dict[str, Any] = {"schedule": "cosine", "average": None, "warmup": 0.1, "crop_after": 0}
RECIPES: dict[str, dict[str, Any]] = {
    FIRST: {"optimizer": "adamw", "epochs": 6, "train_images": 5000, **COSINE},
    "AdamW, cosine": {"optimizer": "adamw", **COSINE},
    "Muon, cosine": COSINE,
    "the default": {},
    "crops at once": {"crop_after": 0},
    "no label smoothing": {"label_smoothing": 0.0},
    "batch 128, muon_lr 11e-3, lr 2.75e-3": {"batch_size": 128, "muon_lr": 11e-3, "lr": 2.75e-3},
    LONG[0]: {"images": 180_000, "period_images": 45_000, "lr": 8e-3, "seed": 100, **COSINE},
    LONG[1]: {"images": 180_000, "period_images": 45_000, "lr": 8e-3, "seed": 101, **COSINE},
}  # the default recipe but for what is named; seed 1 where none is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--band", choices=BANDS, action="append")
    parser.add_argument("--only", choices=RECIPES, nargs="+", default=list(RECIPES))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="of the rows that are there; trains nothing")
    options = parser.parse_args()
    for band in [] if options.report else options.band or BANDS:
        recipes = {name: {"seed": 1} | RECIPES[name] for name in options.only}
        train_missing(options.data, options.rows, band, of_band(band), recipes, options.processes)
    print(heading("torch"))
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    for band in BANDS:
        print("\n" + report(band, [row for row in rows if row["band"] == band]))


def of_band(band: str) -> list[Arch]:
    """Its networks, by rising FLOPs."""
    edges = [round(float(edge)) for edge in np.geomspace(*BANDS[band], NETWORKS + 1)]
    return networks([Band(low, high) for low, high in pairwise(edges)], Task(32, 3, 10))


def report(band: str, rows: Iterable[Row]) -> str:
    """The table, as Markdown."""
    by, (low, high) = by_recipe(rows), BANDS[band]
    long = {
        key: mean(by[name][key]["curve"][-1] for name in LONG if key in by.get(name, {}))
        for name in LONG for key in by.get(name, {})
    }  # fmt: skip
    seeds = [sum(key in by.get(name, {}) for name in LONG) for key in long]
    brief = [name for name in RECIPES if name not in LONG and by.get(name, {}).keys() & by.get(FIRST, {}).keys()]
    compared = sum(_paired(by, name)[0] >= VALUES for name in brief[1:]) or 1
    lines = [
        f"{Band(low, high)} FLOPs. Long trainings: {len(long)} networks, {sum(seeds)} trainings.", "",
        "| recipe | networks | accuracy | less the first | processor time | less, at equal time "
        "| tau with long (pairs) | tau of a third |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in brief:
        count, accuracy, gaps, cost = _paired(by, name)
        half = mean_half_width(np.array(gaps), bonferroni_level(compared)) if count >= VALUES else None
        less = (
            "" if name == brief[0] else signed(100 * mean(gaps), 2) + ("" if half is None else f" ± {100 * half:.2f}")
        )
        keys = [key for key in by[name] if key in long]
        ends = {key: row["curve"][-1] for key, row in by[name].items()}
        thirds = {key: _third(row) for key, row in by[name].items()}
        with_long = _tau(by[name], [ends[key] for key in keys], [long[key] for key in keys], keys)
        third = _tau(by[name], list(thirds.values()), list(ends.values()), list(ends))
        equal = "" if "schedule" in RECIPES[name] else signed(100 * _at_equal_time(by, name, cost), 2)
        lines.append(f"| {name} | {count} | {accuracy:.2%} | {less} | {cost:.2f} | {equal} | {with_long} | {third} |")
    return "\n".join([*lines, "", f"±: {bonferroni_note(compared, 'differences')}; taus: 95% each by itself."])


def _paired(by: dict[str, dict[str, Row]], name: str) -> tuple[int, float, list[float], float]:
    """On the networks of a recipe and of the first: how many, mean accuracy, differences, and relative seconds."""
    first = by[FIRST]
    keys = [key for key in by[name] if key in first]
    gaps = [by[name][key]["curve"][-1] - first[key]["curve"][-1] for key in keys]
    seconds = [sum(found[key]["seconds"] for key in keys) for found in (by[name], first)]
    return len(keys), mean(by[name][key]["curve"][-1] for key in keys), gaps, seconds[0] / seconds[1]


def _at_equal_time(by: dict[str, dict[str, Row]], name: str, cost: float) -> float:
    """Mean difference to the first recipe's end where both have had its seconds, straight between periods; of a recipe
    that takes less its end."""
    keys = [key for key in by[name] if key in by[FIRST]]
    curve = np.mean([by[name][key]["curve"] for key in keys], axis=0)
    there = np.interp(len(curve) / max(cost, 1.0), np.arange(1, len(curve) + 1), curve)
    return float(there - np.mean([by[FIRST][key]["curve"][-1] for key in keys]))


def _third(row: Row) -> float:
    """Accuracy after a third of the images."""
    return float(row["curve"][max(0, round(len(row["curve"]) / 3) - 1)])


def _tau(found: dict[str, Row], a: list[float], b: list[float], keys: list[str]) -> str:
    """At equal FLOPs."""
    size = np.log([float(found[key]["flops"]) for key in keys])
    near = np.abs(size[:, None] - size) <= np.log(NEAR) + 1e-9
    if len(keys) < 4 or not np.triu(near, 1).any():
        return ""
    tau, spread = bootstrap(np.array(a), np.array(b), near)
    low, high = np.nanquantile(spread, [0.025, 0.975])
    return f"{tau:.2f} ({low:.2f} to {high:.2f}; {int(np.triu(near, 1).sum())})"


if __name__ == "__main__":
    main()
