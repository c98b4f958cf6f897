"""What the terminal says of a space: its axes, how many networks it holds, what they cost, what can be drawn."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from rich.table import Column, Table

from nas.analysis.plain_table import number, plain_table
from nas.analysis.wording import CONVENTION, IN_WORDS, LEGEND, describe, in_words, task_words
from nas.process.files import write_asked
from space import Band, Budget, InputError, Space, Task, compact
from space.axes import Value
from space.chooser import RandomChooser
from space.count_networks import count_networks
from space.draw import Proposal
from space.rules import COUNTS

HEADS = {name: "FLOPs" if name == "flops" else name for name in COUNTS}
SAMPLE = 2000  # random networks that a share is estimated from
ATTEMPTS = 300


def parse_budget(flops: str | None, params: str | None, activations: str | None) -> Budget | None:
    """The bands that were given; None if none was."""
    texts = dict(zip(COUNTS, (flops, params, activations), strict=True))
    bands = {name: Band.parse(text, name) for name, text in texts.items() if text is not None}
    return Budget(**bands) if bands else None


def task_of(space: Space, image_size: int | None, channels: int, classes: int | None) -> Task:
    """The space's own image size where none is given; 1,000 classes from 128 px on, else 10."""
    size = image_size or space.image_size
    return Task(size, channels, classes or (1000 if size >= 128 else 10))


def draw(space: Space, task: Task, budget: Budget | None, count: int, seed: int) -> list[Proposal]:
    """Random networks; the same seed gives the same on every machine."""
    space.check_size(task.image_size, f"space {space.name}")
    rng = random.Random(seed)
    return [space.sample(rng, task, budget) for _ in range(count)]


def draw_table(proposals: Sequence[Proposal], task: Task, budget: Budget | None, wide: bool = False) -> Table:
    """Networks with their costs. `wide`: every count, networks in full; else activations only where bounded."""
    counted = [name for name in COUNTS if wide or name != "activations" or (budget and budget.activations)]
    words = LEGEND if wide else f"{IN_WORDS};\n  in full, and with every count: --wide"
    note = f"{CONVENTION}, {task_words(task)}\n{words}"
    counts = (number(HEADS[name]) for name in counted)
    table = plain_table(Column("key", no_wrap=True), *counts, Column("network", overflow="fold"), note=note)
    for proposal in proposals:
        cells = (compact(getattr(proposal.cost, name)) for name in counted)
        table.add_row(proposal.arch.key, *cells, (describe if wide else in_words)(proposal.arch))
    return table


def narrowed(space: Space, choices: Sequence[str]) -> Space:
    """The space narrowed by `axis=choice,choice` texts."""
    wanted: dict[str, list[Value]] = {}
    for text in choices:
        name, equals, values = text.partition("=")
        if not equals:
            raise InputError(f"narrow must be AXIS=CHOICE,CHOICE, got {text}; write e.g. kernel=7,9")
        wanted[name] = [_value(value) for value in values.split(",")]
    return space.narrow(**wanted) if wanted else space


def _value(text: str) -> Value:
    with suppress(yaml.YAMLError):
        value: Value = yaml.safe_load(text)
        return value
    return text


def save(space: Space, path: Path) -> None:
    """As a YAML file that `Space.load` reads. Raises InputError where the file exists."""
    if path.exists():
        raise InputError(f"save must be a new file, got {path}; choose another name")
    write_asked(path, space.to_yaml(), "save")


def axes_table(space: Space) -> Table:
    """Its axes; those with a single choice below the others."""
    table = plain_table(Column("axis", no_wrap=True), Column("choices", overflow="fold"), number("n"))
    for axis in sorted(space.axes.values(), key=lambda axis: len(axis.values) == 1):
        table.add_row(axis.name, axis.words(), str(len(axis.values)))
    return table


def differences_table(space: Space, other: Space) -> Table:
    """The axes in which two spaces differ."""
    names = (Column(name, overflow="fold") for name in (space.name, other.name))
    table = plain_table(Column("axis", no_wrap=True), *names)
    for row in space.differences(other):
        table.add_row(row[0], *(text or "(no such axis)" for text in row[1:]))
    return table


def report(space: Space, task: Task, budget: Budget | None, seed: int = 0) -> dict[str, Any]:
    """How many networks, from which to which cost, and what of them is in the budget."""
    space.check_size(task.image_size, f"space {space.name}")
    size = count_networks(space)
    ends = {name: space.cost_range(task, name) for name in COUNTS}
    found: dict[str, Any] = {
        "networks": size.networks, "exact": size.exact,
        **{name: [band.low, band.high] for name, band in ends.items()},
    }  # fmt: skip
    if budget is not None:
        space.check_budget(budget, task)
        rng = random.Random(seed)
        inside = sum(budget.holds(space.compose(RandomChooser(rng, None), task).counts) for _ in range(SAMPLE))
        built = sum(space.compose(RandomChooser(rng, None), task, budget).inside for _ in range(ATTEMPTS))
        found |= {"share": inside / SAMPLE, "sample": SAMPLE, "acceptance": built / ATTEMPTS}
    return found


def report_lines(found: dict[str, Any], task: Task, budget: Budget | None) -> list[str]:
    """`report` in words."""
    bound = f"{found['networks']:,}" if found["networks"] < 10**9 else f"{found['networks']:.2e}"
    networks = (
        f"{bound} (exact)" if found["exact"] else f"at most {bound}: choices multiplied, a few give equal networks"
    )
    lines = [f"distinct networks: {networks}", f"cost at {task_words(task)} ({CONVENTION}):"]
    lines += [f"  {name} {Band(*found[name])}" for name in COUNTS]
    if budget is not None:
        share, n = found["share"], found["sample"]
        error = 1.96 * math.sqrt(max(share * (1 - share), 1 / n) / n)
        lines += [
            f"in {budget}: {share:.1%} of {n:,} random networks (+-{error:.1%}); "
            f"drawn by construction, {found['acceptance']:.0%} of {ATTEMPTS} attempts land there"
        ]
    return lines
