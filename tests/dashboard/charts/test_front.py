"""Charts: checked against plotly's own schema, against brute force and against the numbers put in."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import dashboard
from dashboard.charts.blocks import hover, seed_lines
from dashboard.charts.front import MANY, below, front_figure
from dashboard.charts.front_caption import below_words, chance_sentence, front_caption, measure_caption, other_seed
from dashboard.charts.front_colours import KINDS, choices, telling
from dashboard.charts.network import network_figure
from dashboard.charts.progress import curve_caption, curve_figure
from dashboard.charts.style import COLOURS, OWN_COLOURS, SCALE, Figure
from nas.analysis.cost_axes import FLOPS, FORECAST, PARAMETERS, cost_axes
from nas.analysis.design_choices import traits_of, varied
from nas.analysis.pareto import outcome, pareto_front
from nas.analysis.seed_noise import networks
from nas.records.trial import Period, Trial
from space import Band
from tests.dashboard.charts.figures import TRIALS, as_plotly, trial
from tests.dashboard.studies import BAND, SPACE, TASK, make_settings


def traces(figure: Figure, mode: str) -> list[dict[str, Any]]:
    return [t for t in figure["data"] if t.get("mode") == mode]


def test_every_figure_is_valid_plotly() -> None:
    arch = SPACE.random_arch(random.Random(0), TASK)
    as_plotly(front_figure(TRIALS, BAND, running=[trial(9, 0, 2_000_000, state="running")]))
    as_plotly(curve_figure([Period(1, 100, math.nan, 0.1, 0.5), Period(2, 200, 1.0, 0.5, 1.0)]))
    as_plotly(network_figure(arch, TASK))
    as_plotly(network_figure(arch, TASK, brief=True))


def test_front_draws_every_finished_trial_once_with_its_number() -> None:
    failed = Trial(number=4, state="failed")
    clouds = [t for t in front_figure([*TRIALS, failed], BAND)["data"] if "customdata" in t]
    points = {n: (x, y) for t in clouds for n, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)}
    assert points == {0: (1_000_000, 90), 1: (1_500_000, 94), 2: (3_000_000, 93), 3: (3_100_000, 96.7)}
    assert {t["name"] for t in clouds} == {"ConvNeXt blocks", "modulation blocks", "several kinds"}
    assert len({t["marker"]["symbol"] for t in clouds}) == len({t["marker"]["color"] for t in clouds}) == 3


def test_every_kind_of_block_has_its_own_look_and_a_foreign_one_is_no_markup() -> None:
    kinds = ["convnext", "modulation", "bottleneck", "inverted", "depthwise_first", "<b>mine</b>"]
    many = [trial(i, 0.5, 1_000_000 + i, (kind,)) for i, kind in enumerate([*kinds, *kinds])]
    clouds = [t for t in front_figure(many, BAND)["data"] if t.get("showlegend")]
    assert [t["name"] for t in clouds] == [
        "ConvNeXt blocks", "modulation blocks", "bottlenecks", "inverted bottlenecks", "depthwise-first blocks",
        "&lt;b&gt;mine&lt;/b&gt; blocks",
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
    clouds = [t for t in front_figure(many, BAND)["data"] if "customdata" in t]
    assert {n for t in clouds if t["marker"]["size"] > 10 for n in t["customdata"]} == best
    assert [t["showlegend"] for t in clouds] == [True, False]


def test_staircase_holds_the_best_until_the_band_ends() -> None:
    (stairs,) = traces(front_figure(TRIALS, BAND), "lines")
    assert stairs["x"] == [1_000_000, 1_500_000, 3_100_000, BAND.high]
    assert stairs["y"] == [90, 94, 96.7, 96.7]
    assert stairs["line"]["shape"] == "hv"


def test_band_and_knee_are_said() -> None:
    figure = front_figure(TRIALS, BAND)
    assert (figure["layout"]["shapes"][0]["x0"], figure["layout"]["shapes"][0]["x1"]) == (BAND.low, BAND.high)
    notes = {a["text"]: a["x"] for a in figure["layout"]["annotations"]}
    assert notes == {"budget from 1M": 6.0, "to 4M": math.log10(4e6), "knee": pytest.approx(math.log10(1.5e6))}
    low, high, _ = front_figure(TRIALS, Band(1_048_576, 4_194_304))["layout"]["annotations"]
    assert (low["y"], low["yref"], low["yanchor"]) == (1, "paper", "bottom"), "over the points"
    assert (low["text"], high["text"]) == ("budget from 1.04858M", "to 4.1943M"), "as everywhere else"


def test_axis_holds_band_and_trials_but_not_an_open_end() -> None:
    low, high = front_figure(TRIALS, BAND)["layout"]["xaxis"]["range"]
    assert low < 6 < math.log10(BAND.high) < high
    low, _ = front_figure(TRIALS, Band(1, 4_000_000))["layout"]["xaxis"]["range"]
    assert 5.9 < low < 6


def test_many_points_are_drawn_by_webgl_all_of_them() -> None:
    many = [trial(i, 0.5, 1_000_000 + i) for i in range(MANY)]
    assert {t["type"] for t in front_figure(many, BAND)["data"]} == {"scattergl"}


REPEATED = [replace(t, key=f"key {t.number}") for t in TRIALS]
REPEATED += [replace(REPEATED[3], number=4, accuracy=0.961), replace(REPEATED[0], number=5, accuracy=0.91)]
FEW = REPEATED[:]
REPEATED += [replace(REPEATED[3], number=6, accuracy=0.945), replace(REPEATED[0], number=7, accuracy=0.9)]


def test_a_repeated_network_is_one_point_at_its_mean_with_its_interval() -> None:
    found = networks(REPEATED)
    assert found.noise
    figure = front_figure(REPEATED, BAND, found=found)
    as_plotly(figure)
    clouds = [t for t in figure["data"] if "customdata" in t]
    points = {n: y for t in clouds for n, y in zip(t["customdata"], t["y"], strict=True)}
    assert points == {0: pytest.approx(90.3333), 1: 94, 2: 93, 3: pytest.approx(95.7667)}
    bars = {n: b for t in clouds if "error_y" in t for n, b in zip(t["customdata"], t["error_y"]["array"], strict=True)}
    one, three = (100 * (found.noise.half_width(seeds) or 0) for seeds in (1, 3))
    assert bars == {0: pytest.approx(three), 1: pytest.approx(one), 3: pytest.approx(three)}, "of the front only"
    assert "error_y" not in json.dumps(front_figure(FEW, BAND, found=networks(FEW))), "two seeds are too few"
    high = [replace(t, accuracy=min(1, (t.accuracy or 0) + 0.036)) for t in REPEATED]
    figure = front_figure(high, BAND, found=networks(high))
    for cloud in (t for t in figure["data"] if "error_y" in t):
        ends = [y + up for y, up in zip(cloud["y"], cloud["error_y"]["array"], strict=True)]
        assert max(ends) <= 100 + 1e-3, "no bar goes beyond 100%"


def test_a_study_of_one_seed_has_neither_bars_nor_words_of_them() -> None:
    plain = front_figure(TRIALS, BAND)
    assert front_figure(TRIALS, BAND, found=networks(TRIALS)) == plain
    assert "error_y" not in json.dumps(plain)


def test_stopped_trials_are_not_drawn() -> None:
    stopped = replace(trial(4, 0, 900_000, state="stopped"), accuracy=None)
    assert front_figure([*TRIALS, stopped], BAND)["data"] == front_figure(TRIALS, BAND)["data"]


def test_the_baseline_is_a_second_quiet_staircase_behind_the_front() -> None:
    beside = [replace(trial(i, a, flops), images=10_000) for i, a, flops in ((0, 0.91, 800_000), (1, 0.92, 2_000_000))]
    figure = front_figure(TRIALS, BAND, beside=beside)
    as_plotly(figure)
    quiet, stairs = traces(figure, "lines")
    assert (quiet["name"], stairs["name"]) == ("random search's front", "front")
    assert (quiet["x"], quiet["y"]) == ([800_000, 2_000_000, BAND.high], [91, 92, 92])
    assert quiet["line"]["dash"] == "dash"
    assert figure["layout"]["xaxis"]["range"][0] < math.log10(800_000)
    told = front_caption(TRIALS, pareto_front(TRIALS), baseline=outcome(beside, make_settings("r")))
    assert "Dashed: random search's front, 2 of 2 networks, hypervolume 0." in told
    assert told.endswith("after 20,000 training images and 0 s.")


def test_hover_and_caption_tell_what_seeds_tell() -> None:
    found = networks(REPEATED)
    row = found.rows[3]
    assert row.interval
    low, high = (f"{100 * end:.2f}%" for end in row.interval)
    for text in (hover(row.trial, row), hover(row.trial, row, brief=True)):
        assert text.startswith(f"<b>trial 3</b>  95.77%<br>mean of 3 seeds, 95% interval {low} to {high}<br>")
        assert f"on the front by FLOPs with probability {row.probability:.0%}" in text
    assert "<br>1 seed, 95% interval" in hover(TRIALS[1], found.rows[1])
    assert "tie" not in hover(TRIALS[1], found.rows[1])
    assert "a tie with trial 1<br>" in hover(row.trial, row)
    told = front_caption(REPEATED, pareto_front(REPEATED), found)
    assert told.startswith("3 of 4 networks are on the front: the best reaches 95.77% (3 seeds) at 3.1M FLOPs")
    assert "Bars: 95% interval of each network's mean over seeds; seed noise pooled, 0.90 points." in told
    assert "cannot be told from the next cheaper one, 95% for all 2 neighbours together (Bonferroni)." in told
    told = front_caption(FEW, pareto_front(FEW), networks(FEW))
    assert "No bars: too few for an interval: 2 further seeds, and 4 are needed." in told


def test_what_another_seed_would_give_is_told_once_and_the_same() -> None:
    """The page once said `1 seed, 95% interval ...` beside `how much another would differ is not known`."""
    known, few, none = (networks(trials) for trials in (REPEATED, FEW, TRIALS))
    assert seed_lines(known.rows[1])[0].startswith("1 seed, 95% interval ")
    assert other_seed(known) == (
        "One seed. Standard deviation over seeds, from 4 further seeds of this study's networks: "
        f"{100 * known.noise.sd:.2f} points."  # type: ignore[union-attr]
    )
    assert seed_lines(few.rows[1])[0] == "1 seed"
    assert other_seed(few).endswith("too few for an interval: 2 further seeds, and 4 are needed.")
    assert seed_lines(none.rows[1]) == []
    assert "is not known. The study's command with --repeats 10 trains further seeds of networks that" in other_seed(
        none
    )


def test_captions() -> None:
    def caption(trials: list[Trial]) -> str:
        return front_caption(trials, pareto_front(trials))

    assert caption(TRIALS) == (
        "3 of 4 networks are on the front: the best reaches 96.70% at 3.1M FLOPs; at the knee, 94.00% at 1.5M."
    )
    assert caption(TRIALS[:1]) == "1 network finished, alone on the front: it reaches 90.00% at 1M FLOPs."
    assert caption([trial(0, 0.9, 2), trial(1, 0.8, 3)]).startswith(
        "1 of 2 networks is on the front: it reaches 90.00%"
    )
    assert caption([]) == "No finished network yet, of 0 trials."
    periods = [Period(1, 5000, 2.0, 0.5, 1.0), Period(2, 10_000, 1.0, 0.4, 2.0)]
    assert curve_caption(periods) == (
        "After 10,000 training images and 2.0 s: validation accuracy 40.00%, training loss 1; best 50.00% after 5,000. "
        "One seed."
    )


def test_x_may_be_parameters_and_the_front_follows() -> None:
    trials = [trial(i, a, f, params=p) for i, (a, f, p) in enumerate([(0.9, 10, 30), (0.8, 20, 20), (0.7, 30, 10)])]
    over = cost_axes(trials)
    assert list(over) == ["FLOPs", "parameters"]
    figure = front_figure(trials, BAND, x=over["parameters"])
    as_plotly(figure)
    (stairs,) = traces(figure, "lines")
    assert (stairs["x"], stairs["y"]) == ([10, 20, 30], [70, 80, 90])
    assert "budget" not in json.dumps(figure), "the budget is in FLOPs"


def test_the_front_over_what_a_study_minimises_has_its_band_knee_and_sentence() -> None:
    costs = [(0.9, 10, 40_000), (0.85, 20, 20_000), (0.5, 30, 10_000)]
    trials = [trial(i, a, f, params=p, latency=50 * p) for i, (a, f, p) in enumerate(costs)]
    for cost, band, ends, reaches in (
        (PARAMETERS, Band(8_000, 50_000), ("budget from 8K", "to 50K"), "90.00% at 40K parameters; at the knee, 85.00% at 20K."),
        (FORECAST, Band(400_000, 2_500_000), ("budget from 0.4 ms", "to 2.5 ms"),
         "90.00% at 2 ms forecast latency; at the knee, 85.00% at 1 ms."),
    ):  # fmt: skip
        found = networks(trials, cost=cost)
        figure = front_figure(trials, band, x=cost, found=found)
        as_plotly(figure)
        words = [note["text"] for note in figure["layout"]["annotations"]]
        assert words == [*ends, "knee"]
        assert figure["layout"]["shapes"][0]["x0"] == band.low / cost.unit
        assert front_caption(trials, [row.trial for row in found.front], found).startswith(
            f"3 of 3 networks are on the front: the best reaches {reaches}"
        )
        assert "budget" not in json.dumps(front_figure(trials, None, x=cost, found=found)), "none was given"
        assert "budget" not in json.dumps(front_figure(trials, band, x=FLOPS, found=found)), "it is of another cost"
    again = [replace(each, key="a") for each in (trials[1], trial(3, 0.84, 20, params=20_000))]
    over = networks([trials[0], *again], cost=PARAMETERS)
    assert seed_lines(over.rows[1], over.cost)[1].startswith("on the front by parameters with probability ")


def test_latency_is_a_measure_where_it_was_measured() -> None:
    rows = [trial(0, 0.9, 10, key="a"), trial(1, 0.8, 5, key="b")]
    one = {"median": 0.0035, "low": 0.003, "high": 0.005, "reference": 1.1, "reference_best": 1.0}
    busy = one | {"reference": 2.0}
    over = cost_axes(rows, {"phone": {"a": {"64": one, "1": one}, "b": {"1": busy}}, "other": {"c": {"1": {}}}})
    assert [name for name in over if "latency" in name] == ["latency (batch 1, phone)", "latency (batch 64, phone)"]
    latency = over["latency (batch 1, phone)"]
    assert latency.of(rows[0]) == pytest.approx(3.5)
    assert (latency.of(rows[1]), latency.words(3.5)) == (None, "3.5 ms")
    left_out = "1 of 2 networks are left out: the machine was busy (a reference kernel took over 1.25 times its best)."
    assert measure_caption(latency, rows[:1]).endswith(
        f"90.00% at 3.5 ms. Horizontal bars: quartiles of the latency. {left_out}"
    )
    assert over["latency (batch 64, phone)"].note == ""
    figure = front_figure(rows, BAND, x=latency)
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
    words = front_figure(trials, BAND, colour="norm")
    as_plotly(words)
    clouds = [t for t in words["data"] if "customdata" in t]
    assert {t["name"]: sorted(t["customdata"]) for t in clouds} == {"norm bn": [1, 2], "norm ln": [0]}
    assert len({t["marker"]["symbol"] for t in clouds}) == 2, "symbols too, not colours alone"
    numbers = front_figure(trials, BAND, colour="kernel")
    as_plotly(numbers)
    shades = {
        n: c
        for t in numbers["data"]
        if "customdata" in t
        for n, c in zip(t["customdata"], t["marker"]["color"], strict=True)
    }
    assert shades == {0: 3, 1: 7, 2: 5}
    assert all(t["marker"]["coloraxis"] == "coloraxis" for t in numbers["data"] if "customdata" in t), "one scale"
    assert numbers["layout"]["coloraxis"]["colorbar"]["title"]["text"] == "kernel"


EARLY = [trial(i, 0.1 + 0.01 * i, 2_000_000 + i) for i in range(10)]
LATER = [trial(10 + i, 0.7 + 0.001 * i, 1_000_000 + 1000 * i) for i in range(20)]


def test_early_outliers_do_not_squash_the_front_and_are_counted() -> None:
    points = [*EARLY, *LATER]
    axis = front_figure(points, BAND)["layout"]["yaxis"]["range"]
    assert 67 < axis[0] < 70 < 71.9 < axis[1]
    assert below(points, axis) == EARLY
    assert below_words(30, EARLY) == "10 of 30 networks lie below the chart, down to 10.00%."
    whole = front_figure(points, BAND, whole=True)["layout"]["yaxis"]["range"]
    assert whole[0] < 10
    assert (below(points, whole), below_words(30, [])) == ([], "")
    cheap = trial(99, 0.2, 900_000)
    assert front_figure([*points, cheap], BAND)["layout"]["yaxis"]["range"][0] < 20, "the front is shown whole"
    assert front_figure([trial(0, 1.0, 2_000_000)], BAND)["layout"]["yaxis"]["range"] == [99.5, 100]
    assert front_figure([trial(0, 0.0, 2_000_000)], BAND)["layout"]["yaxis"]["range"] == [0, 0.5]
    assert front_figure([trial(0, 0.5, 2_000_000)], BAND)["layout"]["yaxis"]["range"] == [49.5, 50.5]
    even = [trial(i, 0.5 + 0.004 * i, 2_000_000 - i) for i in range(100)]
    assert below(even, front_figure(even, BAND)["layout"]["yaxis"]["range"]) == [], "and so is what has no tail"
    beside = [trial(0, 0.15, 800_000), trial(1, 0.72, 900_000)]
    assert front_figure(points, BAND, beside=beside)["layout"]["yaxis"]["range"][0] > 67, "random search's tail neither"


def test_colours_tell_networks_apart_where_the_kind_of_blocks_does_not() -> None:
    def of(*blocks: tuple[str, ...]) -> list[Trial]:
        return [trial(i, 0.9, 1_000_000 + i, kinds) for i, kinds in enumerate(blocks)]

    def said(trials: list[Trial]) -> str:
        return telling(trials, varied([traits_of(t.arch) for t in trials]))

    mixed = of(("convnext", "modulation"), ("convnext", "modulation", "modulation"), ("modulation", "convnext"))
    assert said(mixed) == "share of modulation"
    assert said(of(("convnext",), ("modulation",))) == KINDS
    assert said(of(("convnext",), ("convnext",))) == KINDS, "nothing varies"
    deeper = [*of(("convnext",)), *of(("convnext", "convnext"))]
    assert said(deeper) == "depth"
    figure = front_figure(mixed, BAND, colour="share of modulation")
    as_plotly(figure)
    shades = {
        n: c
        for t in figure["data"]
        if "customdata" in t
        for n, c in zip(t["customdata"], t["marker"]["color"], strict=True)
    }
    assert shades == {0: 50, 1: pytest.approx(200 / 3), 2: 50}
    assert figure["layout"]["coloraxis"]["colorbar"]["title"]["text"] == "share of modulation, % of blocks"
    three = {"block": ["bottleneck", "convnext", "modulation"], "norm": ["bn", "ln"]}
    assert choices(three) == [KINDS, *(f"share of {kind}" for kind in three["block"]), "block", "norm"]


SCRIPT = (Path(dashboard.__file__).parent / "charts" / "theme.js").read_text()
DARK = dict(re.findall(r'"(#[0-9A-F]{6})": "(#[0-9A-F]{6})"', SCRIPT))


def luminance(colour: str) -> float:
    """Relative, as WCAG 2.2 has it."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", [*COLOURS, *OWN_COLOURS, *(stop[1] for stop in SCALE)])
def test_points_stand_out_from_a_light_and_a_dark_ground(colour: str) -> None:
    """The grounds: Streamlit's, under the band of the budget. Points have an edge in the ground's colour, and so stand
    out from each other as well."""
    assert contrast(colour, "#EBF4FA") >= 3
    assert contrast(DARK[colour], "#171C1F") >= 3
    plain = front_figure(TRIALS, BAND)
    assert all("opacity" not in t["marker"] for t in plain["data"] if "marker" in t)
    edges = {t["marker"]["line"]["color"] for t in plain["data"] if "marker" in t}
    assert edges == {"@back", "@text"}


def test_colours_of_a_dark_ground_differ_from_each_other() -> None:
    dark = [DARK[colour] for colour in (*COLOURS, *OWN_COLOURS)]
    assert len(set(dark)) == len(dark)
    places = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in dark]
    assert min(math.dist(one, other) for one, other in combinations(places, 2)) > 35


def test_the_browser_knows_every_theme_colour_that_figures_name() -> None:
    text = json.dumps(front_figure(TRIALS, BAND))
    assert {*re.findall(r'"(@[a-z]+)"', text)} == {*re.findall(r'"(@[a-z]+)":', SCRIPT)}


@pytest.mark.parametrize(("low", "ticks"), [("5M", {"nticks": 8}), ("200K", {"dtick": "D2"}), ("10K", {"dtick": 1})])
def test_ticks_of_wide_budgets_leave_room_for_each_other(low: str, ticks: dict[str, object]) -> None:
    band = Band.parse(f"{low}..20M")
    figure = front_figure([trial(0, 0.5, band.low), trial(1, 0.9, band.high)], band)
    as_plotly(figure)
    assert ticks.items() <= figure["layout"]["xaxis"].items()


def test_a_front_at_chance_says_so() -> None:
    settings, front = make_settings("s"), pareto_front(TRIALS)
    assert chance_sentence(front, len(TRIALS), settings) == ""
    low = [replace(front[0], accuracy=0.11)]
    assert chance_sentence(low, 3, settings) == (
        "The best of 3 is not told from chance: guessing the largest class gives 10%, n = 360; train for longer "
        "(--images) or give more pictures."
    )
