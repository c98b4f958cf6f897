"""Measured networks as a table of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.analysis.cost_axes import LIMIT
from nas.analysis.pareto import accuracy
from nas.analysis.wording import describe
from nas.latency.front import Measured
from space import compact

if TYPE_CHECKING:
    from rich.table import Table


def table(found: Sequence[Measured], title: str, front: Sequence[Measured]) -> Table:
    """Measured networks, at least one; those on the front in latency are marked, and those that do not hold."""
    from rich.table import Table

    first = found[0]
    made = Table(title=title, title_justify="left", caption_justify="left", caption=_caption(first.device, first.batch))
    for name in ("trial", "top-1", "n", "latency, quartiles", "peak MB", "FLOPs"):
        made.add_column(name, justify="right")
    made.add_column("network")
    made.add_column("")
    on = {row.trial.number for row in front}
    for row in found:
        marks = [row.mark, "front" if row.trial.number in on else ""]
        made.add_row(
            str(row.trial.number), f"{accuracy(row.trial):.2%}", str(row.seeds), _times(row),
            _megabytes(row.peak_tensor_bytes), compact(row.trial.flops or 0), describe(row.trial.to_arch()),
            " ".join(filter(None, marks)),
        )  # fmt: skip
    return made


def _times(row: Measured) -> str:
    """Below one another, as eighty columns are not enough for them beside the network."""
    low, median, high = (f"{1e3 * seconds:.3g}" for seconds in (row.low, row.median, row.high))
    return f"{median} ms\n{low} to {high}\n{row.batch / row.median:,.0f} images/s"


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.3g}"


def _caption(device: str, batch: int) -> str:
    return (
        f"latency: median of forward passes of a batch of {batch} in float32, synchronised, on {device}. busy: a "
        f"reference kernel took over {LIMIT:g} times its best meanwhile, which keeps the network off the front; "
        "not checked: there was none. peak: parameters, buffers, the batch and all tensors alive at once in a pass, "
        "without scratch memory of torch's libraries. FLOPs: conv + linear multiply-accumulates, batch 1. top-1: of "
        "the validation split, mean of a network's n seeds."
    )
