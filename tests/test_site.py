"""The documentation as a site: every page in the menu, every link leads somewhere, what is read out of the code is whole,
and nothing is fetched from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import click
import pyarrow.parquet as parquet
import pytest
import typer
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

import nas
import space
from nas.benchmark.table import RECORDED
from nas.cli.base import COMMANDS, app
from nas.records.data_card import DataCard, Reading
from nas.records.recipe import Recipe
from nas.records.settings import Settings
from nas.records.trial import Period, Trial
from space.axes import DEFAULTS, STRUCTURE
from tests.dashboard.server import CHROMIUM, FLAGS, needs_chromium
from tests.documented.extracted import PAGES

ROOT = Path(__file__).parents[1]
PATH = re.compile(r"`((?:nas|space|dashboard|tests|benchmarks|examples)/[\w./-]+\.\w+)`")
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}


class Parsed(HTMLParser):
    """A page's ids, links, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loads = set[str](), list[str](), list[str]()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := found.get(name))}
        if tag == "a" and (href := found.get("href")):
            self.links.append(href)
        if (name := FETCHED.get(tag)) and (value := found.get(name)):
            self.loads.append(value)

    @property
    def words(self) -> str:
        """Its text without tags, in single spaces, as it is read."""
        return " ".join(unescape(re.sub(r"<[^>]+>", "", self.text)).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does: any warning ends it."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Parsed]:
    return {path: Parsed(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def test_every_link_leads_to_a_file_and_an_anchor(pages: dict[Path, Parsed]) -> None:
    wrong, count = [], 0
    for path, page in pages.items():
        for link in page.links:
            file, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", link):
                continue
            count += 1
            target = (path.parent / unquote(file)).resolve() if file else path
            if not target.is_file() or (anchor and target in pages and unquote(anchor) not in pages[target].ids):
                wrong.append(f"{path.name}: {link}")
    assert count > 1000
    assert wrong == []


def test_every_page_is_in_the_menu_once() -> None:
    def uris(entries: list[Any]) -> Iterator[str]:
        for entry in entries:
            for value in entry.values():
                yield from uris(value) if isinstance(value, list) else [value]

    nav = list(uris(load_config(str(ROOT / "mkdocs.yml")).nav or []))
    elsewhere = {"index.md", "changelog.md", "results.md", "studies.md"}
    assert sorted(nav) == sorted({path.name for path in (ROOT / "docs").glob("*.md")} | elsewhere)


@pytest.mark.parametrize(
    ("text", "menu"),
    [("[there](nowhere.md)", True), ("[there](#nowhere)", True), ("[there](/page.md)", True), ("nothing wrong", False)],
)
def test_a_build_ends_at_what_leads_nowhere(tmp_path: Path, text: str, menu: bool) -> None:
    """As the site's own settings have it."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Home\n")
    (docs / "page.md").write_text(f"# A page\n\n{text}\n")
    nav = [{"Home": "index.md"}, *([{"A page": "page.md"}] if menu else [])]
    with pytest.raises(Abort):
        build(
            load_config(
                str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(tmp_path / "site"), nav=nav, plugins=[],
                hooks=[], extra_css=[],
            )
        )  # fmt: skip


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Parsed], site: Path) -> None:
    for path, page in pages.items():
        assert [each for each in page.loads if re.match(r"(https?:)?//", each)] == [], path.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", sheet.read_text(encoding="utf-8")), sheet.name


@needs_chromium
def test_it_is_searched_from_files_without_a_server(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    fetched: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else fetched.append(r.url))
        page.goto(f"{(site / 'index.html').as_uri()}")
        page.fill(".md-search__input", "hypervolume")
        page.wait_for_selector(".md-search-result__item a[href*='fronts.html']", state="attached", timeout=60_000)
        browser.close()
    assert fetched == []


def test_the_command_line_is_there_with_every_option_as_help_says(pages: dict[Path, Parsed], site: Path) -> None:
    page = pages[site / "command-line.html"]
    group: Any = typer.main.get_command(app)
    assert {name for names in COMMANDS.values() for name in names} == set(group.commands)
    for name, command in group.commands.items():
        assert f"nas-{name}" in page.ids
        part = page.text.split(f'id="nas-{name}"')[1].split("<h3")[0].split("<h2")[0]
        words = " ".join(unescape(re.sub(r"<[^>]+>", "", part)).split())
        records = _records(command, name)
        assert ("--help", "Show this message and exit.") in records
        for option, said in records:
            told = f"{option}{': ' if said else ''}{said}".replace("`", "")  # which mark code
            assert " ".join(told.split()) in words, name


def _records(command: click.Command, name: str) -> list[tuple[str, str]]:
    """What `--help` lists: arguments and options, and what is said of each."""
    context = click.Context(command, info_name=name)
    return [found for each in command.get_params(context) if (found := each.get_help_record(context))]


def test_every_public_name_is_there_with_what_it_is(pages: dict[Path, Parsed], site: Path) -> None:
    page = pages[site / "python.html"]
    names = {f"nas.{name}" for name in nas.__all__} | {
        f"space.{name}" for name in space.__all__ if name not in nas.__all__
    }
    assert names <= page.ids
    for name in ("Study.front", "Study.export", "Space.draw", "Space.narrow", "Arch.load"):
        assert f"nas.{name}" in page.ids
    assert "Pareto front, by rising FLOPs" in page.words, "docstrings"


def test_files_have_every_field(pages: dict[Path, Parsed], site: Path) -> None:
    words = pages[site / "files.html"].text
    for record in (Settings, DataCard, Reading, Trial, Period):
        for field in fields(record):
            assert f"<td><code>{field.name}</code></td>" in words, (record, field.name)
    for column in parquet.read_schema(RECORDED / "exhaustive.parquet").names:
        assert f"<code>{column}</code>" in words, column


def test_the_recipes_table_has_every_field_with_its_default() -> None:
    found: dict[str, str] = {}
    for names, default in re.findall(r"^\| ([^|]+) \| ([^|]+) \|", _section("space.md", "A recipe"), re.MULTILINE):
        several, values = re.findall(r"`(\w+)`", names), default.split(", ")
        found |= dict(zip(several, values * len(several) if len(values) == 1 else values, strict=False))
    assert {name: yaml.safe_load(value) for name, value in found.items()} == {
        field.name: field.default for field in fields(Recipe) if field.default is not MISSING
    }


def test_the_axes_table_has_every_axis_with_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|[^|]+\|([^|]*)\|", _section("space.md", "A space"), re.MULTILINE)
    found = {name: default for names, default in rows for name in re.findall(r"`([\w.]+)`", names)}
    assert set(STRUCTURE) <= set(found)
    for name, values in DEFAULTS.items():
        said = found[name].strip().split(", ")
        expected = f"{values[0]:g}" if values and isinstance(values[0], int | float) else str(*values)
        assert expected in said or (name == "ratio" and said == ["equal"]), name


def _section(page: str, heading: str) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_files_that_pages_name_are_there() -> None:
    named = [(page, path) for page in PAGES for path in PATH.findall((ROOT / page).read_text(encoding="utf-8"))]
    assert len(named) > 50
    assert [(page, path) for page, path in named if not (ROOT / path).exists() and "NAME" not in path] == []


def test_the_citation_is_one_and_the_changelog_knows_the_version() -> None:
    """What CFF 1.2.0 asks for, without its schema."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert (citation["type"], citation["version"], citation["license"]) == ("software", nas.__version__, "MIT")
    assert citation["authors"] == [{"name": "the nas authors"}]
    papers = [entry["identifiers"][0]["value"] for entry in citation["references"]]
    assert papers == ["arXiv:2201.03545", "arXiv:2211.11943"]
    for entry in citation["references"]:
        assert {"type", "title", "authors"} <= set(entry)
    assert f"\n## {nas.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
