"""The selected trial: its scores, its network part by part, its curve, its YAML, its export."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import charts, export, tables
from dashboard.beside import networks_of
from dashboard.live import Shelf, Snapshot
from dashboard.plot import plot
from dashboard.words import FLOPS, NONE, evidence, percent, short, standard_error
from nas.settings import Settings
from nas.trials import Trial
from space import Arch, InputError, breakdown

NUMBERS = {
    "size": st.column_config.NumberColumn("px", help="Side of the output in pixels"),
    "channels": st.column_config.NumberColumn(help="Channels of the output"),
    "width": st.column_config.NumberColumn(help="The width that was chosen; a bottleneck gives more channels"),
    "FLOPs": st.column_config.NumberColumn(format="compact", help=FLOPS),
    "FLOPs %": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100),
    "params": st.column_config.NumberColumn(format="compact"),
    "params %": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100),
}


COVERS = "The interval is over seeds; the split's own sampling error comes on top, much the same for all networks."


def panel(shelf: Shelf, runs: Path, snapshot: Snapshot, trial: Trial, why: str) -> None:
    """Everything about one trial. `why` says how it came to be shown."""
    settings = snapshot.settings
    assert settings is not None
    st.subheader(f"Trial {trial.number}", anchor=False)
    st.text(" · ".join(filter(None, [why, _place(snapshot, trial), _others(snapshot, trial)])))
    if trial.reason:
        st.text(f"{trial.state}: {trial.reason}")
    _scores(settings, trial)
    if seeds := charts.seed_lines(networks_of(snapshot).of(trial)):
        st.text("Its network: " + "; ".join([*_mean(snapshot, trial), *seeds]) + f". {COVERS}")
    try:
        arch = trial.network()
        _network(settings, arch)
    except InputError as error:
        st.text(f"Its network cannot be shown: {error}")
        return
    left, right = st.columns(2, gap="large")
    with left:
        _curve(shelf, snapshot, trial)
    with right:
        parts = breakdown(arch, settings.task)
        st.markdown("**Where the cost is**")
        st.text(charts.parts_caption(parts))
        plot(charts.parts_figure(parts), charts.parts_caption(parts), key="parts")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**As YAML**")
        st.code(arch.to_yaml(), language="yaml", height=300)
    with right:
        st.markdown("**Export**")
        _export(runs, snapshot, trial)


def _scores(settings: Settings, trial: Trial) -> None:
    columns = st.columns(5)
    columns[0].metric("Accuracy", percent(trial.accuracy, 2), help=evidence(settings))
    columns[1].metric("FLOPs", short(trial.flops), help=FLOPS)
    columns[2].metric("Parameters", short(trial.params))
    columns[3].metric("Activations", short(trial.activations), help="Outputs of conv and linear layers, batch 1")
    columns[4].metric("Training", NONE if trial.seconds is None else f"{trial.seconds:.1f} s", help=settings.device)
    if trial.accuracy is not None:
        error = 100 * standard_error(trial.accuracy, settings.data.validation)
        seed = "" if trial.seed is None else f" (seed {trial.seed})"
        st.text(f"{percent(trial.accuracy, 2)} ± {error:.2f} (binomial standard error), {evidence(settings)}{seed}")


def _network(settings: Settings, arch: Arch) -> None:
    st.markdown("**Network, part by part**")
    frame = tables.parts_frame(arch, settings.task)
    st.dataframe(frame, hide_index=True, column_config=NUMBERS, placeholder="", key="network")


def _curve(shelf: Shelf, snapshot: Snapshot, trial: Trial) -> None:
    st.markdown("**Learning curve**")
    try:
        epochs = shelf.curve(snapshot.folder, trial.number)
    except (InputError, OSError) as error:
        st.text(f"The curve cannot be read: {error}")
        return
    if epochs:
        st.text(charts.curve_caption(epochs))
        plot(charts.curve_figure(epochs), charts.curve_caption(epochs), key="curve")
    else:
        st.text("No curve yet: it is written when an epoch ends." if trial.state == "running" else "It has no curve.")


def _export(runs: Path, snapshot: Snapshot, trial: Trial) -> None:
    if trial.state != "complete":
        st.text(f"Only a finished trial can be exported; this one is {trial.state}.")
        return
    if trial.number not in {member.number for member in snapshot.front}:
        st.text("Weights are kept for the front only; this network is trained again first.")
    export.section(runs, snapshot.name, trial.number)


def _place(snapshot: Snapshot, trial: Trial) -> str:
    if trial.state != "complete":
        return trial.state
    row = networks_of(snapshot).of(trial)
    members = [member.number for member in snapshot.front]
    if row is None or row.trial.number not in members:
        return "not on the front"
    return f"on the front, {members.index(row.trial.number) + 1} of {len(members)} by FLOPs"


def _mean(snapshot: Snapshot, trial: Trial) -> list[str]:
    """The mean over seeds, where there are several."""
    row = networks_of(snapshot).of(trial)
    return [percent(row.trial.accuracy, 2)] if row is not None and row.seeds > 1 else []


def _others(snapshot: Snapshot, trial: Trial) -> str:
    """Trials of the same network with other seeds."""
    same = [t for t in snapshot.scored if t.key == trial.key and t.key and t.number != trial.number]
    if not same:
        return ""
    return "same network: " + ", ".join(f"trial {t.number} ({percent(t.accuracy, 2)})" for t in same[:5])
