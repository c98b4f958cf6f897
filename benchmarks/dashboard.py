"""How fast the dashboard is on a large study, in headless Chromium.

    python -m benchmarks.dashboard                      # 10,000 trials
    python -m benchmarks.dashboard --trials 100000
    python -m benchmarks.dashboard --picture docs/front.png     # the README's picture instead

The study is a recorded one grown (benchmarks/grown.py): its journal is as long as a real search's. Needs playwright and
a `chromium` on the path. Starts the dashboard on a free port and ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.grown import grown
from benchmarks.machine import heading
from nas.analysis.pareto import best, pareto_front
from nas.records.settings import JOURNAL
from nas.storage.reader import Reader
from tests.dashboard.server import CHROMIUM, FLAGS, end, free_port

PAGES = {  # what a page is about
    "Network": ".nas-plot .barlayer", "Trials": "[data-testid=stDataFrame] canvas",
    "Progress": ".nas-plot .scatterlayer", "Space": ".nas-plot .barlayer", "Front": ".nas-plot .main-svg",
}  # fmt: skip
SOURCE = Path("runs/cifar10")  # is grown
PICTURED = Path("runs/cifar10-16M")
CHART = "document.querySelector('.nas-plot')"
POINTS = f"() => {CHART}?.data?.filter(t => t.customdata).reduce((n, t) => n + t.x.length, 0)"
PIXELS = f"""() => {{
  const {{ data, layout: {{ xaxis, yaxis }} }} = {CHART};
  const area = {CHART}.querySelector('.nsewdrag').getBoundingClientRect();  // what the axes span
  const part = (value, [low, high]) => (value - low) / (high - low);
  return data.flatMap((trace) => (trace.customdata ?? []).map((number, i) => [number,
    area.left + area.width * part(Math.log10(trace.x[i]), xaxis.range),
    area.bottom - area.height * part(trace.y[i], yaxis.range)]));
}}"""
# Notes, by the page's own clock since the last click, when an element of each selector is first painted: a question
# from outside is answered only when the page's thread is free again.
WATCH = f"""(() => {{
  const shown = {json.dumps(PAGES)};
  let since = 0;
  window.painted = {{}};
  const look = () => {{
    for (const [name, selector] of Object.entries(shown)) {{
      if (name in painted || !document.querySelector(selector)) continue;
      painted[name] = null;
      requestAnimationFrame(() => painted[name] = performance.now() - since);
    }}
  }};
  new MutationObserver(look).observe(document, {{ subtree: true, childList: true, attributes: true }});
  document.addEventListener("click", (event) => {{ since = event.timeStamp; window.painted = {{}}; }}, true);
}})()"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    if asked.picture:
        return picture(asked.picture)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        grown(SOURCE, runs / "grown", asked.trials)
        networks = sum(t.state == "complete" and t.repeat_of is None for t in Reader(runs / "grown").trials())
        print(heading("streamlit", "plotly", "playwright"), f"- load {os.getloadavg()[0]:.1f}")
        size = (runs / "grown" / JOURNAL).stat().st_size / 1e6
        print(f"{asked.trials:,} trials, {networks:,} networks, a journal of {size:.0f} MB")
        measure(runs, networks)
    return None


def picture(target: Path) -> None:
    """The most accurate network of PICTURED, chosen in its front, when the chart has been drawn."""
    trial = best(pareto_front(Reader(PICTURED).trials())).number
    with started(PICTURED.parent) as (_, address, _), chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1130})
        page.goto(f"{address}/?study={PICTURED.name}&trial={trial}")
        page.wait_for_selector(".nas-plot .scatterlayer", timeout=60_000)
        page.wait_for_timeout(2500)  # fonts, the table, the rest of the page
        page.screenshot(path=str(target))


def measure(runs: Path, networks: int) -> None:
    with chromium() as browser:
        with started(runs) as (took, address, _):
            row("`nas dashboard` answers", [took], "s")
            row("the study being read meanwhile, points answer the mouse", [opened(browser, address, networks)], "s")
        with started(runs) as (_, address, pid):
            opened(browser, address, networks)
            cold = [opened(browser, address, networks) for _ in range(5)]
            row("cold browser, the study read: points answer the mouse", cold, "s")
            at_work(browser, address, networks)
            memory(browser, address, pid, networks)


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def started(runs: Path) -> Iterator[tuple[float, str, int]]:
    """`nas dashboard` meanwhile: seconds until it answered, its address, its process."""
    port = free_port()
    command = [sys.executable, "-m", "nas", "dashboard", "--runs", str(runs), "--port", str(port), "--no-browser"]
    begun = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        server.stdout.readline()  # it answers
        yield time.monotonic() - begun, f"http://127.0.0.1:{port}", server.pid
    finally:
        end(server)


def opened(browser: Any, address: str, networks: int) -> float:
    """Seconds from an address with an empty cache to a label under the mouse."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    begun = time.monotonic()
    page.goto(address, wait_until="commit")
    wait_for_points(page, networks)
    hover(page, *spots(page, 1))
    seconds = time.monotonic() - begun
    page.close()
    return seconds


def at_work(browser: Any, address: str, networks: int) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(WATCH)
    page.goto(address)
    wait_for_points(page, networks)
    page.wait_for_timeout(3000)
    row("click on a point to its panel", [click(page, number) for number in spots(page, 12)], "ms", 1000)
    for name in PAGES:
        row(f"page {name}, first and again", [turn(page, name) for _ in range(3)], "ms", 1000)
    page.close()


def spots(page: Any, count: int) -> list[int]:
    """Points apart from all others, so that the mouse meets them."""
    found: list[tuple[int, float, float]] = page.evaluate(PIXELS)
    rng, apart = random.Random(0), list[int]()
    for number, x, y in rng.sample(found, len(found)):
        if all(n == number or abs(a - x) + abs(b - y) > 14 for n, a, b in found):
            apart.append(number)
        if len(apart) == count:
            break
    return apart


def hover(page: Any, number: int) -> tuple[float, float]:
    x, y = next((x, y) for n, x, y in page.evaluate(PIXELS) if n == number)
    page.mouse.move(x - 30, y - 30)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector(f".hoverlayer .hovertext:has-text('trial {number}')")
    return x, y


def click(page: Any, number: int) -> float:
    x, y = hover(page, number)
    begun = time.monotonic()
    page.mouse.click(x, y)
    page.wait_for_function("text => document.querySelector('h2')?.innerText === text", arg=f"Trial {number}")
    return time.monotonic() - begun


def turn(page: Any, name: str) -> float:
    """To a page from another one, until what it is about is painted."""
    page.get_by_role("link", name="Studies", exact=True).click()
    page.wait_for_selector("h1:has-text('Which search do I open')")
    page.wait_for_timeout(1000)
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_function("name => window.painted[name] != null", arg=name)
    seconds = page.evaluate("name => window.painted[name]", name) / 1000
    page.wait_for_timeout(1000)
    return float(seconds)


def memory(browser: Any, address: str, pid: int, networks: int) -> None:
    pages = [browser.new_context().new_page() for _ in range(8)]  # each a person's own browser
    for page in pages:
        page.goto(address, wait_until="commit", timeout=120_000)
        wait_for_points(page, networks)
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    row("memory of the server, 8 sessions", [kilobytes / 1000], "MB")


def wait_for_points(page: Any, wanted: int, limit: float = 180) -> None:
    begun = time.monotonic()
    while (found := page.evaluate(POINTS)) != wanted:
        if time.monotonic() - begun > limit:
            sys.exit(f"error: the chart must have {wanted} points, got {found} after {limit} s")
        time.sleep(0.05)


def row(name: str, values: Sequence[float], unit: str, scale: float = 1) -> None:
    digits = 2 if unit == "s" else 0
    line = f"{scale * statistics.median(values):,.{digits}f}"
    if len(values) > 1:
        line += f" median, {scale * max(values):,.{digits}f} most, n = {len(values)}"
    print(f"| {name} | {line} {unit} |", flush=True)


if __name__ == "__main__":
    main()
