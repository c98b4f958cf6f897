"""Records -> tables, one row per trial or per part of a network; columns of cells, of which None is empty."""

from __future__ import annotations

import csv as spreadsheet
import io
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import json as read

from dashboard.network_charts import shares
from dashboard.words import cell, mix, stages
from nas.certainty import Network, Networks
from nas.front import accuracy
from nas.trials import Trial
from space import Arch, Task, breakdown

Table = dict[str, list[Any]]  # columns of the same length


def table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Rows as a table, with the columns of the first."""
    listed = list(rows)
    return {name: [row[name] for row in listed] for name in (listed[0] if listed else ())}


def arrow(columns: Table) -> pa.Table:
    """As Streamlit sends it; a number that is none is empty, cells of several types are words.

    By way of JSON, as `pyarrow.array` loads pandas, which a server does without.
    """
    schema = pa.schema([(name, _type(cells)) for name, cells in columns.items()])
    types = [(name, pa.types.is_string(type_)) for name, type_ in zip(schema.names, schema.types, strict=True)]
    lines = (
        json.dumps(
            {name: _written(cell, word) for (name, word), cell in zip(types, row, strict=True)}, ensure_ascii=False
        )
        for row in zip(*columns.values(), strict=True)
    )
    text = "\n".join(lines).encode("utf-8", "replace")
    if not text:
        return schema.empty_table()
    reading = read.ReadOptions(block_size=len(text) + 1, use_threads=False)
    parsing, memory = read.ParseOptions(explicit_schema=schema), pa.system_memory_pool()  # the default one hoards
    return read.read_json(pa.BufferReader(text), reading, parsing, memory)


def _type(cells: Sequence[object]) -> pa.DataType:
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {list}:
        return pa.list_(pa.float64())
    if not kinds <= {int, float} or any(abs(cell) >= 2**63 for cell in cells if isinstance(cell, int)):
        return pa.string()
    return pa.int64() if kinds == {int} else pa.float64()


def _written(cell: Any, word: bool) -> object:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return None
    return str(cell) if word else cell


def trials_frame(trials: Sequence[Trial], front: Collection[int], found: Networks | None = None) -> Table:
    """All trials by number. Accuracy in percent (validation top-1) of the trial's own seed; FLOPs and parameters as
    counts; time in seconds.

    Where networks were repeated, also what is known of each trial's network: its mean over seeds with the half of its
    95% interval, its seeds, and the probability of being on the front, in percent.
    """
    frame: Table = {
        "trial": [t.number for t in trials],
        "front": ["●" if t.number in front else "" for t in trials],
        OWN: [None if t.accuracy is None else 100 * t.accuracy for t in trials],
        "FLOPs": [t.flops for t in trials],
        "state": [t.state for t in trials],
        "params": [t.params for t in trials],
        "depth": [depths(t) for t in trials],
        "width": [widths(t) for t in trials],
        "blocks": [blocks(t) for t in trials],
        "seconds": [t.seconds for t in trials],
        "worker": [cell(t.owner) for t in trials],
        "reason": [cell(t.reason) for t in trials],
    }
    if found is None or found.noise is None:
        return frame
    known = [_certainty(found.of(trial)) for trial in trials]
    certain = {name: [cells[place] for cells in known] for place, name in enumerate(CERTAINTY)}
    return {name: (frame | certain)[name] for name in (*[*frame][:4], *CERTAINTY, *[*frame][4:])}


def depths(trial: Trial) -> str:
    """`2-2-6-2`: blocks of each stage."""
    return "-".join(str(stage.get("depth")) for stage in stages(trial))


def widths(trial: Trial) -> str:
    """`16-32-64-96`: the width of each stage."""
    return "-".join(str(stage.get("width")) for stage in stages(trial))


def blocks(trial: Trial) -> str:
    return mix(trial) if stages(trial) else ""


def _certainty(row: Network | None) -> list[float | None]:
    """Cells in the order of CERTAINTY; empty for a network that never finished."""
    if row is None or row.probability is None:
        return [None] * len(CERTAINTY)
    half = None if row.half is None else 100 * row.half
    return [100 * accuracy(row.trial), half, row.seeds, 100 * row.probability]


OWN = "accuracy, 1 seed"
CERTAINTY = ["mean", "± 95%", "seeds", "on front"]


def front_frame(front: Sequence[Trial], found: Networks | None = None, *, chances: bool = True) -> Table:
    """The members of a front by rising cost; with what `found` tells of their seeds, where networks were repeated.
    `chances`: of being on it, which are those of the whole study's front over FLOPs and of no other."""
    columns: dict[str, list[object]] = {
        "trial": [t.number for t in front], "top-1, %": [100 * (t.accuracy or 0) for t in front],
    }  # fmt: skip
    if found is not None and found.noise is not None:
        rows = [found.rows[t.number] for t in front]
        columns["± 95%"] = [None if row.half is None else 100 * row.half for row in rows]
        columns["seeds"] = [row.seeds for row in rows]
        if chances:
            columns["on front"] = [100 * (row.probability or 0) for row in rows]
    columns |= {
        "FLOPs": [t.flops for t in front], "params": [t.params for t in front], "depth": [depths(t) for t in front],
        "width": [widths(t) for t in front], "blocks": [blocks(t) for t in front],
    }  # fmt: skip
    return columns


RUNGS = ["rung", "had", "needed", "rivals"]


def with_rungs(frame: Table, trials: Sequence[Trial]) -> Table:
    """With where the stopping rule judged each trial last, and against what; as it is where it judged none."""
    if not any(trial.decisions for trial in trials):
        return frame
    rows = [_rung(trial) for trial in trials]
    return frame | {name: [cells[place] for cells in rows] for place, name in enumerate(RUNGS)}


def _rung(trial: Trial) -> list[float | None]:
    if not trial.decisions:
        return [None] * len(RUNGS)
    last = trial.decisions[-1]
    had, needed = (None if last.get(key) is None else 100 * last[key] for key in ("accuracy", "threshold"))
    return [last.get("epoch"), had, needed, last.get("rivals")]


def csv(frame: Table) -> str:
    """The table as CSV; a spreadsheet takes no cell of it for a formula."""
    text = io.StringIO()
    lines = spreadsheet.writer(text, lineterminator="\n")
    lines.writerow(frame)
    for row in zip(*frame.values(), strict=True):
        lines.writerow(cell(value.removeprefix("'")) if isinstance(value, str) else value for value in row)
    return text.getvalue()


def parts_frame(arch: Arch, task: Task) -> Table:
    """A network by part: stem, stages 1..n (their downsampling included), head. Size is the output side in pixels,
    channels those of the output, width the one that was chosen.

    FLOPs and parameters as counts and in percent of the network's.
    """
    parts = breakdown(arch, task)
    columns: dict[str, list[object]] = {
        "part": [part.name for part in parts],
        **_design(arch),
        "size": [part.size for part in parts],
        "channels": [part.width for part in parts],
        "FLOPs": [part.cost.flops for part in parts],
        "FLOPs %": [*shares([part.cost.flops for part in parts])],
        "params": [part.cost.params for part in parts],
        "params %": [*shares([part.cost.params for part in parts])],
    }
    return columns


def _design(arch: Arch) -> dict[str, list[object]]:
    """Columns of what was chosen; cells that do not apply to a part are empty."""
    blocks = [stage.block for stage in arch.stages]
    stages = (f"{stage.depth} x {stage.block.name}" for stage in arch.stages)
    columns: dict[str, list[object]] = {"blocks": [arch.stem.name, *stages, arch.head.name]}
    columns["width"] = [arch.stages[0].width, *(stage.width for stage in arch.stages), None]
    for name, absent in (("kernel", None), ("expansion", None), ("norm", ""), ("act", "")):
        columns[name] = [getattr(part, name, None) or absent for part in (arch.stem, *blocks, arch.head)]
    return columns
