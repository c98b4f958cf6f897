"""How fast the dashboard is on a large study, in headless Chromium.

    python -m benchmarks.dashboard                      # 10,000 trials
    python -m benchmarks.dashboard --trials 100000 --brief

The study is a recorded one grown (benchmarks/grown.py): its journal is as long as a real search's. Beside it, in turns,
the yardstick: a Streamlit script of five lines that shows the same points with `st.plotly_chart` and nothing else.
Needs playwright and a `chromium` on the path. Starts both on free ports and ends them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.grown import grown
from benchmarks.machine import heading
from nas.records.settings import JOURNAL
from nas.storage.reader import Reader

FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
STARTS = 5
PAGES = {  # what a page is about
    "Network": ".nas-plot .barlayer", "Trials": "[data-testid=stDataFrame] canvas",
    "Progress": ".nas-plot .scatterlayer",
    "Space": ".nas-plot .barlayer", "Front": ".nas-sketch[data-points]",
}  # fmt: skip
CHART = "document.querySelector('.nas-plot')"
POINTS = f"() => {CHART}?._fullLayout ? {CHART}.data.filter(t => t.customdata).reduce((n, t) => n + t.x.length, 0) : 0"
# Notes, by the page's own clock since it was asked for or the last click, when the frame began that first shows each
# selector's element: a question from outside is answered only when the page's thread is free again.
WATCH = f"""(() => {{
  const shown = {json.dumps(PAGES | {"First": "#nas-first canvas[data-points]"})}, painted = window.nasPainted = {{}};
  let since = 0;
  const look = () => {{
    for (const [name, selector] of Object.entries(shown)) {{
      if (name in painted || !document.querySelector(selector)) continue;
      painted[name] = null;
      requestAnimationFrame(() => painted[name] = performance.now() - since);
    }}
  }};
  new MutationObserver(look).observe(document, {{ subtree: true, childList: true, attributes: true }});
  document.addEventListener("click", (event) => {{
    since = event.timeStamp;
    Object.keys(painted).forEach((name) => delete painted[name]);
  }}, true);
}})()"""
PIXELS = f"""() => {{
  const chart = {CHART}, box = chart.getBoundingClientRect(), full = chart._fullLayout, found = [];
  for (const trace of chart.data) (trace.customdata ?? []).forEach((number, i) => found.push([number,
    box.x + full.xaxis._offset + full.xaxis.d2p(trace.x[i]), box.y + full.yaxis._offset + full.yaxis.d2p(trace.y[i])]));
  return found;
}}"""
PLAIN = """
import json, plotly.graph_objects as go, streamlit as st
with open({points!r}) as file:
    x, y = json.load(file)
st.plotly_chart(go.Figure(go.Scattergl(x=x, y=y, mode="markers", customdata=x), dict(xaxis=dict(type="log"))))
"""
PLAIN_POINTS = "() => document.querySelector('.js-plotly-plot')?._fullLayout?.xaxis?._offset ? 1 : 0"
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--source", type=Path, default=Path("runs/cifar10"))
    parser.add_argument("--brief", action="store_true", help="only start, first page and memory")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        grown(asked.source, runs / "grown", asked.trials)
        networks = sum(t.state == "complete" and t.repeat_of is None for t in Reader(runs / "grown").trials())
        print(heading("streamlit", "plotly", "playwright"), f"- load {os.getloadavg()[0]:.1f}")
        size = (runs / "grown" / JOURNAL).stat().st_size / 1e6
        print(f"{asked.trials:,} trials, {networks:,} networks, a journal of {size:.0f} MB")
        reading(runs / "grown")
        measure(runs, networks, asked.brief)


def reading(folder: Path) -> None:
    """Processor time of a study's first reading."""
    begun = time.process_time()
    Reader(folder).trials()
    row("the journal read, processor time", [time.process_time() - begun], "s")


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
        yield time.monotonic() - begun, f"http://127.0.0.1:{port}/?study=grown", server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def starts(runs: Path, browser: Any, networks: int) -> None:
    """From the command to the answer, and from there to the first page, while the study is being read."""
    with started(runs):
        time.sleep(20)  # once, so that Python has compiled what it imports
    begun = []
    for _ in range(STARTS):
        with started(runs) as (took, address, _):
            begun.append((took, opened(browser, address, networks)))
    tell_starts(begun)


def tell_starts(begun: Sequence[tuple[float, Cold]]) -> None:
    row("`nas dashboard` answers", [took for took, _ in begun], "s")
    row(
        "first page after that, the study read meanwhile: first contentful paint",
        [page.paint for _, page in begun],
        "s",
    )
    row("its points visible", [page.points for _, page in begun], "s")


def measure(runs: Path, networks: int, brief: bool) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS.split())
        if not brief:
            starts(runs, browser, networks)
        with started(runs) as (took, address, pid):
            page = opened(browser, address, networks)
            if brief:
                tell_starts([(took, page)])
            else:
                with plain(runs) as other:
                    opened(browser, other, 1, PLAIN_POINTS)
                    colds, plains = [], []
                    for _ in range(5):
                        colds.append(opened(browser, address, networks))
                        plains.append(opened(browser, other, 1, PLAIN_POINTS))
                row("first contentful paint, cold browser", [cold.paint for cold in colds], "s")
                row("the same of the yardstick", [cold.paint for cold in plains], "s")
                row(
                    "the front visible, cold browser: the picture that comes with the page",
                    [c.look for c in colds],
                    "s",
                )
                row("the page itself stands, with all points (a canvas, until plotly)", [c.points for c in colds], "s")
                row("they answer the mouse", [cold.mouse for cold in colds], "s")
                row("the yardstick's chart, without hovers, panel and table", [cold.mouse for cold in plains], "s")
                networks += session(browser, address, runs / "grown", networks)
            memory(browser, address, pid, networks)
        browser.close()


@contextmanager
def plain(runs: Path) -> Iterator[str]:
    """The address of the yardstick, which is served meanwhile."""
    trials = [t for t in Reader(runs / "grown").trials() if t.state == "complete" and t.repeat_of is None]
    with tempfile.TemporaryDirectory() as folder:
        points, script = Path(folder) / "points.json", Path(folder) / "plain.py"
        points.write_text(json.dumps([[t.flops for t in trials], [t.accuracy for t in trials]]))
        script.write_text(PLAIN.format(points=str(points)))
        port = free_port()
        options = {"port": port, "address": "127.0.0.1", "headless": "true", "fileWatcherType": "none"}
        words = [word for name, value in options.items() for word in (f"--server.{name}", str(value))]
        command = [sys.executable, "-m", "streamlit", "run", str(script), *words, "--browser.gatherUsageStats", "false"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait()


class Cold(NamedTuple):
    """Seconds since an address was entered, with an empty cache; of the yardstick only the first and the last."""

    paint: float  # first contentful paint
    look: float  # the picture of the front that comes with the page
    points: float  # the page's own
    mouse: float  # they answer it


def opened(browser: Any, address: str, networks: int, points: str = POINTS) -> Cold:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(WATCH)
    begun = time.monotonic()
    page.goto(address, wait_until="commit")
    until(page, points, networks, 180)
    seconds = time.monotonic() - begun
    found = [page.evaluate(PAINT), *page.evaluate("() => [window.nasPainted.First, window.nasPainted.Front]")]
    page.close()
    paint, look, stands = ((value or float("nan")) / 1000 for value in found)
    return Cold(paint, look, stands, seconds)


def session(browser: Any, address: str, folder: Path, networks: int) -> int:
    """One person at work: clicks, pages, a quiet look, new trials. How many of these."""
    page, received = browser.new_page(viewport={"width": 1280, "height": 800}), [0]
    page.add_init_script(WATCH)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(len(data))))
    page.goto(address)
    until(page, POINTS, networks)
    page.wait_for_timeout(3000)
    row("click on a point to its panel", [click(page, number) for number in spots(page, 12)], "ms", 1000)
    row("arrow key to the next network", [key(page, "ArrowLeft") for _ in range(5)], "ms", 1000)
    for name in PAGES:
        turns = [turn(page, name) for _ in range(3)]
        row(f"page {name}, first and again", turns, "ms", 1000)
    page.wait_for_timeout(5000)
    before = sum(received)
    page.wait_for_timeout(15_000)
    row("sent in a quiet second", [(sum(received) - before) / 15], "B")
    attrs, seconds = dict(Reader(folder).frozen()[0].user_attrs), []
    for place in range(5):
        append(folder, attrs)
        seconds.append(until(page, POINTS, networks + place + 1))
    row("a new trial arrives", seconds, "s")
    page.close()
    return len(seconds)


def spots(page: Any, count: int) -> list[int]:
    """Points apart from all others, so that a click meets them."""
    found: list[tuple[int, float, float]] = page.evaluate(PIXELS)
    rng, apart = random.Random(0), list[int]()
    for number, x, y in rng.sample(found, len(found)):
        if all(n == number or abs(a - x) + abs(b - y) > 14 for n, a, b in found):
            apart.append(number)
        if len(apart) == count:
            break
    return apart


def click(page: Any, number: int) -> float:
    x, y = next((x, y) for n, x, y in page.evaluate(PIXELS) if n == number)  # the page may have moved it
    page.mouse.move(x - 30, y - 30)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector(f".hoverlayer .hovertext:has-text('trial {number}')")
    begun = time.monotonic()
    page.mouse.click(x, y)
    page.wait_for_function("text => document.querySelector('h2')?.innerText === text", arg=f"Trial {number}")
    return time.monotonic() - begun


def key(page: Any, name: str) -> float:
    page.focus(".nas-plot")
    before = page.locator("h2").first.inner_text()
    begun = time.monotonic()
    page.keyboard.press(name)
    page.wait_for_function("before => document.querySelector('h2').innerText !== before", arg=before)
    return time.monotonic() - begun


def turn(page: Any, name: str) -> float:
    """To a page from another one, until what it is about is painted."""
    page.get_by_role("link", name="Studies", exact=True).click()
    page.wait_for_selector("h1:has-text('Which search do I open')")
    page.wait_for_timeout(1000)
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_function("name => window.nasPainted[name] != null", arg=name)
    seconds = page.evaluate("name => window.nasPainted[name]", name) / 1000
    page.wait_for_timeout(1000)
    return float(seconds)


def memory(browser: Any, address: str, pid: int, networks: int) -> None:
    pages = [browser.new_context().new_page() for _ in range(8)]  # each a person's own browser
    for page in pages:
        page.goto(address, wait_until="commit", timeout=120_000)
        until(page, POINTS, networks, 120)
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    row("memory of the server, 8 sessions", [kilobytes / 1000], "MB")
    pages[0].wait_for_timeout(10_000)
    begun, before = time.monotonic(), processor(pid)
    pages[0].wait_for_timeout(20_000)
    share = (processor(pid) - before) / (time.monotonic() - begun) / len(pages)
    row("the server's processor time in a quiet second, each of 8 sessions", [share], "ms", 1000)


def processor(pid: int) -> float:
    """Seconds that a process has computed."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def append(folder: Path, attrs: dict[str, Any]) -> None:
    """One trial more in the journal, complete, in one entry."""
    now = datetime.now(UTC).isoformat()
    entry = {
        "op_code": 4, "worker_id": "benchmark", "study_id": 0, "datetime_start": now, "datetime_complete": now,
        "distributions": {}, "params": {}, "user_attrs": attrs | {"key": f"new{time.monotonic_ns()}"},
        "system_attrs": {}, "state": 1, "intermediate_values": {}, "values": [0.4, float(attrs["flops"])],
    }  # fmt: skip
    with (folder / JOURNAL).open("a") as file:
        file.write(json.dumps(entry, separators=(",", ":")) + "\n")


def until(page: Any, script: str, wanted: int, limit: float = 60) -> float:
    begun = time.monotonic()
    while (found := page.evaluate(script)) != wanted:
        if time.monotonic() - begun > limit:
            sys.exit(f"error: the chart must have {wanted} points, got {found} after {limit} s")
        time.sleep(0.01)
    return time.monotonic() - begun


def row(name: str, values: Sequence[float], unit: str, scale: float = 1) -> None:
    digits = 2 if unit == "s" else 0
    line = f"{scale * statistics.median(values):,.{digits}f}"
    if len(values) > 1:
        line += f" median, {scale * max(values):,.{digits}f} most, n = {len(values)}"
    print(f"| {name} | {line} {unit} |", flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
