"""A study of somebody else's names a server: nobody connects to it, and no password goes there."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.study_cache import StudyCache
from nas.records.settings import Server, ServerUnavailable, Settings
from nas.storage import known_servers
from nas.storage.known_servers import STORAGE, name, named, remember
from nas.storage.postgres import PASSWORD, connect_to_read
from nas.storage.study_folder import open_study
from space import InputError
from tests.nas.conftest import Run
from tests.nas.empty_study import write_empty_study


@pytest.fixture(autouse=True)
def nothing_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(known_servers, "_by_this_process", set())
    monkeypatch.setenv(STORAGE, "")
    monkeypatch.setenv(PASSWORD, "mine")


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """A server of somebody else's, which listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(0)
        yield found


@pytest.fixture
def foreign(tmp_path: Path, tiny_space: Path, stranger: socket.socket) -> Settings:
    """The study "foreign" under "runs", whose trials are on that server."""
    folder = tmp_path / "runs" / "foreign"
    url = f"postgresql://me@127.0.0.1:{stranger.getsockname()[1]}/base"
    settings = replace(write_empty_study(folder, tiny_space), server=Server(url=url, study="s"))
    settings.write(folder)
    return settings


def refusal(settings: Settings) -> str:
    assert settings.server
    return (
        f"storage must be a server that was named on this machine, got {settings.server.url} from the study's folder; "
        f"where you trust it: export NAS_STORAGE={settings.server.url}"
    )


def test_nothing_that_reads_or_writes_a_study_connects_to_a_server_that_was_not_named(
    foreign: Settings, tmp_path: Path, stranger: socket.socket, run: Run
) -> None:
    runs = tmp_path / "runs"
    for words in (["front"], ["trials"], ["measure"], ["export", "--out", tmp_path / "out"]):
        code, _, errors = run(words[0], "foreign", "--runs", runs, *words[1:])
        assert (code, errors.splitlines()[-1]) == (2, f"error: {refusal(foreign)}"), words
    (row,) = json.loads(run("studies", "--runs", runs, "--json")[1])["rows"]
    assert (row["state"], row["problem"]) == ("broken", refusal(foreign))
    shown = StudyCache().read(runs / "foreign")
    assert (shown.mode, shown.problem) == ("broken", refusal(foreign))
    with pytest.raises(ServerUnavailable, match="storage must be a server that was named on this machine"):
        open_study(runs / "foreign", pytest.fail)
    with pytest.raises(BlockingIOError):
        stranger.accept()


def test_a_server_that_the_environment_names_is_asked(
    foreign: Settings, tmp_path: Path, stranger: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert foreign.server
    cache, folder = StudyCache(), tmp_path / "runs" / "foreign"
    assert cache.read(folder).problem == refusal(foreign)
    monkeypatch.setenv(STORAGE, f"postgresql://another/base {foreign.server.url.replace('me@', 'me:secret@')}")
    stranger.close()
    problem = cache.read(folder).problem
    assert problem
    assert problem.startswith(f"storage must be a server that answers, got {foreign.server.url} (")


@pytest.mark.parametrize(
    "change", ["?host=127.0.0.2", "?sslmode=disable", "/other", "\u001b[31m"], ids=["host", "tls", "base", "escape"]
)
def test_a_server_is_named_by_its_whole_url(foreign: Settings, change: str) -> None:
    """Options lead elsewhere, too: what comes with another's folder is as it was named, or refused."""
    assert foreign.server
    name(foreign.server.url)
    with pytest.raises(ServerUnavailable, match="storage must be a server that was named on this machine") as error:
        connect_to_read(replace(foreign.server, url=foreign.server.url + change))
    assert str(error.value).isprintable()


def test_a_search_remembers_the_server_that_it_was_given_without_its_password(
    tmp_path: Path, tiny_space: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["search", tiny_space, "--data", "digits", "--flops", "20K..200K", "--trials", 1, "--runs", tmp_path]
    one, other = "postgresql://me:secret@127.0.0.1:1/base", "postgresql://127.0.0.1:1/another"
    for study, url in (("a", one), ("a", one), ("b", other)):
        code, _, errors = run(*words, "--study", study, "--storage", url)
        assert code == 2
        assert "storage must be a server that answers" in errors
    monkeypatch.setenv(STORAGE, "")
    assert named() == {"postgresql://me@127.0.0.1:1/base", "postgresql://127.0.0.1:1/another"}
    file = tmp_path / "config" / "nas" / "servers"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().split() == ["postgresql://me@127.0.0.1:1/base", "postgresql://127.0.0.1:1/another"]


def test_a_line_that_a_full_disk_has_cut_names_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config" / "nas" / "servers"
    file.parent.mkdir(parents=True)
    file.write_text("\npostgresql://good/base\n\npostgresql://go")
    assert named() == {"postgresql://good/base"}
    remember("postgresql://new/base")
    assert {"postgresql://good/base", "postgresql://new/base"} <= named()


def test_a_list_that_others_write_is_not_believed(tmp_path: Path) -> None:
    remember("postgresql://host/base")
    (tmp_path / "config" / "nas" / "servers").chmod(0o622)
    with pytest.raises(InputError, match="must be written by this user alone, got a file that others write; chmod 600"):
        named()


def test_what_cannot_be_remembered_or_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(
        InputError, match=r"storage must be remembered in .*/config/nas/servers, got File exists|Not a dir"
    ):
        remember("postgresql://host/base")
    monkeypatch.setenv(STORAGE, "postgresql://me:secret@host:port/base")
    with pytest.raises(InputError, match="NAS_STORAGE must be URLs such as postgresql://user@host/database") as error:
        named()
    assert "secret" not in str(error.value)


def test_what_a_process_names_the_processes_that_it_starts_know() -> None:
    name("postgresql://one/base")
    name("postgresql://two/base")
    name("postgresql://one/base")
    told = known_servers.environment()[STORAGE].split()
    assert told == ["postgresql://one/base", "postgresql://two/base"]
    assert os.environ[STORAGE] == "", "no variable is set behind a user's back"
