"""Fixtures of the dashboard's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dashboard.server import HOST
from tests.dashboard.server import end, free_port, start
from tests.nas.conftest import run

__all__ = ["run"]


class Site(NamedTuple):
    """A server that runs: its folder of studies, its address, its process."""

    runs: Path
    address: str
    pid: int


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that runs without a browser stays `__main__`, which a process that is started later would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of studies that pages look at; it does not exist yet."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("NAS_RUNS", str(folder))
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    runs, port = tmp_path_factory.mktemp("site") / "runs", free_port()
    runs.mkdir()
    server = start(runs, port)
    yield Site(runs, f"http://{HOST}:{port}", server.pid)
    assert end(server) == 0
