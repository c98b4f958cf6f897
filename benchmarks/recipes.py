"""Recipes against each other on the same networks and seeds: accuracy and seconds, for plain and modulation blocks.

    python -m benchmarks.recipes path/to/cifar10 runs/recipes.jsonl --epochs 8 --images 6000

Networks are drawn from `convnext_or_modulation_32`, one in each of equal steps of log FLOPs; each is one block kind
throughout, in turn, so that the kinds can be told apart. Every row of the output is one training; a second run goes on
where the first was stopped. The last lines printed are each recipe's mean difference to the first one, with Student's
interval over networks, all of them holding together with 95%; fewer than VALUES have none.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from nas.analysis.multiple_comparisons import VALUES, bonferroni_level, bonferroni_note
from nas.analysis.seed_noise import student_t
from nas.analysis.wording import signed
from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.training.brief import train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from space import Arch, Band, Budget, Space, Task
from space.chooser import RandomChooser
from space.cost import cost

KINDS = (None, "convnext", "modulation")
LOW, HIGH = 1_000_000, 10_000_000  # FLOPs: conv + linear multiply-accumulates
RECIPES: dict[str, dict[str, Any]] = {
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
}  # each differs from the first in what it names


def networks(count: int, task: Task) -> list[Arch]:
    """`count` networks of one block kind each, evenly spread in log FLOPs."""
    space = Space.load("convnext_or_modulation_32")
    rng = random.Random(0)
    step = (HIGH / LOW) ** (1 / count)
    found = []
    for i, kind in zip(range(count), itertools.cycle(["convnext", "modulation"])):
        band = Band(round(LOW * step**i), round(LOW * step ** (i + 1)))
        while True:
            arch = space.narrow(block=(kind,)).compose(RandomChooser(rng), task, Budget(flops=band)).arch
            if band.low <= cost(arch, task).flops <= band.high:
                break
        found.append(arch)
    return found


def with_layer_scale(arch: Arch, init: float | None) -> Arch:
    """The network with this LayerScale in all of its blocks; None leaves it as it is."""
    if init is None:
        return arch
    plain = arch.to_dict()
    for stage in plain["stages"]:
        stage["layer_scale"] = init
    return Arch.from_dict(plain, "LayerScale")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--cheapest", type=int, help="train only so many of them, of the lowest FLOPs")
    options = parser.parse_args()
    data = load(options.data, 32)
    task = Task(32, data.channels, len(data.classes))
    device = choose_device("auto")
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["recipe"], row["key"]) for row in rows}
    nets = networks(options.networks, task)[: options.cheapest]
    for name, fields in RECIPES.items():
        layer_scale = fields.get("layer_scale")
        fields = {key: value for key, value in fields.items() if key != "layer_scale"}
        recipe = Recipe(
            **{"epochs": options.epochs, "train_images": options.images, "lr": 2e-3, "batch_size": 64, **fields}
        )
        placed = DeviceData.place(data, recipe, device)
        for arch in nets:
            if (name, arch.key) in done:
                continue
            trained = train(with_layer_scale(arch, layer_scale), task, placed, recipe, seed=1)
            row = {
                "recipe": name, "key": arch.key, "block": arch.stages[0].block.name, "flops": cost(arch, task).flops,
                "seconds": round(trained.seconds, 2), "curve": [round(epoch.accuracy, 4) for epoch in trained.curve],
            }  # fmt: skip
            rows.append(row)
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    """Mean accuracy, seconds, and the paired difference to the first recipe: all networks, then by block."""
    by: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        by[row["recipe"]][row["key"]] = row
    first = next(iter(by.values()))
    pairs = {(name, kind): _gaps(found, first, kind) for name, found in by.items() for kind in KINDS}
    statements = sum(len(gaps) >= VALUES for (name, _), gaps in pairs.items() if name != next(iter(by)))
    for name, found in by.items():
        cells = [
            f"{mean(r['curve'][-1] for r in found.values()):.2%}",
            f"{mean(r['seconds'] for r in found.values()):.0f} s",
        ]
        for kind in KINDS:
            gaps = pairs[name, kind]
            half = ""
            if len(gaps) >= VALUES and name != next(iter(by)):
                quantile = student_t(len(gaps) - 1, bonferroni_level(statements))
                half = f" +- {quantile * stdev(gaps) / math.sqrt(len(gaps)):.2f}"
            cells.append(f"{kind or 'all'} {signed(mean(gaps), 2)}{half}, n = {len(gaps)}" if gaps else "")
        print(f"{name:36s}", *(f"{cell:>30s}" for cell in cells))
    print(f"+-: {bonferroni_note(statements, 'intervals')}; none for fewer than {VALUES} networks")


def _gaps(found: dict[str, dict[str, Any]], first: dict[str, dict[str, Any]], kind: str | None) -> list[float]:
    """Differences in points, network by network."""
    both = [(found[k], first[k]) for k in found if k in first and kind in (None, found[k]["block"])]
    return [100 * (a["curve"][-1] - b["curve"][-1]) for a, b in both]


if __name__ == "__main__":
    main()
