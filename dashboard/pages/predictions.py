"""What an export takes pictures for: what `nas predict` kept of labelled ones."""

from __future__ import annotations

import os
import shlex
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard import EXPORTS_VARIABLE
from dashboard.charts.confusion import confusion_caption, confusion_figure
from dashboard.number_format import count
from dashboard.pages.elements import KEPT, captioned_chart, table, text_box
from dashboard.pages.study_page import watch
from nas.export.kept import Kept, exports_in, kept_of, read_kept
from nas.records.look import printable
from space import InputError

_CLASSES = {
    "accuracy, %": st.column_config.NumberColumn(format="%.2f", help="The share of the class's pictures told right")
}
_MISTAKES = {
    "picture": st.column_config.ImageColumn(width=90, help="As the network sees it"),
    "probability, %": st.column_config.NumberColumn(format="%.1f", help="That the network gave to its answer"),
    "file": st.column_config.TextColumn(width="large"),
}
Found = dict[str, list[Path]]  # exports by their paths, and what is kept of each, the latest first


def find(runs: Path) -> Found:
    """In exports beside the folder of studies, in the studies' own, and what the server was told; those of which
    predictions are kept first."""
    told = [Path(path) for path in os.environ.get(EXPORTS_VARIABLE, "").split(os.pathsep) if path]
    own = sorted(runs.glob("*/exports"))
    kept = {printable(str(export)): kept_of(export) for export in exports_in([runs.parent / "exports", *told, *own])}
    return dict(sorted(kept.items(), key=lambda item: not item[1]))


def predictions_page(runs: Path) -> None:
    found = find(runs)
    with st.container(horizontal=True, vertical_alignment="center", key="head", gap="small"):
        st.markdown("**Predictions**", width="content")
        stamps = _stamps(found)
        latest = max((datetime.fromtimestamp(stamp / 1e9).astimezone() for stamp in stamps.values()), default=None)
        watch(
            lambda: _stamps(now := find(runs)) == stamps and now.keys() == found.keys(),
            lambda: latest,
        )
    st.title("What does an export get wrong?", anchor=False)
    if not found:
        st.text("There is no export here yet. These commands make one, and look at labelled pictures with it:")
        text_box("nas export STUDY --out exports/NAME\nnas predict exports/NAME path/to/test")
        return
    export = st.selectbox("Export", list(found), key="export", **KEPT)
    files = found[export]
    if not files:
        st.text(
            "No predictions of this export are kept yet. This command makes some, of folders named like its classes:"
        )
        text_box(f"nas predict {shlex.quote(export)} path/to/test")
        return
    _show(files)


def _stamps(found: Found) -> dict[Path, int]:
    """When each file was written; those that are gone meanwhile are none."""
    return {path: path.stat().st_mtime_ns for files in found.values() for path in files if path.exists()}


def _show(files: list[Path]) -> None:
    """The predictions of one export: those that are chosen."""
    known = dict[str, Kept]()
    for path in files:
        try:
            known[path.stem] = _read(path, path.stat().st_mtime_ns)
        except (InputError, OSError) as error:
            text_box(str(error))
    if not known:
        return
    chosen = st.selectbox("Pictures", list(known), format_func=lambda each: known[each].name, key="pictures", **KEPT)
    _one(known[chosen])


@lru_cache(maxsize=8)
def _read(path: Path, stamp: int) -> Kept:
    return read_kept(path)


def _one(kept: Kept) -> None:
    scores = kept.scores
    st.header("What is taken for what", anchor=False)
    captioned_chart(confusion_figure(scores, kept.classes), confusion_caption(scores, kept.classes), "confusion")
    with st.container(key="facts"):
        for line in _facts(kept):
            st.text(line)
    st.header("By class", anchor=False)
    table(_classes(kept), "classes", _CLASSES)
    wrong = scores.images - int(scores.confusion.trace())
    st.header(f"{count(wrong, 'picture')} taken for another class", anchor=False)
    if wrong:
        if wrong > len(kept.mistakes):
            st.text(f"The {len(kept.mistakes)} of them that the network was surest of.")
        table(_mistakes(kept), "mistakes", _MISTAKES, row_height=72, height=600 if len(kept.mistakes) > 7 else "auto")


def _facts(kept: Kept) -> list[str]:
    which = (
        f"split {kept.split}, by the folder's name" if kept.split else "which split these pictures are of is not known"
    )
    by = "its own weights" if kept.format == "own" else f"its file for {kept.format}"
    lines = [f"{', '.join(kept.paths[:5])}: {which}; {kept.created}, by {by}"]
    if kept.broken:
        lines.append(f"could not be read: {count(kept.broken, 'picture')}")
    return [*lines, *kept.notes]


def _classes(kept: Kept) -> pd.DataFrame:
    """A row for each class that pictures are of, the worst first."""
    counts = kept.scores.counts
    frame = pd.DataFrame({"class": kept.classes, "pictures": counts.images, "accuracy, %": counts.by_class})
    frame["accuracy, %"] *= 100
    return frame[frame["pictures"] > 0].sort_values("accuracy, %", kind="stable")


def _mistakes(kept: Kept) -> pd.DataFrame:
    rows = [
        {
            "picture": f"data:image/jpeg;base64,{each.picture}", "is": kept.classes[each.label],
            "taken for": kept.classes[each.answer], "probability, %": 100 * each.probability, "file": each.path,
        }
        for each in kept.mistakes
    ]  # fmt: skip
    return pd.DataFrame(rows)
