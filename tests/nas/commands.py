"""Commands that tests start as processes, and what is looked at from outside while they run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nas.ledger import ENDED
from nas.settings import FILE
from nas.trials import Reader, Trial


class Command:
    """A search on a tiny study, started when told to."""

    def __init__(self, scratch: Path, space: Path, recipe: Path) -> None:
        self.runs, self.folder = scratch / "runs", scratch / "runs" / "s"
        self.words = [
            "search", str(space), "--data", "digits", "--flops", "20K..200K", "--recipe", str(recipe), "--runs",
            str(self.runs), "--study", "s", "--sampler", "random", "--device", "cpu",
        ]  # fmt: skip
        self.started: list[subprocess.Popen[str]] = []

    def search(self, *more: object, **environment: str) -> subprocess.Popen[str]:
        return self.run(*self.words, *more, **environment)

    def run(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "nas", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )  # fmt: skip
        self.started.append(process)
        return process

    def trials(self) -> list[Trial]:
        return Reader(self.folder).trials() if (self.folder / FILE).exists() else []

    def ended(self) -> list[Trial]:
        return [trial for trial in self.trials() if trial.state in ENDED and trial.repeat_of is None]

    def owners(self) -> set[int]:
        """Processes that trained or train."""
        frozen = Reader(self.folder).frozen() if (self.folder / FILE).exists() else []
        return {each.user_attrs["owner"]["pid"] for each in frozen if "owner" in each.user_attrs}


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Pids of its children that are workers and live."""
    found = []
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            with_words = Path(f"/proc/{pid}/cmdline")
            if with_words.exists() and b"worker" in with_words.read_bytes():
                found.append(int(pid))
    return found


def wait_until(ready: Callable[[], object], process: subprocess.Popen[str], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def check_whole(command: Command, total: int) -> list[Trial]:
    """As many networks as wanted, each once, none left running; what was interrupted was trained again."""
    trials, ended = command.trials(), command.ended()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(ended) == len({trial.key for trial in ended}) == total
    assert not [trial for trial in trials if trial.state == "running"]
    assert {trial.state for trial in ended} == {"complete"}
    frozen = Reader(command.folder).frozen()
    for trial in trials:
        if trial.state == "interrupted" and trial.seed is not None:
            # two workers may queue it at once; the second is then a repeat, and never trained
            again = [trials[f.number] for f in frozen if f.user_attrs.get("retry_of") == trial.number]
            assert again
            assert {other.seed for other in again} <= {trial.seed, None}
            if trial.key:  # else it was lost before its network was on record again
                assert {other.key for other in again if other.key} <= {trial.key}
    return trials


def kill_at_random(process: subprocess.Popen[str], command: Command, every: int) -> int:
    """Until the search ends, kills one of its workers after every so many networks: on a slow machine starting takes
    longer than training. How many were killed."""
    rng, killed = random.Random(0), 0
    while process.poll() is None:
        time.sleep(0.1)
        if len(command.ended()) >= every * (killed + 1) and (living := workers_of(process)):
            os.kill(rng.choice(living), signal.SIGKILL)
            killed += 1
    return killed


def check_killed(process: subprocess.Popen[str], command: Command, total: int, killed: int) -> str:
    """Nothing is lost but what the killed ones trained. What the search wrote."""
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert errors.count("died of SIGKILL; another takes its place") >= killed - 1  # the last may have been done
    trials = check_whole(command, total)
    lost = [trial for trial in trials if trial.state == "interrupted" and "its process ended" in (trial.reason or "")]
    assert lost, "none was killed while it trained"
    return errors
