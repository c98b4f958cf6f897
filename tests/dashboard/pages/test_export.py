"""The export button's process: what is run, and what is said when it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.pages import export
from space import InputError
from tests.dashboard.opened import page
from tests.dashboard.studies import make_study


def finished(job: export.Job) -> export.Job:
    job.process.wait(timeout=300)
    return job


def test_command_is_what_a_person_would_type() -> None:
    target = Path("runs/first/exports/trial-7")
    line = export.arguments(Path("runs"), "first", 7, target)
    assert line == ["export", "first", "--trial", "7", "--out", str(target)]
    assert export.arguments(Path("/elsewhere"), "first", 7, target)[-2:] == ["--runs", "/elsewhere"]
    assert export.arguments(Path("runs"), "first", 7, target, "/my data")[-2:] == ["--data", "/my data"]


@pytest.mark.parametrize("name", ["--help", "a b", "../x", "<img src=x>"])
def test_no_name_becomes_an_option_or_a_path(name: str) -> None:
    with pytest.raises(InputError, match="study must be 1 to 64 letters"):
        export.arguments(Path("runs"), name, 0, Path("out"))


def test_next_free_folder(tmp_path: Path) -> None:
    assert export.targets(tmp_path, 7) == ([], tmp_path / "trial-7")
    (tmp_path / "trial-7").mkdir()
    (tmp_path / "trial-7-2").mkdir()
    made, free = export.targets(tmp_path, 7)
    assert [path.name for path in made] == ["trial-7", "trial-7-2"]
    assert free.name == "trial-7-3"


def test_error_is_the_one_line_of_the_cli(tmp_path: Path) -> None:
    job = finished(export.start(["export", "nothing", "--trial", "0", "--out", "x", "--runs", str(tmp_path)]))
    assert job.code == 2
    assert job.problem().startswith("error: study must be")


def test_what_a_command_says() -> None:
    job = finished(export.start(["--help"]))
    assert job.code == 0
    assert "export" in job.said()


def test_button_runs_the_export_and_shows_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an interpreter that stands in for `python -m nas export`: first fails, then makes the folder."""
    make_study(tmp_path, complete=1)
    monkeypatch.setenv("NAS_RUNS", str(tmp_path))
    stand_in = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(stand_in))
    app = page("network")

    write(stand_in, "echo 'Traceback' >&2; echo 'error: data must be the studys, got other; use --data' >&2; exit 2")
    press(app)
    assert "ended with an error" in app.error[0].value
    assert "error: data must be the studys, got other; use --data" in [box.value for box in app.code]
    assert "Set the location of the data above and export again." in [text.value for text in app.text]

    place, moved = app.text_input(key="place-first"), tmp_path / "my data"
    assert (place.label, place.value) == ("Location of the study's data", "digits")
    place.input(str(moved)).run()
    said = f"There is no folder {moved} on this machine: set where the study's data is now."
    assert said in [text.value for text in app.text]
    moved.mkdir()
    app.run()
    assert said not in [text.value for text in app.text]
    target = tmp_path / "first" / "exports" / "trial-0"
    assert f"nas export first --trial 0 --out {target} --data '{moved}' --runs {tmp_path}" in [
        box.value for box in app.code
    ]

    write(stand_in, 'echo "ran $@"; mkdir -p "$8"')
    press(app)
    assert app.success[0].value == "Exported."
    assert f"ran -m nas export first --trial 0 --out {target} --data {moved} --runs {tmp_path}" in [
        box.value for box in app.code
    ]
    assert f"Exported to {target}" in [text.value for text in app.text]
    assert "Export again" in [button.label for button in app.button]


def write(script: Path, body: str) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def press(app: AppTest) -> None:
    """Presses the button and waits until no export runs."""
    next(button for button in app.button if button.label.startswith("Export")).click().run()
    for _ in range(100):
        assert not app.exception
        if not app.get("status"):
            return
        time.sleep(0.05)
        app.run()
    raise AssertionError("the export must end")
