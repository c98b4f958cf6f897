"""Is the study still improving: its hypervolume over what was spent, its pace, its workers, its losses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard.charts import progress as charts
from dashboard.charts.progress import COSTS
from dashboard.derived import history_of
from dashboard.number_format import NONE
from dashboard.pages.address import choose
from dashboard.pages.elements import captioned_chart, cost_choice, metrics
from dashboard.pages.study_page import Scene
from nas.analysis.accuracy_goal import AccuracyGoal
from nas.analysis.history import pace, spans
from nas.analysis.wording import duration, ends_words
from nas.records.scores import WORDS


def progress_page(scene: Scene) -> None:
    _pace(scene)
    steps, beside = history_of(scene.snapshot), history_of(scene.beside) if scene.beside else ()
    known = [name for name in COSTS if any(getattr(step, name) is not None for step in steps)] or ["images"]
    cost = cost_choice("Hypervolume over", known)
    captioned_chart(
        charts.growth_figure(steps, cost, beside), charts.growth_caption(steps, beside), "growth", view=cost
    )
    over, _, across = ends_words(scene.settings).partition(" across ")
    st.text(
        f"Hypervolume: the area under the front of {WORDS[scene.settings.metric]} over {over}, across {across}, "
        "scaled to 0..1. Higher is better."
    )
    st.header("Workers", anchor=False)
    now = datetime.now(UTC) if scene.snapshot.mode == "running" else scene.snapshot.updated or datetime.now(UTC)
    rows = spans(scene.snapshot.trials, now)
    captioned_chart(charts.timeline_figure(rows), charts.timeline_caption(rows), "timeline", on_click=choose)
    st.header("Stopped, failed and interrupted", anchor=False)
    for line in charts.losses(scene.snapshot.trials):
        st.text(line)


def _has_accuracy(scene: Scene) -> bool:
    """Whether a search for an accuracy has ended, before its total."""
    least = scene.snapshot.extent.accuracy if scene.snapshot.extent else None
    found = None if least is None else AccuracyGoal(least, scene.settings).reached(scene.snapshot.trials)
    return bool(found and found.is_over)


def _pace(scene: Scene) -> None:
    snapshot = scene.snapshot
    found = pace(snapshot.trials, scene.settings, snapshot.extent)
    of = "" if found.total is None else f" of {found.total:,}"
    left = NONE
    if found.left is not None:
        left = (
            "done"
            if found.left <= timedelta(0) or _has_accuracy(scene)
            else duration(found.left.total_seconds())
            if snapshot.mode == "running"
            else "paused"
        )
    rate = NONE if found.per_hour is None else f"{found.per_hour:,.1f} / h"
    what = "Trials that ended: complete, stopped early or failed. Trainings with further seeds are included."
    rows = (
        ("Ended", f"{found.trainings:,}{of}", what),
        ("Running", f"{len(snapshot.running)}", None),
        ("Rate", rate, "From the last 20 trials that ended. A long pause counts as about ten trials' time."),
        ("Time left", left, "Time until the requested number of trials, at this rate"),
        ("Stopped", f"{snapshot.number_in('stopped')}", None),
        ("Failed", f"{snapshot.number_in('failed')}", None),
    )
    metrics("pace", rows)
