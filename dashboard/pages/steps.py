"""What each step from one network to another does: in an order, alone, in every context, and with the others."""

from __future__ import annotations

import streamlit as st

from dashboard.charts import steps as charts
from dashboard.number_format import evidence, seed_range
from dashboard.pages.address import choose
from dashboard.pages.elements import KEPT, captioned_chart, text_box
from dashboard.pages.study_page import Scene
from dashboard.snapshot import Snapshot, once
from nas.analysis.step_effects import StepAnswers, answers_of
from nas.records.settings import DESIGN

BEGIN = "nas steps resnet_32 convnext_32 --data DATA --flops 8M --steps roadmap --design fraction"


def steps_page(scene: Scene) -> None:
    settings = scene.settings
    if settings.sampler != DESIGN:
        st.info("A search made this study: it has no steps. A walk from one network to another is begun like this:")
        text_box(BEGIN)
        return
    answers = _answers(scene.snapshot)
    kind = answers.steps.design.kind
    st.text(
        f"{settings.space_name}: {len(answers.names)} steps, {answers.seed_line()} of the {len(answers.steps.rows):,} "
        f"of the design ({kind})."
    )
    if answers.failed:
        st.text(f"{answers.failures_line()}.")
    if kind == "paths":
        captioned_chart(charts.paths_figure(answers), charts.paths_caption(answers), "walk", on_click=choose)
        return
    if not answers.ready:
        st.info(f"Not told yet: {answers.needed}. The page fills as they are trained.")
        return
    _walk(answers)
    _effects(answers)
    if len(answers.names) > 1:
        _contexts(answers)
        _pairs(answers)
    with st.container(key="facts"):
        st.text(f"Accuracy: {evidence(settings, seed_range(scene.snapshot.trials))}. {_size(answers)}")


@once
def _answers(snapshot: Snapshot) -> StepAnswers:
    return answers_of(snapshot.read_settings, snapshot.trials)


def _size(answers: StepAnswers) -> str:
    band = answers.settings.band
    if answers.steps.scale is None:
        return f"Every network has {band} FLOPs, by its width."
    return f"Widths are those that the steps make: networks have {band} FLOPs, and effects hold what those are worth."


def _walk(answers: StepAnswers) -> None:
    st.header("An order among all others", anchor=False)
    orders = answers.known_orders()
    name = st.selectbox("Order", list(orders), key="order", width=320, **KEPT) or next(iter(orders))
    order = orders[name]
    captioned_chart(
        charts.walk_figure(answers, order),
        charts.walk_caption(answers, name, order),
        "walk",
        on_click=choose,
        view=name,
    )


def _effects(answers: StepAnswers) -> None:
    st.header("What each step does", anchor=False)

    def take(place: int) -> None:
        st.session_state["step"] = answers.names[place]

    captioned_chart(charts.effects_figure(answers), charts.effects_caption(answers), "effects", on_click=take)


def _contexts(answers: StepAnswers) -> None:
    name = st.selectbox("Step, in every context (or click one above)", answers.names, key="step", width=320, **KEPT)
    place = answers.names.index(name or answers.names[0])
    captioned_chart(
        charts.contexts_figure(answers, place), charts.contexts_caption(answers, place), "contexts", view=name or ""
    )


def _pairs(answers: StepAnswers) -> None:
    st.header("How steps change each other", anchor=False)
    captioned_chart(charts.pairs_figure(answers), charts.pairs_caption(answers), "pairs", least=700)
