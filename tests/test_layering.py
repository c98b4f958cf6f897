"""Imports go one way, and what needs no torch does not load it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "space": ("nas", "dashboard"),
    "nas": ("dashboard",),
    "dashboard": ("nas.train", "nas.study", "nas.export", "nas.exported", "nas.run", "space.network", "space.modules"),
}
# In nas: data, recipe -> train -> study -> run -> cli; the reading side knows none of the training side.
TRAINING = (
    "nas.train",
    "nas.trainer",
    "nas.folder",
    "nas.leases",
    "nas.study",
    "nas.fleet",
    "nas.run",
    "nas.export",
    "nas.audit",
    "nas.progress",
    "nas.cli",
)
ORDER = {
    "nas/recipe.py": ("nas",),
    "nas/cache.py": TRAINING,
    "nas/decoding.py": TRAINING,
    "nas/data.py": TRAINING,
    "nas/feed.py": TRAINING,
    "nas/augment.py": TRAINING,
    "nas/settings.py": TRAINING,
    "nas/trials.py": TRAINING,
    "nas/front.py": TRAINING,
    "nas/ledger.py": TRAINING,
    "nas/certainty.py": TRAINING,
    "nas/design.py": TRAINING,
    "nas/importance.py": TRAINING,
    "nas/course.py": TRAINING,
    "nas/compare.py": TRAINING,
    "nas/agreement.py": TRAINING,
    "nas/stopping.py": TRAINING,
    "nas/replay.py": TRAINING,
    "nas/words.py": (*TRAINING, "nas.tables"),
    "nas/tables.py": TRAINING,
    "nas/propose.py": TRAINING,
    "nas/train.py": (
        "nas.trainer",
        "nas.folder",
        "nas.study",
        "nas.fleet",
        "nas.run",
        "nas.export",
        "nas.progress",
        "nas.cli",
    ),
    "nas/trainer.py": ("nas.folder", "nas.study", "nas.fleet", "nas.run", "nas.export", "nas.progress", "nas.cli"),
    "nas/folder.py": ("nas.leases", "nas.study", "nas.fleet", "nas.run", "nas.cli"),
    "nas/leases.py": ("nas.study", "nas.fleet", "nas.run", "nas.cli"),
    "nas/study.py": ("nas.fleet", "nas.run", "nas.export", "nas.cli"),
    "nas/run.py": ("nas.export", "nas.cli"),
}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, at any depth, and whether that is at the top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports here are absolute"
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from ((name, id(node) not in inside) for name in names)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert len(found) > 5
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_between_packages_go_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(package)
        for name, at_top in imports(path)
        if any(is_within(name, other) for other in FORBIDDEN[package])
        and not (path.parent == ROOT / "nas" / "cli" and is_within(name, "dashboard") and not at_top)
    ]
    assert wrong == []


@pytest.mark.parametrize("file", ORDER)
def test_imports_inside_nas_go_one_way(file: str) -> None:
    assert [name for name, _ in imports(ROOT / file) if any(is_within(name, other) for other in ORDER[file])] == []


def test_the_check_sees_imports_of_every_form(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text("import a.b\nfrom c import d\ndef f():\n    import e\n    if e:\n        from g.h import i\n")
    assert list(imports(path)) == [
        ("a.b", True), ("c", True), ("c.d", True), ("e", False), ("g.h", False), ("g.h.i", False),
    ]  # fmt: skip


def loaded(code: str) -> set[str]:
    """Modules that a fresh Python has loaded after `code`."""
    probe = f"{code}\nimport sys, json\nprint('MODULES ' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.rpartition("MODULES ")[2]))


@pytest.mark.parametrize(
    "code",
    [
        "import space",
        "import nas, nas.cli",
        "import nas.trials, nas.front, nas.tables, nas.settings, nas.importance, nas.course, nas.compare",
        "import sys\nfrom nas.cli import main\nsys.argv = 'nas cost convnext_tiny --json'.split()\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
        "import sys\nfrom nas.cli import main\nsys.argv = 'nas draw digits --count 1 --json'.split()\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
    ],
    ids=["space", "cli", "reading", "cost", "draw"],
)
def test_what_needs_no_torch_does_not_load_it(code: str) -> None:
    modules = loaded(code)
    assert "space.cost" in modules
    assert not modules & {"torch", "streamlit", "datasets", "sklearn"}
    assert "optuna" not in modules


COST = "import sys\nfrom nas.cli import main\nsys.argv = 'nas cost resnet50 --json'.split()\ntry:\n    main()\nexcept SystemExit as end:\n    assert not end.code"


def test_a_cost_is_counted_without_what_is_slow_to_import() -> None:
    modules = loaded(COST)
    assert "space.cost" in modules
    assert not modules & {"torch", "rich", "numpy", "optuna", "space.space", "nas.settings"}
    assert not loaded("import nas.cli") & {"pydantic", "rich"}


def test_the_probe_sees_torch() -> None:
    assert "torch" in loaded("import space.network, space.cost")


def test_every_preset_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["space"]
    packaged = {path for pattern in patterns for path in (ROOT / "space").glob(pattern)}
    assert packaged == {*(ROOT / "space" / "presets").rglob("*.yaml"), ROOT / "space" / "depthwise.c"}
