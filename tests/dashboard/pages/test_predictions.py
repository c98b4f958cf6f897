"""The page Predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.export.arch_source import PREPROCESS
from nas.export.kept import folder_of
from tests.dashboard.opened import page, said
from tests.dashboard.studies import HOSTILE, make_export, make_study


def test_it_shows_what_was_kept(runs: Path) -> None:
    make_study(runs, "one", complete=1)
    make_export(runs.parent / "exports" / "knee")
    app = page("predictions")
    words = said(app)
    for line in (
        "Accuracy 66.67% (top-1, n = 18), balanced accuracy 65.00% (mean over 2 classes); lowest: dog, 50.00%.",
        "/data/test: split test, by the folder's name; 2026-01-02T03:04:05Z, by its own weights",
        "could not be read: 1 picture",
        "3 pictures are grey",
        "6 pictures taken for another class",
        "The 1 of them that the network was surest of.",
    ):
        assert line in words
    classes, mistakes = (table.value for table in app.dataframe)
    assert classes["class"].tolist() == ["dog", HOSTILE], "the worst first, and none without pictures"
    row = mistakes.iloc[0]
    assert (row["is"], row["taken for"], row["file"]) == ("dog", HOSTILE, "/data/test/dog/1.png")
    assert row["probability, %"] == pytest.approx(90)
    assert row["picture"].startswith("data:image/jpeg;base64,")


def test_of_a_folder_that_is_named_like_no_split_it_says_so(runs: Path) -> None:
    make_study(runs, "one", complete=1)
    (path,) = folder_of(make_export(runs.parent / "exports" / "knee")).iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"split": None}))
    assert "/data/test: which split these pictures are of is not known; 2026" in said(page("predictions"))


def test_without_predictions_or_exports_the_commands_stand_there(runs: Path) -> None:
    make_study(runs, "one", complete=1)
    words = said(page("predictions"))
    assert "nas export STUDY --out exports/NAME" in words
    assert "updated" not in words
    (runs / "one" / "exports" / "trial 7").mkdir(parents=True)
    (runs / "one" / "exports" / "trial 7" / PREPROCESS).write_text("{}")
    assert f"nas predict '{runs}/one/exports/trial 7' path/to/test" in said(page("predictions"))


def test_exports_are_found_wherever_they_are_those_with_predictions_first(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(runs, "one", complete=1)
    for place in ("exports/a", "runs/one/exports/trial-1", "elsewhere/b", "alone"):
        make_export(tmp_path / place, kept=place == "alone")
    monkeypatch.setenv("NAS_EXPORTS", f"{tmp_path / 'elsewhere'}:{tmp_path / 'alone'}:{tmp_path / 'alone/../exports'}")
    places = ["alone", "exports/a", "elsewhere/b", "runs/one/exports/trial-1"]
    assert page("predictions").selectbox(key="export").options == [str(tmp_path / place) for place in places]
    app = page("predictions", export=str(tmp_path / "exports" / "a"))
    assert "No predictions of this export are kept yet" in said(app)


def test_exports_need_no_study(runs: Path) -> None:
    make_export(runs.parent / "exports" / "knee")
    assert "n = 18" in said(page("predictions"))
    assert "No study yet" in said(page("studies"))


def test_a_damaged_file_is_said_and_the_others_are_shown(runs: Path) -> None:
    export = make_export(runs.parent / "exports" / "knee")
    good = next(folder_of(export).iterdir())
    for name, text in (
        ("cut", good.read_text()[:50]),
        ("other", json.dumps(json.loads(good.read_text()) | {"confusion": [[1]]})),
    ):
        (folder_of(export) / f"{name}.json").write_text(text)
    words = said(page("predictions"))
    assert f"predictions must be whole, got {folder_of(export) / 'cut.json'} (" in words
    assert "confusion must be a row and a column for each of 3 classes" in words
    assert "n = 18" in words
