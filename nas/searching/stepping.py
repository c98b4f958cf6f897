"""The steps between two networks as something a search can train: read, sized, planned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Console

from nas.analysis.multiple_comparisons import FREEDOM
from nas.analysis.step_model import numbers_of
from nas.data.sources import name_of_source
from nas.data.study_data import load_with_progress
from nas.records.data_card import Reading
from nas.records.study_name import name_of
from nas.searching.plan import SearchPlan, as_command
from space import Arch, Band, Budget, InputError, Task
from space.budget import parse_count
from space.reading import find, load_yaml
from space.steps import FEW, Steps, unequal

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


def steps_name(first: str, last: str, data: str, flops: str, design: str, equal: bool) -> str:
    """`steps-resnet_32-convnext_32-cifar10-8M`: the same command finds the same study."""
    words = ["steps", Path(first).stem, Path(last).stem, name_of_source(data), flops]
    return name_of([*words, *[design] * (design != "full"), *["unequal"] * (not equal)])


def as_wide_as_first(steps: Steps, flops: str, source: str, reading: Reading, console: Console) -> tuple[Steps, Band]:
    """All networks at the widths at which the first has so many FLOPs on these data, and the band of what they have."""
    if ".." in flops:
        raise InputError(f"flops must be a number for the first network with --unequal, got {flops}; write e.g. 8M")
    data = load_with_progress(source, steps.image_size, console, reading)
    task = Task(data.image_size, data.channels, len(data.classes))
    return unequal(steps, task, parse_count(flops, "flops", "8M"))


def describe_steps(steps: Steps, further: int) -> list[str]:
    """The plan in lines: each step, how many networks, and whether they can tell effects; `further`: seeds beyond each
    network's first, in all."""
    lines = [f"step {i}: {s.name}: {s.before} -> {s.after}" for i, s in enumerate(steps.steps, 1)]
    k, many = len(steps.steps), len(steps.rows)
    size = "at equal FLOPs" if steps.scale is None else "at the first network's widths"
    what = {
        "full": f"all {2**k:,} sets of {k} steps",
        "fraction": f"{len(steps.design.rows):,} of {2**k:,} sets of {k} steps, every two-way interaction clear",
        "paths": f"the networks along {len(steps.design.orders)} order{'s' * (len(steps.design.orders) > 1)}",
    }[steps.design.kind]
    fewer = f", {many:,} different networks" if many < len(steps.design.rows) else ""
    lines.append(f"design: {what}{fewer}, {size}")
    if steps.design.kind != "paths" and many < numbers_of(k) + FREEDOM and further < FREEDOM:
        lines.append(
            f"note: {many:,} networks leave no error to tell {k} steps and their pairs by: add --seeds 2, or "
            f"--repeats {FREEDOM} at least"
        )
    return lines


def steps_command(
    first: str | Path, last: str | Path, data: str | Path, flops: str, plan: SearchPlan, **given: Any
) -> str:
    """The line that begins the same study, as study.yaml keeps it. `given`: options of `nas steps` alone."""
    words: list[object] = ["steps", first, last, "--data", data, "--flops", flops]
    for option, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            if each not in (None, False):
                words += [f"--{option}"] if each is True else [f"--{option}", each]
    return as_command([str(word) for word in words], plan, left=("trials", "repeats", "stop"))


def plan_steps(
    first: str, last: str, *, data: str, flops: str, design: str, orders: list[str], named: str | Path | None,
    equal: bool, seeds: int | None, repeats: int | None, image_size: int, reading: Reading, console: Console,
) -> tuple[Steps, Band, int]:  # fmt: skip
    """The steps between two networks, the band that they are in, and further seeds of them in all: `seeds` of each, or
    `repeats`. Said in lines. Raises InputError."""
    if seeds is not None and repeats is not None:
        raise InputError(f"seeds must be given, or repeats in their place, got {seeds} and {repeats}; keep one")
    steps = Steps.between(
        Arch.load(first), Arch.load(last), design, parse_orders(orders), read_steps(named), None if equal else 1.0,
        image_size, name=name_of(["steps", Path(first).stem, Path(last).stem]),
    )  # fmt: skip
    if equal:
        band = equal_band(flops)
        steps.check_size(image_size, f"space {steps.name}")
        task, budget = Task(image_size, 3, 10), Budget(flops=band)  # whatever the data: it is about channels
        narrow = steps.narrow(task, budget)
    else:
        steps, band = as_wide_as_first(steps, flops, data, reading, console)
        narrow = 0
    further = len(steps.rows) * ((seeds or 1) - 1) if repeats is None else repeats
    for line in describe_steps(steps, further):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if narrow:
        console.print(
            f"note: at these FLOPs {narrow:,} of {len(steps.rows):,} networks are left with {FEW} channels or fewer "
            "somewhere, and may learn nothing: ask for more FLOPs, or for fewer blocks",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    return steps, band, further
