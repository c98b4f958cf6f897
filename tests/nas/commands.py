"""Commands that tests start as processes, and what is looked at from outside while they run."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.kills import descendants
from nas.records.settings import FILE
from nas.records.trial import ENDED, Trial
from nas.storage.reader import Reader
from tests.started import Started


class Command:
    """A search on a tiny study, started when told to."""

    def __init__(self, scratch: Path, space: Path, recipe: Path) -> None:
        self.runs, self.folder = scratch / "runs", scratch / "runs" / "s"
        self.words = [
            "search", str(space), "--data", "digits", "--flops", "20K..200K", "--recipe", str(recipe), "--runs",
            str(self.runs), "--study", "s",
        ]  # fmt: skip
        self.started: list[Started] = []

    def search(self, *more: object, **environment: str) -> Started:
        return self.run(*self.words, *more, **environment)

    def run(self, *words: object, **environment: str) -> Started:
        started = Started(["nas", *map(str, words)], {**os.environ, "OMP_NUM_THREADS": "1", **environment})
        self.started.append(started)
        return started

    def trials(self) -> list[Trial]:
        return Reader(self.folder).trials() if (self.folder / FILE).exists() else []

    def ended(self) -> list[Trial]:
        return [trial for trial in self.trials() if trial.state in ENDED and trial.repeat_of is None]

    def owners(self) -> set[int]:
        """Processes that trained or train."""
        frozen = Reader(self.folder).frozen() if (self.folder / FILE).exists() else []
        return {each.user_attrs["owner"]["pid"] for each in frozen if "owner" in each.user_attrs}


def workers_of(pid: int | None = None) -> list[int]:
    """Pids of workers that live and have begun, of all that a process, by default this one, has started."""

    def works(pid: int) -> bool:
        with suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text().startswith("nas worker")
        return False

    return [found for found in descendants(os.getpid() if pid is None else pid) if works(found)]


def wait_until(ready: Callable[[], object], process: Started, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def check_whole(command: Command, total: int) -> list[Trial]:
    """As many networks as wanted, each once, none left running; what was interrupted was trained again."""
    trials, ended = command.trials(), command.ended()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert (len(ended), len({trial.key for trial in ended})) == (total, total), [
        (t.number, t.key, t.state) for t in trials
    ]
    assert not [trial for trial in trials if trial.state == "running"]
    assert {trial.state for trial in ended} <= {"complete", "stopped"}
    for trial in trials:
        if trial.state == "interrupted" and trial.seed is not None:
            # two workers may queue it at once; the second is then a repeat, and never trained. None may where all that
            # were wanted had begun: it is trained when the study goes on
            again = [other for other in trials if other.retry_of == trial.number]
            assert {other.seed for other in again} <= {trial.seed, None}
            if trial.key:  # else it was lost before its network was on record again
                assert {other.key for other in again if other.key} <= {trial.key}
    return trials


def kill_at_random(process: Started, command: Command, every: int) -> int:
    """Until the search ends, kills one of its workers after every so many networks: on a slow machine starting takes
    longer than training. How many were killed."""
    rng, killed = random.Random(0), 0
    while process.poll() is None:
        time.sleep(0.1)
        if len(command.ended()) >= every * (killed + 1) and (living := workers_of()):
            os.kill(rng.choice(living), signal.SIGKILL)
            killed += 1
    return killed


def check_killed(process: Started, command: Command, total: int, killed: int) -> str:
    """Nothing is lost but what the killed ones trained. What the search wrote."""
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    # on a fast machine the last of them may have been done: nobody takes their place
    assert errors.count("died of SIGKILL; another takes its place") >= killed // 2
    trials = check_whole(command, total)
    lost = [trial for trial in trials if trial.state == "interrupted" and "its process ended" in (trial.reason or "")]
    assert lost, "none was killed while it trained"
    return errors
