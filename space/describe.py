"""The vocabulary in tables, from the registry: every part with its source, every option with its rule and defaults."""

from __future__ import annotations

import inspect
from typing import Any

import yaml

from space.parts import Kind, find_part, names, options

HEADINGS: dict[Kind, str] = {
    "stem": "Stems", "block": "Blocks", "head": "Heads", "norm": "Norms", "act": "Activations",
}  # fmt: skip


def vocabulary() -> str:
    """Markdown: per kind a table of the parts, and for stems, blocks and heads one of their options, whose last columns
    are the defaults by part, empty where a part has no such option. Parts of other packages are in it too."""
    sections = []
    for kind, heading in HEADINGS.items():
        sections += [f"### {heading}", parts_table(kind)]
        if kind not in ("norm", "act"):
            sections.append(options_table(kind))
    return "\n\n".join(sections)


def parts_table(kind: Kind) -> str:
    """Name and docstring of each part; of norms also the parameters per channel."""
    found = {name: find_part(kind, name) for name in names(kind)}
    header, rows = (
        [kind, "what it is"],
        [[f"`{name}`", " ".join((inspect.getdoc(cls) or "").split())] for name, cls in found.items()],
    )
    if kind == "norm":
        header.append("parameters a channel")
        rows = [[*row, str(cls.each)] for row, cls in zip(rows, found.values(), strict=True)]
    return _table(header, rows)


def options_table(kind: Kind) -> str:
    """A row per option that means the same and allows the same, a column of defaults per part."""
    parts = names(kind)
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for part in parts:
        for name, field in options(find_part(kind, part)).items():
            meaning = (f"`{name}`", str(field.metadata["rule"]), field.metadata["doc"])
            rows.setdefault(meaning, {})[part] = _yaml(field.default)
    header = ["option", "allowed", "what it is", *(f"`{part}`" for part in parts)]
    return _table(header, [[*meaning, *(by.get(part, "") for part in parts)] for meaning, by in rows.items()])


def _yaml(value: Any) -> str:
    """A default as a person would write it: `null`, `true`, `1.0e-06`."""
    return value if isinstance(value, str) else yaml.safe_dump(value).split("\n")[0]


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
