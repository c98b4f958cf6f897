"""Networks trained under several recipes, a row per training, for `benchmarks.ranking`."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from nas.data.dataset import Data, load
from nas.records.recipe import Recipe
from nas.training.brief import train
from nas.training.device_data import DeviceData
from space import Arch, Band, Budget, Space, Task, cost

Row = dict[str, Any]  # recipe, band, key, block, flops, params, seconds of the processor, curve


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


def train_missing(
    source: str, file: Path, band: str, nets: Sequence[Arch], recipes: Mapping[str, Mapping[str, Any]], processes: int
) -> None:
    """Trains each network under each recipe that the file does not have it under, and adds a row for each. A recipe has
    the fields of `Recipe` and the `seed` of its trainings."""
    lines = file.read_text().splitlines() if file.exists() else []
    known = {(row["recipe"], row["key"]) for row in map(json.loads, lines)}
    jobs = [(name, arch) for name in recipes for arch in nets if (name, arch.key) not in known]
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (source,)) as pool:
        running = [pool.submit(_train, name, recipes[name], band, arch.to_dict()) for name, arch in jobs]
        for done in as_completed(running):
            with file.open("a") as out:
                out.write(json.dumps(done.result()) + "\n")


_data: Data  # of a process


def _begin(source: str) -> None:
    global _data
    torch.set_num_threads(1)
    _data = load(source, 32)


def _train(name: str, fields: Mapping[str, Any], band: str, plain: dict[str, Any]) -> Row:
    """One training, in a process that has begun."""
    arch, task = Arch.from_dict(plain, "network"), Task(32, _data.channels, len(_data.classes))
    recipe = Recipe(**{key: value for key, value in fields.items() if key != "seed"})
    placed, began, counts = DeviceData.place(_data, recipe, torch.device("cpu")), time.process_time(), cost(arch, task)
    trained = train(arch, task, placed, recipe, seed=fields["seed"])
    return {
        "recipe": name, "band": band, "key": arch.key, "block": arch.stages[0].block.name, "flops": counts.flops,
        "params": counts.params, "seconds": round(time.process_time() - began, 2),
        "curve": [round(period.accuracy, 4) for period in trained.curve],
    }  # fmt: skip


def by_recipe(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """recipe -> key -> row, in the order of the rows."""
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        found[row["recipe"]][row["key"]] = row
    return found
