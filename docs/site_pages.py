"""What the site has beside `docs/*.md`: pages from elsewhere in the repository, and what is read out of the code."""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

import nas
import nas.cli  # which registers the commands
from nas.cli.base import COMMANDS, app

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "results.md", "runs/README.md": "studies.md",
}  # fmt: skip
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of elsewhere."""
    for path, uri in PAGES.items():
        if not (ROOT / "docs" / uri).exists():
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts in what is read out of the code, and mends links that lead out of `docs`. A link that bears its file's
    name gets the page's title."""
    folder, titles = Path(page.file.abs_src_path or "").parent, dict(_titles(config.nav or []))

    def mended(link: re.Match[str]) -> str:
        words, path, anchor = link.groups(default="")
        uri = _uri(Path(os.path.normpath(folder / path)).relative_to(ROOT).as_posix(), config, files)
        return f"[{titles.get(uri, words) if words.endswith('.md') else words}]({uri}{anchor})"

    markdown = re.sub(r"<!-- commands -->", lambda _: commands(), markdown)
    markdown = re.sub(r"<!-- names of (\S+) -->", lambda module: public_names(module[1]), markdown)
    markdown = re.sub(r"<!-- fields of (\S+) -->", lambda name: fields_table(name[1]), markdown)
    return LINK.sub(mended, markdown)


def _titles(nav: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """The pages of the menu with their titles there."""
    for entry in nav:
        for title, value in entry.items():
            yield from _titles(value) if isinstance(value, list) else [(value, title)]


def _uri(path: str, config: MkDocsConfig, files: Files) -> str:
    """Of a file of the repository in the site: a page, or, as it is, under `source/`."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in PAGES:
        return PAGES[path]
    uri = f"source/{path}"
    if (ROOT / path).is_file() and uri not in files.src_uris:
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    return uri


def public_names(module: str) -> str:
    """Markdown for mkdocstrings: the names of a package's `__all__`, those of `nas` under `nas` alone."""
    known = [] if module == "nas" else nas.__all__
    return "\n\n".join(f"::: {module}.{name}" for name in import_module(module).__all__ if name not in known)


def commands() -> str:
    """Markdown: every command with its arguments and options, in the order of `nas --help`."""
    group = typer.main.get_command(app)
    sections = []
    for heading, names in COMMANDS.items():
        sections.append(f"## {heading}")
        for name in names:
            command = group.commands[name]  # type: ignore[attr-defined]
            context = typer.Context(command, info_name=name)
            text = get_docs_for_click(obj=command, ctx=context, indent=2, call_prefix="nas")
            sections.append(re.sub(r"\n(Examples?: )(.*)", r"\n\n\1`\2`", text))
    return "\n\n".join(sections)


def fields_table(name: str) -> str:
    """Markdown: a row per field of a dataclass, `package.module.Class`, with type, default and its comment."""
    module, _, cls = name.rpartition(".")
    found = getattr(import_module(module), cls)
    source = inspect.getsource(found)
    lines, known = source.splitlines(), {field.name: field.default for field in fields(found)}
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and (field := ast.unparse(node.target)) in known:
            kind = re.sub(r"\b(Int|Float|Bool)\b", lambda word: word[0].lower(), ast.unparse(node.annotation))
            default = known[field] if isinstance(node.value, ast.Name) else node.value and ast.unparse(node.value)
            comment = lines[(node.end_lineno or 0) - 1].partition("  # ")[2]
            cells = (f"`{field}`", f"`{kind}`", "" if default is None else f"`{default}`", comment)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)
