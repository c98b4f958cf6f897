"""Networks trained under several recipes, a row per training: what `benchmarks.recipes` and `benchmarks.ranking` share.

Every row of the file is one training; a second run goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from nas.data.dataset import Data, load
from nas.records.recipe import Recipe
from nas.training.brief import train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from space import Arch, Band, Budget, Space, Task, cost, processor

Row = dict[str, Any]  # recipe, key, block, flops, seconds, curve


def networks(bands: Sequence[Band], task: Task) -> list[Arch]:
    """A network in each band (of FLOPs), all different, of plain blocks and of modulation blocks in turn."""
    space, rng = Space.load("convnext_or_modulation_32"), random.Random(0)
    found: dict[str, Arch] = {}
    for band, kind in zip(bands, itertools.cycle(["convnext", "modulation"]), strict=False):
        narrow = space.narrow(block=(kind,))
        draws = (narrow.random_arch(rng, task, Budget(flops=band)) for _ in itertools.count())
        arch = next(arch for arch in draws if arch.key not in found)
        found[arch.key] = arch
    return list(found.values())


def train_missing(bands: Sequence[Band], recipes: Mapping[str, Mapping[str, Any]], processes: int) -> list[Row]:
    """The command line: trains each network under each recipe that the file does not have it under; all rows. A recipe
    has the fields of `Recipe`, the `seed` of its trainings and a `layer_scale`, which stands in all blocks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    known = {(row["recipe"], row["key"]) for row in rows}
    data = load(options.data, 32)
    nets = networks(bands, Task(32, data.channels, len(data.classes)))
    jobs = [(name, arch) for name in recipes for arch in nets if (name, arch.key) not in known]
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (options.data, processes)) as pool:
        running = [pool.submit(_train, name, recipes[name], arch.to_dict()) for name, arch in jobs]
        for done in as_completed(running):
            rows.append(done.result())
            with options.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    return rows


_data: Data  # of a process


def _begin(source: str, processes: int) -> None:
    global _data
    torch.set_num_threads(max(1, processor.cores() // processes))
    _data = load(source, 32)


def _train(name: str, fields: Mapping[str, Any], plain: dict[str, Any]) -> Row:
    """One training, in a process that has begun."""
    arch = Arch.from_dict(plain, "network")
    task = Task(32, _data.channels, len(_data.classes))
    recipe = Recipe(**{key: value for key, value in fields.items() if key not in ("seed", "layer_scale")})
    if "layer_scale" in fields:
        for stage in plain["stages"]:
            stage["layer_scale"] = fields["layer_scale"]
    placed = DeviceData.place(_data, recipe, choose_device("auto"))
    trained = train(Arch.from_dict(plain, "network"), task, placed, recipe, seed=fields["seed"])
    return {
        "recipe": name, "key": arch.key, "block": arch.stages[0].block.name, "flops": cost(arch, task).flops,
        "seconds": round(trained.seconds, 2), "curve": [round(period.accuracy, 4) for period in trained.curve],
    }  # fmt: skip


def by_recipe(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """recipe -> key -> row, in the order of the rows."""
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        found[row["recipe"]][row["key"]] = row
    return found
