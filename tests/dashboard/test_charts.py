"""Charts: checked against plotly's own schema, against brute force and against the numbers put in."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pytest

from dashboard import charts
from dashboard.network_charts import network_caption, network_figure
from dashboard.plot import _JS
from dashboard.style import Figure
from nas.certainty import networks
from nas.front import outcome, pareto_front
from nas.measures import measures
from nas.trials import Epoch, Trial
from space import Arch, Band, Task, cost
from tests.dashboard.studies import BAND, SPACE, TASK, make_settings


def trial(number: int, accuracy: float, flops: int, blocks: tuple[str, ...] = ("convnext",), **rest: Any) -> Trial:
    stages = [
        {"block": b, "depth": 2, "width": 64, "kernel": 7, "expansion": 4.0, "norm": "ln", "act": "gelu"}
        for b in blocks
    ]
    plain = {"state": "complete", "params": 1000, "arch": {"stages": stages}}
    return Trial(number=number, accuracy=accuracy, flops=flops, **(plain | rest))  # type: ignore[arg-type]


TRIALS = [
    trial(0, 0.90, 1_000_000),
    trial(1, 0.94, 1_500_000, ("modulation",)),
    trial(2, 0.93, 3_000_000, ("convnext", "modulation")),
    trial(3, 0.967, 3_100_000),
]


def as_plotly(figure: Figure) -> go.Figure:
    """The figure as plotly checks it, the theme's colours put in as the browser does."""
    text = json.dumps(figure, allow_nan=False)
    return go.Figure(json.loads(text.replace("@text", "black").replace("@grid", "gray").replace("@back", "white")))


def traces(figure: Figure, mode: str) -> list[dict[str, Any]]:
    return [t for t in figure["data"] if t.get("mode") == mode]


def test_every_figure_is_valid_plotly() -> None:
    arch = SPACE.draw(random.Random(0), TASK)
    as_plotly(charts.front_figure(TRIALS, BAND, running=[trial(9, 0, 2_000_000, state="running")]))
    as_plotly(charts.curve_figure([Epoch(1, math.nan, 0.1, 0.5), Epoch(2, 1.0, 0.5, 1.0)]))
    as_plotly(network_figure(arch, TASK))
    as_plotly(network_figure(arch, TASK, brief=True))


def test_front_draws_every_finished_trial_once_with_its_number() -> None:
    failed = Trial(number=4, state="failed")
    clouds = [t for t in charts.front_figure([*TRIALS, failed], BAND)["data"] if "customdata" in t]
    points = {n: (x, y) for t in clouds for n, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)}
    assert points == {0: (1_000_000, 90), 1: (1_500_000, 94), 2: (3_000_000, 93), 3: (3_100_000, 96.7)}
    assert {t["name"] for t in clouds} == {"ConvNeXt blocks", "modulation blocks", "several kinds"}
    assert len({t["marker"]["symbol"] for t in clouds}) == len({t["marker"]["color"] for t in clouds}) == 3


def test_every_kind_of_block_has_its_own_look_and_a_foreign_one_is_no_markup() -> None:
    kinds = ["convnext", "modulation", "bottleneck", "inverted", "depthwise_first", "<b>mine</b>"]
    many = [trial(i, 0.5, 1_000_000 + i, (kind,)) for i, kind in enumerate([*kinds, *kinds])]
    clouds = [t for t in charts.front_figure(many, BAND)["data"] if t.get("showlegend")]
    assert [t["name"] for t in clouds] == [
        "ConvNeXt blocks", "modulation blocks", "bottlenecks", "inverted bottlenecks", "depthwise-first blocks",
        "other blocks",
    ]  # fmt: skip
    assert len({t["marker"]["symbol"] for t in clouds}) == len({t["marker"]["color"] for t in clouds}) == 6


def test_front_stands_out_by_brute_force() -> None:
    rng = random.Random(1)
    many = [trial(i, round(rng.random(), 2), rng.randrange(1, 60) * 100_000) for i in range(200)]
    score = {t.number: (t.accuracy or 0, -(t.flops or 0), -t.number) for t in many}
    best = {
        n
        for n, (a, f, k) in score.items()
        if not any(b[0] >= a and b[1] >= f and b > (a, f, k) for b in score.values())
    }
    clouds = [t for t in charts.front_figure(many, BAND)["data"] if "customdata" in t]
    assert {n for t in clouds if t["marker"]["size"] > 10 for n in t["customdata"]} == best
    assert [t["showlegend"] for t in clouds] == [True, False]


def test_staircase_holds_the_best_until_the_band_ends() -> None:
    (stairs,) = traces(charts.front_figure(TRIALS, BAND), "lines")
    assert stairs["x"] == [1_000_000, 1_500_000, 3_100_000, BAND.high]
    assert stairs["y"] == [90, 94, 96.7, 96.7]
    assert stairs["line"]["shape"] == "hv"


def test_band_and_knee_are_said() -> None:
    figure = charts.front_figure(TRIALS, BAND)
    assert (figure["layout"]["shapes"][0]["x0"], figure["layout"]["shapes"][0]["x1"]) == (BAND.low, BAND.high)
    notes = {a["text"]: a["x"] for a in figure["layout"]["annotations"]}
    assert notes == {"budget from 1M": 6.0, "to 4M": math.log10(4e6), "knee": pytest.approx(math.log10(1.5e6))}


def test_axis_holds_band_and_trials_but_not_an_open_end() -> None:
    low, high = charts.front_figure(TRIALS, BAND)["layout"]["xaxis"]["range"]
    assert low < 6 < math.log10(BAND.high) < high
    low, _ = charts.front_figure(TRIALS, Band(1, 4_000_000))["layout"]["xaxis"]["range"]
    assert 5.9 < low < 6


def test_zoom_survives_because_uirevision_is_constant() -> None:
    revisions = {charts.front_figure(TRIALS[:n], BAND)["layout"]["uirevision"] for n in range(1, 5)}
    assert len(revisions) == 1


def test_many_points_are_drawn_by_webgl_all_of_them() -> None:
    many = [trial(i, 0.5, 1_000_000 + i) for i in range(charts.MANY)]
    assert {t["type"] for t in charts.front_figure(many, BAND)["data"]} == {"scattergl"}


REPEATED = [replace(t, key=f"key {t.number}") for t in TRIALS]
REPEATED += [replace(REPEATED[3], number=4, accuracy=0.961), replace(REPEATED[0], number=5, accuracy=0.91)]
FEW = REPEATED[:]
REPEATED += [replace(REPEATED[3], number=6, accuracy=0.945), replace(REPEATED[0], number=7, accuracy=0.9)]


def test_a_repeated_network_is_one_point_at_its_mean_with_its_interval() -> None:
    found = networks(REPEATED)
    assert found.noise
    figure = charts.front_figure(REPEATED, BAND, found=found)
    as_plotly(figure)
    clouds = [t for t in figure["data"] if "customdata" in t]
    points = {n: y for t in clouds for n, y in zip(t["customdata"], t["y"], strict=True)}
    assert points == {0: pytest.approx(90.3333), 1: 94, 2: 93, 3: pytest.approx(95.7667)}
    bars = {n: b for t in clouds if "error_y" in t for n, b in zip(t["customdata"], t["error_y"]["array"], strict=True)}
    one, three = (100 * (found.noise.half_width(seeds) or 0) for seeds in (1, 3))
    assert bars == {0: pytest.approx(three), 1: pytest.approx(one), 3: pytest.approx(three)}, "of the front only"
    assert "error_y" not in json.dumps(charts.front_figure(FEW, BAND, found=networks(FEW))), "two seeds are too few"
    high = [replace(t, accuracy=min(1, (t.accuracy or 0) + 0.036)) for t in REPEATED]
    figure = charts.front_figure(high, BAND, found=networks(high))
    for cloud in (t for t in figure["data"] if "error_y" in t):
        ends = [y + up for y, up in zip(cloud["y"], cloud["error_y"]["array"], strict=True)]
        assert max(ends) <= 100 + 1e-3, "no bar goes beyond 100%"


def test_a_study_of_one_seed_has_neither_bars_nor_words_of_them() -> None:
    plain = charts.front_figure(TRIALS, BAND)
    assert charts.front_figure(TRIALS, BAND, found=networks(TRIALS)) == plain
    assert "error_y" not in json.dumps(plain)


def test_stopped_trials_are_not_drawn() -> None:
    stopped = replace(trial(4, 0, 900_000, state="stopped"), accuracy=None)
    assert charts.front_figure([*TRIALS, stopped], BAND)["data"] == charts.front_figure(TRIALS, BAND)["data"]


def test_the_baseline_is_a_second_quiet_staircase_behind_the_front() -> None:
    beside = [trial(0, 0.91, 800_000), trial(1, 0.92, 2_000_000)]
    figure = charts.front_figure(TRIALS, BAND, beside=beside)
    as_plotly(figure)
    quiet, stairs = traces(figure, "lines")
    assert (quiet["name"], stairs["name"]) == ("random search's front", "front")
    assert (quiet["x"], quiet["y"]) == ([800_000, 2_000_000, BAND.high], [91, 92, 92])
    assert quiet["line"]["dash"] == "dash"
    assert figure["layout"]["xaxis"]["range"][0] < math.log10(800_000)
    told = charts.front_caption(TRIALS, pareto_front(TRIALS), beside=outcome(beside, make_settings("r")))
    assert "Dashed: random search's front, 2 of 2 networks, hypervolume 0." in told
    assert told.endswith("after 20 epochs and 0 s of training.")


def test_hover_and_caption_tell_what_seeds_tell() -> None:
    found = networks(REPEATED)
    row = found.rows[3]
    assert row.interval
    low, high = (f"{100 * end:.2f}%" for end in row.interval)
    for text in (charts.hover(row.trial, row), charts.brief_hover(row.trial, row)):
        assert text.startswith(f"<b>trial 3</b>  95.77%<br>mean of 3 seeds, 95% interval {low} to {high}<br>")
        assert f"on the front by FLOPs with probability {row.probability:.0%}" in text
    assert "<br>1 seed, 95% interval" in charts.hover(TRIALS[1], found.rows[1])
    assert "tie" not in charts.hover(TRIALS[1], found.rows[1])
    assert "a tie with trial 1<br>" in charts.hover(row.trial, row)
    told = charts.front_caption(REPEATED, pareto_front(REPEATED), found)
    assert told.startswith("3 of 4 networks are on the front: the best reaches 95.8% (3 seeds) at 3.1M FLOPs")
    assert "Bars: 95% intervals of the mean over seeds, each by itself, seed noise pooled (0.90 points)." in told
    assert "cannot be told from the next cheaper one, 95% for all 2 neighbours together (Bonferroni)." in told
    told = charts.front_caption(FEW, pareto_front(FEW), networks(FEW))
    assert "No bars: too few for an interval: 2 further seeds, and 4 are needed." in told


def test_what_another_seed_would_give_is_told_once_and_the_same() -> None:
    """The page once said `1 seed, 95% interval ...` beside `how much another would differ is not known`."""
    known, few, none = (networks(trials) for trials in (REPEATED, FEW, TRIALS))
    assert charts.seed_lines(known.rows[1])[0].startswith("1 seed, 95% interval ")
    assert charts.other_seed(known) == (
        "One seed. By the 4 further seeds of this study's networks, a training's standard deviation over seeds is "
        f"{100 * known.noise.sd:.2f} points."  # type: ignore[union-attr]
    )
    assert charts.seed_lines(few.rows[1])[0] == "1 seed"
    assert charts.other_seed(few).endswith("too few for an interval: 2 further seeds, and 4 are needed.")
    assert charts.seed_lines(none.rows[1]) == []
    assert "is not known; nas search with --repeats" in charts.other_seed(none)


def test_hover_says_the_design_and_escapes_it() -> None:
    text = charts.hover(trial(7, 0.967, 3_100_000, ("<img src=x onerror=alert(1)>",)))
    assert text.startswith("<b>trial 7</b>  96.70%<br>3.1M FLOPs, 1K parameters<br>")
    assert "&lt;img src=x onerror=alert(1)&gt; 2 x 64, kernel 7, expansion 4.0, ln, gelu" in text
    assert "<img" not in text


def test_brief_hover_for_thousands() -> None:
    assert charts.brief_hover(trial(7, 0.967, 1, ("convnext", "<b>"))) == "<b>trial 7</b>  96.70%<br>c2x64k7 &lt;2x64k7"


def test_hovers_leave_out_what_a_block_has_not() -> None:
    own = {"block": "mine", "depth": 2, "width": 64, "downsample": "strided", "act": "relu"}
    text = trial(7, 0.9, 1000, arch={"stages": [own]})
    assert charts.hover(text).endswith("<br>mine 2 x 64, relu, strided")
    assert charts.brief_hover(text).endswith("<br>m2x64")


@pytest.mark.parametrize("arch", [None, {}, {"stages": None}, {"stages": [1, "x"]}, []])
def test_hover_takes_whatever_a_journal_holds(arch: Any) -> None:
    assert charts.hover(trial(7, 0.5, 1000, arch=arch)).startswith("<b>trial 7</b>")
    assert charts.brief_hover(trial(7, 0.5, 1000, arch=arch)).startswith("<b>trial 7</b>")


def test_captions() -> None:
    def caption(trials: list[Trial]) -> str:
        return charts.front_caption(trials, pareto_front(trials))

    assert caption(TRIALS) == (
        "3 of 4 networks are on the front: the best reaches 96.7% at 3.1M FLOPs; at the knee, 94.0% at 1.5M."
    )
    assert caption(TRIALS[:1]) == "1 network finished, alone on the front: it reaches 90.0% at 1M FLOPs."
    assert caption([trial(0, 0.9, 2), trial(1, 0.8, 3)]).startswith("1 of 2 networks is on the front: it reaches 90.0%")
    assert caption([]) == "No finished network yet, of 0 trials."
    epochs = [Epoch(1, 2.0, 0.5, 1.0), Epoch(2, 1.0, 0.4, 2.0)]
    assert charts.curve_caption(epochs) == (
        "After 2 epochs and 2.0 s: 40.0%, training loss 1; highest 50.0% in epoch 1. Of this training's one seed."
    )


def test_shares_are_percent_of_the_whole() -> None:
    arch = SPACE.draw(random.Random(3), TASK)
    figure, total = network_figure(arch, TASK), cost(arch, TASK)
    for axis, count in (("y2", total.flops), ("y3", total.params)):
        (bars,) = [t for t in figure["data"] if t.get("yaxis") == axis]
        assert sum(bars["y"]) == pytest.approx(100)
        assert sum(int(text.rpartition(", ")[2].replace(",", "")) for text in said(bars)) == count


def said(bars: dict[str, Any]) -> list[str]:
    """`stem: 3.0% of FLOPs, 74, 112` with the thousands joined."""
    return [re.sub(r"(?<=\d),(?=\d)", "", text) for text in bars["customdata"]]


def test_the_drawing_is_to_scale() -> None:
    arch = Arch.load("convnext_tiny")
    figure = network_figure(arch, Task())
    blocks = [
        (x, y, base)
        for t in figure["data"]
        if t["type"] == "bar" and "base" in t
        for x, y, base in zip(t["x"], t["y"], t["base"], strict=True)
    ]
    heights = [y for _, y, _ in sorted(blocks)]
    assert heights == [96] + [96] * 3 + [192] * 3 + [384] * 9 + [768] * 3 + [768], "stem, 3-3-9-3 blocks, head"
    assert all(base == -y / 2 for _, y, base in blocks)
    (kernels,) = [t for t in figure["data"] if t["name"] == "kernel"]
    assert set(kernels["marker"]["size"]) == {14}
    assert len(kernels["x"]) == 18
    told = network_caption(arch, Task())
    assert told.startswith("18 blocks in 4 stages (3-3-9-3), channels 96-192-384-768, kernels 7-7-7-7. Stage 3 takes")
    assert "of the 4.46G FLOPs" in told


def test_a_network_without_kernels_is_drawn_without() -> None:
    arch = Arch.load("resnet50")
    as_plotly(network_figure(arch, Task()))
    assert "bottlenecks" in {t["name"] for t in network_figure(arch, Task())["data"]}


def test_x_may_be_parameters_and_the_front_follows() -> None:
    trials = [trial(i, a, f, params=p) for i, (a, f, p) in enumerate([(0.9, 10, 30), (0.8, 20, 20), (0.7, 30, 10)])]
    over = measures(trials)
    assert list(over) == ["FLOPs", "parameters"]
    figure = charts.front_figure(trials, BAND, view=charts.View(over["parameters"]))
    as_plotly(figure)
    (stairs,) = traces(figure, "lines")
    assert (stairs["x"], stairs["y"]) == ([10, 20, 30], [70, 80, 90])
    assert "budget" not in json.dumps(figure), "the budget is in FLOPs"


def test_latency_is_a_measure_where_it_was_measured() -> None:
    rows = [trial(0, 0.9, 10, key="a"), trial(1, 0.8, 5, key="b")]
    one = {"median": 0.0035, "low": 0.003, "high": 0.005, "reference": 1.1, "reference_best": 1.0}
    busy = one | {"reference": 2.0}
    over = measures(rows, {"phone": {"a": {"64": one, "1": one}, "b": {"1": busy}}, "other": {"c": {"1": {}}}})
    assert [name for name in over if "latency" in name] == ["latency (batch 1, phone)", "latency (batch 64, phone)"]
    latency = over["latency (batch 1, phone)"]
    assert latency.of(rows[0]) == pytest.approx(3.5)
    assert (latency.of(rows[1]), latency.words(3.5)) == (None, "3.5 ms")
    left_out = "1 of 2 networks are left out: the machine was busy (a reference kernel took over 1.25 times its best)."
    assert charts.measure_caption(latency, rows[:1]).endswith(f"90.0% at 3.5 ms. Bars across: quartiles. {left_out}")
    assert over["latency (batch 64, phone)"].note == ""
    figure = charts.front_figure(rows, BAND, view=charts.View(latency))
    as_plotly(figure)
    (cloud,) = [t for t in figure["data"] if "customdata" in t]
    assert cloud["customdata"] == [0], "only what was measured, and not on a busy machine"
    assert cloud["error_x"]["array"] == pytest.approx([1.5])
    assert cloud["error_x"]["arrayminus"] == pytest.approx([0.5])
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < math.log10(3.0) < math.log10(5.0) < high, "the bars are within the axis"


def test_colours_follow_an_axis() -> None:
    stages = {"depth": 1, "width": 8, "kernel": 3, "norm": "ln"}
    trials = [
        trial(i, 0.9, 1_000_000 + i, arch={"stages": [{**stages, "norm": norm, "kernel": kernel}]})
        for i, (norm, kernel) in enumerate([("ln", 3), ("bn", 7), ("bn", 5)])
    ]
    words = charts.front_figure(trials, BAND, view=charts.View(colour="norm"))
    as_plotly(words)
    clouds = [t for t in words["data"] if "customdata" in t]
    assert {t["name"]: sorted(t["customdata"]) for t in clouds} == {"norm bn": [1, 2], "norm ln": [0]}
    assert len({t["marker"]["symbol"] for t in clouds}) == 2, "symbols too, not colours alone"
    numbers = charts.front_figure(trials, BAND, view=charts.View(colour="kernel"))
    as_plotly(numbers)
    shades = {
        n: c
        for t in numbers["data"]
        if "customdata" in t
        for n, c in zip(t["customdata"], t["marker"]["color"], strict=True)
    }
    assert shades == {0: 3, 1: 7, 2: 5}
    assert sum("colorbar" in t["marker"] for t in numbers["data"] if "customdata" in t) == 1


def test_the_browser_knows_every_theme_colour_that_figures_name() -> None:
    text = json.dumps(charts.front_figure(TRIALS, BAND))
    named = {word for word in ("@text", "@grid", "@back") if f'"{word}"' in text}
    assert named == {"@text", "@grid", "@back"}
    assert all(f'"{word}":' in _JS for word in named)


@pytest.mark.parametrize(("low", "ticks"), [("5M", {"nticks": 8}), ("200K", {"dtick": "D2"}), ("10K", {"dtick": 1})])
def test_ticks_of_wide_budgets_leave_room_for_each_other(low: str, ticks: dict[str, object]) -> None:
    band = Band.parse(f"{low}..20M")
    figure = charts.front_figure([trial(0, 0.5, band.low), trial(1, 0.9, band.high)], band)
    as_plotly(figure)
    assert ticks.items() <= figure["layout"]["xaxis"].items()
