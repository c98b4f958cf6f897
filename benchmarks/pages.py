"""A picture of every page, light and dark, wide and narrow, to be looked at.

    python -m benchmarks.pages cifar10 cifar10-random

Writes PNGs under screenshots/, which git ignores. Needs playwright and a `chromium` on the path.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.dashboard import chromium, started

OUT = Path("screenshots")
PAGES = ("", "network", "trials", "progress", "space", "studies", "compare")
DRAWN = "() => [...document.querySelectorAll('.nas-plot')].every((chart) => chart.querySelector('.main-svg'))"
SIZES = ((1280, 800), (390, 844))


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    study, other = sys.argv[1:]
    OUT.mkdir(exist_ok=True)
    with started(Path("runs")) as (_, address, _), chromium() as browser:
        asked = f"?study={study}&with={study}&with={other}"
        for name, theme, size in product(PAGES, ("light", "dark"), SIZES):
            take(browser, f"{address}/{name}{asked}", name, theme, size)


def take(browser: Any, address: str, name: str, theme: str, size: tuple[int, int]) -> None:
    """The whole height of a page, when its charts have been drawn."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.goto(address)
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_timeout(2000)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function(DRAWN, timeout=60_000)
    tall = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(tall, height), 5000)})
    page.wait_for_timeout(1500)
    path = OUT / f"{name or 'front'}-{theme}-{width}.png"
    page.screenshot(path=str(path))
    page.close()
    print(path)


if __name__ == "__main__":
    main()
