"""Studies renamed, archived, restored and deleted: whole, at rest only, and by one renaming."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.study_cache import study_names
from nas.analysis.studies import summaries
from nas.records.settings import Server, Settings, find_study, with_study
from nas.storage import moving
from nas.storage.moving import LOCK, archive_study, at_work, delete_study, rename_study, restore_study
from nas.storage.reader import Reader
from space import InputError
from tests.dashboard.studies import make_settings, make_study


def names(runs: Path) -> set[str]:
    """Everywhere that lists studies, they are the same."""
    listed = {row.name for row in summaries(runs)}
    assert listed == set(study_names(runs))
    return listed


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("study.yaml", LOCK)
    }


def test_a_renamed_study_has_all_that_it_had(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=3)
    (folder / "exports" / "best").mkdir(parents=True)
    (folder / "exports" / "best" / "arch.yaml").write_text("an export")
    before, trials, settings = content(folder), Reader(folder).trials(), Settings.read(folder)
    target = rename_study(folder, "second")
    assert target == tmp_path / "second"
    assert names(tmp_path) == {"second"}
    assert content(target) == before
    assert Reader(target).trials() == trials
    assert Reader(target).curve(0)
    assert Settings.read(target) == replace(settings, name="second", command=with_study(settings.command, "second"))
    assert "\nname: second\n" in (target / "study.yaml").read_text()


def test_the_folder_one_is_in_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_study(tmp_path, complete=1))
    assert rename_study(Path(), "second") == tmp_path / "second"
    assert names(tmp_path) == {"second"}


def test_a_kill_between_its_steps_leaves_the_new_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_study(tmp_path, complete=1)
    file = folder / "study.yaml"
    file.write_text(file.read_text().replace("command: ", "command: nas search digits --data digits --study first #"))

    def killed(*words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Settings, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            rename_study(folder, "second")
    assert "\nname: first\n" in (tmp_path / "second" / "study.yaml").read_text(), "the file was not reached"
    found = Settings.read(tmp_path / "second")
    assert found.name == "second"
    assert found.command.endswith(" --study second")


def test_a_search_goes_on_by_the_new_name() -> None:
    began = "nas search my.yaml --data 'my data' --flops 1M..4M"
    assert with_study(began, "b") == f"{began} --study b"
    assert with_study(f"{began} --study a --trials 3", "b") == f"{began} --trials 3 --study b"
    assert with_study(f"{began} --study=a", "b") == f"{began} --study b"
    assert with_study(f"{began} --study a --baseline", "b") == f"{began} --baseline --study b"
    for other in ("nas search ...", "python mine.py", "nas search 'torn"):
        assert with_study(other, "b") == other


def test_what_has_the_name_already_is_left_alone(tmp_path: Path) -> None:
    first, other = make_study(tmp_path, complete=1), make_study(tmp_path, "other", complete=2)
    with pytest.raises(InputError, match=f"name must be free, got other, which {other} has; choose another"):
        rename_study(first, "other")
    with pytest.raises(InputError, match="study must be 1 to 64 letters"):
        rename_study(first, "../other")
    archive_study(first)
    make_study(tmp_path, complete=2)
    with pytest.raises(InputError, match=r"archive must not have another first, got .*; rename one of them first"):
        archive_study(tmp_path / "first")
    with pytest.raises(InputError, match=r"name must be free, got first, which .* has; rename that one first"):
        restore_study("first", tmp_path)
    assert [len(Reader(tmp_path / place).trials()) for place in ("first", ".archive/first", "other")] == [2, 1, 2]


def test_a_baseline_keeps_the_ending_by_which_it_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "a-random"
    folder.mkdir()
    make_settings("a-random", sampler="random", command="nas search digits --study a --baseline").write(folder)
    with pytest.raises(InputError, match=r"name must end in -random, .* got b; write e.g. b-random"):
        rename_study(folder, "b")
    assert Settings.read(rename_study(folder, "b-random")).command == "nas search digits --baseline --study b"
    beside = tmp_path / "c"
    beside.mkdir()
    make_settings("c", command="nas search digits --study c --baseline").write(beside)
    found = Settings.read(rename_study(beside, "try-random"))
    assert found.command == "nas search digits --baseline --study try-random", "it is no baseline itself"
    made = make_settings(
        "d", sampler="random", stop="quantile", command="nas search digits --sampler random --stop quantile --baseline"
    )
    assert not made.is_baseline, "one stands beside it"


def test_an_archived_study_is_out_of_the_way_and_comes_back_whole(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=2)
    before = {**content(folder), "study.yaml": (folder / "study.yaml").read_bytes()}
    away = archive_study(folder)
    assert names(tmp_path) == set()
    with pytest.raises(InputError, match="got first; bring it back: nas archive first --restore"):
        find_study("first", tmp_path)
    assert len(Reader(find_study(str(away), tmp_path)).trials()) == 2, "by its path it is read"
    with pytest.raises(InputError, match=r"study must be an archived one, got frist; in .*\.archive: first"):
        restore_study("frist", tmp_path)
    make_study(tmp_path, "other", complete=1)
    with pytest.raises(InputError, match=r"study must be 1 to 64 letters"):
        restore_study("../other", tmp_path)
    shutil.rmtree(tmp_path / "other")
    assert restore_study("first", tmp_path) == folder
    assert {**content(folder), "study.yaml": (folder / "study.yaml").read_bytes()} == before
    assert names(tmp_path) == {"first"}


def test_deleted_is_all_of_it_with_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_study(tmp_path, "stays", complete=1)
    folder = make_study(tmp_path, complete=1)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            delete_study(folder)
    assert names(tmp_path) == {"stays"}
    delete_study(make_study(tmp_path, complete=1))
    assert {path.name for path in tmp_path.iterdir()} == {"stays"}


@pytest.mark.parametrize("move", [lambda f: rename_study(f, "other"), archive_study, delete_study])
def test_a_study_that_is_searched_stays(tmp_path: Path, move: object) -> None:
    assert callable(move)
    busy = make_study(tmp_path, "busy", complete=1, running=1)
    with pytest.raises(InputError, match=r"study must be at rest, got busy: trial 1 is trained.*; end it with Ctrl-C"):
        move(busy)
    waiting = make_study(tmp_path, "waiting", complete=1)
    read, write = os.pipe()
    if (child := os.fork()) == 0:  # another process, which waits for its workers to start, say
        with at_work(waiting):
            os.write(write, b".")
            signal.pause()
    try:
        os.read(read, 1)
        with pytest.raises(
            InputError, match="got waiting: a search, worker or measurement of this machine works on it"
        ):
            move(waiting)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert names(tmp_path) == {"busy", "waiting"}
    move(waiting)  # the lock died with the process


def test_a_search_that_begins_waits_until_the_folder_is_moved(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=1)
    with moving.at_rest(folder), (folder / LOCK).open("a") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with at_work(folder), at_work(folder):
        pass
    rename_study(folder, "second")
    moved = f"study must stay where it is, got {folder}, just moved away; look at nas studies"
    with pytest.raises(InputError, match=moved), at_work(folder):
        pass


def test_links_damage_and_parts_elsewhere_are_refused(tmp_path: Path) -> None:
    folder = make_study(tmp_path, complete=1)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(InputError, match=r"study must be a folder, got .*link, a link to .*first; name that one"):
        delete_study(tmp_path / "link")
    (folder / "journal.log").write_text(json.dumps({"op_code": 99}) + "\n")
    with pytest.raises(InputError, match=r"study must be one that can be read, got .*; or move it by hand"):
        delete_study(folder)
    store = tmp_path / "store"
    store.mkdir()
    make_settings("store", artifacts="s3://bucket/here").write(store)
    with pytest.raises(
        InputError, match="got store, of which a part is on s3://bucket/here; put it away with nas archive store"
    ):
        delete_study(store)
    assert rename_study(store, "shop").name == "shop"
    server = tmp_path / "server"
    server.mkdir()
    make_settings("server", server=Server(url="postgresql://me@nowhere/db", study="x")).write(server)
    with pytest.raises(InputError, match=r"study must be one that can be read, .*server that was named"):
        archive_study(server)
