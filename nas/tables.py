"""Results as lines and tables for the terminal. Every table says its convention, split and counts. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nas.front import hypervolume, knee, pareto_front, scored
from nas.settings import Settings
from nas.trials import Summary, Trial
from space import Arch, Cost, compact

CONVENTION = "FLOPs: conv + linear multiply-accumulates, batch 1"
LEGEND = "Network: stem stride | per stage c (convnext) or m (modulation), depth x width, kernel | norm, act, expansion"


def trial_line(trial: Trial) -> str:
    """`trial 7  96.10%  2.31M FLOPs  120K params  3.2 s  stem 2 | c2x40k5 m3x80k3 | ln gelu e4`"""
    score = f"{trial.accuracy:7.2%}" if trial.accuracy is not None else f"{trial.state}: {trial.reason}"
    cost = f"{compact(trial.flops or 0):>6} FLOPs  {compact(trial.params or 0):>6} params"
    return f"trial {trial.number:>3}  {score}  {cost}  {trial.seconds or 0:6.1f} s  {describe(trial.network())}"


def describe(arch: Arch) -> str:
    """A network in one line: per stage block, depth x width and kernel, then norm, activation and expansion."""
    stages = " ".join(f"{s.block[0]}{s.depth}x{s.width}k{s.kernel}" for s in arch.stages)
    rest = [(s.norm, s.act, f"{s.expansion:g}") for s in arch.stages]
    norm, act, expansion = (
        "/".join(values if len(set(values)) > 1 else values[:1]) for values in zip(*rest, strict=True)
    )
    return f"stem {arch.stem.stride} | {stages} | {norm} {act} e{expansion}"


def caption(settings: Settings) -> str:
    """What the numbers of a study's tables are."""
    data = settings.data
    return (
        f"accuracy: top-1 on {data.name}'s validation split, n = {data.validation:,}, 1 seed a network, "
        f"{settings.training}. {CONVENTION}. {LEGEND}."
    )


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


def cost_line(cost: Cost, key: str) -> str:
    """One network's cost in full."""
    return (
        f"flops {cost.flops:,} ({compact(cost.flops)}; conv + linear multiply-accumulates, batch 1)\n"
        f"params {cost.params:,} ({compact(cost.params)})\n"
        f"activations {cost.activations:,} ({compact(cost.activations)}; outputs of conv and linear, batch 1)\n"
        f"key {key}"
    )


def _numbers(trial: Trial) -> list[str]:
    accuracy = "" if trial.accuracy is None else f"{trial.accuracy:.2%}"
    seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
    counts = ["" if count is None else compact(count) for count in (trial.flops, trial.params)]
    return [str(trial.number), accuracy, *counts, seconds]
