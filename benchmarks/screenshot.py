"""The README's picture: the dashboard on a study, in headless Chromium.

    python -m benchmarks.screenshot cifar10 docs/front.png

Needs playwright and a `chromium` on the path. Starts the dashboard on a free port and ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.dashboard import chromium, started
from nas.analysis.pareto import best, pareto_front
from nas.records.settings import find_study
from nas.storage.reader import Reader


def main() -> None:
    name, target = sys.argv[1], Path(sys.argv[2])
    folder = find_study(name, Path("runs"))
    trial = best(pareto_front(Reader(folder).trials())).number
    with started(folder.parent) as (_, address, _):
        take(f"{address}/?study={folder.name}&trial={trial}", target)


def take(address: str, target: Path) -> None:
    """Waits for the chart and saves the page as a PNG, 1280 pixels wide."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1130})
        page.goto(address)
        page.wait_for_selector(".nas-plot .scatterlayer", timeout=60_000)
        page.wait_for_timeout(2500)  # fonts, the table, the rest of the page
        page.screenshot(path=str(target))


if __name__ == "__main__":
    main()
