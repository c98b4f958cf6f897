"""A folder in which the commands of a chain are typed, as in a fresh clone."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.documented.extracted import ROOT
from tests.documented.table import CHAINS, Row
from tests.started import Started

SHARED = ("benchmarks", "examples", "Makefile")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    errors: str


class Place:
    """`values`: what stands for `{name}` in rows."""

    def __init__(self, chain: str, folder: Path) -> None:
        self.rows, self.folder = CHAINS[chain], folder
        self.environment, self.values = {**os.environ, "BROWSER": "true"}, dict[str, str]()
        self.done: dict[Row, Ended] = {}
        self.started: list[subprocess.Popen[str] | Started] = []
        for name in SHARED:
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)

    def row(self, begin: str) -> Row:
        """The first whose command begins so."""
        return next(row for row in self.rows if row.typed.startswith(begin))

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
            return self.run(shlex.split(command))
        process = self.start(command)
        out, errors = process.communicate()
        return Ended(process.returncode, out, errors)

    def run(self, words: list[str], folder: Path | None = None) -> Ended:
        """In a process that has imported everything."""
        process = self.fork(words, folder)
        return Ended(process.wait(), *process.communicate())

    def fork(self, words: list[str], folder: Path | None = None) -> Started:
        self.started.append(process := Started(words, self.environment, folder or self.folder))
        return process

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
