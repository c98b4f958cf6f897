"""A study on PostgreSQL: a real server, started by the tests from the distribution's package."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

import nas.storage.postgres
from dashboard.study_cache import StudyCache
from nas.records.settings import FILE, JOURNAL, Server, ServerUnavailable
from nas.storage import known_servers
from nas.storage import postgres as postgres_module
from nas.storage.known_servers import STORAGE
from nas.storage.postgres import PASSWORD, Table, connect, connect_to_read, environment, parse_server
from nas.storage.reader import Reader
from space import InputError
from tests.nas.commands import Command, check_killed, check_whole, kill_at_random, wait_until
from tests.nas.conftest import Run
from tests.nas.postgres import BINARIES, SECRET, Postgres, Wire, started

pytestmark = pytest.mark.skipif(
    not BINARIES or os.geteuid() != 0, reason="needs PostgreSQL's server, and root to start it as another user"
)

NOBODY = "postgresql://me@127.0.0.1:1/base"  # named, and not there


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with started() as server:
        yield server


@pytest.fixture
def wire(postgres: Postgres) -> Iterator[Wire]:
    found = Wire(postgres.port)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "")  # so that it is put back
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setenv(STORAGE, NOBODY)
    monkeypatch.setattr(known_servers, "_by_this_process", set())
    monkeypatch.setattr(postgres_module, "_passwords", {})


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_study_on_a_server_is_searched_read_and_resumed_without_its_password_in_any_file(
    command: Command,
    postgres: Postgres,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, errors = run(*command.words, "--trials", 3, "--storage", postgres.url(), "--json")
    assert code == 0, errors
    assert SECRET not in errors
    assert not (command.folder / JOURNAL).exists()
    assert files_with(command.folder, SECRET) == []
    settings = yaml.safe_load((command.folder / FILE).read_text())
    assert settings["server"]["url"] == f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres"
    assert re.fullmatch(r"s-[0-9a-f]{8}", settings["server"]["study"])
    assert f"--storage postgresql://postgres@127.0.0.1:{postgres.port}/postgres" in settings["command"]
    trials = Reader(command.folder).trials()
    assert [trial.state for trial in trials] == ["complete"] * 3
    assert Reader(command.folder).curve(0)
    assert run("front", "s", "--runs", command.runs, "--json")[0] == 0
    assert run(*command.words, "--trials", 4)[0] == 0, "where it is stands in its folder"
    assert len(Reader(command.folder).trials()) == 4
    other = postgres.url().replace("/postgres", "/template1")
    code, _, errors = run(*command.words, "--trials", 5, "--storage", other)
    assert code == 2
    assert "error: storage must be postgresql://postgres@127.0.0.1" in errors
    monkeypatch.setattr(postgres_module, "_passwords", {})  # as in a process that was told no URL
    code, _, errors = run("front", "s", "--runs", command.runs)
    assert code == 2
    assert "error: storage must be a server that answers, got postgresql://postgres@" in errors
    assert f"set {PASSWORD} if it wants a password" in errors


def test_workers_on_a_server_that_are_killed_lose_nothing_but_their_trial(
    command: Command, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    process = command.search("--trials", 16, "--workers", 3, "--storage", postgres.url(""))
    killed = kill_at_random(process, command, every=4)
    assert killed >= 3
    assert SECRET not in check_killed(process, command, 16, killed)


def test_a_server_that_is_restarted_is_waited_for(
    command: Command, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    process = command.search("--trials", 8, "--workers", 2, "--storage", postgres.url(""))
    wait_until(lambda: len(command.ended()) >= 2, process)
    postgres.stop()
    time.sleep(2)
    postgres.start()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "is away; " in errors
    assert "waiting for up to 300 s" in errors
    assert "storage is back after" in errors
    check_whole(command, 8)


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.storage.postgres, "PATIENCE", 0.2)
    monkeypatch.setattr(nas.storage.postgres, "PAUSE", 0.05)
    notes: list[str] = []
    nobody = Server(url=NOBODY, study="s")
    with pytest.raises(
        ServerUnavailable, match=r"storage must answer within 0 s, got silence from postgresql://me@127.0.0.1:1/base"
    ):
        Table(nobody, notes.append).append_logs([{}])
    assert notes == ["storage postgresql://me@127.0.0.1:1/base is away; waiting for up to 0 s"]
    with pytest.raises(
        ServerUnavailable, match=r"storage must be a server that answers, got postgresql://me@127.0.0.1:1/base \("
    ):
        connect_to_read(nobody)


def test_entries_of_many_writers_have_one_order_and_none_is_lost_or_there_twice(postgres: Postgres) -> None:
    def write(name: int) -> None:
        table = Table(server, pytest.fail)
        for i in range(40):
            table.append_logs([{"who": name, "i": i}, {"who": name, "i": i, "second": True}])
        tables.append(table)

    server, tables = parse_server(postgres.url(), "order"), list[Table]()
    Table(server, pytest.fail).create()
    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = list(Table(server).read_logs(0))
    assert len(whole) == 4 * 40 * 2
    for name in range(4):
        assert [row["i"] for row in whole if row["who"] == name] == [i for i in range(40) for _ in range(2)]
    for table in tables:
        own = [*table.read_logs(0)]
        assert own == whole[: len(own)]
    assert Table(Server(url=server.url, study="another")).read_logs(0) == []


def test_an_entry_whose_answer_was_lost_is_not_written_twice(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the server has committed and before the worker hears of it."""
    monkeypatch.setattr(nas.storage.postgres, "PAUSE", 0.0)
    server, notes = parse_server(postgres.url(), "lost"), list[str]()
    table = Table(server, notes.append)
    table.create()
    once = table._once
    broken = iter([True, False])

    def breaks(call: Callable[[Any], Any]) -> Any:
        found = once(call)
        if next(broken):
            raise ServerUnavailable("gone")
        return found

    monkeypatch.setattr(table, "_once", breaks)
    table.append_logs([{"first": 1}])
    assert [*Table(server).read_logs(0)] == [{"first": 1}]
    assert notes[-1] == "storage is back after 0 s"


def test_a_network_that_is_cut_is_noticed_and_nothing_is_lost_or_there_twice(
    postgres: Postgres, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stays open, and nothing comes: neither an answer nor an end."""
    monkeypatch.setattr(nas.storage.postgres, "ANSWER", 0.6)
    monkeypatch.setattr(nas.storage.postgres, "PAUSE", 0.05)
    notes: list[str] = []
    server = parse_server(postgres.url(port=wire.port), "cut")
    writer, reader = Table(server, notes.append), Table(server)
    writer.create()
    writer.append_logs([{"entry": 0}])
    assert [*reader.read_logs(0)] == [{"entry": 0}]
    wire.cut()
    began = time.monotonic()
    time.sleep(nas.storage.postgres.FRESH)
    with pytest.raises(
        ServerUnavailable, match=r"storage must be a server that answers, got .* \(wait timeout expired\)"
    ):
        reader.read_logs(1)
    assert time.monotonic() - began < 2, "a reader has no patience"
    threading.Timer(1.5, wire.mend).start()
    writer.append_logs([{"entry": 1}])
    assert time.monotonic() - began >= 1
    assert notes[0] == f"storage {server.url} is away; waiting for up to 300 s"
    assert re.fullmatch(r"storage is back after \d s", notes[1])
    writer.append_logs([{"entry": 2}])
    assert [*Table(server).read_logs(0)] == [{"entry": 0}, {"entry": 1}, {"entry": 2}]
    assert [*reader.read_logs(1)] == [{"entry": 1}, {"entry": 2}]


def test_who_is_cut_off_with_the_lock_does_not_keep_the_others_waiting(
    postgres: Postgres, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.storage.postgres, "ANSWER", 3.0)
    lost = Table(parse_server(postgres.url(port=wire.port), "lock"), pytest.fail)
    lost.create()

    def take(connection: psycopg.Connection[Any]) -> None:
        connection.execute("begin")
        connection.execute(nas.storage.postgres._LOCK, ("lock",))

    lost._once(take)
    wire.cut()
    other = Table(parse_server(postgres.url(), "lock"), pytest.fail)
    other.append_logs([{"entry": 0}])
    assert [*other.read_logs(0)] == [{"entry": 0}]


def test_a_search_goes_on_when_the_network_is_back(
    command: Command, postgres: Postgres, wire: Wire, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.storage.postgres, "ANSWER", 1.0)
    monkeypatch.setattr(nas.storage.postgres, "PAUSE", 0.1)

    def has_ended() -> bool:
        with suppress(ServerUnavailable):  # a busy server
            return len(command.ended()) >= 1
        return False

    def cut_for_a_while() -> None:
        while not has_ended():
            time.sleep(0.1)
        wire.cut()
        time.sleep(2.5)
        wire.mend()

    helper = threading.Thread(target=cut_for_a_while)
    helper.start()
    code, _, errors = run(*command.words, "--trials", 3, "--storage", postgres.url(port=wire.port))
    helper.join()
    assert code == 0, errors
    assert "is away; " in errors
    assert "storage is back after" in errors
    check_whole(command, 3)


def test_what_is_read_in_pages_is_whole(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.storage.postgres, "PAGE", 3)
    server = parse_server(postgres.url(), "pages")
    writer, entries = Table(server, pytest.fail), [{"entry": i} for i in range(10)]
    writer.create()
    writer.append_logs(entries)
    assert [*writer.read_logs(0)] == [*Table(server).read_logs(0)] == entries
    writer.append_logs([{"entry": 10}])
    assert [*writer.read_logs(10)] == [{"entry": 10}]


def test_a_reader_may_not_write(postgres: Postgres) -> None:
    server = parse_server(postgres.url(), "read")
    Table(server, pytest.fail).create()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        Table(server).append_logs([{}])


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://host/base", "postgresql://host", "no url", ""])
def test_other_storage_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"storage must be postgresql://user@host/database, got "):
        parse_server(url, "s")


def test_a_url_keeps_all_but_its_password() -> None:
    found = parse_server("postgresql://me%40home:p%40ss%2Fword@[::1]:5433/base?sslmode=require", "s")
    assert found.url == "postgresql://me%40home@[::1]:5433/base?sslmode=require"
    assert environment(found)[PASSWORD] == "p@ss/word"
    assert PASSWORD not in os.environ, "no variable is set behind a user's back"
    with pytest.raises(InputError, match="got a password among its options"):
        parse_server("postgresql://host/base?password=x", "s")


@pytest.mark.parametrize(
    "url",
    ["postgresql:/me:secret@host/db", "postgresql:///me:secret@host/db", "postgresql:me:secret@host/db",
     "mysql:me:secret@host/db", "postgresql://host/me:secret@db"],
)  # fmt: skip
def test_a_url_whose_password_is_in_a_wrong_place_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError) as error:
        parse_server(url, "s")
    assert "secret" not in str(error.value)


def test_a_wrong_password_is_not_shown(postgres: Postgres) -> None:
    server = parse_server(postgres.url(":wrong-one"), "s")
    assert "wrong-one" not in str(server)
    with pytest.raises(InputError) as error:
        connect(server, pytest.fail)
    assert "wrong-one" not in str(error.value)
    assert "password authentication failed" in str(error.value)
    with pytest.raises(InputError, match="storage must be a server that answers"):
        connect_to_read(Server(url=NOBODY, study="s"))


def test_the_dashboard_follows_a_study_on_a_server_and_its_absence(
    command: Command, postgres: Postgres, run: Run
) -> None:
    assert run(*command.words, "--trials", 2, "--storage", postgres.url())[0] == 0
    cache = StudyCache()
    before = cache.read(command.folder)
    assert (before.mode, len(before.trials)) == ("idle", 2)
    assert before.updated
    assert cache.read(command.folder) is before, "nothing has changed"
    postgres.stop()
    gone = cache.read(command.folder)
    assert gone.mode == "away"
    assert len(gone.trials) == 2, "as it was last seen"
    assert gone.problem
    assert gone.problem.startswith("storage must be a server that answers, got postgresql://postgres@127.0.0.1")
    postgres.start()
    assert len(cache.read(command.folder).trials) == 2
    assert run(*command.words, "--trials", 3)[0] == 0
    assert len(cache.read(command.folder).trials) == 3
    (row,) = json.loads(run("studies", "--runs", command.runs, "--json")[1])["rows"]
    assert (row["study"], row["complete"]) == ("s", 3)
