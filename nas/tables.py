"""Results as lines and tables for the terminal. Every table says its convention, split and counts. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nas.front import hypervolume, knee, pareto_front, scored
from nas.settings import Settings
from nas.trials import Summary, Trial
from nas.words import CONVENTION, caption, describe, shares
from space import Arch, Cost, Task, breakdown, compact


def front_table(trials: Sequence[Trial], settings: Settings) -> Table:
    """The front by rising FLOPs, its knee and best marked."""
    front = pareto_front(trials)
    title = (
        f"{settings.name}: front of {len(scored(trials))} trials in {settings.band} FLOPs, "
        f"hypervolume {hypervolume(trials, settings.band):.4f}"
    )
    table = Table(title=title, caption=escape(caption(settings)), title_justify="left", caption_justify="left")
    for name in ("trial", "accuracy", "FLOPs", "params", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("network", overflow="fold")
    table.add_column("")
    for trial in front:
        mark = "best" if trial is front[-1] else "knee" if trial is knee(front) else ""
        table.add_row(*_numbers(trial), describe(trial.network()), mark)
    return table


def trials_table(trials: Sequence[Trial], settings: Settings) -> Table:
    """Every trial; what a failed one failed of stands in place of its network."""
    table = Table(caption=escape(caption(settings)), caption_justify="left")
    for name in ("trial", "accuracy", "FLOPs", "params", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("state")
    table.add_column("network, or reason", overflow="fold")
    for trial in trials:
        text = trial.reason or (describe(trial.network()) if trial.arch else "")
        table.add_row(*_numbers(trial), trial.state, Text(text))  # a reason's brackets are no markup
    return table


def studies_table(rows: Sequence[Summary]) -> Table:
    """Every study; a broken one says why."""
    table = Table()
    for name in ("study", "state", "trials", "failed", "best", "data", "budget", "updated"):
        table.add_column(name, overflow="fold")
    for row in rows:
        best = "" if row.best is None else f"{row.best:.2%}"
        data = row.settings.data.name if row.settings else ""
        budget = str(row.settings.band) if row.settings else row.problem or ""
        updated = row.updated.astimezone().strftime("%Y-%m-%d %H:%M") if row.updated else ""
        cells = (row.name, row.state, str(row.complete), str(row.failed), best, data, budget, updated)
        table.add_row(*map(Text, cells))  # not markup: a folder's name may hold brackets
    return table


def network_table(arch: Arch, task: Task) -> Table:
    """A network by part: stem, stages with their downsampling, head, and all of it. Shapes are channels x height x
    width of the output."""
    note = f"{CONVENTION}, {task.image_size} px, {task.channels} channels, {task.classes:,} classes."
    table = Table(caption=f"{note} A stage holds the downsampling before it.", caption_justify="left")
    table.box, table.padding, table.pad_edge = box.SIMPLE_HEAD, 0, False  # 36 x depthwise_first fits 80 characters
    for name in ("part", "blocks", "output"):
        table.add_column(name, no_wrap=True)
    for name, letters in (("width", 5), ("kernel", 6), ("FLOPs", 6), ("%", 5), ("params", 7), ("%", 5)):
        table.add_column(name, justify="right", no_wrap=True, min_width=letters)
    rows = breakdown(arch, task)
    total = sum((row.cost for row in rows), Cost())
    design = network_design(arch)
    percents = zip(shares(row.cost.flops for row in rows), shares(row.cost.params for row in rows), strict=True)
    for row, (what, width, kernel), (flops, params) in zip(rows, design, percents, strict=True):
        shape = str(row.width) if row is rows[-1] else f"{row.width}x{row.size}x{row.size}"
        cells = (compact(row.cost.flops), flops, compact(row.cost.params), params)
        table.add_row(row.name, what, shape, width, kernel, *cells, end_section=row is rows[-1])
    table.add_row("all", f"{arch.depth} blocks", "", "", "", compact(total.flops), "100", compact(total.params), "100")
    return table


def network_design(arch: Arch) -> list[tuple[str, str, str]]:
    """What was chosen for each part, as cells: (what it is, its width, its kernel); empty where it has none."""
    parts = [(arch.stem.name, arch.stages[0].width, arch.stem)]
    stages = [(f"{stage.depth} x {stage.block.name}", stage.width, stage.block) for stage in arch.stages]
    rows = [(what, str(width), str(getattr(part, "kernel", ""))) for what, width, part in [*parts, *stages]]
    return [*rows, (arch.head.name, "", "")]


def _numbers(trial: Trial) -> list[str]:
    accuracy = "" if trial.accuracy is None else f"{trial.accuracy:.2%}"
    seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
    counts = ["" if count is None else compact(count) for count in (trial.flops, trial.params)]
    return [str(trial.number), accuracy, *counts, seconds]
