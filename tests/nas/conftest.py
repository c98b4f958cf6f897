"""What tests of the command share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.cli import main
from tests.nas.commands import Command

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `nas ...` in this process: (exit code, stdout, stderr)."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["nas", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def command(tmp_path: Path, tiny_space: Path, tiny_recipe: Path) -> Iterator[Command]:
    found = Command(tmp_path, tiny_space, tiny_recipe)
    yield found
    for process in found.started:
        process.kill()
        process.communicate()
