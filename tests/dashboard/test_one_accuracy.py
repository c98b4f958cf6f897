"""A network has one accuracy, the mean over its seeds, in every command, page and file.

On the committed study: the best training has 48.06%, the best network 47.71%, the mean of its two seeds.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from streamlit.testing.v1 import AppTest

from dashboard.charts.compare import fronts_caption
from dashboard.report import page as report
from dashboard.study_cache import StudyCache
from nas.analysis.history import hypervolume_history
from nas.analysis.pareto import top
from nas.analysis.studies import summarise
from nas.analysis.wording import mean_words
from nas.export.front_svg import front_svg
from nas.export.model_card import ModelCard
from nas.export.pick import Selection, pick
from nas.latency.measurements import keep
from nas.searching.progress import SearchProgress, Stopping
from nas.storage.reader import Reader
from tests.dashboard.opened import page, said
from tests.nas.conftest import Run

RUNS = Path(__file__).parents[2] / "runs"
STUDY = RUNS / "cifar10"
MEAN, BEST_SEED, NETWORK = ("47.71%", "47.7%", "0.4771"), re.compile(r"48\.06|48\.1%|0\.4806"), 47


@pytest.fixture(autouse=True)
def committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_RUNS", str(RUNS))


def numbers(app: AppTest) -> str:
    """What a page says and shows, its tables included."""
    shown = [f"{metric.label} {metric.value}" for metric in app.metric]
    tables = [frame.value.to_string(float_format=lambda value: f"{value:.2f}%") for frame in app.dataframe]
    return "\n".join([said(app), *shown, *tables])


def progress() -> str:
    console = Console(file=io.StringIO())
    reader = Reader(STUDY)
    bar = SearchProgress(console, 60, reader.settings.build_recipe(), Stopping(console))
    bar.resumed(reader.trials())
    bar._show(3, 1)
    return bar.tasks[0].description


def card() -> str:
    reader = Reader(STUDY)
    trials = reader.trials()
    made = ModelCard(
        trial=trials[NETWORK], settings=reader.settings, trials=trials, validation=0.47, test=0.46, note=None, versions={}
    )  # fmt: skip
    assert made.to_json()["mean_accuracy"] == pytest.approx(0.4771)
    assert made.to_json()["seeds"] == 2
    return made.seeds_line()


def svg() -> str:
    reader = Reader(STUDY)
    trials = reader.trials()
    return front_svg(trials, reader.settings.band, trials[NETWORK], "front")


def reported() -> str:
    cache = StudyCache()
    snapshot = cache.read(STUDY)
    assert snapshot.settings is not None
    text = report(cache, snapshot, snapshot.settings).partition("<script>/**")[0]
    return re.sub(r'<script type="application/json".*?</script>', "", text)


def compared() -> str:
    snapshot = StudyCache().read(STUDY)
    return fronts_caption({"cifar10": snapshot.front, "beside": StudyCache().read(RUNS / "cifar10-random").front})


VIEWS: dict[str, Callable[[], str]] = {
    "progress": progress,
    "model card": card,
    "picture of the card": svg,
    "history": lambda: f"{hypervolume_history(Reader(STUDY).trials(), Reader(STUDY).settings)[-1].best:.2%}",
    "summary": lambda: mean_words(summarise(STUDY).best or 0, summarise(STUDY).seeds or 0),
    "page Studies": lambda: numbers(page("studies")),
    "page Front": lambda: numbers(page(study="cifar10")),
    "page Front, by parameters": lambda: numbers(page(study="cifar10", x="parameters", trial=str(NETWORK))),
    "page Compare": compared,
    "report": reported,
}


@pytest.mark.parametrize("view", VIEWS)
def test_the_best_is_the_mean_over_its_seeds(view: str) -> None:
    text = VIEWS[view]()
    assert any(mean in text for mean in MEAN)
    assert not BEST_SEED.search(text)


@pytest.mark.parametrize("words", [("studies", "--runs", RUNS), ("front", STUDY)])
def test_so_it_is_in_the_terminal(words: tuple[object, ...], run: Run) -> None:
    code, out, _ = run(*words)
    assert code == 0
    assert "47.71" in out
    assert not BEST_SEED.search(out)
    code, out, _ = run(*words, "--json")
    rows = [
        row for row in json.loads(out)["rows"] if row.get("study", STUDY.name) == STUDY.name
    ]  # beside others of this clone
    best = max(rows, key=lambda row: row.get("best") or row.get("accuracy"))
    assert best.get("best", best.get("accuracy")) == pytest.approx(0.4771)
    assert best["seeds"] == 2


def test_so_it_is_over_latency(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for name in ("study.yaml", "journal.log"):
        (folder / name).write_bytes((STUDY / name).read_bytes())
    for trial in Reader(folder).trials():
        keep(folder, "phone", trial.key or "", {"1": {"median": 1e-3, "low": 1e-3, "high": 1e-3, "memory": None}})
    code, out, _ = run("front", folder, "--by", "latency", "--json")
    (best,) = json.loads(out)["rows"]
    assert (code, best["trial"], best["seeds"]) == (0, NETWORK, 2)
    assert best["accuracy"] == pytest.approx(0.4771)


def test_a_single_seed_is_shown_only_where_it_is_said_to_be_one(run: Run) -> None:
    trials = Reader(STUDY).trials()
    lucky = max((t for t in trials if t.accuracy is not None), key=lambda t: t.accuracy or 0)
    assert (f"{lucky.accuracy:.2%}", pick(STUDY, Selection()).number) == ("48.06%", NETWORK)
    best = top(trials)
    assert best is not None
    assert best.trial.key == lucky.key
    _, out, _ = run("trials", STUDY)
    assert "48.06%" in out
    assert "1 seed" in out.partition("48.06%")[0]
    app = page("network", study="cifar10", trial=str(lucky.number), pin="10")
    assert {m.label: m.value for m in app.metric}["Accuracy"] == "47.71%"
    assert f"this trial alone (seed {lucky.seed}): 48.06%. The split alone has a standard error of " in said(app)
    assert "±" not in said(app), "which is an interval over seeds, everywhere"
    pinned = next(f.value for f in app.table if "accuracy of the network" in f.value.to_string())
    assert "47.71%, mean of 2 seeds" in pinned.to_string()
    assert "47.00%, 1 seed" in pinned.to_string()
    table = page("trials", study="cifar10").dataframe[0].value
    assert table["accuracy, 1 seed"][lucky.number] == pytest.approx(48.06)
    assert table["mean"][lucky.number] == pytest.approx(47.71)
