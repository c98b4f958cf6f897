"""What is installed is this project: no install line can mean another one, and no folder's name hides the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nas

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
OTHER = re.compile(  # the project that the package index calls nas
    r"""pip install (-\S+ |\S+\.txt )*["']?nas(?![\w-])|\bnas\[[a-z]|(version|distribution|metadata|requires)\(["']nas["']"""
)
BUILT = {"pyproject.toml", "README.md", "LICENSE", "nas", "space", "dashboard"}  # what setuptools reads
FOLDERS = ("nas", "space", "dashboard", "benchmarks", "examples", "docs", ".ci")


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of whatever an install line may stand in: docs, messages, templates, scripts."""
    paths = [ROOT / name for name in ("README.md", "Makefile", "constraints.txt", "pyproject.toml")]
    for folder in FOLDERS:
        paths += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".sh")]
    for path in paths:
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    [
        "pip install nas",
        "got none; pip install 'nas[onnx]'",
        'pip install -U "nas>=1"',
        "pip install -c constraints.txt nas",
        "`'nas[train]'` has timm",
        'version("nas")',
    ],
)
def test_the_check_sees_the_other_project(line: str) -> None:
    assert OTHER.search(line)


def test_no_install_line_means_the_other_project() -> None:
    assert len(dict(texts())) > 100
    assert [(name, found[0]) for name, text in texts() for found in OTHER.finditer(text)] == []


def test_no_dependency_is_the_other_project() -> None:
    docs = {name: re.findall(r"```toml\n(.*?)```", text, re.DOTALL) for name, text in texts()}
    tables = [PYPROJECT, *(tomllib.loads(block) for blocks in docs.values() for block in blocks)]
    assert len(tables) > 1, "the template of docs/extending.md"
    for table in tables:
        extras = table["project"].get("optional-dependencies", {}).values()
        for line in [*table["project"].get("dependencies", ()), *(line for extra in extras for line in extra)]:
            assert Requirement(line).name != "nas"


def test_the_extras_that_are_named_exist() -> None:
    named = {
        extra for _, text in texts() for group in re.findall(r"'\.\[([\w,]+)\]'", text) for extra in group.split(",")
    }
    extras = "docs mlflow notebook onnx postgres ray s3 tensorboard train wandb dev"
    assert named == set(extras.split()) == {*PROJECT["optional-dependencies"]}


def test_a_clone_in_a_folder_called_nas_hides_nothing(tmp_path: Path) -> None:
    """Where python starts beside it: installed as `make install` does, with what setuptools writes."""
    clone, site = tmp_path / "nas", tmp_path / "site"
    shutil.copytree(ROOT, clone, ignore=lambda folder, names: {*names} - BUILT if Path(folder) == ROOT else set())
    site.mkdir()
    build = f"from setuptools.build_meta import build_editable; build_editable({str(site)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=clone, check=True, capture_output=True)
    (wheel,) = site.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    metadata = message_from_bytes(next(site.glob("*.dist-info/METADATA")).read_bytes())
    assert (metadata["Name"], metadata["Version"]) == ("convnext-design-space", nas.__version__)
    # first what the environment of the tests has is taken off the path, and its finders
    code = (
        f"import site, sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]; "
        f"sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]; site.addsitedir({str(site)!r}); "
        "import nas; print(nas.__version__, nas.__file__)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert said.split() == [nas.__version__, str(clone / "nas" / "__init__.py")]
