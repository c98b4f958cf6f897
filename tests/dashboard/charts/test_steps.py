"""What steps do, as figures and in words."""

from __future__ import annotations

import pytest

from dashboard.charts import steps as charts
from nas.analysis.step_effects import GREEDY, StepAnswers
from space.factorial import along
from space.steps import Steps
from tests.dashboard.charts.figures import as_plotly
from tests.nas.analysis.test_step_effects import FIRST, LAST, additive, study, trials


@pytest.fixture(scope="module", params=["full", "fraction"])
def answers(request: pytest.FixtureRequest) -> StepAnswers:
    steps, settings = study(request.param)
    return StepAnswers(steps, settings, trials(steps, settings, additive, seeds=2, noise=1e-5))


def test_an_order_goes_through_the_cloud(answers: StepAnswers) -> None:
    figure = charts.walk_figure(answers, (1, 0, 2, 3, 4))
    as_plotly(figure)
    cloud, path = figure["data"]
    assert len(cloud["x"]) == len(cloud["customdata"]) == len(answers.model.networks)
    assert path["x"] == pytest.approx([50, 52, 50, 53, 57, 62], abs=0.01)
    assert figure["layout"]["yaxis"]["ticktext"][:3] == ["start", answers.names[1], answers.names[0]]
    whole = answers.model.whole
    assert (path["marker"]["color"] == "@back") is not whole, "hollow: by the model"
    way = "measured" if whole else "fitted by the model"
    assert path["name"] == f"this order, {way}"
    assert cloud["name"].endswith(" networks by steps taken, measured")
    said = charts.walk_caption(answers, "mine", (1, 0, 2, 3, 4))
    assert said.startswith(f"From 50.00% to 62.00% ({way}): by the model, networks on its way are ")
    assert "told from a random order" in said
    assert ("The line is the model's, fitted to all networks; dots are as measured" in said) is not whole
    assert "nothing is told of it" in charts.walk_caption(answers, GREEDY, (4, 3, 2, 1, 0))


def test_given_orders_are_drawn_as_measured() -> None:
    steps = Steps.between(FIRST, LAST, "paths", [["norm", "kernel", "act", "grn", "bias"]] * 2, image_size=32)
    settings = study()[1]
    found = [t for t in trials(steps, settings, additive) if t.number != 2]
    answers = StepAnswers(steps, settings, found)
    figure = charts.paths_figure(answers)
    as_plotly(figure)
    _, first, second = figure["data"]
    assert first["x"] == second["x"]
    way = [100 * additive(row) for row in along(steps.design.orders[0])]
    assert sum(x is None for x in first["x"]) == 1, "one is not trained yet"
    assert all(x is None or x == pytest.approx(y) for x, y in zip(first["x"], way, strict=True))
    assert "Order 1: 5 of 6 networks are trained." in charts.paths_caption(answers)


def test_effects_are_points_in_front_of_the_range_over_contexts(answers: StepAnswers) -> None:
    figure = charts.effects_figure(answers)
    as_plotly(figure)
    ranges, means = figure["data"]
    assert means["x"] == pytest.approx([-0.5, 0.5, 3, 4, 5], abs=0.01)
    assert ranges["base"][0] == pytest.approx(-2, abs=0.01)
    assert ranges["x"][0] == pytest.approx(3, abs=0.02)
    told = charts.effects_caption(answers)
    assert told.startswith(f"Gain on average: {answers.names[4]} +5.0, {answers.names[3]} +4.0")
    assert f"Lose: {answers.names[0]} -0.5." in told


def test_a_step_in_every_context_is_split_by_the_step_that_changes_it(answers: StepAnswers) -> None:
    figure = charts.contexts_figure(answers, 0)
    as_plotly(figure)
    without, with_it = figure["data"]
    assert without["x"] == pytest.approx([1] * 8, abs=0.01)
    assert with_it["x"] == pytest.approx([-2] * 8, abs=0.01)
    said = charts.contexts_caption(answers, 0)
    assert "gains in 50% of 16 contexts" in said
    assert f"{answers.names[1]} changes it most: +1.00 without it and -2.00 with it." in said
    assert ("± " in said) == (" ±: 95% for all " in said), "what it is"


def test_the_map_of_pairs_is_symmetric_and_marks_what_is_told(answers: StepAnswers) -> None:
    figure = charts.pairs_figure(answers)
    as_plotly(figure)
    z, text = figure["data"][0]["z"], figure["data"][0]["text"]
    assert z[0][1] == z[1][0] == pytest.approx(-3, abs=0.01)
    assert z[0][0] is None
    assert text[0][1] == "-3.0*"
    assert f"{answers.names[0]} with {answers.names[1]} -3.0" in charts.pairs_caption(answers)
