"""Measured networks as a table of the terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.analysis.about import OF_NETWORKS, about_study
from nas.analysis.baseline import baseline_of
from nas.analysis.cost_axes import FORECAST, LIMIT, UNCHECKED
from nas.analysis.pareto import points, score
from nas.analysis.wording import CONVENTION, describe, in_words
from nas.cli.base import print_json, print_table, print_text
from nas.cli.columns import cells, choose, heads, notes
from nas.latency import front as latencies
from nas.latency.front import Measured
from nas.latency.front_check import outside_words
from nas.records.scores import BALANCED, SHORT, WORDS, Metric
from nas.storage.reader import Reader
from space import compact

if TYPE_CHECKING:
    from rich.table import Table

    from nas.cli.columns import Columns

LATENCY = "seconds of a forward pass of a batch in float32, synchronised: median, lower and upper quartile"


def print_measured(
    folder: Path, device: str, batch: int, wide: bool = False, front_only: bool = False,
    names: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """What was measured of a study; or its front in latency alone, beside that of random search."""
    trials = Reader(folder).trials()
    found = latencies.rows(folder, trials, device, batch)
    chosen, front, base = found, latencies.latency_front(found), None
    if front_only:
        chosen = front = latencies.quiet_front(folder, found)
        base = latencies.baseline_front(folder, device, batch)
    title = f"{folder.resolve().name}: {WORDS[chosen[0].trial.metric]} against latency"
    print_table(table(chosen, title, front, wide, names), wide)
    trained = len(points(trials))
    if missing := trained - len(found):
        print(f"not measured so: {missing} of {trained} networks; {latencies.again(folder, device, batch)}")
    for outside in outside_words(folder, Reader(folder).settings, (row.trial for row in chosen), (device, batch)):
        print_text(f"latency: {outside}")
    if words := latencies.busy_words(folder, found):
        print(f"busy: {words}")
    if line := latencies.baseline_line(folder, base, device, batch):
        print(line)


def print_measured_json(folder: Path, which: Sequence[tuple[str, int]], front_only: bool = False) -> None:
    """The same of some devices and batches, as one object."""
    reader, rows = Reader(folder), list[dict[str, Any]]()
    for device, batch in which:
        found = latencies.rows(folder, reader.trials(), device, batch)
        if not front_only:
            rows += [row.to_json() for row in found]
            continue
        base = latencies.baseline_front(folder, device, batch) or []
        front = latencies.quiet_front(folder, found)
        rows += [row.to_json() | {"baseline_accuracy": latencies.reached(base, row)} for row in front]
    beside = baseline_of(folder)
    about = about_study(reader.settings, OF_NETWORKS) | {"latency": LATENCY}
    print_json(about | ({"baseline": beside and {"study": beside.name}} if front_only else {}), rows)


def table(
    found: Sequence[Measured],
    title: str,
    front: Sequence[Measured],
    wide: bool = False,
    names: Sequence[str] | None = None,
) -> Table:
    """Measured networks, at least one; those on the front in latency are marked, and those that do not hold. `names`:
    of columns that were chosen."""
    from rich.markup import escape

    from nas.analysis.plain_table import plain_table

    first = found[0]
    every = _columns(first.trial.metric, {row.trial.number for row in front}, wide)
    if all(row.trial.latency is None for row in found):
        every = {name: column for name, column in every.items() if name != "forecast"}
    default = [name for name in every if wide or name not in ("images_per_second", "peak")]
    chosen = choose(every, default, names)
    note = escape(" ".join(notes(_notes(found), chosen)))
    made = plain_table(*heads(every, chosen), title=title, note=note)
    for row in found:
        made.add_row(*cells(every, chosen, row))
    return made


def _columns(metric: Metric, front: Collection[int], wide: bool) -> Columns:
    """All that the table may have, of a Measured. `front`: numbers of trials."""
    from rich.table import Column

    from nas.analysis.plain_table import number

    def peak(row: Measured) -> str:
        return "" if row.peak_tensor_bytes is None else f"{row.peak_tensor_bytes / 1e6:.3g}"

    return {
        "trial": (number("trial"), lambda row: str(row.trial.number)),
        "accuracy": (number(SHORT[metric]), lambda row: f"{score(row.trial):.2%}"),
        "seeds": (number("n"), lambda row: str(row.seeds)),
        "latency": (number("latency, quartiles"), _times),
        "forecast": (number("forecast"), lambda row: FORECAST.words(FORECAST.on(row.trial))),
        "flops": (number("FLOPs"), lambda row: compact(row.trial.flops or 0)),
        "images_per_second": (number("images/s"), lambda row: f"{row.batch / row.median:,.0f}"),
        "peak": (number("peak MB"), peak),
        "network": (
            Column("network", overflow="fold"), lambda row: (describe if wide else in_words)(row.trial.to_arch())
        ),
        "mark": (
            Column(""), lambda row: " ".join(filter(None, [row.mark, "front" if row.trial.number in front else ""]))
        ),
    }  # fmt: skip


def _times(row: Measured) -> str:
    low, median, high = (f"{1e3 * seconds:.3g}" for seconds in (row.low, row.median, row.high))
    return f"{median} ms, {low} to {high}"


def _notes(found: Sequence[Measured]) -> list[tuple[str, str]]:
    """By column, of marks those that are there."""
    device, batch, metric = found[0].device, found[0].batch, found[0].trial.metric
    marks = " ".join(row.mark for row in found)
    times = f"latency: median of forward passes of a batch of {batch} in float32, synchronised, on {device}."
    busy = (
        f"busy: a reference kernel took over {LIMIT:g} times its best meanwhile, which keeps the network off the front."
    )
    unchecked = f"{UNCHECKED}: measured without a reference kernel beside it, so that it may have been busy."
    peak = (
        "peak: parameters, buffers, the batch and all tensors alive at once in a pass, without scratch memory of "
        "torch's libraries."
    )
    score = f"{'top-1' if metric == 'accuracy' else BALANCED}: of the validation split, mean of a network's n seeds."
    marked = [("mark", words) for words in (busy, unchecked) if words.partition(":")[0] in marks]
    return [("latency", times), *marked, ("peak", peak), ("flops", f"{CONVENTION}."), ("accuracy", score)]
