"""The real server in real Chromium: points, zoom and selection while a study grows; keyboard, accessibility, the report."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dashboard import report
from nas.analysis.pareto import pareto_front
from nas.storage.reader import Reader
from space import compact
from tests.dashboard.conftest import Site
from tests.dashboard.server import CHROMIUM, FLAGS, needs_chromium
from tests.dashboard.studies import HOSTILE, add_trial, make_export, make_study, seen_data
from tests.nas.analysis.test_against_front import reference
from tests.started import Started

ROOT = Path(__file__).parents[2]
SECONDS = 60  # for anything to appear at all; the machine may be busy
CHART = "document.querySelector('.nas-plot')"  # the first of the page is the front
POINTS = f"() => {CHART}?.data?.filter(t => t.customdata).reduce((n, t) => n + t.x.length, 0)"
RANGES = f"() => [{CHART}.layout.xaxis.range, {CHART}.layout.yaxis.range].flat()"
PIXEL = f"""number => {{
  const {{ data, layout: {{ xaxis, yaxis }} }} = {CHART};
  const area = {CHART}.querySelector('.nsewdrag').getBoundingClientRect();  // what the axes span
  const part = (value, [low, high]) => (value - low) / (high - low);
  for (const trace of data) {{
    const i = trace.customdata?.indexOf(number) ?? -1;
    if (i >= 0) return [area.left + area.width * part(Math.log10(trace.x[i]), xaxis.range),
                        area.bottom - area.height * part(trace.y[i], yaxis.range)];
  }}
}}"""
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    """Of Chromium, so that all pages share what was fetched."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_context(viewport={"width": 1280, "height": 900})
        browser.close()


@pytest.fixture
def page(site: Site, context: Any) -> Iterator[Any]:
    """A page of Chromium that fails the test on any script error, dialog or request to another machine."""
    wrong: list[str] = []
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}") or dialog.dismiss())  # type: ignore[func-returns-value]
    near = (site.address, "data:", "blob:", "ws:", "file:")
    page.on("request", lambda request: None if request.url.startswith(near) else wrong.append(request.url))
    yield page
    page.close()
    assert wrong == []


def ringed(page: Any) -> str | None:
    """The trial that the chart rings."""
    shapes = page.evaluate(f"() => {CHART}.layout.shapes.filter(s => s.type === 'path').map(s => s.name)")
    return shapes[0] if shapes else None


def until(check: Callable[[], object], seconds: float = SECONDS) -> None:
    begun = time.monotonic()
    while not check():
        assert time.monotonic() - begun < seconds, f"nothing after {seconds} s"
        time.sleep(0.05)


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


def test_front_grows_while_zoom_and_selection_stay(site: Site, page: Any) -> None:
    folder, rng = make_study(site.runs, "live", 0), random.Random(77)
    page.goto(f"{site.address}/?study=live")
    page.wait_for_selector("text=no trial yet")
    add_trial(folder, rng)
    until(lambda: page.evaluate(POINTS) == 1)
    assert "alone on the front" in page.get_attribute(".nas-plot", "aria-label")
    for _ in range(19):
        add_trial(folder, rng)
    until(lambda: page.evaluate(POINTS) == 20)

    number = page.evaluate(f"() => {CHART}.data.find(t => t.customdata).customdata[0]")
    heading = page.locator(f"h2:has-text('Trial {number}')")

    def chosen() -> bool:
        """A click is lost where the chart is drawn anew at that moment."""
        click(page, number)
        begun = time.monotonic()
        while not heading.count() and time.monotonic() < begun + 10:
            time.sleep(0.05)
        return bool(heading.count())

    until(chosen)
    until(lambda: f"trial={number}" in page.url)

    before = page.evaluate(RANGES)
    box = page.locator(".nas-plot").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.7 * box["height"], steps=10)
    page.mouse.up()
    until(lambda: page.evaluate(RANGES) != before)
    zoomed = page.evaluate(RANGES)

    page.evaluate("() => { document.querySelector('[data-testid=stMain]').scrollTop = 120 }")
    for wanted in range(21, 25):
        add_trial(folder, rng, accuracy=0.999 if wanted == 22 else None)  # which moves the figure's own range
        until(lambda wanted=wanted: page.evaluate(POINTS) == wanted)  # type: ignore[misc]
        assert page.evaluate(RANGES) == zoomed
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop") == 120
    assert page.locator(f"h2:has-text('Trial {number}')").count() == 1
    assert ringed(page) == f"trial {number}"

    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 0.4 * box["height"])
    until(lambda: page.evaluate(RANGES)[3] > 99.9)  # the whole front again, with the points that came meanwhile
    add_trial(folder, rng, accuracy=0.02)
    page.wait_for_selector("text=1 of 25 networks lies below the chart, down to 2.00%.")
    assert page.evaluate(RANGES)[2] > 50
    page.locator("label", has_text="All points").click()
    until(lambda: page.evaluate(RANGES)[2] < 2)


def marks(page: Any) -> dict[str, Any]:
    """What is drawn over the chart's points: x of the limit, trials with a ring."""
    shapes = page.evaluate(f"() => {CHART}.layout.shapes.filter(s => s.name).map(s => [s.name, s.x0 ?? null])")
    return dict(shapes)


def test_budget_and_pinned_network_are_marked_in_the_chart(site: Site, page: Any) -> None:
    front = [trial.number for trial in pareto_front(Reader(make_study(site.runs, "marks", 20)).trials())]
    page.goto(f"{site.address}/?study=marks&pin={front[0]}&budget.FLOPs=2M")
    until(lambda: page.evaluate(POINTS) == 20)
    until(lambda: marks(page).get("limit") == 2_000_000)
    assert f"pinned trial {front[0]}" in marks(page)
    said = page.evaluate(f"() => {CHART}.layout.annotations.map(a => a.text)")
    assert {"pinned", "at most 2M"} <= set(said)
    assert "budget from 1M" not in said, "which stands in the same line over the chart"
    page.get_by_role("slider").press("Home")
    until(lambda: marks(page).get("limit", 9e9) < 2_000_000)
    page.get_by_role("slider").press("End")
    until(lambda: "limit" not in marks(page))
    words = f"Math.max(...[...{CHART}.querySelectorAll('.annotation-text')].filter(e => /^(budget|to) /.test(e.textContent)).map(e => e.getBoundingClientRect().bottom))"
    assert page.evaluate(words) <= page.evaluate(f"{CHART}.querySelector('.nsewdrag').getBoundingClientRect().top") + 1
    page.get_by_text("accuracy at least", exact=True).click()
    page.get_by_text("My goal, accuracy at least").wait_for()
    page.get_by_role("slider").press("Home")
    until(lambda: "limit" in marks(page))
    shape = page.evaluate(f"() => {CHART}.layout.shapes.find(s => s.name === 'limit')")
    cheapest = 100 * min(trial.score or 0 for trial in pareto_front(Reader(site.runs / "marks").trials()))
    assert cheapest - 0.1 < shape["y0"] == shape["y1"] <= cheapest
    assert f"at least {shape['y0']:.2f}%" in page.evaluate(f"() => {CHART}.layout.annotations.map(a => a.text)")
    assert "pick=accuracy" in page.url
    assert "goal=" in page.url
    below = "document.querySelector('[data-testid=stExpander]').getBoundingClientRect().bottom"
    page.get_by_text("Filters", exact=True).click()
    page.locator("[data-testid=stExpander] button").first.wait_for()
    until(lambda: page.evaluate(f"() => {below} <= {CHART}.getBoundingClientRect().top"))


def test_the_legend_stays_off_the_words_at_the_budgets_ends(site: Site, page: Any) -> None:
    """Where another colour gives a legend of fewer lines, too."""
    for name in ("cifar10-16M", "cifar10-16M-random"):
        shutil.copytree(ROOT / "runs" / name, site.runs / name, dirs_exist_ok=True)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{site.address}/?study=cifar10-16M")
    legend = f"{CHART}.querySelector('.legend').getBoundingClientRect()"
    room = f"Math.min(...[...{CHART}.querySelectorAll('.annotation-text')].filter(e => /^(budget|to) /.test(e.textContent)).map(e => e.getBoundingClientRect().top)) - {legend}.bottom"
    until(lambda: page.evaluate(POINTS))
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    high = page.evaluate(f"{legend}.height")
    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option", name="block", exact=True).click()
    until(lambda: page.evaluate(f"{legend}.height") < high)
    page.wait_for_timeout(1000)  # drawn anew, and placed
    assert page.evaluate(room) >= 0


def test_without_plotly_the_chart_says_so(site: Site, page: Any) -> None:
    make_study(site.runs, "alone", 3)
    page.route("**/plotly-*.js", lambda route: route.abort())
    page.goto(f"{site.address}/?study=alone")
    page.wait_for_selector("text=start this page with: nas dashboard")


def test_a_real_search_is_watched_from_its_first_trial_to_a_network(
    site: Site, page: Any, tiny_space: Path, tiny_recipe: Path
) -> None:
    """The whole way of a user: a search in one process, its points in the browser, a click, the network behind it."""
    search = Started([
        "nas", "search", str(tiny_space), "--data", "digits", "--flops", "20K..200K", "--trials", "100000", "--recipe",
        str(tiny_recipe), "--runs", str(site.runs), "--study", "watched",
    ], dict(os.environ))  # fmt: skip
    until(lambda: (site.runs / "watched" / "journal.log").exists(), 120)
    page.goto(f"{site.address}/?study=watched")
    try:
        until(lambda: (page.evaluate(POINTS) or 0) >= 2, 120)
        first = page.evaluate(POINTS)
        until(lambda: page.evaluate(POINTS) > first, 60)  # by itself, while the search runs
    finally:
        search.send_signal(signal.SIGINT)
    error = search.communicate(timeout=300)[1]
    assert search.returncode == 130, error

    trials = Reader(site.runs / "watched").trials()
    complete = sum(trial.state == "complete" for trial in trials)
    until(lambda: page.evaluate(POINTS) == complete)
    chosen = pareto_front(trials)[-1]
    click(page, chosen.number)
    page.wait_for_selector(f"h2:has-text('Trial {chosen.number}')")
    text = page.inner_text("[data-testid=stMain]")
    assert f"{chosen.accuracy:.2%}" in text
    assert compact(chosen.params or 0) in text
    page.get_by_text("Export", exact=True).click()
    page.wait_for_selector(f".stCode:has-text('nas export watched --trial {chosen.number}')")


def test_a_trial_is_chosen_by_keyboard_and_kept_from_page_to_page(site: Site, page: Any) -> None:
    front = [trial.number for trial in pareto_front(Reader(make_study(site.runs, "keys", 20)).trials())]
    page.goto(f"{site.address}/?study=keys&pin=1")
    until(lambda: page.evaluate(POINTS) == 20)
    until(lambda: ringed(page) == f"trial {front[-1]}")  # the pick
    page.focus(".nas-plot")
    page.keyboard.press("Home")
    page.wait_for_selector(f"h2:has-text('Trial {front[0]}')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"h2:has-text('Trial {front[1]}')")
    until(lambda: f"trial={front[1]}" in page.url)
    assert ringed(page) == f"trial {front[1]}"

    page.get_by_role("link", name="Trials", exact=True).click()
    page.wait_for_selector(f"h2:has-text('Trial {front[1]}')")
    until(lambda: all(said in page.url for said in ("study=keys", f"trial={front[1]}", "pin=1")))
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # else the table may be drawn anew
    until(lambda: third_row_is_chosen(page))
    page.wait_for_selector("h2:has-text('Trial 2')")


def third_row_is_chosen(page: Any) -> bool:
    """By a click on one of its cells and the keyboard; a table that moves meanwhile is clicked again."""
    page.locator("[data-testid=stDataFrame]").first.click(position={"x": 60, "y": 53 + 35 * 2})
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+Space")
    with suppress(AssertionError):
        until(lambda: "trial=2" in page.url, 5)
    return "trial=2" in page.url


def flaws(page: Any, *rules: str) -> list[tuple[str, str]]:
    """(rule, element) of what axe-core finds, but for Streamlit's own: its code boxes, and the list of an open box."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    violations = Axe().run(page, context={"exclude": [[".stCode"]]}, options=options).response["violations"]
    found = [(violation["id"], str(node["target"])) for violation in violations for node in violation["nodes"]]
    return [(rule, target) for rule, target in found if not (rule == "region" and "#react-aria" in target)]


PAGES = (
    ("Studies", ".nas-studies a"), ("Network", ".nas-plot .barlayer"),
    ("Trials", "[data-testid=stDataFrame] canvas"), ("Progress", ".nas-plot .scatterlayer"),
    ("Space", ".nas-plot .barlayer"), ("Data", "[data-testid=stDataFrame] canvas"), ("Compare", ".nas-plot .scatterlayer"),
    ("Predictions", ".nas-plot .heatmaplayer"), ("Front", ".nas-plot .scatterlayer"),
)  # fmt: skip


def test_axe_finds_nothing_on_any_page(site: Site, page: Any) -> None:
    """All rules in light, contrast in dark."""
    seen_data(make_study(site.runs, "axe", 20, failed=1))
    make_study(site.runs, "axe-too", 20, seed=1)
    make_export(site.runs / "axe" / "exports" / "trial-1")
    page.goto(f"{site.address}/compare?study=axe&with=axe&with=axe-too")
    schemes = ["light", "dark"]
    for name, shown in PAGES:
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector(shown, state="attached")
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        for scheme in schemes:
            in_theme(page, scheme)
            assert flaws(page, *(["color-contrast"] if scheme == "dark" else [])) == [], (name, scheme)
        schemes.reverse()  # each change of theme draws all charts anew
    in_theme(page, "light")
    page.get_by_text("Filters", exact=True).click()
    page.locator("[data-testid=stExpander] button").first.click()
    page.wait_for_selector("[data-testid=stText]:has-text('Only ')")
    assert flaws(page) == []


def in_theme(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    ground = (
        "Number(getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor.match(/[0-9]+/)[0])"
    )
    until(lambda: (page.evaluate(ground) < 128) is (scheme == "dark"))


@pytest.mark.parametrize("wide", [1400, 390])
def test_names_of_studies_are_links_and_nothing_is_cut_off(site: Site, page: Any, wide: int) -> None:
    name = "a-study-with-a-name-as-long-as-nas-makes-them-500K-5M"
    if not (site.runs / name).exists():
        make_study(site.runs, name, 20, stopped=11, failed=3)
    page.set_viewport_size({"width": wide, "height": 900})
    page.goto(f"{site.address}/studies")
    page.wait_for_selector(".nas-studies a")
    cut = (
        "e => [e, ...e.querySelectorAll('th, td')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)"
    )
    assert page.locator(".nas-studies").evaluate(cut) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    assert page.locator(".nas-studies img").first.evaluate("e => e.naturalWidth") == 96
    page.locator(".nas-studies").get_by_role("link", name=name).click()
    page.wait_for_selector(f"[data-testid=stMarkdown]:has-text('{name}')")
    assert f"/?study={name}" in page.url


def test_a_network_fits_a_narrow_screen_and_is_compared_first(site: Site, page: Any) -> None:
    if not (site.runs / "keys").exists():
        make_study(site.runs, "keys", 20)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{site.address}/network?study=keys&trial=3&pin=4")
    page.wait_for_selector("text=Reproduce this network")
    page.wait_for_selector(".nas-plot .barlayer")
    headers = page.locator("h2").all_inner_texts()
    assert headers[:3] == ["Trial 3", "Compared with pinned trial 4", "Trial 3, part by part"]
    page.wait_for_selector(".stCode pre")
    wide = "() => [...document.querySelectorAll('.stCode pre, .nas-scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    until(lambda: page.evaluate(wide) == 0)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_chart_wider_than_the_screen_says_that_it_scrolls(site: Site, page: Any) -> None:
    if not (site.runs / "keys").exists():
        make_study(site.runs, "keys", 20)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{site.address}/space?study=keys")
    until(lambda: page.locator(".nas-more:not([hidden])").all_inner_texts() == ["Scroll sideways for the rest."])
    page.set_viewport_size({"width": 1400, "height": 900})
    until(lambda: page.locator(".nas-more:not([hidden])").count() == 0)


def test_ticks_say_thousands_as_the_tables_do(site: Site, page: Any) -> None:
    if not (site.runs / "keys").exists():
        make_study(site.runs, "keys", 20)
    ticks = "[...document.querySelectorAll('.nas-plot .xtick text')].map(e => e.textContent)"
    for where in ("?study=keys&x=parameters", "progress?study=keys", "network?study=keys&trial=3"):
        page.goto(f"{site.address}/{where}")
        until(lambda: any(tick.endswith("K") for tick in page.evaluate(ticks)))
        assert not [tick for tick in page.evaluate(ticks) if tick.endswith("k")], where


def test_names_of_stars_stand_beside_them_where_there_is_room(site: Site, page: Any) -> None:
    if not (site.runs / "starred").exists():
        reference(0.95, 2_000_000).write(make_study(site.runs, "starred", 12))
    page.goto(f"{site.address}/?study=starred")
    names = f"[...{CHART}.querySelectorAll('.scatterlayer .textpoint text')].map(e => e.textContent)"
    until(lambda: page.evaluate(POINTS) == 12)
    until(lambda: page.evaluate(names) == ["resnet18"])
    page.set_viewport_size({"width": 390, "height": 900})
    until(lambda: page.evaluate(names) == [])
    assert page.evaluate(f"{CHART}.data.at(-1).hovertext.length") == 1
    page.set_viewport_size({"width": 1280, "height": 900})
    until(lambda: page.evaluate(names) == ["resnet18"])


def test_squares_of_kernels_shrink_to_their_bars(site: Site, page: Any) -> None:
    if not (site.runs / "keys").exists():
        make_study(site.runs, "keys", 20)
    deepest = max(Reader(site.runs / "keys").trials(), key=lambda trial: trial.to_arch().depth)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{site.address}/network?study=keys&trial={deepest.number}")
    page.wait_for_selector(".nas-plot .scatterlayer .point", state="attached")
    square, bar = (
        f"Math.max(...[...{CHART}.querySelectorAll('{part}')].map(e => e.getBoundingClientRect().width))"
        for part in (".scatterlayer .point", ".barlayer .trace:first-child .point path")
    )
    until(lambda: page.evaluate(square) <= page.evaluate(bar) + 2)  # a square's line
    scale = f"{CHART}.data.filter(t => t.meta?.sizes).map(t => t.marker.size.map((s, i) => s / t.meta.sizes[i]))[0]"
    shrunk = page.evaluate(scale)
    assert shrunk == pytest.approx([shrunk[0]] * len(shrunk)), "to scale among each other"
    page.set_viewport_size({"width": 1280, "height": 900})
    until(lambda: set(page.evaluate(scale)) == {1})


def test_the_table_of_trials_needs_no_scrolling(site: Site, page: Any) -> None:
    if not (site.runs / "repeated").exists():
        folder, rng = make_study(site.runs, "repeated", 12, stopped=2, failed=2), random.Random(5)
        for number in range(6):
            add_trial(folder, rng, repeat_of=number)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{site.address}/trials?study=repeated")
    page.wait_for_selector("[data-testid=stDataFrame] .dvn-scroller")
    until(
        lambda: page.evaluate(
            "() => [...document.querySelectorAll('.dvn-scroller')].every(e => e.scrollWidth <= e.clientWidth)"
        )
    )


def test_hostile_study_does_nothing(site: Site, page: Any) -> None:
    folder = make_study(site.runs, HOSTILE, 3)
    add_trial(folder, random.Random(0), "failed", reason=HOSTILE)
    page.goto(f"{site.address}/?study={quote(HOSTILE)}")
    page.wait_for_selector(f"[data-testid=stText]:has-text('{HOSTILE}')")
    until(lambda: page.evaluate(POINTS) == 3)
    page.get_by_role("combobox", name="Study").click()
    page.get_by_role("option", name=HOSTILE).wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_a_report_draws_all_its_charts_and_fetches_nothing(
    tmp_path: Path, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    monkeypatch.setattr(report, "NETWORKS", 2)
    folder = make_study(tmp_path, HOSTILE, 25)
    for name in ("timm:convnext_atto x0.585", "references:vit:depth=4:width=64"):
        reference(0.95, 12_780_160, name).write(folder)
    report.write_report(folder, path)
    page.set_viewport_size({"width": 390, "height": 900})
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
    scrolls = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
    assert page.evaluate(scrolls) == [], "the table of references neither"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (page.evaluate(CUT), width(page)) == ([], 850), "A4 without its margins, at 80%"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert (page.evaluate(CUT), width(page)) == ([], 1060)


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
