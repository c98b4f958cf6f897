"""The steps between two networks as something a search can train: read, sized, planned."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from nas.data.study_data import load_with_progress
from nas.records.settings import Reading, name_of
from space import Arch, Band, InputError, Task
from space.budget import parse_count
from space.reading import find, load_yaml
from space.steps import Steps, unequal

TOLERANCE = 0.05  # of equal FLOPs, to either side: widths are whole numbers


def read_steps(file: str | Path | None) -> dict[str, list[str]] | None:
    """Fields by step, from a YAML file or a preset such as `roadmap`. Raises InputError."""
    if file is None:
        return None
    path = find(file, "steps")
    plain = load_yaml(path)
    for step, fields in plain.items():
        if not (isinstance(fields, list) and fields and all(isinstance(field, str) for field in fields)):
            raise InputError(f"{path}: {step} must be a list of fields, got {fields}; write e.g. {step}: [kernel]")
    return {str(step): fields for step, fields in plain.items()}


def parse_orders(texts: list[str]) -> list[list[str]]:
    """`a, b, c` -> names of steps."""
    return [[name.strip() for name in text.split(",") if name.strip()] for text in texts]


def equal_band(flops: str) -> Band:
    """`8M`: 5% to either side of it; or a band as it is."""
    if ".." in flops:
        return Band.parse(flops)
    count = parse_count(flops, "flops", "8M")
    return Band(math.ceil(count * (1 - TOLERANCE)), math.floor(count * (1 + TOLERANCE)))


def steps_name(first: str, last: str, flops: str, equal: bool) -> str:
    """`steps-resnet_32-convnext_32-8M`: the same command finds the same study."""
    words = ["steps", Path(first).stem, Path(last).stem, flops] + ["unequal"] * (not equal)
    return name_of(words)


def as_wide_as_first(steps: Steps, flops: str, source: str, reading: Reading, console: Console) -> tuple[Steps, Band]:
    """All networks at the widths at which the first has so many FLOPs on these data, and the band of what they have."""
    if ".." in flops:
        raise InputError(f"flops must be a number for the first network with --unequal, got {flops}; write e.g. 8M")
    data = load_with_progress(source, steps.image_size, console, reading)
    task = Task(data.image_size, data.channels, len(data.classes))
    return unequal(steps, task, parse_count(flops, "flops", "8M"))


def describe_steps(steps: Steps) -> list[str]:
    """The plan in lines: each step, then how many networks."""
    lines = [f"step {i}: {s.name}: {s.before} -> {s.after}" for i, s in enumerate(steps.steps, 1)]
    k, many = len(steps.steps), len(steps.rows)
    size = "at equal FLOPs" if steps.scale is None else "at the first network's widths"
    what = {
        "full": f"all {2**k:,} sets of {k} steps",
        "fraction": f"{len(steps.design.rows):,} of {2**k:,} sets of {k} steps, every two-way interaction clear",
        "paths": f"the networks along {len(steps.design.orders)} order{'s' * (len(steps.design.orders) > 1)}",
    }[steps.design.kind]
    fewer = f", {many:,} different networks" if many < len(steps.design.rows) else ""
    return [*lines, f"design: {what}{fewer}, {size}"]


def steps_command(
    first: str | Path, last: str | Path, data: str | Path, flops: str, design: str, orders: Sequence[str],
    named: str | Path | None, equal: bool, seeds: int, repeats: int | None, images: str | int | None, study: str | None,
) -> str:  # fmt: skip
    """The line that begins the same study, as study.yaml keeps it."""
    words: list[object] = ["nas", "steps", first, last, "--data", data, "--flops", flops, "--design", design]
    words += [word for order in orders for word in ("--order", order)] + ["--unequal"] * (not equal)
    given = {"--steps": named, "--seeds": seeds, "--repeats": repeats, "--images": images, "--study": study}
    words += [word for name, value in given.items() if value is not None for word in (name, value)]
    return shlex.join(map(str, words))


def plan_steps(
    first: str, last: str, *, data: str, flops: str, design: str, orders: list[str], named: str | Path | None,
    equal: bool, image_size: int, reading: Reading, console: Console,
) -> tuple[Steps, Band]:  # fmt: skip
    """The steps between two networks and the band that they are in, said in lines. Raises InputError."""
    steps = Steps.between(
        Arch.load(first), Arch.load(last), design, parse_orders(orders), read_steps(named), equal, image_size,
        name=steps_name(first, last, flops, equal=True),
    )  # fmt: skip
    if equal:
        band = equal_band(flops)
    else:
        steps, band = as_wide_as_first(steps, flops, data, reading, console)
    for line in describe_steps(steps):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return steps, band


def trainings(steps: Steps, seeds: int, repeats: int | None) -> tuple[int, int]:
    """Networks, and further seeds of them: `seeds` of each, or `repeats` in all."""
    networks = len(steps.rows)
    return networks, networks * (seeds - 1) if repeats is None else repeats
