"""One network: drawn, counted part by part, its curve and seeds, how to build it again, its export, what differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.charts.blocks import seed_lines
from dashboard.charts.front_caption import other_seed
from dashboard.charts.network import network_caption, network_figure
from dashboard.charts.progress import curve_caption, curve_figure
from dashboard.derived import cost_axes_of, networks_of
from dashboard.frames import BALANCED, OWN, parts_frame, trials_frame
from dashboard.live_chart import live_chart
from dashboard.number_format import NONE, evidence, percent, short
from dashboard.pages import export, rebuild
from dashboard.pages.address import choose, chosen, link, pin, pinned
from dashboard.pages.elements import Metric, captioned_chart, metrics, table
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from dashboard.study_cache import StudyCache
from nas.analysis.cost_axes import COUNTED, FLOPS, FORECAST, CostAxis, cost_of
from nas.analysis.pareto import score, split_error
from nas.analysis.seed_noise import NetworkResult
from nas.analysis.wording import class_words, mean_words
from nas.records.scores import METRICS, WORDS, score_of
from nas.records.settings import Settings
from nas.records.trial import Period, Trial
from space import Arch, InputError

PARTS = {
    "size": st.column_config.NumberColumn("px", help="Side of the output in pixels"),
    "channels": st.column_config.NumberColumn(help="Channels of the output"),
    "width": st.column_config.NumberColumn(help="Of the space; a bottleneck has more channels at its output"),
    "FLOPs %": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100),
    "params %": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100),
}
COVERS = (
    "The interval covers the seed noise of this network alone. Sampling error of the validation split is not included; "
    "it is similar for all networks."
)


def network_page(scene: Scene) -> None:
    """The selected trial's, or where none is selected that of the most accurate."""
    snapshot = scene.snapshot
    first = (snapshot.front[-1] if snapshot.front else snapshot.trials[0]).number
    what = "the most accurate so far" if snapshot.front else "the first trial"
    number = chosen(snapshot, f"Trial {first} is shown, {what}; choose another on the page Front or Trials.")
    trial = snapshot.trial(first if number is None else number)
    assert trial is not None
    _walk(snapshot, trial)
    over = cost_of(scene.settings)
    why = [what] if number is None else []
    st.text(" · ".join(filter(None, [*why, place_on(trial, snapshot.front, over.name)])))
    if trial.reason:
        st.text(f"{trial.state}: {trial.reason}")
    row = networks_of(snapshot).of(trial)
    _scores(scene, trial, row)
    if seeds := seed_lines(row, over):
        st.text(f"All seeds of this network: {'; '.join(seeds)}." + (f" {COVERS}" if row and row.interval else ""))
    try:
        arch = trial.to_arch()
        _pinned(scene, trial, arch)
        drawing(scene.settings, arch, key="drawing")
    except InputError as error:
        st.text(f"The network cannot be shown: {error}")
        return
    table(parts_frame(arch, scene.settings.task), "network", PARTS)
    left, right = st.columns(2, gap="large")
    with left:
        _curve(scene, trial)
    with right:
        _seeds(snapshot, trial)
        st.header("Export", anchor=False)
        export_of(scene.runs, snapshot, trial)
    _rebuild(scene.settings, arch, trial)


def _walk(snapshot: Snapshot, trial: Trial) -> None:
    """Which trial, and the ways along the front and into a comparison."""
    members, over = [member.number for member in snapshot.front], cost_of(snapshot.read_settings)
    less = "less" if over is FORECAST else "fewer"
    at = next((at for at, member in enumerate(snapshot.front) if same_network(trial, member)), None)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Trial {trial.number}", anchor=False, width="content")
        before = members[at - 1] if at else None
        after = members[at + 1] if at is not None and at + 1 < len(members) else None
        for label, icon, number, what in (
            ("Cheaper", "arrow_back", before, f"The next network on the front with {less} {over.name}"),
            ("Costlier", "arrow_forward", after, f"The next network on the front with more {over.name}"),
        ):
            st.button(
                label, icon=f":material/{icon}:", disabled=number is None, help=what, on_click=choose, args=(number,)
            )
        pin_button(trial, "Pin to compare")
        link("front", "See it on the front", "scatter_plot", study=snapshot.name, trial=trial.number)


def pin_button(trial: Trial, label: str) -> None:
    held = pinned() == trial.number
    st.button(
        "Unpin" if held else label, icon=":material/push_pin:", on_click=pin, args=(None if held else trial.number,),
        help="Pin this trial, then open another one to compare",
    )  # fmt: skip


def numbers_of(settings: Settings, trial: Trial, row: NetworkResult | None) -> list[Metric]:
    """Of the trial's network; its accuracies are means of its seeds, first the one that the study maximises."""
    mean, times = (row.trial, row.seeds) if row else (trial, 1)
    names = sorted(METRICS, key=lambda name: name != settings.metric)
    scores = [(name, score_of(mean, name)) for name in names]
    return [
        *(
            (WORDS[name].capitalize(), percent(value), evidence(settings, times, name))
            for name, value in scores
            if name == settings.metric or value is not None
        ),
        ("FLOPs", short(trial.flops), FLOPS.label),
        ("Parameters", short(trial.params), None),
    ]


def latencies(axes: Iterable[CostAxis], trial: Trial) -> list[Metric]:
    """What the study's model forecasts of the trial's network, and what `nas measure` found, each by its own name."""
    return [
        (axis.name[0].upper() + axis.name[1:], axis.words(value), _timed(axis, trial))
        for axis in axes
        if axis not in COUNTED.values() and (value := axis.of(trial))
    ]


def _timed(latency: CostAxis, trial: Trial) -> str:
    """What the number is, with its quartiles."""
    label = latency.label[0].upper() + latency.label[1:]
    if latency.quartiles is None:
        return label
    low, high = map(latency.words, latency.quartiles(trial))
    return f"{label}; quartiles {low} to {high}"


def class_lines(settings: Settings, trial: Trial, row: NetworkResult | None) -> list[str]:
    """Each class's accuracy, where they are known, and what it rests on."""
    mean, times = (row.trial, row.seeds) if row else (trial, 1)
    if mean.counts is None:
        return []
    rests = "1 seed" if times == 1 else f"mean of {times} seeds"
    return [f"Accuracy by class, validation, {rests}: {class_words(mean.counts, settings.data.classes)}."]


def _scores(scene: Scene, trial: Trial, row: NetworkResult | None) -> None:
    settings, axes = scene.settings, cost_axes_of(scene.snapshot, scene.beside).values()
    seconds = NONE if trial.seconds is None else f"{trial.seconds:.1f} s"
    rest: list[Metric] = [
        ("Activations", short(trial.activations), "Outputs of conv and linear layers, batch 1"),
        ("Training", seconds, f"Training and evaluation, on {settings.device}"),
    ]
    metrics("scores", numbers_of(settings, trial, row) + latencies(axes, trial) + rest)
    mean, times = (row.trial, row.seeds) if row else (trial, 1)
    if mean.score is not None and trial.score is not None:
        error = 100 * split_error(mean, settings.data.validation)
        seed = "" if trial.seed is None else f" (seed {trial.seed})"
        own = f"; this trial alone{seed}: {percent(trial.score)}" if times > 1 else seed
        alone = f"The split alone has a standard error of {error:.2f} points."
        st.text(f"{percent(mean.score)}, {evidence(settings, times)}{own}. {alone}")
    for line in class_lines(settings, trial, row):
        st.text(line)


def drawing(settings: Settings, arch: Arch, key: str, *, brief: bool = False) -> None:
    """The network to scale, with its sentence. Raises InputError for a network that has no pixels left."""
    caption = network_caption(arch, settings.task)
    st.text(caption.partition(". ")[0] + "." if brief else caption)
    live_chart(network_figure(arch, settings.task, brief=brief), caption, key=key, least=0 if brief else 340)


@once
def _periods(snapshot: Snapshot, cache: StudyCache, number: int) -> list[Period]:
    return cache.curve(snapshot.folder, number)


def _curve(scene: Scene, trial: Trial) -> None:
    st.header("Learning curve", anchor=False)
    try:
        periods = _periods(scene.snapshot, scene.cache, trial.number)
    except (InputError, OSError) as error:
        st.text(f"The curve cannot be read: {error}")
        return
    if periods:
        metric = scene.settings.metric
        captioned_chart(curve_figure(periods, metric), curve_caption(periods, metric), "curve")
    else:
        st.text(
            "No curve yet: the first point comes with the first evaluation."
            if trial.state == "running"
            else "It has no curve."
        )


def _seeds(snapshot: Snapshot, trial: Trial) -> None:
    same = [t for t in snapshot.trials if t.key and t.key == trial.key]
    st.header("Seeds of this network", anchor=False)
    if len(same) < 2:
        st.text(other_seed(networks_of(snapshot)))
        return
    rows = trials_frame(same, ()).assign(seed=pd.array([t.seed for t in same], "Int64"))
    names = ["trial", "seed", OWN, BALANCED, "state", "seconds"]
    table(rows[[name for name in names if name in rows]], "seeds")


def export_of(runs: Path, snapshot: Snapshot, trial: Trial) -> None:
    """The export of a trial, or why it cannot be exported."""
    if trial.state != "complete":
        st.text(f"Only a complete trial can be exported; this one is {trial.state}.")
        return
    if snapshot.mode == "gone":
        st.text("The study's folder is gone: nothing can be exported until it is back.")
        return
    if trial.number not in {member.number for member in snapshot.front}:
        st.text("Weights are kept for networks on the front only: the export trains this network again first.")
    export.section(runs, snapshot.name, trial.number, snapshot.read_settings.data.source)


def _rebuild(settings: Settings, arch: Arch, trial: Trial) -> None:
    st.header("Reproduce this network", anchor=False)
    file, task = f"trial-{trial.number}.yaml", settings.task
    texts = (
        ("YAML", arch.to_yaml(), "yaml", file),
        ("Python", rebuild.python(arch, task), "python", f"trial-{trial.number}.py"),
        ("Command line", rebuild.command(arch, task, file), "bash", None),
    )
    for tab, (label, text, language, name) in zip(st.tabs([row[0] for row in texts]), texts, strict=True):
        with tab:
            st.code(text, language=language, wrap_lines=True)
            if name:
                st.download_button(
                    f"Download {name}", text, file_name=name, mime="text/plain", on_click="ignore", key=f"take-{label}"
                )


def _pinned(scene: Scene, trial: Trial, arch: Arch) -> None:
    """What differs from the pinned trial's network."""
    other = scene.snapshot.trial(pinned())
    if other is None or other.number == trial.number:
        return
    st.header(f"Compared with pinned trial {other.number}", anchor=False)
    try:
        network = other.to_arch()
        parts = rebuild.differences(arch, network)
    except InputError as error:
        st.text(f"The pinned network cannot be shown: {error}")
        return
    here, there = f"trial {trial.number}", f"pinned: trial {other.number}"
    found = networks_of(scene.snapshot)
    means = (NONE if row is None else mean_words(score(row.trial), row.seeds) for row in map(found.of, (trial, other)))
    names = (("FLOPs", "flops"), ("parameters", "params"), ("activations", "activations"))
    counts = [(label, short(getattr(trial, name)), short(getattr(other, name))) for label, name in names]
    rows = [(f"{WORDS[scene.settings.metric]} of the network", *means), *counts, *parts]
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.table(pd.DataFrame(rows, columns=["differs", here, there]), border="horizontal", hide_index=True)
    with right:
        st.text(
            there[0].upper() + there[1:] + ". " + network_caption(network, scene.settings.task).partition(". ")[0] + "."
        )
        figure = network_figure(network, scene.settings.task, brief=True)
        live_chart(figure, network_caption(network, scene.settings.task), key="pinned")
    st.header(f"Trial {trial.number}, part by part", anchor=False)


def place_on(trial: Trial, front: Sequence[Trial], over: str, among: str = "") -> str:
    """`on the front: number 3 of 6 in order of FLOPs`, whichever of its network's seeds a trial is, or its state where
    it is not complete; `among`: of which networks."""
    if trial.state != "complete":
        return trial.state
    at = next((at for at, member in enumerate(front, 1) if same_network(trial, member)), None)
    if at is None:
        return f"not on the front{among} over {over}"
    return f"on the front{among}: number {at} of {len(front)} in order of {over}"


def same_network(one: Trial, other: Trial) -> bool:
    return one.number == other.number or (one.key is not None and one.key == other.key)
