"""The front of one study: what it is, the chart with its axes and filters, and beside it the network that is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.charts.front_caption import below_words, chance_sentence, front_caption
from dashboard.charts.front_colours import choices
from dashboard.derived import (
    cost_axes_of,
    networks_of,
    outcome_of,
    references_of,
    shut_out,
    telling_of,
    varied_of,
)
from dashboard.frames import front_frame, references_frame, with_classes
from dashboard.live_chart import Limit, live_chart, mark
from dashboard.number_format import NONE, count, evidence, percent, seed_range
from dashboard.pages.address import choose, chosen, pinned
from dashboard.pages.elements import KEPT, download, metrics, table, text_box, trial_table
from dashboard.pages.front_view import Asked, Goal, Seen, caption_of, figure_of, panel, view_of
from dashboard.pages.study_page import Scene, resume
from dashboard.snapshot import Snapshot
from nas.analysis.cost_axes import FLOPS, CostAxis, cost_of
from nas.analysis.leads import leads_words
from nas.analysis.pareto import score
from nas.analysis.wording import ends_words, signed
from nas.records.scores import WORDS, has
from nas.records.settings import Settings
from nas.records.trial import State, Trial
from space import compact

_REST: tuple[State, ...] = ("stopped", "waiting", "interrupted", "outside", "repeat")
AUTOMATIC = "automatic"  # what colours say: what tells these networks apart
COST, ACCURACY = "cost at most", "accuracy at least"  # what a network is picked by
_STEPS = 20  # of the budget's slider, per factor of ten


def front_page(scene: Scene) -> None:
    _explore(scene)
    _about(scene)


def _numbers(snapshot: Snapshot, beside: Snapshot | None) -> None:
    """What stands over the chart, and what it rests on: of the networks that are shown."""
    settings, best = snapshot.read_settings, snapshot.best
    volume = outcome_of(snapshot).hypervolume
    what = WORDS[settings.metric]
    rows = (
        (
            f"Best {what}",
            percent(score(best.trial) if best else None),
            evidence(settings, best.seeds if best else 1),
        ),
        (
            f"Front over {cost_of(settings).name}",
            f"{len(snapshot.front)}",
            f"Networks that no other beats in both {what} and {cost_of(settings).name}",
        ),
        ("Finished", f"{snapshot.number_in('complete')}", None),
        ("Running", f"{len(snapshot.running)}", None),
        ("Failed", f"{snapshot.number_in('failed')}", None),
        (
            "Hypervolume",
            f"{volume:.3f}" if snapshot.front else NONE,
            f"Area under the front over {ends_words(settings)}, 0 to 1; more is better",
        ),
    )
    deltas = {}
    if beside and beside.front and snapshot.front:
        deltas["Hypervolume"] = f"{signed(volume - outcome_of(beside).hypervolume, 3)} to random"
    metrics("numbers", rows, deltas)
    seeds = seed_range(snapshot.trials)
    of_best = f", the best network's of {count(best.seeds, 'seed')}" if best and seeds[1] > 1 else ""
    with st.container(key="facts"):
        budget = f"Budget: {settings.band} {FLOPS.label}{settings.limits}."
        st.text(f"{what.capitalize()}: {evidence(settings, seeds)}{of_best}. {budget}")
    if words := chance_sentence(snapshot.front, len(networks_of(snapshot).rows), settings):
        st.text(words)


@st.fragment
def _about(scene: Scene) -> None:
    about = st.expander("What this study is, how it was started, and how to go on", key="about", on_change="rerun")
    if about.open:  # for a command a browser loads 1.6 MB of Streamlit's
        with about:
            st.text(_facts(scene.snapshot, scene.settings))
            resume(scene.snapshot)


def _facts(snapshot: Snapshot, settings: Settings) -> str:
    """Data, sampler, and the trials that are neither finished, running nor failed."""
    data, classes = settings.data, count(len(settings.data.classes), "class", "classes")
    words = [
        f"Data: {data.name}, {data.image_size} px, {classes}; each network saw {settings.training}",
        f"Space: {settings.space_name}, drawn by {settings.sampler}, seed {settings.seed}",
    ]
    if rest := [f"{n} {s}" for s in _REST if (n := snapshot.number_in(s))]:
        words.append(f"Besides: {', '.join(rest)}")
    return ". ".join(words) + "."


@st.fragment
def _explore(scene: Scene) -> None:
    """Numbers, chart and panel: choosing a point draws no more than these anew."""
    snapshot, numbers = scene.snapshot, st.container()
    if not snapshot.scored:
        _numbers(snapshot, scene.beside)
        _none_finished(snapshot)
        return
    controls = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    asked = _controls(snapshot, scene.beside, controls)
    view = view_of(snapshot, scene.beside, asked)
    with numbers:
        _numbers(view.part, view.other)
        if asked.filters:
            only = "; ".join(f"{axis} {' or '.join(wanted)}" for axis, wanted in asked.filters)
            st.text(f"Only {only}{', of random search too' if scene.beside else ''}.")
    with controls:
        goal = _goal(view) if len(view.front) > 1 else Goal()
    if snapshot.unmeasured:
        st.warning("The measured latencies cannot be read.")
        text_box(snapshot.unmeasured)
    for words in shut_out(snapshot, scene.beside):
        st.text(words)
    if not view.trials:
        st.info("No finished network is left by these filters; take one off.")
        return
    if words := leads_words(view.leads, "Random search", view.measure):
        st.text(words)
    number = chosen(snapshot)
    pick = view.pick(goal)
    left, right = st.columns([1.65, 1], gap="medium")
    with left:
        _chart(scene, asked, view, number, pick, goal)
    with right:
        panel(scene, view, number, pick, goal)
    st.header("The front", anchor=False)  # the chart's points for those who cannot point
    members = front_frame(view.front, networks_of(view.part), chances=view.own)
    trial_table(members, "members")
    download(lambda: with_classes(members, view.front, scene.settings.data.classes), snapshot.name, "front")
    _references(view.part)


def _references(snapshot: Snapshot) -> None:
    """The stars for those who cannot point, beside the networks that are shown."""
    if snapshot.no_references:
        st.warning("The references cannot be read.")
        text_box(snapshot.no_references)
    if not snapshot.references:
        return
    st.header("References", anchor=False)
    st.text(
        "Networks that the search did not draw, trained as its own were. Front: its best network at no more FLOPs. "
        "Attention products are no part of FLOPs."
    )
    frame = references_frame(references_of(snapshot), networks_of(snapshot))
    table(frame, "references")
    download(lambda: frame, snapshot.name, "references")


def _none_finished(snapshot: Snapshot) -> None:
    st.text(front_caption(snapshot.trials, snapshot.front))
    if snapshot.mode == "running":
        st.info("The first network is in training. Its point appears here when it is done.")
        return
    st.warning("No trial has finished. Mend what the reasons name, then search on.")
    for reason in list(dict.fromkeys(t.reason for t in reversed(snapshot.trials) if t.reason))[:3]:
        text_box(reason)


def _controls(snapshot: Snapshot, beside: Snapshot | None, row: DeltaGenerator) -> Asked:
    """x axis and colours in the row, and the filters below it, which move the chart down and cover nothing; all of them
    in the page's address."""
    known, axes = cost_axes_of(snapshot, beside), varied_of(snapshot)
    label = f"{WORDS[snapshot.read_settings.metric].capitalize()} over"
    said = telling_of(snapshot)
    with row:
        x = st.selectbox(label, list(known), key="x", width=190, **KEPT)
        colour = st.selectbox(
            "Colour", [AUTOMATIC, *choices(axes)], key="colour", width=260,
            format_func=lambda name: f"{AUTOMATIC}: {said}" if name == AUTOMATIC else name, **KEPT,
        )  # fmt: skip
    filters = []
    with st.expander("Filters", icon=":material/filter_list:", key="filters"):
        st.text("Networks whose every stage has one of these: as if the space had been narrowed.")
        with st.container(horizontal=True, gap="medium"):
            for axis, words in axes.items():
                if wanted := st.pills(axis, words, selection_mode="multi", key=f"only.{axis}", **KEPT):
                    filters.append((axis, tuple(wanted)))
    return Asked(x or next(iter(known)), said if colour in (None, AUTOMATIC) else str(colour), tuple(filters))


def _goal(view: Seen) -> Goal:
    """What a network is picked by, and its slider, none of which limits at its upper end. Most of their steps are the
    same for every study, so that a link with one of them says the same tomorrow; the rest let every member of the front
    be picked."""
    by = st.segmented_control(
        "Pick by", [COST, ACCURACY], default=COST, key="pick", required=True, on_change=choose, args=(None,), **KEPT
    )
    return Goal(least=_least(view)) if by == ACCURACY else Goal(most=_most(view))


def _most(view: Seen) -> float | None:
    """At most so much: in even steps, and from each member of the front on."""
    measure, costs = view.measure, [view.measure.on(trial) for trial in view.front]
    low, high = costs[0], max(map(measure.on, view.trials))
    ends = math.floor(_STEPS * math.log10(low)), math.ceil(_STEPS * math.log10(high))
    steps = [value for i in range(*ends) if low <= (value := float(f"{10 ** (i / _STEPS):.3g}")) < high]
    steps += [_up(cost, following) for cost, following in pairwise(costs)]
    words = {measure.exact(value): value for value in sorted(steps)}
    said = "The most accurate network within it is picked on the right"
    return _slider(f"My budget, {measure.name} at most", words, "no limit", f"budget.{measure.name}"[:80], said)


def _least(view: Seen) -> float | None:
    """At least so accurate: in tenths of a percent from what the cheapest network has, and what each member has."""
    scores = [score(trial) for trial in view.front]
    low, high = scores[0], scores[-1]
    steps = [step / 1000 for step in range(math.floor(1000 * low), math.ceil(1000 * high) + 1)]
    words = {percent(value): value for value in sorted([*steps, *scores]) if has(high, value)}
    said = "The cheapest network that has it is picked on the right"
    return _slider(f"My goal, {WORDS[view.front[0].metric]} at least", words, "the best", "goal", said)


def _up(value: float, below: float) -> float:
    """A value rounded up to the fewest digits, three or more, with which it stays `below`."""
    for digits in range(3, 15):
        scale = 10.0 ** (digits - 1 - math.floor(math.log10(value)))
        up = float(f"{math.ceil(value * scale) / scale:.{digits}g}")
        if value <= up < below:
            return up
    return value


def _slider(label: str, steps: Mapping[str, float], last: str, key: str, said: str) -> float | None:
    """A value of `steps`; None at the `last` one, which is its upper end."""
    if not steps:
        return None
    picked = st.select_slider(
        label, [*steps, last], last, key=key, on_change=choose, args=(None,), help=said, width=330, **KEPT
    )
    return steps.get(str(picked))


def _chart(scene: Scene, asked: Asked, view: Seen, number: int | None, pick: Trial | None, goal: Goal) -> None:
    snapshot, beside = scene.snapshot, scene.beside
    low = below_words(view.networks, view.below)
    if low:
        with st.container(key="facts-below", horizontal=True, vertical_alignment="center", gap="small"):
            said = "Off: the axis is fitted to the upper part and leaves out networks far below the others"
            asked = replace(asked, whole=st.toggle("All points", key="all", help=said, **KEPT))
            if asked.whole:
                low = ""
            st.text(low, width="content")
    caption = caption_of(snapshot, beside, asked, view)
    figure = figure_of(snapshot, asked, beside)
    order = [trial.number for trial in view.front]
    live_chart(
        figure,
        f"{caption} {low}".strip(),
        key="front",
        on_click=choose,
        order=order,
        view=f"{asked.measure} {asked.whole}",
    )
    ringed = _point(snapshot, number)
    picked = pick.number if ringed is None and pick else ringed
    mark("front", picked, pinned=_point(snapshot, pinned()), limit=_limit(goal, view.measure))
    with st.container(key="facts-front"):
        st.text(caption)
    running = [compact(t.flops) for t in view.running if t.flops]
    if running:
        st.text(f"In training: {count(len(running), 'network')} of {', '.join(running[:8])} FLOPs (dotted).")


def _limit(goal: Goal, measure: CostAxis) -> Limit | None:
    """The goal as a line of the chart."""
    if goal.least is not None:
        return Limit("y", 100 * goal.least, f"at least {percent(goal.least)}")
    return None if goal.most is None else Limit("x", goal.most, f"at most {measure.exact(goal.most)}")


def _point(snapshot: Snapshot, number: int | None) -> int | None:
    """The number that stands in the chart for a trial's network, whichever of its seeds the trial is."""
    trial = snapshot.trial(number)
    row = networks_of(snapshot).of(trial) if trial else None
    return row.trial.number if row else number
