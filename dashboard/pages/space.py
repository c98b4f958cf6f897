"""Which choices of the space matter, at equal FLOPs."""

from __future__ import annotations

import streamlit as st

from dashboard.charts import space as charts
from dashboard.charts.style import Figure
from dashboard.derived import cells_of, designs_of, importances_of, means_of, networks_table, varied_of
from dashboard.number_format import evidence, seed_range
from dashboard.pages.elements import KEPT, captioned_chart
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from nas.analysis.importance import FEWEST
from nas.analysis.multiple_comparisons import VALUES
from nas.records.scores import WORDS

EASY = 500  # networks whose lines are drawn without being asked for


def space_page(scene: Scene) -> None:
    snapshot = scene.snapshot
    designs, _, _ = networks_table(snapshot)
    if not designs:
        st.info("No network has finished yet: there is nothing to compare.")
        return
    if scene.settings.sampler != "random":
        st.text(
            "This study's sampler favours good networks: choices are correlated and poor ones are rare, so effects are "
            "confounded. A study by random search, such as a baseline, avoids this."
        )
    _importance(scene)
    axes = varied_of(snapshot)
    if axes:
        _choices(snapshot, axes)
        _coordinates(snapshot, axes)
    with st.container(key="facts"):
        st.text(f"Accuracy: {evidence(scene.settings, seed_range(snapshot.trials))}.")


def _importance(scene: Scene) -> None:
    designs, _, _ = networks_table(scene.snapshot)
    st.header("What matters", anchor=False)
    rows, metric = importances_of(scene.snapshot), scene.settings.metric
    caption = charts.importance_caption(rows, len(designs), metric)
    if len(designs) < FEWEST:
        st.info(caption)
        return
    if rows:
        captioned_chart(charts.importance_figure(rows, metric), caption, "importance")
    else:
        st.text(caption)
    what = WORDS[metric]
    with st.expander("How this is worked out"):
        st.text(
            f"Each bar is the share of the variance that one axis explains alone (adjusted R²). For {what}, a "
            "quadratic in log FLOPs is regressed out first, so that an axis does not score for making networks larger. "
            f"The tick on a bar of {what} is a permutation threshold: with no true effects, no bar passes its "
            "threshold in 95 of 100 studies (Bonferroni). A bar below its threshold is no evidence of an effect. Where "
            "the sampler changed two axes together, both get the credit."
        )


def _choices(snapshot: Snapshot, axes: dict[str, list[str]]) -> None:
    metric = snapshot.read_settings.metric
    st.header(f"{WORDS[metric].capitalize()} by choice", anchor=False)
    ranked = [row.axis for row in importances_of(snapshot)]
    names = [*ranked, *(axis for axis in axes if axis not in ranked)]
    axis = st.selectbox("Axis", names, key="axis", width=220, **KEPT) or names[0]
    rows, bands = cells_of(snapshot, axis)
    captioned_chart(charts.cells_figure(rows, bands, metric), charts.cells_caption(axis, rows, bands, metric), "cells")
    with st.container(key="facts-cells"):
        st.text(
            "Bars: Student's t intervals that cover 95% together over this chart (Bonferroni). Hollow: an effective "
            f"number of networks below {VALUES}, no interval. Where stages differ, a network is weighted by the share "
            "of its blocks with the choice."
        )


def _coordinates(snapshot: Snapshot, axes: dict[str, list[str]]) -> None:
    st.header("All choices at once", anchor=False)
    few = len(means_of(snapshot)) <= EASY
    if not st.toggle(
        "Draw parallel coordinates", value=few, key="lines", help="Thousands of lines take seconds to draw"
    ):
        return
    captioned_chart(_lines(snapshot), charts.coordinates_caption(means_of(snapshot)), "coordinates", least=860)


@once
def _lines(snapshot: Snapshot) -> Figure:
    return charts.coordinates_figure(means_of(snapshot), designs_of(snapshot), varied_of(snapshot))
