"""Networks and their costs as tables for the terminal. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from rich.markup import escape
from rich.table import Column, Table

from nas.analysis.plain_table import numbers, plain_table
from nas.analysis.wording import CONVENTION, shares, task_words
from space import Arch, Cost, Task, breakdown, compact


def network_table(arch: Arch, task: Task) -> Table:
    """A network by part: stem, stages with their downsampling, head, and all of it. Shapes are channels x height x
    width of the output."""
    widest = (("width", 5), ("kernel", 6), ("FLOPs", 6), ("%", 5), ("params", 7), ("%", 5))
    columns = [Column(name, no_wrap=True) for name in ("part", "blocks", "output")]
    columns += [column for name, letters in widest for column in numbers(name, no_wrap=True, min_width=letters)]
    note = f"{CONVENTION}, {task_words(task)}. A stage holds the downsampling before it."
    table = plain_table(*columns, note=note)  # 36 x depthwise_first fits 80 characters
    rows = breakdown(arch, task)
    total = sum((row.cost for row in rows), Cost())
    stages = [(f"{stage.depth} x {stage.block.name}", stage.width, stage.block) for stage in arch.stages]
    design = [(arch.stem.name, arch.stages[0].width, arch.stem), *stages, (arch.head.name, "", arch.head)]
    percents = zip(shares(row.cost.flops for row in rows), shares(row.cost.params for row in rows), strict=True)
    for row, (what, width, block), (of_flops, of_params) in zip(rows, design, percents, strict=True):
        shape = str(row.width) if row is rows[-1] else f"{row.width}x{row.size}x{row.size}"
        cells = (compact(row.cost.flops), f"{of_flops:.1f}", compact(row.cost.params), f"{of_params:.1f}")
        kernel = str(getattr(block, "kernel", ""))
        table.add_row(row.name, what, shape, str(width), kernel, *cells, end_section=row is rows[-1])
    table.add_row("all", f"{arch.depth} blocks", "", "", "", compact(total.flops), "100", compact(total.params), "100")
    return table


def costs_table(names: Sequence[str], tasks: Sequence[Task], counts: Sequence[Cost]) -> Table:
    """Networks, each with its counts; their task stands in the caption where it is the same for all."""
    alike = len(set(tasks)) == 1
    note = f"{CONVENTION}{f', {task_words(tasks[0])}' if alike else ''}."
    columns = numbers("FLOPs", "params", "activations", no_wrap=True)
    table = plain_table(Column("network", overflow="fold"), *columns, *([] if alike else ["task"]), note=note)
    for name, task, cost in zip(names, tasks, counts, strict=True):
        cells = [f"{count:,}" for count in astuple(cost)]
        table.add_row(escape(name), *cells, *([] if alike else [task_words(task)]))
    return table
