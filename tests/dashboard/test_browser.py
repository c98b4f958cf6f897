"""The real server in real Chromium: points, zoom and selection while a study grows; what the server keeps to itself."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dashboard.report import write_report
from dashboard.server import HOST, plotly_script, serve
from nas.front import pareto_front
from nas.settings import FILE
from nas.trials import Reader
from space import InputError, compact
from tests.dashboard.studies import add_trial, make_study
from tests.nas.commands import Started

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
MISSING = [
    name
    for name, there in (("chromium", Path(CHROMIUM).is_file()), ("playwright", find_spec("playwright")))
    if not there
]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"
)
HOSTILE = "<img src=x onerror=alert(1)>"
SECONDS = 30  # for anything to appear at all; the machine may be busy

pytestmark = pytest.mark.skipif(
    bool(MISSING) and os.environ.get("CI") != "true", reason=f"{' and '.join(MISSING)} must be installed; see README"
)

CHART = "document.querySelector('.nas-plot')"  # the first of the page is the front
POINTS = f"() => {CHART}?.data?.filter(t => t.customdata).reduce((n, t) => n + t.x.length, 0)"
RANGES = f"() => [({CHART})._fullLayout.xaxis.range, ({CHART})._fullLayout.yaxis.range].flat()"
PIXEL = f"""number => {{
  const chart = {CHART}, box = chart.getBoundingClientRect(), full = chart._fullLayout;
  for (const trace of chart.data) {{
    const i = trace.customdata?.indexOf(number) ?? -1;
    if (i >= 0) return [box.x + full.xaxis._offset + full.xaxis.d2p(trace.x[i]),
                        box.y + full.yaxis._offset + full.yaxis.d2p(trace.y[i])];
  }}
}}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start(runs: Path, port: int) -> subprocess.Popen[str]:
    """The server as `nas dashboard` starts it; returns when it answers."""
    code = "import sys; from pathlib import Path; from dashboard import frame; from dashboard.server import serve; "
    code += "frame.EVERY = 0.3; "  # seconds: twenty updates are waited for
    code += f"sys.exit(serve(Path({str(runs)!r}), {port}, open_browser=False))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == f"Dashboard: http://{HOST}:{port} (Ctrl-C ends it)\n"
    return server


def end(server: subprocess.Popen[str], how: int = signal.SIGTERM) -> int:
    server.send_signal(how)
    return server.wait(timeout=20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, int]]:
    """(folder of studies, address, the server's process id)"""
    runs, port = tmp_path_factory.mktemp("site") / "runs", free_port()
    runs.mkdir()
    server = start(runs, port)
    yield runs, f"http://{HOST}:{port}", server.pid
    assert end(server) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def page(site: tuple[Path, str, int], browser: Any) -> Iterator[Any]:
    """A page of Chromium that fails the test on any script error, dialog or request to another machine."""
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(SECONDS * 1000)
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}") or dialog.dismiss())  # type: ignore[func-returns-value]
    page.on("request", lambda r: None if r.url.startswith((site[1], "data:", "blob:", "ws:")) else wrong.append(r.url))
    yield page
    page.close()
    assert wrong == []


def ringed(page: Any) -> str | None:
    """The trial that the chart rings."""
    shapes = page.evaluate(f"() => ({CHART}).layout.shapes.filter(s => s.type === 'path').map(s => s.name)")
    return shapes[0] if shapes else None


def until(check: Callable[[], object], seconds: float = SECONDS) -> float:
    """Seconds until `check` is true."""
    begun = time.monotonic()
    while not check():
        assert time.monotonic() - begun < seconds, f"nothing after {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def click(page: Any, number: int) -> None:
    """Moves the mouse to a trial's point in steps, waits for its label, clicks; again where the chart moved meanwhile."""
    label = page.locator(f".hoverlayer .hovertext:has-text('trial {number}')")

    def labelled() -> bool:
        x, y = page.evaluate(PIXEL, number)
        page.mouse.move(x - 40, y - 40)
        page.mouse.move(x, y, steps=8)
        begun = time.monotonic()
        while time.monotonic() < begun + 2:
            if label.count():
                page.mouse.click(x, y)
                return True
            time.sleep(0.05)
        return False

    until(labelled)


def test_front_grows_while_zoom_and_selection_stay(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    folder, rng = make_study(runs, "live", 20), random.Random(77)
    page.goto(f"{address}/?study=live")
    until(lambda: page.evaluate(POINTS) == 20)

    number = page.evaluate(f"() => ({CHART}).data.find(t => t.customdata).customdata[0]")
    click(page, number)
    page.wait_for_selector(f"h2:has-text('Trial {number}')")
    until(lambda: f"trial={number}" in page.url)

    before = page.evaluate(RANGES)
    box = page.evaluate(
        f"() => {{ const b = ({CHART}).getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; }}"
    )
    page.mouse.move(box[0] + 0.3 * box[2], box[1] + 0.3 * box[3])
    page.mouse.down()
    page.mouse.move(box[0] + 0.8 * box[2], box[1] + 0.7 * box[3], steps=10)
    page.mouse.up()
    until(lambda: page.evaluate(RANGES) != before)
    zoomed = page.evaluate(RANGES)

    page.evaluate("() => { document.querySelector('[data-testid=stMain]').scrollTop = 120 }")
    slowest = 0.0
    for wanted in range(21, 41):
        add_trial(folder, rng)
        slowest = max(slowest, until(lambda wanted=wanted: page.evaluate(POINTS) == wanted, 8))  # type: ignore[misc]
        assert page.evaluate(RANGES) == zoomed
    assert slowest < 8, "3 s on an idle machine: benchmarks/dashboard.py"
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop") == 120
    assert page.locator(f"h2:has-text('Trial {number}')").count() == 1
    assert ringed(page) == f"trial {number}"


INK = """() => { const canvas = document.querySelector('.nas-sketch'), pen = canvas.getContext('2d');
  return pen.getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 3).some(a => a > 200); }"""


def test_points_are_seen_before_plotly_is_there_and_in_its_place(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    make_study(runs, "early", 20)
    held: list[Any] = []
    page.route("**/plotly-*.js", lambda route: held.append(route))
    page.goto(f"{address}/?study=early")
    sketch = page.locator(".nas-sketch").first
    sketch.wait_for(state="visible")
    assert sketch.get_attribute("data-points") == "20"
    assert page.evaluate(INK)
    assert page.evaluate(POINTS) is None
    until(lambda: held)
    held[0].continue_()
    until(lambda: page.evaluate(POINTS) == 20)
    sketch.wait_for(state="hidden")
    drawn = page.evaluate(f"() => ({CHART})._fullLayout._size")
    assert page.evaluate("() => document.querySelector('.nas-sketch').dataset.place.split(' ').map(Number)") == [
        pytest.approx(drawn["l"], abs=12), pytest.approx(drawn["t"], abs=12),
        pytest.approx(drawn["l"] + drawn["w"], abs=12), pytest.approx(drawn["t"] + drawn["h"], abs=12),
    ]  # fmt: skip


def test_a_page_comes_with_its_front_which_stays_in_its_place(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    make_study(runs, "sooner", 20)
    page.goto(f"{address}/?study=sooner")
    until(lambda: page.evaluate(POINTS) == 20)
    page.wait_for_selector("#nas-first", state="detached")
    page.wait_for_timeout(500)  # until nothing moves any more
    there = page.evaluate(
        f"() => {{ const r = ({CHART}).getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; }}"
    )
    page.route("**/static/js/**", lambda route: route.abort())  # as if Streamlit never came
    page.goto(f"{address}/?study=sooner", wait_until="commit")
    page.wait_for_selector("#nas-first canvas")
    assert page.locator("#nas-first canvas").get_attribute("data-points") == "20"
    assert page.locator("#nas-first h1").inner_text() == "What is the best network under my budget?"
    assert "n = 360 images" in page.locator("#nas-first").inner_text()
    assert page.evaluate(INK.replace(".nas-sketch", "#nas-first canvas"))
    box = page.locator("#nas-first canvas").bounding_box()
    assert [box[name] for name in ("x", "y", "width", "height")] == pytest.approx(there, abs=4)
    page.goto(f"{address}/trials?study=sooner", wait_until="commit")
    page.wait_for_selector("#nas-first p")
    assert page.locator("#nas-first").inner_text() == "Opening sooner."


def test_a_first_look_that_the_page_does_not_keep_goes(site: tuple[Path, str, int], page: Any) -> None:
    """As where the study is gone since it was read."""
    runs, address, _ = site
    make_study(runs, "passing", 5)
    page.goto(f"{address}/?study=passing")
    until(lambda: page.evaluate(POINTS) == 5)
    page.goto("about:blank")
    page.wait_for_timeout(1000)  # until nobody looks at it any more
    (runs / "passing" / FILE).write_text("{")
    page.goto(f"{address}/?study=passing", wait_until="commit")
    page.wait_for_selector("#nas-first canvas")
    page.wait_for_selector("text=This study cannot be read")
    page.wait_for_selector("#nas-first", state="detached")
    shutil.rmtree(runs / "passing")


def test_without_plotly_the_chart_says_so(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    make_study(runs, "alone", 20)
    page.route("**/plotly-*.js", lambda route: route.abort())
    page.goto(f"{address}/?study=alone")
    page.wait_for_selector("text=start this page with: nas dashboard")
    assert not page.locator(".nas-sketch").first.is_visible()


def test_a_real_search_is_watched_from_its_first_trial_to_a_network(
    site: tuple[Path, str, int], page: Any, tiny_space: Path, tiny_recipe: Path
) -> None:
    """The whole way of a user: a search in one process, its points in the browser, a click, the network behind it."""
    runs, address, _ = site
    make_study(runs, "older", 3)
    page.goto(address)
    page.wait_for_selector("[data-testid=stMetric]")
    search = Started([
        "search", str(tiny_space), "--data", "digits", "--flops", "20K..200K", "--trials", "100000", "--recipe",
        str(tiny_recipe), "--runs", str(runs), "--study", "watched",
    ], dict(os.environ))  # fmt: skip
    until(lambda: (runs / "watched" / "journal.log").exists(), 120)
    page.goto(f"{address}/?study=watched")
    try:
        until(lambda: (page.evaluate(POINTS) or 0) >= 2, 120)
        first = page.evaluate(POINTS)
        until(lambda: page.evaluate(POINTS) > first, 60)  # by itself, while the search runs
    finally:
        search.send_signal(signal.SIGINT)
    error = search.communicate(timeout=300)[1]
    assert search.returncode == 130, error

    trials = Reader(runs / "watched").trials()
    complete = sum(trial.state == "complete" for trial in trials)
    until(lambda: page.evaluate(POINTS) == complete)
    chosen = pareto_front(trials)[-1]
    click(page, chosen.number)
    page.wait_for_selector(f"h2:has-text('Trial {chosen.number}')")
    text = page.inner_text("[data-testid=stMain]")
    assert f"{chosen.accuracy:.2%}" in text
    assert compact(chosen.params or 0) in text
    assert f"nas export watched --trial {chosen.number}" in text


def test_first_search_appears_by_itself(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    make_study(runs, "begun", 0)
    page.goto(f"{address}/?study=begun")
    page.wait_for_selector("text=no trial yet")
    add_trial(runs / "begun", random.Random(3))
    until(lambda: page.evaluate(POINTS) == 1)
    assert "alone on the front" in page.get_attribute(".nas-plot", "aria-label")


def test_row_of_the_table_selects_by_keyboard(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    make_study(runs, "table", 5)
    page.goto(f"{address}/trials?study=table")
    page.wait_for_selector("[data-testid=stDataFrame] canvas")
    table = page.locator("[data-testid=stDataFrame]").first
    table.click(position={"x": 60, "y": 53 + 35 * 2})  # a cell of the third row
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+Space")
    page.wait_for_selector("h2:has-text('Trial 2')")
    until(lambda: "trial=2" in page.url)


def test_arrow_keys_walk_along_the_front(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    front = [trial.number for trial in pareto_front(Reader(make_study(runs, "keys", 20)).trials())]
    page.goto(f"{address}/?study=keys")
    until(lambda: page.evaluate(POINTS) == 20)
    until(lambda: ringed(page) == f"trial {front[-1]}")  # the pick
    page.focus(".nas-plot")
    page.keyboard.press("Home")
    page.wait_for_selector(f"h2:has-text('Trial {front[0]}')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"h2:has-text('Trial {front[1]}')")
    until(lambda: f"trial={front[1]}" in page.url)
    assert ringed(page) == f"trial {front[1]}"


def flaws(page: Any) -> list[tuple[str, str]]:
    """(rule, element) of what axe-core finds, but for Streamlit's own: its code boxes, and the list of an open box."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    violations = Axe().run(page, context={"exclude": [[".stCode"]]}).response["violations"]
    found = [(violation["id"], str(node["target"])) for violation in violations for node in violation["nodes"]]
    return [(rule, target) for rule, target in found if not (rule == "region" and "#react-aria" in target)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(site: tuple[Path, str, int], page: Any, scheme: str) -> None:
    runs, address, _ = site
    if not (runs / "axe").exists():
        make_study(runs, "axe", 20, failed=1)
        make_study(runs, "axe-too", 20, seed=1)
    page.emulate_media(color_scheme=scheme)
    for name, shown in (
        ("studies", "[data-testid=stDataFrame] canvas"), ("", ".nas-plot .scatterlayer"),
        ("network", ".nas-plot .barlayer"), ("trials", "[data-testid=stDataFrame] canvas"),
        ("progress", ".nas-plot .scatterlayer"), ("space", ".nas-plot .barlayer"), ("compare", "h1"),
    ):  # fmt: skip
        page.goto(f"{address}/{name}?study=axe")
        page.wait_for_selector(shown, state="attached")
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        assert flaws(page) == [], name
    page.goto(f"{address}/?study=axe")
    page.get_by_role("button", name="Filters").click()
    page.locator("[data-testid=stMultiSelect]").first.click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-tag]")
    assert flaws(page) == []


def test_hostile_study_does_nothing(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    folder = make_study(runs, HOSTILE, 3)
    add_trial(folder, random.Random(0), "failed", reason=HOSTILE)
    page.goto(address)
    page.wait_for_selector("[data-testid=stMetric]")
    page.get_by_role("combobox", name="Study").click()
    page.get_by_role("option", name=HOSTILE).click()
    page.wait_for_selector(f"[data-testid=stText]:has-text('{HOSTILE}')")
    until(lambda: page.evaluate(POINTS) == 3)
    assert page.locator("img[src=x]").count() == 0


def test_a_command_is_copied_and_no_highlighter_fetched_for_it(site: tuple[Path, str, int], page: Any) -> None:
    runs, address, _ = site
    if not (runs / "copied").exists():
        make_study(runs, "copied", 3)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(f"{address}/?study=copied")
    box = page.locator(".nas-verbatim").filter(has_text="nas export").first
    box.wait_for()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box.get_by_role("button", name="Copy").click()
    box.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("() => navigator.clipboard.readText()") == box.locator("pre").text_content()
    box.get_by_role("button", name="Copy", exact=True).wait_for()
    page.wait_for_load_state("networkidle")
    assert not [url for url in fetched if "SyntaxHighlighter" in url]
    with page.expect_request("**/*SyntaxHighlighter*"):  # so it has that name, and programs are coloured
        page.goto(f"{address}/network?study=copied&trial=0")


def test_a_report_draws_all_its_charts_and_fetches_nothing(tmp_path: Path, browser: Any) -> None:
    path = tmp_path / "report.html"
    write_report(make_study(tmp_path, HOSTILE, 25), path)
    page, wrong = browser.new_page(viewport={"width": 390, "height": 900}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())  # type: ignore[func-returns-value]
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(path.as_uri())
    charts = page.locator("[data-figure]").count()
    assert charts > 6
    until(lambda: page.locator("[data-figure].js-plotly-plot").count() == charts)
    assert "WebGL is not supported" not in page.inner_text("body")
    assert page.locator("h1").inner_text() == HOSTILE
    assert (page.evaluate(CUT), width(page)) == ([], 358)
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "the page does not scroll sideways"
    page.set_viewport_size({"width": 1280, "height": 900})
    until(lambda: width(page) == 1060)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (page.evaluate(CUT), width(page)) == ([], 850), "A4 without its margins, at 80%"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert (page.evaluate(CUT), width(page)) == ([], 1060)
    page.close()
    assert wrong == []


CUT = """() => [...document.querySelectorAll('[data-figure]')].flatMap((box) => {  // texts that a chart's edge cuts
  const edge = box.getBoundingClientRect();
  return [...box.querySelectorAll('svg text')].filter((text) => {
    const place = text.getBoundingClientRect();
    return place.width && (place.left < edge.left - 1 || place.right > edge.right + 1);
  }).map((text) => `${box.dataset.figure}: ${text.textContent}`);
})"""


def width(page: Any) -> int:
    """Of the report's first chart, in px."""
    found: int = page.evaluate("document.querySelector('.main-svg').clientWidth")
    return found


def test_server_never_loads_torch_nor_pandas(site: tuple[Path, str, int]) -> None:
    maps = Path(f"/proc/{site[2]}/maps")
    if not maps.exists():
        pytest.skip("/proc must exist")
    assert "streamlit" in maps.read_text() or "pyarrow" in maps.read_text()
    assert not [name for name in ("torch", "pandas") if name in maps.read_text()]


def test_plotly_is_served_whole(site: tuple[Path, str, int]) -> None:
    _, address, _ = site
    with urllib.request.urlopen(address + "/network?study=x") as reply:
        link = reply.headers["Link"]
        assert "rel=preload" in link
    with urllib.request.urlopen(address + link[1 : link.index(">")]) as reply:
        assert reply.read() == plotly_script().read_bytes()
        assert reply.headers["Content-Type"].startswith("text/javascript")


def test_a_page_of_another_host_is_told_nothing(site: tuple[Path, str, int]) -> None:
    """Such as one whose name has come to mean this machine."""
    _, address, _ = site
    for path, answer in (("/", 200), ("/front", 200), ("/_stcore/health", 200), ("/_stcore/stream", 101)):
        assert status(address, path, "localhost") == status(address, path, HOST) == answer
        assert status(address, path, "evil.example") == 400


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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_server_and_frees_the_port(tmp_path: Path, how: int) -> None:
    port = free_port()
    server = start(tmp_path, port)
    with pytest.raises(InputError, match=f"port must be free, got {port}; choose another with --port"):
        serve(tmp_path, port, open_browser=False)
    assert end(server, how) == 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_impossible_port(tmp_path: Path, port: int) -> None:
    with pytest.raises(InputError, match=f"port must be from 1 to 65535, got {port}; use e.g. 8501"):
        serve(tmp_path, port)
