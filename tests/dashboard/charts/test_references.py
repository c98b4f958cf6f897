"""Stars on the chart of a front, and their sentences."""

from __future__ import annotations

from dataclasses import replace

from dashboard.charts.front import front_figure
from dashboard.charts.references import stars, stars_sentence
from dashboard.frames import references_frame
from nas.analysis.against_front import reference_results
from nas.analysis.cost_axes import cost_axes
from nas.analysis.seed_noise import networks
from tests.dashboard.charts.figures import TRIALS, as_plotly
from tests.dashboard.studies import BAND, HOSTILE
from tests.nas.analysis.test_against_front import reference

FOUND = networks(TRIALS)
SHOWN = reference_results(
    [reference(0.92, 3_050_000), reference(0.95, 9_000_000, HOSTILE), replace(reference(0, 1, "gone"), counts=None)],
    FOUND, BAND,
)  # fmt: skip


def test_stars_have_names_and_no_numbers() -> None:
    figure = front_figure(TRIALS, BAND, found=FOUND, references=SHOWN)
    as_plotly(figure)
    (star,) = [trace for trace in figure["data"] if trace["name"] == "references"]
    assert (star["x"], star["y"]) == ([3_050_000, 9_000_000], [92, 95])
    assert star["text"][0] == "resnet18"
    assert star["marker"]["color"] == "@text", "which is in no scale of colours"
    assert "<img" not in str(star["hovertext"])
    assert "customdata" not in star, "a click on one chooses no trial"
    assert "front: +2.0 points at 49% of its FLOPs, noise unknown, trial 1" in star["hovertext"][0]


def test_the_rest_of_the_chart_is_as_without() -> None:
    plain, marked = (front_figure(TRIALS, BAND, found=FOUND, references=each) for each in ((), SHOWN))
    rest = [trace for trace in marked["data"] if trace["name"] != "references"]
    assert [{**trace, "x": 0, "y": 0} for trace in rest] == [{**trace, "x": 0, "y": 0} for trace in plain["data"]]
    assert marked["layout"]["xaxis"]["range"][1] > plain["layout"]["xaxis"]["range"][1], "a star outside the band"
    assert front_figure(TRIALS, BAND, found=FOUND, references=SHOWN[:1]) == plain, "one without an accuracy"
    params = cost_axes(TRIALS, {})["parameters"]
    assert not [t for t in front_figure(TRIALS, BAND, x=params, references=SHOWN)["data"] if t["name"] == "references"]
    low = reference_results([reference(0.2, 2_000_000)], FOUND, BAND)
    assert front_figure(TRIALS, BAND, references=low)["layout"]["yaxis"]["range"][0] < 20, "somebody asked for it"
    assert stars(()) == []
    assert stars_sentence(()) == ""


def test_names_are_short_and_where_there_is_room() -> None:
    crowd = [reference(0.92 + 0.001 * i, 3_000_000 + 1000 * i, f"timm:net{i} x0.5") for i in range(9)]
    long = reference(0.95, 1_200_000, "references:vit:depth=4:width=64")
    found = reference_results([long, *crowd], FOUND, BAND)
    (star,) = [
        t for t in front_figure(TRIALS, BAND, found=FOUND, references=found)["data"] if t["name"] == "references"
    ]
    assert star["text"][0] == "vit"
    assert "vit:depth=4:width=64" in star["hovertext"][0], "the whole name at the pointer"
    said = [text for text in star["text"] if text]
    assert 1 < len(said) < 10, "of a crowd some are left out"
    assert len(star["textposition"]) == len(star["hovertext"]) == 10
    assert len(star["x"]) == 10


def test_the_sentence_and_the_frame_say_the_same() -> None:
    said = stars_sentence(SHOWN, FOUND)
    assert said.startswith("Stars: 2 references, trained by the same recipe and no part of the search. timm:resnet18: ")
    frame = references_frame(SHOWN, FOUND)
    assert frame["FLOPs"].tolist() == [1, 3_050_000, 9_000_000]
    assert frame["front, trial"].tolist()[1:] == [1, 3]
    assert frame["in the band"].tolist() == ["no", "yes", "no"]
