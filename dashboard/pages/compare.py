"""Two to six studies over each other: which space or method wins, at equal FLOPs and for equal training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import streamlit as st

from dashboard.charts import compare as charts
from dashboard.charts.front import score_label
from dashboard.derived import history_of
from dashboard.number_format import evidence, seed_range
from dashboard.pages.elements import KEPT, captioned_chart, cost_choice
from dashboard.pages.study_page import nearest_name, say_gone, watch
from dashboard.snapshot import Snapshot, once
from dashboard.study_cache import StudyCache, study_names
from nas.analysis.baseline import training_differences
from nas.analysis.comparison import FEWEST, Sample, edf, equal_complexity, growths
from nas.analysis.cost_axes import CostAxis, cost_axes, cost_of
from nas.analysis.pareto import pareto_front
from nas.analysis.space_studies import sample
from nas.latency.measurements import joined
from nas.records.settings import BASELINE, Settings
from nas.records.trial import Trial

LOOKED = 20  # studies that are read for one to compare with


def compare_page(cache: StudyCache, runs: Path) -> None:
    names = study_names(runs)
    with st.container(horizontal=True, vertical_alignment="center", key="head", gap="small"):
        st.markdown("**Comparison**", width="content")
        spot = st.container(horizontal=True, vertical_alignment="center", gap="small")
    st.title("Which space or method wins?", anchor=False)
    before = [*st.session_state.get("with", []), *st.query_params.get_all("with")]
    names += [name for name in cache.gone(runs) if name in before and name not in names]
    _guess(cache, runs, names)
    kept = [name for name in st.session_state.get("with", []) if name in names]
    if kept != st.session_state.get("with", []):
        st.session_state["with"] = kept
    for name in dict.fromkeys(name for name in before if names and name not in names):
        st.text(f"There is no study {name[:200]}; the nearest name is {nearest_name(name, names)}.")
    wanted = st.multiselect("Studies", names, key="with", max_selections=charts.MOST, placeholder="two to six", **KEPT)
    read = {name: cache.read(runs / name) for name in wanted}
    found = {name: snapshot for name, snapshot in read.items() if _has_networks(snapshot)}
    with spot:
        watch(
            lambda: all(cache.read(runs / name).same(snapshot) for name, snapshot in read.items()),
            lambda: max((s.updated for s in read.values() if s.updated), default=None),
        )
    for snapshot in read.values():
        say_gone(snapshot)
    for name in read.keys() - found.keys():
        st.text(f"{name} has no finished network to compare: it is {read[name].mode}.")
    if len(found) < 2:
        st.info("Choose two studies or more that have finished networks.")
        return
    _warn(found)
    over = _over(found)
    _fronts(found, over)
    _distributions(found, over)
    _growth(found)


def _guess(cache: StudyCache, runs: Path, names: Sequence[str]) -> None:
    """At first chooses the study that is looked at and one beside it; others once another study is looked at, until a
    person chooses."""
    state, study = st.session_state, st.session_state.get("study")
    chosen = state.get("with", st.query_params.get_all("with"))
    guessed = state.setdefault("guessed", {"of": None, "with": []})
    if study is None or study == guessed["of"] or chosen != guessed["with"]:
        return
    pair = _pair_with(cache, runs, names, study)
    state["guessed"] = {"of": study, "with": pair}
    if pair != chosen:
        state["with"] = pair


def _pair_with(cache: StudyCache, runs: Path, names: Sequence[str], study: str) -> list[str]:
    """A study and what its accuracies may be compared with: the random search beside it or the one that it is beside,
    else the first study that may be; empty where there is none."""
    one = cache.read(runs / study)
    kin = (f"{study}{BASELINE}", study.removesuffix(BASELINE))
    for name in sorted((name for name in names if name != study), key=lambda name: name not in kin)[:LOOKED]:
        other = cache.read(runs / name)
        there = _has_networks(one) and _has_networks(other)
        if there and not training_differences(one.read_settings, other.read_settings):
            return [study, name]
    return []


def _has_networks(snapshot: Snapshot) -> bool:
    return bool(snapshot.settings and snapshot.scored)


def _warn(found: dict[str, Snapshot]) -> None:
    settings = [snapshot.read_settings for snapshot in found.values()]
    apart = (row for each in settings[1:] for row in training_differences(settings[0], each))
    if fields := dict.fromkeys(field for field, _, _ in apart):
        st.warning(f"These studies differ in {', '.join(fields)}: their accuracies do not measure the same thing.")
    if any(s.minimize != settings[0].minimize for s in settings):
        st.warning("These studies minimise different costs: hypervolumes over different costs are not comparable.")
    elif any(s.ends != settings[0].ends for s in settings):
        st.warning("These studies have different budgets: hypervolumes over different budgets are not comparable.")


def _over(found: dict[str, Snapshot]) -> CostAxis:
    """What accuracies are set against: a measure that every study has, chosen by the person."""
    known, own = _measures(tuple(found.values())), {cost_of(s.read_settings).name for s in found.values()}
    names = sorted(known, key=lambda name: {name} != own)  # first what all of them minimise
    name = st.selectbox(
        "Accuracy over", names, key="over", width=340,
        help="Latencies are offered where each of these studies was measured on the same device at the same batch",
        **KEPT,
    )  # fmt: skip
    return known[name or names[0]]


@lru_cache(maxsize=8)
def _measures(snapshots: tuple[Snapshot, ...]) -> dict[str, CostAxis]:
    measured = joined(snapshot.measured for snapshot in snapshots)
    each = [cost_axes(snapshot.scored, measured) for snapshot in snapshots]
    every = cost_axes((trial for snapshot in snapshots for trial in snapshot.scored), measured)
    return {name: measure for name, measure in every.items() if all(name in other for other in each)}


@once
def _front(snapshot: Snapshot, over: CostAxis) -> tuple[Trial, ...]:
    return tuple(pareto_front(snapshot.scored, over.of))


def _fronts(found: dict[str, Snapshot], over: CostAxis) -> None:
    st.header("Fronts", anchor=False)
    fronts = {name: _front(snapshot, over) for name, snapshot in found.items()}
    captioned_chart(charts.fronts_figure(fronts, over), charts.fronts_caption(fronts, over), "fronts", view=over.name)
    said = {evidence(s.read_settings, seed_range(s.trials)): name for name, s in found.items()}
    with st.container(key="facts"):
        st.text("; ".join(f"{name}: {words}" if len(said) > 1 else words for words, name in said.items()) + ".")


@once
def _sample(snapshot: Snapshot, over: CostAxis) -> Sample:
    return sample(snapshot.trials, snapshot.name, over)


def _distributions(found: dict[str, Snapshot], over: CostAxis) -> None:
    """Of all trained networks, not only of the front: for random search that is the space, else what was chosen."""
    st.header(f"Networks at equal {over.name}", anchor=False)
    even = equal_complexity([_sample(snapshot, over) for snapshot in found.values()])
    if not even:
        st.info(f"These studies share no {over.name}: nothing can be compared at equal complexity.")
        return
    if few := [row.sample.name for row in even if len(row.weight) < FEWEST]:
        st.info(f"Too few networks in the {over.name} that they share to say ({FEWEST} are needed): {', '.join(few)}.")
        return
    rows, stopped = [edf(row) for row in even], {name: s.number_in("stopped") for name, s in found.items()}
    label = score_label(trial for snapshot in found.values() for trial in snapshot.scored[:1])
    captioned_chart(charts.edf_figure(rows, label), charts.edf_caption(rows, stopped, over), "edf")
    with st.container(key="facts-edf"):
        st.text(
            "Every network that was trained to its end or failed to train, weighted so that each study has as many at "
            f"the same {over.name} (arXiv 1905.13214). Under random search that stops none early this is the space: "
            "whether two of them differ, the page Spaces tests. A search that learns shows what it chose, of which no "
            "p would hold."
        )


def _growth(found: dict[str, Snapshot]) -> None:
    st.header("Hypervolume over training", anchor=False)
    cost = cost_choice("Over")
    groups = methods({name: snapshot.read_settings for name, snapshot in found.items()})
    known = growths({label: [history_of(found[name]) for name in names] for label, names in groups.items()}, cost)
    captioned_chart(charts.growth_figure(known, cost), charts.growth_caption(known, cost), "growths")


def methods(settings: dict[str, Settings]) -> dict[str, list[str]]:
    """Studies that differ in their seed only belong together; label -> names."""
    groups: dict[str, list[str]] = {}
    for name, each in settings.items():
        plain = asdict(replace(each, name="", created="", command="", seed=0, device="", versions={}))
        groups.setdefault(repr(plain), []).append(name)
    return {
        names[0] if len(names) == 1 else f"{settings[names[0]].sampler}: {', '.join(names)}": names
        for names in groups.values()
    }
