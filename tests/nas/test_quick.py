"""The short way to a cost says what the whole command says, and leaves all else to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas import cli, quick
from space import Arch


def ended(capsys: pytest.CaptureFixture[str], main: object) -> tuple[int, str, str]:
    code = 0
    try:
        main()  # type: ignore[operator]
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    "words",
    [
        "resnet50",
        "convnext_tiny --json",
        "--json roadmap_b_07 --classes 10",
        "conv2former_n --image-size 65 --channels 1 --json",
        "convnext_tiny --image-size 8",
        "convnext_tinny",
        "convnext_tiny resnet50",
        "convnext_tiny --classes 0",
        "convnext_tiny --classes ten",
        "convnext_tiny --classes",
        "convnext_tiny --jsno",
        "none.yaml --json",
        "",
    ],
)
def test_it_says_what_the_whole_command_says(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["nas", "cost", *words.split()])
    short = ended(capsys, quick.main)
    assert short == ended(capsys, cli.main)
    assert (short[0] == 0) == (short[1] != "")


def test_a_file_by_the_short_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(Arch.load("convnext_iso_small").to_yaml())
    monkeypatch.setattr("sys.argv", ["nas", "cost", str(path), "--json"])
    monkeypatch.setattr(cli, "main", None)  # it would fail if it were asked
    assert '"params": 22308712' in ended(capsys, quick.main)[1]


def test_other_verbs_go_to_the_whole_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["nas", "studies"])
    assert ended(capsys, quick.main)[1].startswith("no studies under runs; begin one")
