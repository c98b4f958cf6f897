"""A study on PostgreSQL: a real server, started by the tests from the distribution's package."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import nas.server
from dashboard.live import Shelf
from nas.server import PASSWORD, Patient, connect, connect_to_read, is_away, parse_server
from nas.settings import FILE, JOURNAL, Server
from nas.trials import Reader
from space import InputError
from tests.nas.commands import Command, check_killed, check_whole, kill_at_random, wait_until
from tests.nas.conftest import Run

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = pytest.mark.skipif(
    not BINARIES or os.geteuid() != 0, reason="needs PostgreSQL's server, and root to start it as another user"
)
SECRET = "s3cret-of-the-tests"


class Postgres:
    """A server in a folder of its own, of user postgres, who has a password."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        folder.mkdir()
        (folder / "password").write_text(SECRET)
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
        self._as_postgres("initdb", "-D", self.data, "-A", "scram-sha-256", "--pwfile", folder / "password", "-N")

    def _as_postgres(self, program: str, *words: object) -> None:
        subprocess.run(
            ["runuser", "-u", "postgres", "--", BINARIES[-1].with_name(program), *map(str, words)],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._as_postgres("pg_ctl", "-D", self.data, "-w", "-o", options, "-l", self.folder / "log", "start")

    def stop(self) -> None:
        self._as_postgres("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def url(self, password: str = f":{SECRET}") -> str:
        return f"postgresql://postgres{password}@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    place = Path("/tmp") / f"nas-postgres-{secrets.token_hex(4)}"  # where another user may go
    server = Postgres(place)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "")  # so that it is put back
    monkeypatch.delenv(PASSWORD)


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
    assert settings["server"]["url"] == f"postgresql+psycopg://postgres@127.0.0.1:{postgres.port}/postgres"
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
    assert "error: storage must be postgresql+psycopg://postgres@127.0.0.1" in errors
    monkeypatch.delenv(PASSWORD)
    code, _, errors = run("front", "s", "--runs", command.runs)
    assert code == 2
    assert "error: storage must be a server that answers, got postgresql+psycopg://postgres@" in errors
    assert f"set {PASSWORD} if it wants a password" in errors


def test_workers_on_a_server_that_are_killed_lose_nothing_but_their_trial(
    command: Command, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    process = command.search("--trials", 60, "--workers", 4, "--storage", postgres.url(""))
    killed = kill_at_random(process, command, every=12)
    assert killed >= 4
    assert SECRET not in check_killed(process, command, 60, killed)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_restarted_is_waited_for(
    command: Command, postgres: Postgres, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    process = command.search("--trials", 12, "--workers", workers, "--storage", postgres.url(""))
    wait_until(lambda: len(command.ended()) >= 2, process)
    postgres.stop()
    time.sleep(3)
    postgres.start()
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "is away (" in errors
    assert "waiting for up to 300 s" in errors
    assert "storage is back after" in errors
    check_whole(command, 12)


def test_patience_has_an_end(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    class Away:
        tries = 0

        def get_all_studies(self) -> None:
            self.tries += 1
            raise OperationalError("select", {}, Exception("connection refused"))

        def get_trial(self, number: int) -> None:
            raise KeyError(number)

    monkeypatch.setattr(nas.server, "PATIENCE", 0.2)
    monkeypatch.setattr(nas.server, "PAUSE", 0.05)
    notes: list[str] = []
    away = Away()
    patient: Any = Patient(away, "postgresql://host/base", notes.append)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"storage must answer within 0 s, got silence from postgresql://host/base \("):
        patient.get_all_studies()
    assert away.tries >= 3
    assert len(notes) == 1
    with pytest.raises(KeyError):
        patient.get_trial(3)
    assert not is_away(KeyError(3))


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://host/base", "postgresql://host", "no url", ""])
def test_other_storage_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"storage must be postgresql://user@host/database, got "):
        parse_server(url, "s")


def test_a_wrong_password_is_not_shown(postgres: Postgres) -> None:
    server = parse_server(postgres.url(":wrong-one"), "s")
    assert "wrong-one" not in str(server)
    with pytest.raises(InputError) as error:
        connect(server, pytest.fail)
    assert "wrong-one" not in str(error.value)
    assert "password authentication failed" in str(error.value)
    with pytest.raises(InputError, match="storage must be a server that answers"):
        connect_to_read(Server(url="postgresql+psycopg://postgres@127.0.0.1:1/base", study="s"))


def test_the_dashboard_follows_a_study_on_a_server_and_its_absence(
    command: Command, postgres: Postgres, run: Run
) -> None:
    assert run(*command.words, "--trials", 2, "--storage", postgres.url())[0] == 0
    shelf = Shelf()
    before = shelf.read(command.folder)
    assert (before.mode, len(before.trials)) == ("resting", 2)
    assert before.updated
    assert shelf.read(command.folder) is before, "nothing has changed"
    postgres.stop()
    gone = shelf.read(command.folder)
    assert gone.mode == "broken"
    assert gone.problem
    assert gone.problem.startswith("storage must be a server that answers, got postgresql+psycopg://postgres@127.0.0.1")
    postgres.start()
    assert len(shelf.read(command.folder).trials) == 2
    assert run(*command.words, "--trials", 3)[0] == 0
    assert len(shelf.read(command.folder).trials) == 3
    (row,) = json.loads(run("studies", "--runs", command.runs, "--json")[1])
    assert (row["name"], row["complete"]) == ("s", 3)
