"""Imports go one way, from the top of this list down, and in no circle: over all files, imports inside functions too."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "space", "nas.process", "nas.records", "nas.data", "nas.samplers", "nas.storage", "nas.training", "nas.analysis", "nas.latency",
    "nas.searching", "nas.export", "nas.references", "nas.final", "nas.benchmark", "dashboard", "nas", "nas.cli",
)  # fmt: skip
WITHOUT_TORCH = (
    "nas",
    "space",
    "space.weights",
    "nas.cli",
    "dashboard.pages.app",
    "dashboard.server",
    "nas.storage.reader",
)


def imported(path: Path) -> set[str]:
    """The files of this project that a file imports, by their dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & FILES.keys()) or {str(node.module)}
    return found & FILES.keys()


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(file: str) -> str:
    return max((each for each in ROOMS if f"{file}.".startswith(f"{each}.")), key=len)


FILES = {name(path): path for package in ("space", "nas", "dashboard") for path in (ROOT / package).rglob("*.py")}
IMPORTS = {file: imported(path) for file, path in FILES.items()}


def test_rooms_import_only_rooms_below_them() -> None:
    wrong = [
        f"{file} imports {other}"
        for file, others in IMPORTS.items()
        for other in others
        if ROOMS.index(room(other)) > ROOMS.index(room(file))
        and (file, other) != ("nas.__main__", "nas.cli")
        and other != "nas"  # its version
    ]
    assert not wrong


def test_no_file_is_in_a_circle_of_imports() -> None:
    below = {file: others - {file, "nas", "space"} for file, others in IMPORTS.items()}
    assert len(list(TopologicalSorter(below).static_order())) >= len(FILES) - 2


@pytest.mark.parametrize("file", WITHOUT_TORCH)
def test_it_is_imported_without_torch(file: str) -> None:
    code = f"import sys, {file}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
