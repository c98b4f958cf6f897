"""Records -> pandas data frames, a row per trial or per part of a network. A number that is not known is missing."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

import pandas as pd

from dashboard.charts.blocks import blocks_in, by_stage, stages
from nas.analysis.against_front import ReferenceResult, against_front
from nas.analysis.pareto import score
from nas.analysis.seed_noise import NetworkResult, NetworkResults
from nas.analysis.wording import shares
from nas.records.trial import Trial
from space import Arch, Task, breakdown

OWN, BALANCED = "accuracy, 1 seed", "balanced accuracy, 1 seed"
CERTAINTY = ["mean", "± 95%", "seeds", "on front"]
RUNGS = ["rung", "had", "needed", "rivals"]
# columns of whole numbers, which may miss some
_WHOLE = ("FLOPs", "params", "seeds", "rung", "rivals", "seed", "attention products", "front, trial")


def trials_frame(trials: Sequence[Trial], front: Collection[int], found: NetworkResults | None = None) -> pd.DataFrame:
    """All trials by number. Accuracy in percent (validation top-1) of the trial's own seed, and balanced accuracy where
    any has it; FLOPs and parameters as counts; time in seconds.

    Where networks were repeated, also what is known of each trial's network: its mean over seeds with the half of its
    95% interval, its seeds, and the probability of being on the front, in percent; where a stopping rule judged any,
    where it judged each last, and against what.
    """
    columns: dict[str, list[object]] = {
        "trial": [t.number for t in trials],
        "front": ["●" if t.number in front else "" for t in trials],
        OWN: [None if t.accuracy is None else 100 * t.accuracy for t in trials],
    }
    if any(t.balanced is not None for t in trials):
        columns[BALANCED] = [None if t.balanced is None else 100 * t.balanced for t in trials]
    columns["FLOPs"] = [t.flops for t in trials]
    if found is not None and found.noise is not None:
        columns |= _columns(CERTAINTY, [_certainty(found.of(trial)) for trial in trials])
    columns |= {
        "state": [t.state for t in trials],
        "params": [t.params for t in trials],
        "depth": [cell(by_stage(t, "depth")) for t in trials],
        "width": [cell(by_stage(t, "width")) for t in trials],
        "blocks": [cell(blocks_in(t)) if stages(t) else "" for t in trials],
        "seconds": [t.seconds for t in trials],
        "worker": [cell(t.owner) for t in trials],
        "reason": [cell(t.reason) for t in trials],
    }
    if any(trial.decisions for trial in trials):
        columns |= _columns(RUNGS, [_rung(trial) for trial in trials])
    return typed(columns)


def front_frame(front: Sequence[Trial], found: NetworkResults | None = None, *, chances: bool = True) -> pd.DataFrame:
    """The members of a front by rising cost; with what `found` tells of their seeds, where networks were repeated.
    `chances`: of being on it, which are those of the front over what the study minimises and of no other."""
    frame = trials_frame(front, (), found)
    seeds = CERTAINTY[1:] if chances else CERTAINTY[1:-1]  # a member is at its mean already
    names = ["trial", OWN, BALANCED, *seeds, "FLOPs", "params", "depth", "width", "blocks"]
    return frame[[name for name in names if name in frame]].rename(columns={OWN: "top-1, %", BALANCED: "balanced, %"})


def references_frame(results: Sequence[ReferenceResult], found: NetworkResults) -> pd.DataFrame:
    """References by rising FLOPs, each with the best of the front at no more FLOPs: the difference in points, the part
    of the FLOPs in percent, and whether the seeds tell the two apart."""
    apart = [against_front(result, found, len(results)) for result in results]
    told = {True: "yes", False: "no", None: ""}
    return typed({
        "reference": [cell(result.reference.name) for result in results],
        "top-1, %" if all(result.metric == "accuracy" for result in results) else "balanced, %": [
            None if result.score is None else 100 * result.score for result in results
        ],
        "± 95%": [None if result.half is None else 100 * result.half for result in results],
        "seeds": [result.seeds for result in results],
        "FLOPs": [result.reference.flops for result in results],
        "attention products": [result.reference.products for result in results],
        "params": [result.reference.params for result in results],
        "front, points": [None if each is None else 100 * each.points for each in apart],
        "front, % of its FLOPs": [None if each is None else 100 * each.share for each in apart],
        "told apart": ["" if each is None else told[each.told] for each in apart],
        "front, trial": [None if each is None else each.row.trial.number for each in apart],
        "built": [cell(result.reference.built) for result in results],
        "in the band": ["yes" if result.inside else "no" for result in results],
        "reason": [cell(result.reference.reason) for result in results],
    })  # fmt: skip


def with_classes(frame: pd.DataFrame, trials: Iterable[Trial], classes: Sequence[str]) -> pd.DataFrame:
    """A frame of some of these trials, for CSV: also each class's accuracy in percent, where any has them."""
    shares = {t.number: t.counts.by_class for t in trials if t.counts}
    if not shares:
        return frame
    rows = [shares.get(number, (None,) * len(classes)) for number in frame["trial"]]
    names = [f"accuracy of {name}, %" for name in classes]
    return pd.concat([frame, 100 * pd.DataFrame(rows, index=frame.index, columns=names, dtype=float)], axis=1)


def _certainty(row: NetworkResult | None) -> list[float | None]:
    """Cells in the order of CERTAINTY; empty for a network that never finished."""
    if row is None or row.probability is None:
        return [None] * len(CERTAINTY)
    half = None if row.half is None else 100 * row.half
    return [100 * score(row.trial), half, row.seeds, 100 * row.probability]


def _rung(trial: Trial) -> list[float | None]:
    if not trial.decisions:
        return [None] * len(RUNGS)
    last = trial.decisions[-1]
    had, needed = (None if last.get(key) is None else 100 * last[key] for key in ("accuracy", "threshold"))
    return [last.get("images"), had, needed, last.get("rivals")]


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, list[object]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def typed(data: Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Columns, or rows, as a frame. Whole numbers stay exact where one is missing: plain pandas would make them floats;
    a column of which nothing is known is one of numbers."""
    frame = pd.DataFrame(data, dtype=object)
    kinds: dict[Hashable, str] = {name: "Int64" for name in _WHOLE if name in frame}
    kinds |= {name: "float64" for name in frame if name not in kinds and frame[name].isna().all()}
    return frame.astype(kinds).infer_objects()


def cell(text: str | None) -> str:
    """Text for a table that may be saved as CSV: a spreadsheet would take `= + - @` at its start for a formula."""
    plain = text or ""
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@", "\t", "\r")) else plain


def csv_name(study: str, what: str) -> str:
    """The name of a file with that table of a study, whatever letters the study's name has."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", study)[:64].lstrip(".-") or "study"
    return f"{plain}-{what}.csv"


def parts_frame(arch: Arch, task: Task) -> pd.DataFrame:
    """A network by part: stem, stages 1..n (their downsampling included), head. Size is the output side in pixels,
    channels those of the output, width the one that was chosen.

    FLOPs and parameters as counts and in percent of the network's.
    """
    parts = breakdown(arch, task)
    return pd.DataFrame({
        "part": [part.name for part in parts],
        **_design(arch),
        "size": [part.size for part in parts],
        "channels": [part.width for part in parts],
        "FLOPs": [part.cost.flops for part in parts],
        "FLOPs %": shares([part.cost.flops for part in parts]),
        "params": [part.cost.params for part in parts],
        "params %": shares([part.cost.params for part in parts]),
    })  # fmt: skip


def _design(arch: Arch) -> dict[str, object]:
    """Columns of what was chosen; cells that do not apply to a part are empty."""
    kinds = [arch.stem, *(stage.block for stage in arch.stages), arch.head]
    stages = (f"{stage.depth} x {stage.block.name}" for stage in arch.stages)
    columns: dict[str, object] = {"blocks": [arch.stem.name, *stages, arch.head.name]}
    columns["width"] = pd.array([arch.stages[0].width, *(stage.width for stage in arch.stages), None], "Int64")
    for name in ("kernel", "expansion"):
        values = [getattr(part, name, None) for part in kinds]
        columns[name] = pd.array([value if isinstance(value, (int, float)) else None for value in values], "Float64")
    for name in ("norm", "act"):
        columns[name] = [getattr(part, name, None) or "" for part in kinds]
    return columns
