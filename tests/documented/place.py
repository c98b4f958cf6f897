"""A folder in which the commands of a chain are typed, as in a fresh clone."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.documented.extracted import ROOT
from tests.documented.table import CHAINS, Row

SHARED = ("benchmarks", "examples", "Makefile")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    errors: str


class Warm:
    """The process of `warm.py`."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, words: list[str], folder: Path, environment: dict[str, str]) -> Ended:
        return self.start(words, folder, environment)()

    def start(self, words: list[str], folder: Path, environment: dict[str, str]) -> Callable[[], Ended]:
        """Begins a command. What is returned waits for its end."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.documented.warm"],
                stdin=subprocess.PIPE, text=True, cwd=ROOT,
            )  # fmt: skip
        assert self.process.stdin
        process, files = self.process, {name: tempfile.NamedTemporaryFile() for name in ("out", "errors", "code")}  # noqa: SIM115
        order = {"words": words, "folder": str(folder), "environment": environment}
        print(json.dumps(order | {name: file.name for name, file in files.items()}), file=process.stdin, flush=True)

        def end() -> Ended:
            while not (code := Path(files["code"].name).read_text()).endswith("\n"):
                assert process.poll() is None
                time.sleep(0.02)
            return Ended(int(code), *(Path(files[name].name).read_text() for name in ("out", "errors")))

        return end

    def close(self) -> None:
        if self.process:
            self.process.communicate()


class Place:
    """`values`: what stands for `{name}` in rows."""

    def __init__(self, chain: str, folder: Path, warm: Warm) -> None:
        self.rows, self.folder, self.warm = CHAINS[chain], folder, warm
        self.environment, self.values = {**os.environ, "BROWSER": "true"}, dict[str, str]()
        self.done: dict[Row, Ended] = {}
        self.started: list[subprocess.Popen[str]] = []
        for name in SHARED:
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)

    def reach(self, row: Row) -> Ended:
        """What came of a row, after those before it."""
        for each in self.rows[: self.rows.index(row) + 1]:
            if each not in self.done:
                for command in each.before:
                    ended = self.type(command)
                    assert ended.code == 0, ended.errors
                self.done[each] = self.type(each.typed, each.cold)
        return self.done[row]

    def type(self, command: str, cold: bool = False) -> Ended:
        command = command.format_map(self.values)
        if command.startswith("export "):
            self.environment.update(re.findall(r"(\w+)=(\S+)", command))
            return Ended(0, "", "")
        if not cold:
            return self.warm.run(shlex.split(command), self.folder, self.environment)
        process = self.start(command)
        out, errors = process.communicate()
        return Ended(process.returncode, out, errors)

    def start(self, command: str) -> subprocess.Popen[str]:
        """By a shell, with the environment activated."""
        command = command if command.startswith("source ") else f"exec {command}"
        process = subprocess.Popen(
            ["bash", "-c", f"source .venv/bin/activate && {command}"], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def check(row: Row, ended: Ended) -> None:
    written = re.sub(r"[ \n]*\n", "\n", ended.out + ended.errors)
    assert ended.code == 0, ended.errors[-3000:]
    assert "Traceback" not in written
    assert re.search(row.shows, written), written[-3000:]
