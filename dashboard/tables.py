"""Records -> pandas frames, one row per trial or per part of a network."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from dashboard.network_charts import shares
from dashboard.words import cell, mix, stages
from nas.certainty import Network, Networks
from nas.trials import Trial
from space import Arch, Task, breakdown


def trials_frame(trials: Sequence[Trial], front: Collection[int], found: Networks | None = None) -> pd.DataFrame:
    """All trials by number. Accuracy in percent (validation top-1); FLOPs and parameters as counts; time in seconds.

    Where networks were repeated, also what is known of each trial's network: its mean over seeds with the half of its
    95% interval, its seeds, and the probability of being on the front, in percent.
    """
    rows = [
        {
            "trial": trial.number,
            "front": "●" if trial.number in front else "",
            "accuracy": None if trial.accuracy is None else 100 * trial.accuracy,
            "FLOPs": trial.flops,
            "state": trial.state,
            "params": trial.params,
            "depth": depths(trial),
            "width": widths(trial),
            "blocks": blocks(trial),
            "seconds": trial.seconds,
            "worker": cell(trial.owner),
            "reason": cell(trial.reason),
        }
        for trial in trials
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame = frame.astype({"accuracy": "float64", "seconds": "float64", "FLOPs": "Int64", "params": "Int64"})
    if found is not None and found.noise is not None:
        known = pd.DataFrame([_certainty(found.of(trial)) for trial in trials], columns=CERTAINTY).astype("float64")
        for place, name in enumerate(CERTAINTY, COLUMNS.index("FLOPs") + 1):
            frame.insert(place, name, known[name])
    return frame


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
    if row is None or row.interval is None or row.probability is None:
        return [None] * len(CERTAINTY)
    low, high = row.interval
    return [50 * (low + high), 50 * (high - low), row.seeds, 100 * row.probability]


CERTAINTY = ["mean", "± 95%", "seeds", "on front"]
COLUMNS = [
    "trial",
    "front",
    "accuracy",
    "FLOPs",
    "state",
    "params",
    "depth",
    "width",
    "blocks",
    "seconds",
    "worker",
    "reason",
]


def front_frame(front: Sequence[Trial], found: Networks | None = None) -> pd.DataFrame:
    """The members of a front by rising cost; with what `found` tells of their seeds, where networks were repeated."""
    columns: dict[str, list[object]] = {
        "trial": [t.number for t in front], "top-1, %": [100 * (t.accuracy or 0) for t in front],
    }  # fmt: skip
    if found is not None and (noise := found.noise) is not None:
        rows = [found.rows[t.number] for t in front]
        columns |= {
            "± 95%": [100 * noise.half_width(row.seeds) for row in rows], "seeds": [row.seeds for row in rows],
            "on front": [100 * (row.probability or 0) for row in rows],
        }  # fmt: skip
    columns |= {
        "FLOPs": [t.flops for t in front], "params": [t.params for t in front], "depth": [depths(t) for t in front],
        "width": [widths(t) for t in front], "blocks": [blocks(t) for t in front],
    }  # fmt: skip
    return pd.DataFrame(columns)


RUNGS = ["rung", "had", "needed", "rivals"]


def with_rungs(frame: pd.DataFrame, trials: Sequence[Trial]) -> pd.DataFrame:
    """With where the stopping rule judged each trial last, and against what; as it is where it judged none."""
    if not any(trial.decisions for trial in trials):
        return frame
    rows = [_rung(trial) for trial in trials]
    return pd.concat([frame, pd.DataFrame(rows, columns=RUNGS, index=frame.index).astype("float64")], axis=1)


def _rung(trial: Trial) -> list[float | None]:
    if not trial.decisions:
        return [None] * len(RUNGS)
    last = trial.decisions[-1]
    had, needed = (None if last.get(key) is None else 100 * last[key] for key in ("accuracy", "threshold"))
    return [last.get("epoch"), had, needed, last.get("rivals")]


def csv(frame: pd.DataFrame) -> str:
    """The frame as CSV; a spreadsheet takes no cell of it for a formula."""
    texts = frame.select_dtypes(exclude="number").columns
    safe = frame.copy()
    for name in texts:
        safe[name] = [cell(str(value).removeprefix("'")) for value in frame[name]]
    return str(safe.to_csv(index=False))


def parts_frame(arch: Arch, task: Task) -> pd.DataFrame:
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
    return pd.DataFrame(columns)


def _design(arch: Arch) -> dict[str, list[object]]:
    """Columns of what was chosen; cells that do not apply to a part are empty."""
    blocks = [stage.block for stage in arch.stages]
    stages = (f"{stage.depth} x {stage.block.name}" for stage in arch.stages)
    columns: dict[str, list[object]] = {"blocks": [arch.stem.name, *stages, arch.head.name]}
    columns["width"] = [arch.stages[0].width, *(stage.width for stage in arch.stages), None]
    for name, absent in (("kernel", None), ("expansion", None), ("norm", ""), ("act", "")):
        columns[name] = [getattr(part, name, None) or absent for part in (arch.stem, *blocks, arch.head)]
    return columns
