"""The dashboard's server as `nas dashboard` starts it, and Chromium, for the tests that need them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dashboard.server import HOST

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
MISSING = [
    name
    for name, there in (("chromium", Path(CHROMIUM).is_file()), ("playwright", find_spec("playwright")))
    if not there
]
needs_chromium = pytest.mark.skipif(
    bool(MISSING) and os.environ.get("CI") != "true", reason=f"{' and '.join(MISSING)} must be installed; see README"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start(runs: Path, port: int) -> subprocess.Popen[str]:
    """Returns when it answers. Looks at its studies three times a second."""
    code = (
        "import sys; from pathlib import Path; from dashboard.pages import study_page; from dashboard.server import serve; "
        f"study_page.EVERY = 0.3; sys.exit(serve(Path({str(runs)!r}), {port}, open_browser=False))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == f"Dashboard: http://{HOST}:{port} (Ctrl-C ends it)\n"
    return server


def end(server: subprocess.Popen[str], how: int = signal.SIGTERM) -> int:
    server.send_signal(how)
    return server.wait(timeout=20)
