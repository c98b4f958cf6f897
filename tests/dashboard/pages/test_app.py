"""All pages on studies that are empty, broken, hostile or gone, and the address."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from dashboard.pages import export, study_page
from dashboard.study_cache import StudyCache
from nas.records.settings import FILE, JOURNAL
from nas.storage.journal import open_file
from nas.storage.reader import Reader
from tests.dashboard.opened import checked, metrics, page, said
from tests.dashboard.studies import HOSTILE, add_trial, damage, give_sign_of_life, make_study, tear


def test_starts_without_torch_and_samplers() -> None:
    code = (
        "import sys, dashboard.pages.app, dashboard.server; "
        "print([m for m in ('torch', 'optuna', 'optuna.samplers', 'nas.training.brief', 'nas.searching.loop') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_trial_from_the_address(runs: Path) -> None:
    make_study(runs, complete=12)
    app = page(trial="7")
    assert "Trial 7" in said(app)
    app.query_params["trial"] = "5"
    assert "Trial 5" in said(checked(app.run()))
    app.query_params["trial"] = "99"
    assert "This study has no trial 99. Choose one in the chart or the table." in said(checked(app.run()))


def test_a_network_that_is_not_there_is_said_with_the_one_that_is_shown(runs: Path) -> None:
    make_study(runs, complete=12)
    best = StudyCache().read(runs / "first").front[-1].number
    words = said(page("network", trial="99"))
    shown = f"Trial {best} is shown, the most accurate so far; choose another on the page Front or Trials."
    assert f"This study has no trial 99. {shown}" in words
    assert f"Trial {best}\n" in words
    make_study(runs, "failed", complete=0, failed=2)
    assert "Trial 0 is shown, the first trial; choose" in said(page("network", study="failed", trial="99"))


@pytest.mark.parametrize("where", ["network", "trials", "progress", "space", "data", "compare", "spaces", "studies"])
def test_every_page_bears_every_state(runs: Path, where: str) -> None:
    """And none shows a backtick, which only Markdown would turn into code."""
    states: dict[str, dict[str, int]] = {
        "new": {"complete": 0}, "failed": {"complete": 0, "failed": 2}, "one": {"complete": 1},
        "begun": {"complete": 0, "running": 1},
    }  # fmt: skip
    for name, numbers in states.items():
        make_study(runs, name, **numbers)
        app = page(where, study=name)
        assert app.title
        assert not [e.value for kind in (app.text, app.title, app.header) for e in kind if "`" in str(e.value)]


def test_a_page_is_drawn_anew_for_what_it_shows_and_for_no_sign_of_life(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(runs, complete=3)
    beside = make_study(runs, "first-random", complete=3, seed=1, running=1)
    looks: list[Callable[[], bool]] = []
    monkeypatch.setattr(study_page, "watch", lambda unchanged, _: looks.append(unchanged))
    monkeypatch.setattr(export, "busy", lambda: False)  # of a session
    page(study="first")
    give_sign_of_life(beside)
    assert looks[0]()
    add_trial(beside, random.Random(2))
    assert not looks[0]()


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
    assert "There is no study of this name here: it may have been renamed, archived or deleted." in said(app)
    assert asked[:200] in [box.value for box in app.code], "as text, which no Markdown is read in"
    assert "is first;" in said(app)
    assert not app.metric, "no other study in its place"
    checked(app.button(key="nearest").click().run())
    assert metrics(app)["Finished"] == "2"
    assert app.query_params["study"] == "first"


def test_an_address_that_names_no_study_says_the_nearest_name_until_there_is_one(runs: Path) -> None:
    for name in ("cifar10-1M-4M", "digits-1M-4M"):
        make_study(runs, name, 1)
    app = page("progress", study="digits-1M")
    assert "nearest name in" in said(app)
    assert "is digits-1M-4M;" in said(app)
    assert not app.metric
    assert app.sidebar.selectbox[0].value is None
    make_study(runs, "digits-1M", 3)
    assert metrics(checked(app.run()))["Ended"] == "3 of 30"


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
    study = optuna.load_study(study_name=None, storage=open_file(folder / JOURNAL))
    study.set_user_attr("error", "nas must not fail, got KeyError: 1; report it")
    for where in ("front", "progress", "trials", "studies"):
        words = said(page(where, study="first"))
        assert "search ended with an error" in words or "search of this study ended with an error" in words, where
        assert "nas must not fail, got KeyError: 1; report it" in words, where
    assert metrics(page())["Finished"] == "12", "what was found is shown all the same"
    study.set_user_attr("error", None)
    assert "ended with an error" not in said(page())


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


@pytest.mark.parametrize("where", ["front", "network", "trials", "progress", "space", "data", "studies", "compare"])
def test_a_study_that_is_gone_stays_as_last_read_until_it_is_back(runs: Path, tmp_path: Path, where: str) -> None:
    """Its folder is moved away, others stay: no other study in its place, and no command that it cannot answer."""
    folder, elsewhere = make_study(runs, "one", 3), tmp_path / "elsewhere"
    make_study(runs, "two", 2)
    app = page(where, study="one", **{"with": ["one", "two"]})
    was = metrics(app), [chart.proto for chart in app.get("component_instance")]
    folder.rename(elsewhere)
    words = said(checked(app.run()))
    assert "The folder of this study is gone" in words
    assert f"{folder}: last read " in words
    assert "UTC, 3 complete" in words
    assert "nas export" not in words
    assert (metrics(app), [chart.proto for chart in app.get("component_instance")]) == was
    assert app.query_params["study"] == "one"
    assert "is gone" in said(page(where, study="one", **{"with": ["one", "two"]})), "another tab, or this one reloaded"
    elsewhere.rename(folder)
    assert "is gone" not in said(checked(app.run()))
    add_trial(folder, random.Random(3))
    assert metrics(checked(app.run())).get("Finished", "4") == "4"


def test_a_study_whose_folder_is_being_removed_stays_to_the_last_file(runs: Path) -> None:
    folder = make_study(runs, "one", 3)
    app = page(study="one")
    for left in (FILE, JOURNAL):
        (folder / left).unlink()
        assert "is gone" in said(checked(app.run()))
        assert metrics(app)["Finished"] == "3"
    shutil.rmtree(runs)
    assert metrics(checked(app.run()))["Finished"] == "3", "nor is it another page where no study is left"
    assert "No study yet" in said(page())
    make_study(runs, "one", 1, seed=1)
    assert metrics(checked(app.run()))["Finished"] == "1"


def test_a_baseline_that_is_gone_stays_and_is_said(runs: Path) -> None:
    make_study(runs, "one", 3)
    beside = make_study(runs, "one-random", 3, seed=1)
    app = page(study="one")
    assert "one-random" not in said(app)
    was = app.metric[-1].delta
    shutil.rmtree(beside)
    assert "one-random: last read" in said(checked(app.run()))
    assert app.metric[-1].delta == was


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
    assert "cannot be exported from here" in said(page("network", study=HOSTILE))
    checked(app.sidebar.selectbox[0].set_value("plain").run())
    assert HOSTILE not in "".join(e.value for e in app.markdown)


def test_reading_leaves_the_folder_as_it_was(runs: Path) -> None:
    folder = make_study(runs, complete=3)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    page()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
