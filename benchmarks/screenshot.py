"""The README's picture: the dashboard on a study, in headless Chromium.

    python -m benchmarks.screenshot cifar10 docs/front.png

Needs playwright and a `chromium` on the path. Starts the dashboard on a free port and ends it.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from nas.analysis.pareto import best, pareto_front
from nas.records.settings import find_study
from nas.storage.reader import Reader

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def main() -> None:
    name, target = sys.argv[1], Path(sys.argv[2])
    folder = find_study(name, Path("runs"))
    trial = best(pareto_front(Reader(folder).trials())).number
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "nas",
        "dashboard",
        "--runs",
        str(folder.parent),
        "--port",
        str(port),
        "--no-browser",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        server.stdout.readline()  # it answers
        take(f"http://127.0.0.1:{port}/?study={folder.name}&trial={trial}", target)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def take(address: str, target: Path) -> None:
    """Waits for the chart and saves the page as a PNG, 1280 pixels wide."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("error: chromium must be on the path, got none; install it")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1130})
        page.goto(address)
        page.wait_for_selector(".nas-plot .scatterlayer", timeout=60_000)
        page.wait_for_timeout(2500)  # fonts, the table, the rest of the page
        page.screenshot(path=str(target))
        browser.close()


if __name__ == "__main__":
    main()
