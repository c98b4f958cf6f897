"""Every command and python snippet that pages, help texts and the Makefile show, and where.

Commands are lines of console blocks behind `$`, indented lines that begin with a program's name, inline code that does,
the examples of help texts, and what the Makefile runs or tells a person to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.cli.base import app

ROOT = Path(__file__).parents[2]
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", *DOCS, "runs/README.md", "benchmarks/RESULTS.md")
PROGRAMS = "cd|export|git|make|nas|pip|python|source|srun|time|torchrun"
COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{PROGRAMS}) \S|\.\.\. --")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
DOTS = re.compile(r"^\| (\.\.\. [^|]*)\|", re.MULTILINE)  # a table's cell that goes on with options: one command
WHOLE = ("studies", "dashboard", "replay", "doctor", "presets", "init")
EXAMPLE = re.compile(r"\bExamples?: (nas .*?)(?:(?:, and then:|;) (nas .*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Printed:
    """Something to be typed, and where it stands."""

    text: str
    page: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def commands() -> list[Printed]:
    pages = [each for page in PAGES for each in _of_page(page)]
    return [each for each in [*pages, *_of_help(), *_of_makefile()] if not is_verb(each.text)]


def verbs() -> list[Printed]:
    """Commands that are named and not shown, as in "`nas front` has it"."""
    return [each for page in PAGES for each in _spans(page) if is_verb(each.text)]


def is_verb(text: str) -> bool:
    """Some of them are whole commands all the same, which the table has."""
    return re.fullmatch(r"nas \w[\w-]*", text) is not None and text.split()[1] not in WHOLE


def options() -> list[Printed]:
    """Every `--option` of a page."""
    option = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    return [Printed(m[0], page, _line(text, m.start())) for page, text in texts.items() for m in option.finditer(text)]


def snippets() -> list[Printed]:
    """Python blocks as they stand."""
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    blocks = [(page, text, match) for page, text in texts.items() for match in FENCE.finditer(text)]
    return [Printed(m[2], page, _line(text, m.start())) for page, text, m in blocks if m[1] == "python"]


def _of_page(page: str) -> Iterator[Printed]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        assert match[1] not in ("sh", "bash", "shell"), f"{page}: commands stand behind `$ ` in a console block"
        for number, line in enumerate(match[2].splitlines(), start=_line(text, match.start()) + 1):
            if match[1] == "console" and line.startswith("$ "):
                yield Printed(_plain(line[2:]), page, number)
    lines = _without_blocks(text).splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith("    ") and COMMAND.match(line[4:]):
            yield Printed(_plain(_joined(lines[number - 1 :])), page, number)
    yield from (each for each in _spans(page) if COMMAND.match(each.text))


def _spans(page: str) -> Iterator[Printed]:
    text = _without_blocks((ROOT / page).read_text(encoding="utf-8"))
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    text = DOTS.sub(lambda cell: "| `" + re.sub(r"[`,]", "", cell[1]).strip() + "` |", text)
    for match in SPAN.finditer(text):
        yield Printed(" ".join(match[1].split()), page, _line(text, match.start()))


def _of_help() -> Iterator[Printed]:
    for command in app.registered_commands:
        assert command.callback
        name = f"nas {command.name or command.callback.__name__} --help"
        for match in EXAMPLE.finditer(command.callback.__doc__ or ""):
            yield from (Printed(each, name, 1) for each in match.groups() if each)


def _of_makefile() -> Iterator[Printed]:
    """What recipes run of this project, and what they tell a person to run next."""
    for number, line in enumerate((ROOT / "Makefile").read_text().splitlines(), start=1):
        told = re.match(r"\t@echo +'  (.*)'$", line)
        line = (told[1] if told else line.strip()).replace("$(BIN)/", "").replace("$(DATA)", "DATA")
        for part in line.split(" || "):
            if re.match(r"(?:[A-Z_]+=\S+ )*(nas|make|python (-m|examples)) ?", part):
                yield Printed(_plain(part), "Makefile", number)


def _without_blocks(text: str) -> str:
    return FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def _joined(lines: list[str]) -> str:
    """A line with those that its backslashes go on with."""
    whole, rest = lines[0], iter(lines[1:])
    while whole.endswith("\\"):
        whole = whole[:-1].rstrip() + " " + next(rest).strip()
    return whole


def _plain(line: str) -> str:
    """Single spaces, and nothing of what explains it: a comment, or words far to the right."""
    return " ".join(re.split(r"\s+# |\s{3,}(?=\S)", line.strip())[0].split())


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
