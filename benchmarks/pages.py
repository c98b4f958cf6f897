"""A picture of every page, light and dark, wide and narrow, to be looked at.

    python -m benchmarks.pages cifar10 cifar10-random

Writes PNGs under screenshots/, which git ignores. Needs playwright and a `chromium` on the path.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.dashboard import FLAGS, free_port

OUT = Path("screenshots")
PAGES = ("", "network", "trials", "progress", "space", "studies", "compare")
SIZES = ((1280, 800), (390, 844))


def main() -> None:
    from playwright.sync_api import sync_playwright

    if len(sys.argv) != 3:
        sys.exit(__doc__)
    study, other = sys.argv[1:]
    port = free_port()
    command = [sys.executable, "-m", "nas", "dashboard", "--port", str(port), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    OUT.mkdir(exist_ok=True)
    try:
        assert server.stdout
        server.stdout.readline()  # it answers
        with sync_playwright() as play:
            chromium = shutil.which("chromium") or "/usr/bin/chromium"
            browser = play.chromium.launch(executable_path=chromium, args=FLAGS.split())
            asked = f"?study={study}&with={study}&with={other}"
            for name, theme, size in product(PAGES, ("light", "dark"), SIZES):
                take(browser, f"http://127.0.0.1:{port}/{name}{asked}", name, theme, size)
            browser.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def take(browser: Any, address: str, name: str, theme: str, size: tuple[int, int]) -> None:
    """The whole height of a page, when its charts have been drawn."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.goto(address)
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_timeout(4000)  # charts, tables, fonts
    tall = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(tall, height), 5000)})
    page.wait_for_timeout(1500)
    path = OUT / f"{name or 'front'}-{theme}-{width}.png"
    page.screenshot(path=str(path))
    page.close()
    print(path)


if __name__ == "__main__":
    main()
