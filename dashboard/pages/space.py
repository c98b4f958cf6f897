"""Which choices of the space matter, at equal FLOPs."""

from __future__ import annotations

import streamlit as st

from dashboard.charts import space as charts
from dashboard.charts.style import Figure
from dashboard.derived import cells_of, designs_of, importances_of, networks_table, varied_of
from dashboard.number_format import count, evidence, seeds_per_network
from dashboard.pages.elements import KEPT, captioned_chart
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from nas.analysis.importance import FEWEST
from nas.analysis.multiple_comparisons import VALUES

EASY = 500  # trainings whose lines are drawn without being asked for


def space_page(scene: Scene) -> None:
    snapshot = scene.snapshot
    designs, _, _ = networks_table(snapshot)
    if not designs:
        st.info("No network has finished yet: there is nothing to compare.")
        return
    if scene.settings.sampler != "random":
        st.text(
            "This study's sampler prefers what did well, so that choices go together and poor ones are rare. "
            "A study by random search, such as a baseline, shows effects undisturbed."
        )
    _importance(scene)
    axes = varied_of(snapshot)
    if axes:
        _choices(snapshot, axes)
        _coordinates(snapshot, axes)
    with st.container(key="facts"):
        st.text(
            f"Accuracy: {evidence(scene.settings, seeds_per_network(snapshot.trials))}, means over a network's seeds."
        )


def _importance(scene: Scene) -> None:
    designs, _, _ = networks_table(scene.snapshot)
    st.header("What matters", anchor=False)
    rows = importances_of(scene.snapshot)
    if len(designs) < FEWEST:
        st.info(f"Too few networks to say: {count(len(designs), 'network')}, and {FEWEST} are needed.")
        return
    caption = charts.importance_caption(rows, len(designs))
    if rows:
        captioned_chart(charts.importance_figure(rows), caption, "importance")
    else:
        st.text(caption)
    with st.expander("How this is worked out"):
        st.text(
            "A bar is the part of the variance that the axis alone explains, corrected for its number of choices "
            "(adjusted R²). For accuracy it is of what a quadratic in log FLOPs leaves, so that a choice does not "
            "count for making networks larger. The tick is what chance reaches, by shuffles: in 95 of 100 studies "
            "without any effect no bar would pass its own (Bonferroni). Bars that end before it say nothing. "
            "Where a sampler chose two things together, both get the credit."
        )


def _choices(snapshot: Snapshot, axes: dict[str, list[str]]) -> None:
    st.header("Accuracy by choice", anchor=False)
    ranked = [row.axis for row in importances_of(snapshot)]
    names = [*ranked, *(axis for axis in axes if axis not in ranked)]
    axis = st.selectbox("Axis", names, key="axis", width=220, **KEPT) or names[0]
    rows, bands = cells_of(snapshot, axis)
    captioned_chart(charts.cells_figure(rows, bands), charts.cells_caption(axis, rows, bands), "cells")
    with st.container(key="facts-cells"):
        st.text(
            f"Bars: intervals (Student's t), those of this picture together 95%. Hollow: fewer than {VALUES} networks. "
            "A network counts by its share of blocks."
        )


def _coordinates(snapshot: Snapshot, axes: dict[str, list[str]]) -> None:
    st.header("All choices at once", anchor=False)
    few = len(snapshot.scored) <= EASY
    if not st.toggle("Draw them", value=few, key="lines", help="Thousands of lines take a browser seconds"):
        return
    captioned_chart(_lines(snapshot), charts.coordinates_caption(snapshot.scored), "coordinates", least=860)


@once
def _lines(snapshot: Snapshot) -> Figure:
    return charts.coordinates_figure(snapshot.scored, designs_of(snapshot), varied_of(snapshot))
