"""The server: what it loads, whom it answers, how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from dashboard.live_chart import PLOTLY_URL
from dashboard.server import HOST, serve
from space import InputError
from tests.dashboard.conftest import Site
from tests.dashboard.server import end, free_port, start
from tests.dashboard.studies import make_study
from tests.dashboard.test_browser import until


def test_server_never_loads_torch(site: Site) -> None:
    maps = Path(f"/proc/{site.pid}/maps")
    if not maps.exists():
        pytest.skip("/proc must exist")
    until(lambda: "pyarrow" in maps.read_text())  # it has loaded its pages
    assert "torch" not in maps.read_text()


def test_plotly_is_served_whole(site: Site) -> None:
    with urllib.request.urlopen(site.address + PLOTLY_URL) as reply:
        assert reply.read().decode().removeprefix("//# allFunctionsCalledOnLoad\n") == get_plotlyjs()
        assert reply.headers["Content-Type"].startswith("text/javascript")


def test_a_page_of_another_host_is_told_nothing(site: Site) -> None:
    """Such as one whose name has come to mean this machine."""
    for path, answer in (("/", 200), ("/front", 200), ("/_stcore/health", 200), ("/_stcore/stream", 101)):
        assert status(site.address, path, "localhost") == status(site.address, path, HOST) == answer
        assert status(site.address, path, "evil.example") == 400


def status(address: str, path: str, host: str) -> int:
    """The server's answer to a request that names `host`, or to the opening of a websocket."""
    port = int(address.rsplit(":", 1)[1])
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}"]
    if path.endswith("/stream"):
        lines += [f"Origin: http://{host}:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"]
    with socket.create_connection((HOST, port), timeout=10) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(line.recv(100).split()[1])


def test_ctrl_c_ends_the_server_and_frees_the_port(tmp_path: Path) -> None:
    """SIGTERM ends the site of the other tests."""
    port = free_port()
    server = start(tmp_path, port)
    with pytest.raises(InputError, match=f"port must be free, got {port}; choose another with --port"):
        serve(tmp_path, port, open_browser=False)
    assert end(server, signal.SIGINT) == 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


def test_a_study_that_is_named_is_opened_wherever_it_lies(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "elsewhere", "my study", complete=1)
    port = free_port()
    words = ["dashboard", str(folder), "--runs", str(tmp_path), "--port", str(port), "--no-browser"]
    server = subprocess.Popen([sys.executable, "-m", "nas", *words], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    address = f"http://{HOST}:{port}/?study=my%20study"
    assert server.stdout.readline() == f"Dashboard: {address} (Ctrl-C ends it)\n"
    with urllib.request.urlopen(address) as reply:
        assert reply.status == 200
    assert end(server) == 0
    words[1] = "none"
    ended = subprocess.run([sys.executable, "-m", "nas", *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: study must be a name under ")
