"""The commands that keep studies in order: what they say, ask and refuse."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from nas.records.settings import Settings
from nas.storage.moving import archive_study, delete_study, rename_study
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder
from space import InputError
from tests.dashboard.studies import make_study
from tests.nas.conftest import Run


class Person(io.StringIO):
    """At a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_renamed_search_goes_on_with_the_printed_command(
    run: Run, tmp_path: Path, tiny_space: Path, tiny_recipe: Path
) -> None:
    runs = tmp_path / "my runs"
    words = (
        "search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--recipe", tiny_recipe, "--study", "s",
        "--runs", runs,
    )  # fmt: skip
    for total in (2, 3):
        assert run(*words, "--trials", total)[0] == 0
    before = Reader(runs / "s").trials()
    code, out, err = run("rename", "s", "t", "--runs", runs)
    assert (code, err) == (0, "")
    said, _, command = out.strip().partition("; its search goes on with: ")
    assert said == f"{runs / 's'} is now {runs / 't'}"
    assert command.endswith("--trials 3 --study t")
    code, _, err = run(*shlex.split(command)[1:])
    assert code == 0
    assert "the study has 3 trials, 3 are asked for" in err
    assert Reader(runs / "t").trials() == before, "nothing is trained twice"
    assert {path.name for path in runs.iterdir()} == {"t"}


def test_of_a_renamed_half_of_a_comparison_no_command_is_said_that_begins_anew(run: Run, tmp_path: Path) -> None:
    folder = make_study(tmp_path, "c-a", 1)
    replace(Settings.read(folder), command="nas compare-spaces digits digits --data digits --study c").write(folder)
    out = run("rename", "c-a", "mine", "--runs", tmp_path)[1]
    assert out == f"{tmp_path / 'c-a'} is now {tmp_path / 'mine'}; nas compare-spaces does not find it by that name\n"


def test_archive_and_its_way_back_and_a_search_of_that_name(run: Run, tmp_path: Path, tiny_space: Path) -> None:
    make_study(tmp_path, complete=1)
    make_study(tmp_path, "first-random", complete=1)
    code, out, err = run("archive", "first", "--runs", tmp_path)
    assert (code, out.endswith(f"/.archive/first; back: nas archive first --restore --runs {tmp_path}\n")) == (0, True)
    assert err == (
        "note: its baseline first-random is a study of its own, and as it was; nas archive first-random puts it away "
        "too\n"
    )
    said = "error: study must not be an archived one, got first; bring it back: nas archive first --restore\n"
    assert run("front", "first", "--runs", tmp_path) == (2, "", said)
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--trials", 1, "--study", "first")
    assert run(*words, "--runs", tmp_path) == (2, "", said)
    assert run("archive", "first", "--restore", "--runs", tmp_path) == (
        0,
        f"first is back in {tmp_path / 'first'}\n",
        "",
    )
    assert run("trials", "first", "--runs", tmp_path)[0] == 0


def test_a_search_with_a_baseline_is_refused_before_it_trains_where_that_is_archived(
    run: Run, tmp_path: Path, tiny_space: Path
) -> None:
    make_study(tmp_path, "first-random", complete=1)
    assert run("archive", "first-random", "--runs", tmp_path)[0] == 0
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--trials", 1, "--study", "first")
    said = (
        "error: study must not be an archived one, got first-random; bring it back: nas archive first-random "
        "--restore\n"
    )
    assert run(*words, "--baseline", "--runs", tmp_path) == (2, "", said)
    assert not (tmp_path / "first").exists()


def test_delete_asks_and_where_nobody_can_be_asked_wants_yes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_study(tmp_path, complete=2)
    make_study(tmp_path, "first-random", complete=1)
    words = ("delete", "first", "--runs", tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(*words) == (
        2, "", "error: yes must be said where nobody can be asked, got no --yes; nas delete first --yes\n"
    )  # fmt: skip
    for answer in ("n\n", "\n"):
        monkeypatch.setattr("sys.stdin", Person(answer))
        code, out, err = run(*words)
        assert (code, out.strip()) == (1, "")
        assert f"delete {folder}: 2 trained networks, " in err
        assert err.endswith("nothing is deleted\n")
        assert folder.is_dir()
    monkeypatch.setattr("sys.stdin", Person("y\n"))
    code, out, err = run(*words)
    assert (code, out.strip()) == (0, f"{folder} is deleted")
    assert "note: its baseline first-random is a study of its own, and as it was; nas delete first-random" in err
    assert {path.name for path in tmp_path.iterdir()} == {"first-random"}
    assert run("delete", "first-random", "--yes", "--runs", tmp_path)[0] == 0
    assert not list(tmp_path.iterdir())


def test_an_empty_name_is_not_the_default_one(run: Run, tmp_path: Path, tiny_space: Path) -> None:
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--trials", 1, "--runs", tmp_path)
    code, _, err = run(*words, "--study", "")
    assert code == 2
    assert err.startswith("error: study must be 1 to 64 letters, digits, dots, dashes or underscores, got ''; ")


AT_WORK = "study must be at rest, got first: a search, worker or measurement of this machine works on it"


def test_a_new_study_stays_where_it_is_from_its_first_moment(
    run: Run, tmp_path: Path, tiny_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(folder: Path, settings: Settings) -> list[str]:
        found = open_folder(folder, settings)
        with pytest.raises(InputError, match=AT_WORK):
            rename_study(folder, "second")
        tried.append(folder)
        return found

    tried: list[Path] = []
    monkeypatch.setattr("nas.searching.launch.open_folder", begun)
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--images", "500", "--study", "first")
    assert run(*words, "--runs", tmp_path, "--trials", 1)[0] == 0
    assert tried == [tmp_path / "first"]


def test_a_study_that_is_measured_stays(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_study(tmp_path, complete=1)

    def timings(*_: object) -> list[object]:
        for move in (archive_study, delete_study):
            with pytest.raises(InputError, match=AT_WORK):
                move(tmp_path / "first")
        raise InputError("enough")

    monkeypatch.setattr("nas.latency.measuring.timings_of", timings)
    code, _, err = run("measure", "first", "--runs", tmp_path)
    assert (code, err.splitlines()[-1]) == (2, "error: enough")
    assert archive_study(tmp_path / "first").is_dir(), "it is at rest again"


def test_a_study_stays_where_it_is_from_the_first_moment_of_a_search(
    run: Run, tmp_path: Path, tiny_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--images", "500", "--study", "first")
    assert run(*words, "--runs", tmp_path, "--trials", 1)[0] == 0

    def while_it_is_planned(*_: object) -> None:
        with pytest.raises(InputError, match=AT_WORK):
            rename_study(tmp_path / "first", "second")
        raise InputError("enough")

    with monkeypatch.context() as patch:
        patch.setattr("nas.searching.launch.schedule", while_it_is_planned)
        code, _, err = run(*words, "--runs", tmp_path, "--trials", 2)
    assert (code, err.splitlines()[-1]) == (2, "error: enough")
    assert rename_study(tmp_path / "first", "second") == tmp_path / "second", "it is at rest again"


def test_the_front_of_a_study_that_has_trained_nothing_is_a_line(run: Run, tmp_path: Path) -> None:
    make_study(tmp_path, complete=0, failed=1)
    said = "first: no network is trained to its end yet; nas trials first has what there is\n"
    assert run("front", "first", "--runs", tmp_path) == (0, said, "")
