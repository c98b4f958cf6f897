"""The page Front: its numbers, axes, filters, budget, and what it says of seeds and random search."""

from __future__ import annotations

import random
import re
import shutil
from itertools import combinations
from pathlib import Path

import optuna
import pyarrow as pa
import pytest

from dashboard.charts.front import BASELINE
from dashboard.charts.front_caption import ends
from dashboard.derived import networks_of
from dashboard.number_format import NONE
from dashboard.pages.front_view import Asked, Goal, figure_of, view_of
from dashboard.report import write_report
from dashboard.study_cache import StudyCache
from nas.analysis.cost_axes import FLOPS, PARAMETERS
from nas.analysis.design_choices import traits_of, varied, within
from nas.analysis.pareto import outcome, pareto_front
from nas.export.pick import Selection, pick
from nas.latency.measurements import FILE as MEASURED
from nas.latency.measurements import keep
from nas.records.extent import Extent
from nas.records.settings import JOURNAL
from nas.storage.journal import open_file
from nas.storage.reader import Reader
from nas.storage.study_folder import set_extent
from space import compact
from tests.dashboard.opened import checked, metrics, page, said, unfolded
from tests.dashboard.studies import HOSTILE, add_trial, damage, make_settings, make_study, timed

ROOT = Path(__file__).parents[3]


def test_full_study_says_what_it_holds(runs: Path) -> None:
    make_study(runs, complete=12, failed=2, running=1, outside=1)
    app = unfolded(page())
    words = said(app)
    assert metrics(app)["Finished"] == "12"
    assert metrics(app)["Failed"] == "2"
    assert metrics(app)["Running"] == "1"
    assert "validation top-1, n = 360 images, 1 seed. Budget: 1M..4M FLOPs (conv + linear multiply-accumulates" in words
    assert "of 12 networks are on the front: the best reaches" in words
    assert "In training: 1 network of" in words
    assert "running" in words
    assert "1 outside" in words
    assert "nas search first --data digits" in words
    app = page("trials")
    table = app.dataframe[0].value
    assert list(table["state"]).count("complete") == 12
    assert "training must stay finite" in "".join(table["reason"])
    assert "training must stay finite" in app.dataframe[1].value["reason"][0], "reasons by how often"
    assert app.query_params["study"] == "first"


def test_without_a_choice_the_most_accurate_is_shown(runs: Path) -> None:
    folder = make_study(runs, complete=12)
    best = StudyCache().read(folder).front[-1]
    app = page()
    assert f"Trial {best.number}" in said(app)
    assert not app.code, "commands come when they are asked for"
    words = said(unfolded(app))
    assert f"nas export first --trial {best.number} --out" in words
    assert "the same command goes on where the study stopped" in words
    words = said(page("network"))
    assert f"Trial {best.number}" in words
    assert f"nas export first --trial {best.number} --out" in words
    assert "After 10,000 training images" in words
    assert "stem:" in words
    assert "from space.network import Network" in words


def test_it_says_the_command_that_goes_on_once_more_was_asked_for(runs: Path) -> None:
    folder = make_study(runs, complete=2)
    study = optuna.load_study(study_name="first", storage=open_file(folder / JOURNAL))
    for trials, words in ((30, "; the same command goes on where"), (40, "this goes on where the study stopped:")):
        set_extent(study, Reader(folder), Extent(trials))
        told = said(unfolded(page()))
        assert words in told
        commands = [line for line in told.splitlines() if line.startswith("nas search first")]
        assert [int(line.split()[-1]) for line in commands] == sorted({30, trials})
    write_report(folder, report := runs / "report.html")
    assert "<span>40</span></pre>" in report.read_text()


def test_repeats_stopped_trials_and_the_baseline_are_told(runs: Path) -> None:
    folder = make_study(runs, complete=12, stopped=2)
    best = StudyCache().read(folder).front[-1].number
    plain = said(unfolded(page()))
    assert "Bars:" not in plain
    assert "Dashed:" not in plain
    assert "2 stopped" in plain
    for _ in range(4):
        add_trial(folder, random.Random(5), repeat_of=best)
    make_study(runs, "first-random", complete=8, seed=3)
    app = page(study="first", trial=str(best))
    words = said(app)
    assert "of 12 networks are on the front" in words
    assert "Bars: 95% interval of each network's mean over seeds" in words
    assert "Dashed: random search's front" in words
    assert "mean of 5 seeds, 95% interval" in words
    assert "mean of 1 to 5 seeds" in words
    assert "All seeds of this network: mean of 5 seeds, " in said(page("network", study="first", trial=str(best)))
    table = page("trials", study="first").dataframe[0].value
    assert table["seeds"][best] == 5
    assert list(table["state"]).count("stopped") == 2
    hypervolume = next(metric for metric in app.metric if metric.label == "Hypervolume")
    assert hypervolume.delta.endswith(" to random")
    assert ("not on the front" in said(page("network", study="first", trial="14"))) is (table["front"][14] == "")
    assert "Dashed:" not in said(page(study="first-random"))


def test_latency_is_an_axis_once_it_is_measured_and_a_damaged_file_is_said(runs: Path) -> None:
    folder, cache = make_study(runs, complete=8), StudyCache()
    before = cache.read(folder)
    assert page().selectbox(key="x").options == ["FLOPs", "parameters", "activations"]
    trials = sorted(before.trials, key=lambda trial: trial.accuracy or 0)
    for place, trial in enumerate(trials):
        median = 0.002 * (1 + place)
        timing = {"median": median, "low": median / 2, "high": 2 * median, "memory": None}  # as of an older release
        keep(folder, "A Phone", trial.key or "", {"1": timing})
    after = cache.read(folder)
    assert after.trials is before.trials
    assert not after.same(before)
    assert cache.read(folder) is after
    app = page(x="latency (batch 1, A Phone)")
    words = said(app)
    assert "8 networks on the front over latency (batch 1, A Phone): from " in words
    assert "at 16 ms." in words
    assert metrics(app)["Latency (batch 1, A Phone)"] == "16 ms"
    assert "the most accurate · on the front: number 8 of 8 in order of latency (batch 1, A Phone)" in words
    assert "order of FLOPs" not in words
    assert next(m for m in app.metric if m.label == "Latency (batch 1, A Phone)").help.endswith(
        "; quartiles 8 ms to 32 ms"
    )
    assert "8 of 8 were measured without a check that the machine was not busy." in words
    busy = {"median": 0.1, "low": 0.1, "high": 0.1, "reference": 2.0, "reference_best": 1.0}
    keep(folder, "A Tablet", trials[0].key or "", {"1": busy})
    words = said(page())
    assert "Latency (batch 1, A Tablet) was measured on a busy machine only: end other programs and measure" in words
    (folder / MEASURED).write_text("{")
    words = said(page(x="latency (batch 1, A Phone)"))
    assert "The measured latencies cannot be read." in words
    assert "must be JSON, got " in words
    assert "8 networks are on the front" in words or "of 8 networks" in words


def test_tables_have_counts_in_three_digits(runs: Path) -> None:
    folder = make_study(runs, complete=0)
    add_trial(folder, random.Random(0), flops=1_010_376)
    for where in ("front", "trials"):
        table = page(where).dataframe[0]
        assert list(table.value["FLOPs"]) == [1_010_376], "by which it is sorted"
        shown = pa.ipc.open_stream(table.proto.arrow_data.styler.display_values).read_pandas()
        assert "1.01M" in shown.iloc[0].tolist()


def test_a_forecast_latency_is_called_so_and_stands_beside_what_was_measured(runs: Path) -> None:
    folder = make_study(runs, complete=0)
    add_trial(folder, random.Random(0), latency=696_000)
    timed(folder, "A Phone")
    for where in ("front", "network"):
        numbers = metrics(page(where))
        assert numbers["Forecast latency"] == "0.696 ms"
        assert numbers["Latency (batch 1, A Phone)"].endswith(" ms")
        assert "Latency" not in numbers


def test_a_front_at_chance_is_told_above_the_chart(runs: Path) -> None:
    folder = make_study(runs, complete=0)
    add_trial(folder, random.Random(0), accuracy=0.1)
    texts = [text.value for text in page().text]
    told = "At chance: guessing the largest class gives 10%"
    at = next(place for place, text in enumerate(texts) if text.startswith(told))
    assert at < next(place for place, text in enumerate(texts) if "alone on the front" in text)
    assert told not in "".join(texts[at + 1 :])
    write_report(folder, report := runs / "report.html")
    assert told in report.read_text().partition("<h2>The front</h2>")[0]


def test_a_baseline_that_cannot_be_read_is_left_out(runs: Path) -> None:
    make_study(runs, complete=4)
    damage(make_study(runs, "first-random", complete=2), line=3)
    app = page(study="first")
    assert metrics(app)["Finished"] == "4"
    assert "Dashed:" not in said(app)


def test_x_axis_colour_and_filters_from_the_address(runs: Path) -> None:
    folder = make_study(runs, complete=25)
    kept = [t for t in StudyCache().read(folder).scored if {s["norm"] for s in (t.arch or {})["stages"]} == {"ln"}]
    app = page(**{"x": "parameters", "colour": "kernel", "only.norm": "ln"})
    words = said(app)
    assert "Only norm ln." in words
    assert f"{len({t.key for t in kept})} networks shown." in words
    assert "on the front over parameters: from" in words
    app = page(x="../../etc", colour=HOSTILE)
    assert "of 25 networks are on the front" in said(app), "what is no choice is not taken"


def test_a_filter_holds_for_random_search_and_what_is_in_training_too(runs: Path) -> None:
    cache, wanted = StudyCache(), {"norm": ("ln",)}
    snapshot = cache.read(make_study(runs, complete=25, running=6))
    beside = cache.read(make_study(runs, "first-random", complete=25, seed=1))
    figure = figure_of(snapshot, Asked(filters=tuple(wanted.items())), beside)
    quiet = next(trace for trace in figure["data"] if trace["name"] == BASELINE)
    front = pareto_front([trial for trial in beside.scored if within(traits_of(trial.arch), wanted)])
    assert [trial.number for trial in front] != [trial.number for trial in beside.front], "a filter that matters"
    assert quiet["x"][: len(front)] == [trial.flops for trial in front]
    dotted = [s["x0"] for s in figure["layout"]["shapes"] if s.get("line", {}).get("dash") == "dot"]
    left = [trial.flops for trial in snapshot.running if within(traits_of(trial.arch), wanted)]
    assert dotted == left != [trial.flops for trial in snapshot.running]
    app = page(**{"study": "first", "only.norm": "ln"})
    words = said(app)
    assert "Only norm ln, of random search too." in words
    assert f"Dashed: random search's front, {ends(FLOPS, front)}." in words
    assert "on the front of the networks shown: number " in words


def test_with_a_filter_all_is_judged_as_if_the_space_had_been_narrowed(runs: Path) -> None:
    """Numbers, references, probabilities and ties are of the networks shown; the noise is that of all."""
    shutil.copytree(ROOT / "runs" / "cifar10-16M", runs / "cifar10-16M")
    study = StudyCache().read(runs / "cifar10-16M")
    shown = [t for t in study.trials if t.arch and within(traits_of(t.arch), {"block": ("modulation",)})]
    front = pareto_front(shown)
    assert not {t.number for t in front} & {t.number for t in study.front[-3:]}
    app = page(**{"only.block": "modulation"})
    numbers, (members, references) = metrics(app), (table.value for table in app.dataframe)
    assert numbers["Best accuracy"] == "63.58%"
    assert numbers["Front over FLOPs"] == str(len(front)) == str(len(members))
    assert numbers["Finished"] == str(sum(t.state == "complete" for t in shown))
    assert numbers["Hypervolume"] == f"{outcome(shown, study.read_settings).hypervolume:.3f}"
    assert set(references["front, trial"].dropna()) <= {t.number for t in front}
    best = references.set_index("reference").loc["timm:resnet18 x0.18"]
    assert best["front, trial"] == front[-1].number
    assert best["front, points"] == pytest.approx(63.58 - 62.32, abs=0.5)
    assert members["on front"].max() > 99, "the best of those shown"
    words = said(app)
    assert f"the front {best['front, points']:+.1f} points expected" in words
    assert "95% interval 62.65% to 64.51%; on the front by FLOPs with probability 100%" in words
    other = study.front[-1]
    words = said(page(**{"only.block": "modulation", "trial": str(other.number)}))
    assert "not among the networks shown" in words
    assert f"mean of {networks_of(study).rows[other.number].seeds} seeds, 95% interval" in words
    assert "with probability" not in words


def test_a_goal_is_met_as_accuracy_is_shown(runs: Path) -> None:
    """`nas export --accuracy 99.9%` takes a network of 99.896% too."""
    folder = make_study(runs, complete=4)
    add_trial(folder, random.Random(3), accuracy=0.99896)
    view = view_of(StudyCache().read(folder), None, Asked())
    picked, exported = view.pick(Goal(least=0.999)), pick(folder, Selection(accuracy="99.9%"))
    assert picked
    assert picked.number == exported.number == 4
    app = page(pick="accuracy at least")
    assert app.select_slider(key="goal").options[-2:] == ["99.90%", "the best"]


def test_networks_far_below_are_counted_and_shown_when_asked_for(runs: Path) -> None:
    folder = make_study(runs, complete=20)
    for accuracy in (0.1, 0.2, 0.3):
        add_trial(folder, random.Random(int(100 * accuracy)), accuracy=accuracy)
    app = page()
    assert "3 of 23 networks lie below the chart, down to 10.00%." in said(app)
    snapshot = StudyCache().read(folder)
    assert figure_of(snapshot, Asked(), None)["layout"]["yaxis"]["range"][0] > 30
    assert "lie below" not in said(checked(app.toggle(key="all").set_value(True).run()))
    assert figure_of(snapshot, Asked(whole=True), None)["layout"]["yaxis"]["range"][0] < 10


def test_colours_are_chosen_for_a_person_or_by_one(runs: Path) -> None:
    shutil.copytree(ROOT / "runs" / "cifar10", runs / "cifar10")
    app = page(study="cifar10")
    box = app.selectbox(key="colour")
    assert box.value == "automatic"
    assert "share of modulation" in box.options
    assert page(study="cifar10", colour="norm").selectbox(key="colour").value == "norm"


def test_choices_that_another_study_has_not_are_dropped(runs: Path) -> None:
    shutil.copytree(ROOT / "runs" / "cifar10", runs / "cifar10")
    make_study(runs, "small", complete=2)
    make_study(runs, "middle", complete=20)
    app = page(**{"study": "cifar10", "only.kernel": "11", "colour": "stem.stride"})
    assert "Only kernel 11." in said(app) or "left by these filters" in said(app)
    app = checked(app.sidebar.selectbox[0].set_value("small").run())
    assert "of 2 networks" in said(app)
    app = page("space", study="cifar10", axis="stem.stride")
    assert "Mean accuracy by stem.stride" in said(app)
    assert "Mean accuracy by " in said(checked(app.sidebar.selectbox[0].set_value("middle").run()))


def test_filters_that_leave_nothing_say_so(runs: Path) -> None:
    """Two choices that no network has together."""
    designs = [traits_of(trial.arch) for trial in StudyCache().read(make_study(runs, complete=4)).scored]
    axes = varied(designs)
    pairs = ({a: x, b: y} for a, b in combinations(axes, 2) for x in axes[a] for y in axes[b])
    wanted = next(p for p in pairs if not any(within(d, {axis: [word] for axis, word in p.items()}) for d in designs))
    app = page(**{f"only.{axis}": word for axis, word in wanted.items()})
    assert "No finished network is left by these filters" in said(app)
    assert metrics(app)["Hypervolume"] == NONE, "an empty front has no area"


def test_the_budget_picks_the_best_within_it(runs: Path) -> None:
    folder = make_study(runs, complete=30)
    front = StudyCache().read(folder).front
    app = page()
    slider = app.select_slider[0]
    assert f"Trial {front[-1].number}" in said(app)
    limit = slider.options[len(slider.options) // 2]
    words = said(checked(slider.set_value(limit).run()))
    value = float(limit[:-1]) * 1e6
    assert f"Trial {max((t for t in front if (t.flops or 0) <= value), key=lambda t: t.flops or 0).number}" in words
    assert f"the best up to {limit} FLOPs" in words

    app = page(**{"budget.FLOPs": limit})  # the link to it
    assert app.select_slider[0].value == limit
    assert f"the best up to {limit} FLOPs" in said(app)
    add_trial(folder, random.Random(4))
    assert page(**{"budget.FLOPs": limit}).select_slider[0].value == limit, "a study that has grown has the same steps"
    assert page(**{"budget.FLOPs": "17Q"}).select_slider[0].value == "no limit"


def test_every_member_of_a_front_can_be_picked_by_either_slider(runs: Path) -> None:
    """Over any cost, those that cost or have nearly the same too."""
    folder = make_study(runs, complete=0)
    for place, flops in enumerate((1_003_088, 1_010_376, 1_014_768, 2_000_000)):
        add_trial(folder, random.Random(place), accuracy=0.634 + place / 5000, flops=flops)
    snapshot = StudyCache().read(folder)
    for measure in ("FLOPs", "parameters"):
        members = {trial.number for trial in view_of(snapshot, None, Asked(measure=measure)).front}
        for by in ("cost at most", "accuracy at least"):
            app = page(x=measure, pick=by)
            slider = app.select_slider[0]
            picked = [said(checked(app.select_slider[0].set_value(stop).run())) for stop in slider.options]
            found = {int(number) for words in picked for number in re.findall(r"^Trial (\d+)$", words, re.M)}
            assert found == members, (measure, by)
    assert page().select_slider[0].options[:4] == ["1.01M", "1.011M", "1.02M", "1.12M"]


def test_an_accuracy_picks_the_cheapest_that_has_it_over_any_cost(runs: Path) -> None:
    networks = StudyCache().read(make_study(runs, complete=30)).scored
    app = checked(page().segmented_control(key="pick").set_value("accuracy at least").run())
    slider = app.select_slider[0]
    best = max(networks, key=lambda t: t.accuracy or 0)
    assert f"Trial {best.number}" in said(app), "without a goal the most accurate"
    assert "the most accurate" in said(app)
    limit = slider.options[len(slider.options) // 2]
    wanted = [t for t in networks if (t.accuracy or 0) >= float(limit[:-1]) / 100]
    assert 1 < len(wanted) < len(networks)
    words = said(checked(slider.set_value(limit).run()))
    assert f"Trial {min(wanted, key=lambda t: t.flops or 0).number}" in words
    assert f"the cheapest from {limit} up · on the front: number " in words

    address = {"pick": "accuracy at least", "goal": limit}
    app = page(x="parameters", **address)  # the link to it, over another cost
    assert f"Trial {min(wanted, key=lambda t: t.params or 0).number}" in said(app)
    assert app.select_slider[0].value == limit
    chosen = page(**address, trial=str(best.number))
    assert f"Trial {best.number}" in said(chosen)
    assert "the cheapest from" not in said(chosen)
    assert f"the cheapest from {limit} up" in said(checked(chosen.button(key="back").click().run()))
    assert page(pick="accuracy at least", goal="999%").select_slider[0].value == "the best"
    assert page(pick=HOSTILE, goal=limit).select_slider[0].value == "no limit"


def test_a_pick_says_what_its_interval_and_the_next_cheaper_network_leave_open(runs: Path) -> None:
    shutil.copytree(ROOT / "runs" / "cifar10-16M", runs / "cifar10-16M")  # with 16 further seeds
    words = said(page(pick="accuracy at least", goal="65.00%", x="parameters"))
    assert "Trial 35" in words
    assert "the cheapest from 65.00% up · on the front: number 3 of 8 in order of parameters" in words
    assert "95% interval 64.41% to 66.27%" in words
    assert "Its interval begins at 64.41%, below 65.00%." in words
    assert "A tie: these seeds do not tell it from trial 20, which is cheaper: 63.58%, 24.2K parameters." in words
    words = said(page(x="parameters", trial="35"))
    assert "Its interval begins" not in words, "a person chose it"
    assert "which is cheaper: 63.58%" in words
    assert "A tie" not in said(page(x="parameters", trial="38"))
    words = said(page(trial="38"))
    assert "A tie: these seeds do not tell it from trial 36, which is cheaper: 67.08%, 3.51M FLOPs." in words


def test_the_baseline_stands_beside_the_front_over_latency_too(runs: Path) -> None:
    for seed, name in enumerate(["one", "one-random"]):
        timed(make_study(runs, name, complete=8, seed=seed), "A Phone")
    words = said(page(study="one", x="latency (batch 1, A Phone)"))
    assert re.search(
        r"on the front over latency \(batch 1, A Phone\): from .* Dashed: random search's front, .* ms", words
    )


def test_where_random_search_is_ahead_it_says_so(runs: Path) -> None:
    front = StudyCache().read(make_study(runs, "one", complete=12)).front
    folder = make_study(runs, "one-random", complete=0)
    add_trial(folder, random.Random(1), accuracy=0.5)
    assert "Random search is ahead" not in said(page(study="one"))
    assert "Random search is ahead" not in said(page("studies"))
    add_trial(folder, random.Random(2), accuracy=0.999)
    best = StudyCache().read(folder).front[-1]
    assert (best.flops or 0) < (front[-1].flops or 0)
    line = f"Random search is ahead from {compact(max(best.flops or 0, front[0].flops or 0))} FLOPs on: its best "
    words = said(page(study="one"))
    assert line in words
    assert f" points more accurate: trial {best.number} (99.90% at " in words
    assert re.search(r"is ahead in places of one \(up to \d+\.\d points\); the page", said(page("studies")))
    assert re.search(r"Random search is ahead from [\d.]+K parameters on: ", said(page(study="one", x="parameters")))
    write_report(runs / "one", report := runs / "report.html")
    text = report.read_text().partition("<script>/**")[0]
    assert line in text
    assert text.count("seeds may tell otherwise") == 2, "a caption, and the chart's label which says the same"


def test_all_failed(runs: Path) -> None:
    make_study(runs, complete=0, failed=3)
    words = said(page())
    assert "No trial has finished" in words
    assert "training must stay finite" in words


def test_one_point(runs: Path) -> None:
    make_study(runs, complete=1)
    assert "1 network finished, alone on the front" in said(page())


def test_what_a_study_minimises_is_its_x_axis_and_in_its_words(runs: Path) -> None:
    folder = make_study(runs, complete=12)
    make_settings("first", minimize="params").write(folder)
    app = page()
    assert app.selectbox[0].value == "parameters"
    numbers = {metric.label: metric.help for metric in app.metric}
    assert numbers["Front over parameters"].endswith("beats in both accuracy and parameters")
    assert numbers["Hypervolume"].startswith("Area under the front over log parameters across the range of the space, ")
    snapshot = StudyCache().read(folder)
    assert [t.number for t in snapshot.front] == [t.number for t in pareto_front(snapshot.trials, PARAMETERS.of)]
    assert re.search(r"of 12 networks are on the front: the best reaches [\d.]+% at [\d.]+K parameters", said(app))
    assert "in order of parameters" in said(page("network"))
    assert "over log parameters, across the range of the space, scaled" in said(page("progress"))
    assert "under the front over log parameters across the range of the space, 0 to 1" in said(page("studies"))
