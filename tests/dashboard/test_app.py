"""The pages as Streamlit runs them, without a browser, on real folders: whole, empty, broken, hostile."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import optuna
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboard.charts import BASELINE, KINDS, _ends
from dashboard.front_page import Asked, figure_of
from dashboard.live import Shelf, study_names
from nas.design import traits, varied, within
from nas.front import pareto_front
from nas.measured import FILE as MEASURED
from nas.measured import keep
from nas.measures import FLOPS
from nas.settings import FILE, JOURNAL
from nas.trials import Reader, open_journal
from tests.dashboard.studies import add_trial, damage, make_study, tear, verbatims

ROOT = Path(__file__).parents[2]
APP = ROOT / "dashboard" / "app.py"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runs"
    monkeypatch.setenv("NAS_RUNS", str(folder))
    return folder


def page(where: str = "", **address: str) -> AppTest:
    """`where`: the page's name, as in its address; the front without."""
    app = AppTest.from_file(str(APP), default_timeout=30)
    app._page_hash = calc_hash(where)
    for name, value in address.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].value
    return app


def said(app: AppTest) -> str:
    """All words of a page, whatever shows them."""
    kinds = (app.title, app.header, app.text, app.markdown, app.caption, app.error, app.warning, app.info, app.code)
    return "\n".join([*(str(element.value) for kind in kinds for element in kind), *verbatims(app)])


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_starts_without_torch_and_samplers() -> None:
    code = (
        "import sys, dashboard.app, dashboard.server; "
        "print([m for m in ('torch', 'optuna', 'optuna.samplers', 'nas.train', 'nas.study') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_full_study_says_what_it_holds(runs: Path) -> None:
    make_study(runs, complete=12, failed=2, running=1, outside=1)
    app = page()
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
    best = Shelf().read(folder).front[-1]
    words = said(page())
    assert f"Trial {best.number}" in words
    assert f"nas export first --trial {best.number} --out" in words
    words = said(page("network"))
    assert f"Trial {best.number}" in words
    assert f"nas export first --trial {best.number} --out" in words
    assert "After 10 epochs" in words
    assert "stem:" in words
    assert "from space.network import Network" in words


def test_repeats_stopped_trials_and_the_baseline_are_told(runs: Path) -> None:
    folder = make_study(runs, complete=12, stopped=2)
    best = Shelf().read(folder).front[-1].number
    plain = said(page())
    assert "Bars:" not in plain
    assert "Dashed:" not in plain
    assert "2 stopped" in plain
    for _ in range(4):
        add_trial(folder, random.Random(5), repeat_of=best)
    make_study(runs, "first-random", complete=8, seed=3)
    app = page(study="first", trial=str(best))
    words = said(app)
    assert "of 12 networks are on the front" in words
    assert "Bars: 95% intervals of the mean over seeds" in words
    assert "Dashed: random search's front" in words
    assert "mean of 5 seeds, 95% interval" in words
    assert "mean of 1 to 5 seeds" in words
    assert "Its network: mean of 5 seeds, " in said(page("network", study="first", trial=str(best)))
    table = page("trials", study="first").dataframe[0].value
    assert table["seeds"][best] == 5
    assert list(table["state"]).count("stopped") == 2
    hypervolume = next(metric for metric in app.metric if metric.label == "Hypervolume")
    assert hypervolume.delta.endswith(" to random")
    assert ("not on the front" in said(page("network", study="first", trial="14"))) is (table["front"][14] == "")
    assert "Dashed:" not in said(page(study="first-random"))


def test_latency_is_an_axis_once_it_is_measured_and_a_damaged_file_is_said(runs: Path) -> None:
    folder, shelf = make_study(runs, complete=8), Shelf()
    before = shelf.read(folder)
    assert page().selectbox(key="x").options == ["FLOPs", "parameters", "activations"]
    trials = sorted(before.trials, key=lambda trial: trial.accuracy or 0)
    for place, trial in enumerate(trials):
        median = 0.002 * (1 + place)
        timing = {"median": median, "low": median / 2, "high": 2 * median, "memory": None}  # as of an older release
        keep(folder, "A Phone", trial.key or "", {"1": timing})
    after = shelf.read(folder)
    assert after.trials is before.trials
    assert not after.same(before)
    assert shelf.read(folder) is after
    app = page(x="latency (batch 1, A Phone)")
    words = said(app)
    assert "8 networks on the front over latency (batch 1, A Phone): from " in words
    assert "at 16 ms." in words
    assert metrics(app)["Latency"] == "16 ms"
    assert "the most accurate · on the front, 8 of 8 by latency (batch 1, A Phone)" in words
    assert "by FLOPs" not in words
    assert next(m for m in app.metric if m.label == "Latency").help.endswith("; quartiles 8 ms to 32 ms")
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


def test_a_baseline_that_cannot_be_read_is_left_out(runs: Path) -> None:
    make_study(runs, complete=4)
    damage(make_study(runs, "first-random", complete=2), line=3)
    app = page(study="first")
    assert metrics(app)["Finished"] == "4"
    assert "Dashed:" not in said(app)


def test_trial_from_the_address(runs: Path) -> None:
    make_study(runs, complete=12)
    app = page(trial="7")
    assert "Trial 7" in said(app)
    app.query_params["trial"] = "5"
    assert "Trial 5" in said(checked(app.run()))
    app.query_params["trial"] = "99"
    assert "This study has no trial 99" in said(checked(app.run()))


def test_a_page_chosen_in_the_menu_keeps_study_and_trial(runs: Path) -> None:
    make_study(runs, "one", 3)
    make_study(runs, "two", 3)
    app = page(study="one", trial="2", pin="1")
    app._page_hash = calc_hash("network")
    app.query_params.clear()
    words = said(checked(app.run()))
    assert "Trial 2" in words
    assert "What differs from the pinned trial 1" in words
    assert {name: app.query_params[name] for name in ("study", "trial", "pin")} == {
        "study": "one", "trial": "2", "pin": "1",
    }  # fmt: skip


def test_x_axis_colour_and_filters_from_the_address(runs: Path) -> None:
    folder = make_study(runs, complete=25)
    kept = [t for t in Shelf().read(folder).scored if {s["norm"] for s in (t.arch or {})["stages"]} == {"ln"}]
    app = page(**{"x": "parameters", "colour": "kernel", "only.norm": "ln"})
    words = said(app)
    assert "Only norm ln." in words
    assert f"{len({t.key for t in kept})} networks shown." in words
    assert "on the front over parameters: from" in words
    app = page(x="../../etc", colour=HOSTILE)
    assert "of 25 networks are on the front" in said(app), "what is no choice is not taken"


def test_a_filter_holds_for_random_search_and_what_is_in_training_too(runs: Path) -> None:
    shelf, wanted = Shelf(), {"norm": ("ln",)}
    snapshot = shelf.read(make_study(runs, complete=25, running=6))
    beside = shelf.read(make_study(runs, "first-random", complete=25, seed=1))
    figure = json.loads(figure_of(snapshot, Asked("FLOPs", KINDS, tuple(wanted.items())), beside))
    quiet = next(trace for trace in figure["data"] if trace["name"] == BASELINE)
    front = pareto_front([trial for trial in beside.scored if within(traits(trial), wanted)])
    assert [trial.number for trial in front] != [trial.number for trial in beside.front], "a filter that matters"
    assert quiet["x"][: len(front)] == [trial.flops for trial in front]
    dotted = [s["x0"] for s in figure["layout"]["shapes"] if s.get("line", {}).get("dash") == "dot"]
    left = [trial.flops for trial in snapshot.running if within(traits(trial), wanted)]
    assert dotted == left != [trial.flops for trial in snapshot.running]
    app = page(**{"study": "first", "only.norm": "ln"})
    words = said(app)
    assert "Only norm ln, of random search too." in words
    assert f"Dashed: random search's front, {_ends(FLOPS, front)}." in words
    assert "on the front of the networks shown, " in words
    assert "on front" not in app.dataframe[0].value, "a probability would be of the whole study's front"


def test_no_page_shows_a_backtick(runs: Path) -> None:
    make_study(runs, complete=3)
    for where in ("studies", "", "network", "trials", "progress", "space", "compare"):
        app = page(where, study="first")
        assert not [e.value for kind in (app.text, app.title, app.header) for e in kind if "`" in str(e.value)]


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
    designs = [traits(trial) for trial in Shelf().read(make_study(runs, complete=4)).scored]
    axes = varied(designs)
    pairs = ({a: x, b: y} for a, b in combinations(axes, 2) for x in axes[a] for y in axes[b])
    wanted = next(p for p in pairs if not any(within(d, {axis: [word] for axis, word in p.items()}) for d in designs))
    words = said(page(**{f"only.{axis}": word for axis, word in wanted.items()}))
    assert "No finished network is left by these filters" in words


def test_the_budget_picks_the_best_within_it(runs: Path) -> None:
    folder = make_study(runs, complete=30)
    front = Shelf().read(folder).front
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


def test_trials_are_filtered_by_state_and_words(runs: Path) -> None:
    make_study(runs, complete=5, failed=2, stopped=1)
    app = page("trials", state="failed")
    assert list(app.dataframe[0].value["state"]) == ["failed", "failed"]
    assert "2 trials of 8" in said(app)
    app = page("trials", holds="must stay finite")
    assert len(app.dataframe[0].value) == 2
    assert len(page("trials", holds="([").dataframe[0].value) == 0, "no pattern, plain text"
    app = page("trials", trial="6")
    assert "Trial 6: failed" in said(app)


def test_where_a_trial_was_stopped_is_told(runs: Path) -> None:
    folder = make_study(runs, complete=3)
    decision = {"epoch": 2, "accuracy": 0.31, "stop": True, "why": "below", "threshold": 0.4, "rivals": 12}
    add_trial(folder, random.Random(4), "stopped", decisions=[decision])
    app = page("trials", trial="3")
    row = app.dataframe[0].value.iloc[3]
    assert (row["rung"], row["had"], row["needed"], row["rivals"]) == (2, 31, 40, 12)
    assert list(app.dataframe[1].value.iloc[0]) == [2, "31.00%", "40.00%", 12, "below", "yes"]


def test_progress_says_how_it_goes(runs: Path) -> None:
    make_study(runs, complete=6, failed=1, stopped=2, interrupted=1)
    make_study(runs, "first-random", complete=4, seed=2)
    app = page("progress", study="first")
    words = said(app)
    assert metrics(app)["Trained"] == "9 of 30"
    assert "Random search's" in words
    assert "1 worker, at work" in words
    assert "Stopped early: 2 after epoch 2." in words
    assert "Interrupted and queued again: 1 trial." in words
    assert [b.value for b in page("progress", cost="seconds of training").button_group] == ["seconds"]


def test_space_says_what_matters_or_that_it_cannot(runs: Path) -> None:
    make_study(runs, complete=25)
    make_study(runs, "few", complete=3)
    words = said(page("space", study="first"))
    assert "Based on 25 networks" in words or "25 networks, one axis at a time" in words
    assert "Mean accuracy by " in words
    assert "Too few networks to say: 3 networks, and 20 are needed." in said(page("space", study="few"))
    assert "Mean accuracy by kernel" in said(page("space", study="first", axis="kernel"))


def test_studies_are_listed_with_what_is_wrong(runs: Path) -> None:
    make_study(runs, "good", complete=12)
    damage(make_study(runs, "bad", complete=2), line=3)
    make_study(runs, "new", complete=0)
    app = page("studies")
    table = app.dataframe[0].value.set_index("study")
    assert dict(table["state"]) == {"good": "resting", "bad": "broken", "new": "empty"}
    assert table["trials"]["good"] == "12 complete"
    assert table["best, %"]["good"] == pytest.approx(100 * (Shelf().read(runs / "good").front[-1].accuracy or 0))
    assert "damage in line 3" in said(app)


def test_two_studies_are_compared(runs: Path) -> None:
    make_study(runs, "one", complete=25)
    make_study(runs, "two", complete=25, seed=1)
    make_study(runs, "none", complete=0)
    assert "Choose two studies or more" in said(page("compare"))
    app = AppTest.from_file(str(APP), default_timeout=30)
    app._page_hash = calc_hash("compare")
    app.query_params["with"] = ["one", "two", "none", HOSTILE]
    words = said(checked(app.run()))
    assert "Best: up to" in words
    assert "one and two are" in words
    assert "Hypervolume after" in words
    assert "none has no finished network to compare: it is empty." in words


def timed(folder: Path, device: str) -> None:
    """As if `nas measure` had found that every network takes a nanosecond a FLOP."""
    for trial in Reader(folder).trials():
        seconds = 1e-9 * (trial.flops or 0)
        timing = {"median": seconds, "low": 0.9 * seconds, "high": 1.1 * seconds, "memory": None}
        keep(folder, device, trial.key or "", {"1": timing})


def test_studies_are_compared_in_a_latency_that_all_of_them_have(runs: Path) -> None:
    for seed, name in enumerate(["one", "two"]):
        timed(make_study(runs, name, complete=25, seed=seed), "A Phone")
    timed(runs / "one", "Only Here")
    app = AppTest.from_file(str(APP), default_timeout=30)
    app._page_hash = calc_hash("compare")
    app.query_params["with"] = ["one", "two"]
    app.query_params["over"] = "latency (batch 1, A Phone)"
    words = said(checked(app.run()))
    assert "Best over latency (batch 1, A Phone): up to " in words
    assert "At equal latency (batch 1, A Phone) one and two are" in words
    assert app.selectbox(key="over").options == ["FLOPs", "parameters", "activations", "latency (batch 1, A Phone)"]


def test_the_baseline_stands_beside_the_front_over_latency_too(runs: Path) -> None:
    for seed, name in enumerate(["one", "one-random"]):
        timed(make_study(runs, name, complete=8, seed=seed), "A Phone")
    words = said(page(study="one", x="latency (batch 1, A Phone)"))
    assert re.search(
        r"on the front over latency \(batch 1, A Phone\): from .* Dashed: random search's front, .* ms", words
    )


@pytest.mark.parametrize("where", ["network", "trials", "progress", "space", "compare", "studies"])
@pytest.mark.parametrize(
    "states", [{"complete": 0}, {"complete": 0, "failed": 2}, {"complete": 1}, {"complete": 0, "running": 1}]
)
def test_every_page_bears_every_state(runs: Path, where: str, states: dict[str, int]) -> None:
    make_study(runs, **states)  # type: ignore[arg-type]
    assert page(where, study="first").title


def test_a_study_out_of_reach_keeps_what_was_last_read(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_study(runs, complete=4)
    assert metrics(page())["Finished"] == "4"
    add_trial(folder, random.Random(6))

    def gone(self: Reader) -> None:
        raise OSError("Stale file handle")

    monkeypatch.setattr(Reader, "frozen", gone)
    app = page()
    assert metrics(app)["Finished"] == "4"
    assert "cannot be reached now; this is what was last read" in said(app)
    assert "Stale file handle" in said(app)


@pytest.mark.parametrize("asked", ["../../etc", "x" * 10_000, HOSTILE, "-1", "1e3"])
def test_address_that_asks_for_what_is_not_there(runs: Path, asked: str) -> None:
    make_study(runs, complete=2)
    app = page(study=asked, trial=asked)
    assert "asks for a study that is not here" in said(app)
    assert metrics(app)["Finished"] == "2"
    assert app.query_params["study"] == "first"


def test_study_from_the_address_and_from_the_box(runs: Path) -> None:
    make_study(runs, "one", 1)
    make_study(runs, "two", 2)
    app = page(study="one", trial="0")
    assert metrics(app)["Finished"] == "1"
    checked(app.sidebar.selectbox[0].set_value("two").run())
    assert metrics(app)["Finished"] == "2"
    assert app.query_params["study"] == "two"
    assert "trial" not in app.query_params


@pytest.mark.parametrize("exists", [True, False])
def test_no_study_says_how_to_begin(runs: Path, exists: bool) -> None:
    if exists:
        runs.mkdir()
    words = said(page())
    assert ("has no study in it" if exists else "does not exist yet") in words
    assert "nas search digits --data digits --flops 1M..4M --trials 30" in words


def test_study_without_trials(runs: Path) -> None:
    make_study(runs, complete=0)
    words = said(page())
    assert "no trial yet" in words
    assert "nas search first" in words


def test_a_search_that_ended_with_an_error_says_so_on_every_page(runs: Path) -> None:
    folder = make_study(runs, complete=12)
    study = optuna.load_study(study_name=None, storage=open_journal(folder / JOURNAL))
    study.set_user_attr("error", "nas must not fail, got KeyError: 1; report it")
    for where in ("", "progress", "trials", "studies"):
        words = said(page(where, study="first"))
        assert "search ended with an error" in words or "search of this study ended with an error" in words, where
        assert "nas must not fail, got KeyError: 1; report it" in words, where
    assert metrics(page())["Finished"] == "12", "what was found is shown all the same"
    study.set_user_attr("error", None)
    assert "ended with an error" not in said(page())


def test_all_failed(runs: Path) -> None:
    make_study(runs, complete=0, failed=3)
    words = said(page())
    assert "No trial has finished" in words
    assert "training must stay finite" in words


def test_one_point(runs: Path) -> None:
    make_study(runs, complete=1)
    assert "1 network finished, alone on the front" in said(page())


def test_broken_settings(runs: Path) -> None:
    folder = make_study(runs, complete=2)
    (folder / FILE).write_text("version: 1\nname: [")
    words = said(page())
    assert "cannot be read" in words
    assert "must be valid YAML" in words
    assert "mend the file" in words
    assert "nas search digits" in words


def test_damaged_journal(runs: Path) -> None:
    damage(make_study(runs, complete=2), line=3)
    words = said(page())
    assert "damage in line 3" in words
    assert "restore it from a copy" in words


def test_torn_last_line_is_no_damage(runs: Path) -> None:
    tear(make_study(runs, complete=4))
    assert metrics(page())["Finished"] == "4"


def test_study_deleted_while_open(runs: Path) -> None:
    folder = make_study(runs, "one", 1)
    make_study(runs, "two", 2)
    app = page(study="one")
    shutil.rmtree(folder)
    assert metrics(checked(app.run()))["Finished"] == "2"
    shutil.rmtree(runs)
    assert "No study yet" in said(checked(app.run()))


def test_new_trials_and_studies_are_found(runs: Path) -> None:
    folder = make_study(runs, complete=2)
    app = page()
    add_trial(folder, random.Random(9))
    assert metrics(checked(app.run()))["Finished"] == "3"
    make_study(runs, "second", 1)
    assert "second" in checked(app.run()).sidebar.selectbox[0].options


def test_hostile_names_and_reasons_stay_text(runs: Path) -> None:
    make_study(runs, HOSTILE, complete=2)
    folder = make_study(runs, "plain", complete=1)
    add_trial(folder, random.Random(1), "failed", reason=f"![]({HOSTILE})", outcome="failed")
    app = page(study=HOSTILE)
    assert metrics(app)["Finished"] == "2"
    assert HOSTILE in [element.value for element in app.text]
    assert not any(HOSTILE in e.value for kind in (app.title, app.markdown, app.caption) for e in kind)
    assert "cannot be exported from here" in said(app)
    checked(app.sidebar.selectbox[0].set_value("plain").run())
    assert HOSTILE not in "".join(e.value for e in app.markdown)


def test_a_journal_is_parsed_again_only_where_it_changed(runs: Path) -> None:
    folder, shelf = make_study(runs, complete=3), Shelf()
    first = shelf.read(folder)
    assert shelf.read(folder) is first
    add_trial(folder, random.Random(2))
    second = shelf.read(folder)
    assert not second.same(first)
    assert len(second.scored) == 4
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / JOURNAL).write_bytes(b"".join(lines[:2]))  # replaced by a shorter one, with one trial begun
    assert len(shelf.read(folder).trials) == 1
    damage(folder, 1)
    assert shelf.read(folder).mode == "broken"
    assert shelf.read(folder) is shelf.read(folder)


def test_reading_leaves_the_folder_as_it_was(runs: Path) -> None:
    folder = make_study(runs, complete=3)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    page()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_studies_are_listed_latest_first(runs: Path) -> None:
    assert study_names(runs) == []
    make_study(runs, "one", 0)
    make_study(runs, "two", 0)
    add_trial(runs / "one", random.Random(0), "failed")
    (runs / "no-study").mkdir()
    assert study_names(runs) == ["one", "two"]
