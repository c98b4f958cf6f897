"""The first hour's commands: what they write can be searched, what they say is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from nas.cli.base import COMMANDS, app
from nas.cli.first_files import AXES, RECIPE, commented_space
from nas.cli.machine_check import EXTRAS, FOR, checks
from nas.records.recipe import Recipe
from space import Space
from space.reading import presets
from tests.nas.conftest import Run


def test_the_help_has_every_command_once_and_cuts_none_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = [name for commands in COMMANDS.values() for name in commands]
    assert sorted(listed) == sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    code, out, _ = run("--help")
    assert code == 0
    for commands in COMMANDS.values():
        for name, what in commands.items():
            assert re.search(rf"^  {name} +{re.escape(what)}$", out, re.M), name
    assert "..." not in out.partition("To begin")[2]


def test_a_shell_completes_commands() -> None:
    words = os.environ | {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": "nas re", "COMP_CWORD": "1"}
    found = subprocess.run(
        [Path(sys.executable).with_name("nas")], env=words, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["rename", "record", "replay", "reference", "report"]


def test_a_machine_is_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.cli.machine_check.cores", lambda: 1)
    code, out, _ = run("doctor")
    assert code == 0
    assert re.search(r"\b1 core of ", out)
    rows = [line.split(maxsplit=1) for line in out.splitlines() if not line.startswith(" " * 8)]
    assert {state for state, _ in rows} <= {"ok", "note"}
    for what in (
        "Python",
        "torch",
        "GPU" if "GPU" in out else "cuda:0",
        "C compiler",
        "memory",
        "disk, here",
        "disk, cache",
    ):
        assert any(rest.startswith(what) for _, rest in rows), what
    assert FOR.keys() == EXTRAS.keys()
    assert "tried on Linux alone" not in out


def test_of_another_system_it_is_said_that_it_was_not_tried(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.cli.machine_check.sys.platform", "darwin")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    code, out, _ = run("doctor")
    assert code == 0
    said = "note system Darwin: nas was tried on Linux alone; docs/design.md has what differs"
    assert said in " ".join(out.split())


@pytest.mark.parametrize(
    "words", [("doctor",), ("data", "digits"), ("space", "digits", "--flops", "1M..2M"), ("show", "resnet50")]
)
def test_no_line_is_longer_than_80_characters(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(*words)
    assert code == 0
    assert [line for line in out.splitlines() if len(line) > 80 and " " in line.strip()] == []
    monkeypatch.setenv("COLUMNS", "300")
    assert " ".join(run(*words)[1].split()).count("FLOPs") == " ".join(out.split()).count("FLOPs")


def test_in_a_pipe_lines_are_whole_and_end_without_blanks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folded = run("front", "cifar10-16M")[1]
    monkeypatch.delenv("COLUMNS")
    whole = run("front", "cifar10-16M")[1]
    assert whole.split() == folded.split()
    assert max(map(len, whole.splitlines())) > 100
    assert [line for line in whole.splitlines() if line != line.rstrip()] == []


def test_what_is_missing_is_named_with_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("nas.cli.machine_check._version", {"optuna": "5"}.get)
    monkeypatch.setattr("space.depthwise.kernel", lambda: None)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "a" / "b"))
    monkeypatch.setattr("nas.cli.machine_check.DISK", 1e9)
    code, out, _ = run("doctor")
    assert code == 1
    assert re.search(r"^missing  torch +not installed; pip install torch$", out, re.M)
    assert re.search(r"^   note  C compiler +none that works", out, re.M)
    assert re.search(rf"^   note  disk, cache +\S+ GiB free in\s+{tmp_path}/a/b;", out, re.M)
    assert "without onnx, onnxruntime, onnxscript; for exports as ONNX: pip install" in " ".join(out.split())
    assert re.search(r"pip install -e '\.\[onnx\]'$", out, re.M), "a command to be copied is in one piece"
    assert not [check for check in checks() if check.what in ("GPU", "cuda:0")], "which torch would say"


def test_a_folder_that_cannot_be_written_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root may write anywhere, so the system's answer is made up."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    assert {check.what: check.state for check in checks()}["disk, cache"] == "missing"


@pytest.mark.parametrize("kind", ["spaces", "networks"])
def test_presets_are_listed_with_what_they_are(run: Run, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = run("presets", kind)
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert list(rows) == presets(kind)
    assert all(len(text.strip()) > 10 for text in rows.values())
    assert run("presets", "nets")[2] == "error: kind must be spaces or networks, got nets; choose one\n"


@pytest.mark.parametrize("preset", presets("spaces"))
def test_a_commented_space_is_its_preset_with_a_word_on_each_common_axis(preset: str) -> None:
    text = commented_space(preset)
    assert Space.from_dict(yaml.safe_load(text), "s", "s").to_dict() == Space.load(preset).to_dict()
    for line in text.splitlines():
        if line.strip().partition(":")[0] in AXES:
            assert "#" in line, line


def test_the_first_files_can_be_searched(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("init", tmp_path / "mine", "--preset", "digits")
    assert (code, out.splitlines()[-1]) == (0, f"next: nas space {tmp_path}/mine/space.yaml")
    space, recipe = tmp_path / "mine" / "space.yaml", tmp_path / "mine" / "recipe.yaml"
    words = ("--data", "digits", "--flops", "200K..4M", "--recipe", recipe, "--images", 64, "--trials", 1)
    code, _, err = run("search", space, *words, "--runs", tmp_path / "runs")
    assert code == 0, err
    assert [each.name for each in (tmp_path / "runs").iterdir()] == ["mine-digits-200K-4M"], "called as its folder"
    code, _, err = run("init", tmp_path / "mine")
    assert code == 2
    assert err == f"error: space.yaml must not be there yet, got {space}; move it, or name another folder\n"
    code, _, err = run("init", tmp_path / "other", "--preset", "convnext32")
    assert (code, err) == (
        2, "error: preset must be the name of a preset space, got convnext32; did you mean convnext_32?\n"
    )  # fmt: skip
    assert not (tmp_path / "other").exists()


def test_the_first_recipe_has_every_field_at_its_default() -> None:
    lines = [line.removeprefix("# ") for line in RECIPE.splitlines() if re.match(r"(# )?\w+: ", line)]
    plain = yaml.safe_load("\n".join(lines))
    assert len(lines) == len(plain)
    assert Recipe(**plain | {"images": None}) == Recipe()
    assert plain.keys() == Recipe().to_dict().keys()
    assert plain["images"] == Recipe().settled(45_000).length
    assert list(yaml.safe_load(RECIPE)) == ["images"], "the rest is commented out"
