"""Searches whose processes are killed: default sampler and rule, three workers, eight kills (SIGKILL) of any process
below the parent, at moments that a seed chooses: while it starts, trains, or writes; one after the other or at once.

    python -m benchmarks.kills                                    # a journal in the study's folder
    python -m benchmarks.kills --storage postgresql://me@host/db  # on a server

Prints a row a seed: what was killed, what became of the search, and what was left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.machine import heading
from nas.records.settings import FILE
from nas.records.trial import ENDED, Trial
from nas.storage.known_servers import name
from nas.storage.postgres import parse_server
from nas.storage.reader import Reader

KILLS, NETWORKS, WORKERS, SEEDS = 8, 40, 3, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage")
    options = parser.parse_args()
    if options.storage:
        name(parse_server(options.storage, "s").url)  # this process reads it too
    print(heading("optuna", "torch"), "\n")
    print(
        f"| seed | killed ({KILLS}) | exit code | networks | trained again | left running | processes left | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for seed in range(1, SEEDS + 1):
        with tempfile.TemporaryDirectory() as runs:
            print(row(seed, Path(runs), options.storage), flush=True)


def row(seed: int, runs: Path, storage: str | None) -> str:
    words = ["search", "digits", "--data", "digits", "--flops", "200K..4M", "--trials", str(NETWORKS), "--epochs", "6"]
    words += ["--workers", str(WORKERS), "--study", "s", "--runs", str(runs)]
    words += ["--storage", storage] if storage else []
    started, errors = time.monotonic(), runs / "errors"
    with errors.open("wb") as written:
        search = subprocess.Popen([sys.executable, "-m", "nas", *words], stdout=subprocess.DEVNULL, stderr=written)
    killed, seen = kill(search, random.Random(seed), runs / "s")
    code = search.wait()
    left = sum(Path(f"/proc/{pid}").exists() for pid in seen)
    states = Counter(trial.state for trial in trials_of(runs / "s"))
    if code:
        print(errors.read_text()[-2000:], file=sys.stderr)
    what = ", ".join(f"{number} {kind}" for kind, number in killed.most_common())
    numbers = (code, ended(runs / "s"), states["interrupted"], states["running"], left)
    return f"| {seed} | {what} | {' | '.join(map(str, numbers))} | {time.monotonic() - started:.0f} |"


def kill(search: subprocess.Popen[bytes], rng: random.Random, folder: Path) -> tuple[Counter[str], set[int]]:
    """Kills as the search goes on, two right after one another each time, once so many networks have ended. What was
    killed, and all processes that were seen."""
    killed, seen = Counter[str](), set[int]()
    moments = sorted(rng.sample(range(NETWORKS - 8), KILLS // 2) * 2)
    while search.poll() is None and moments:
        time.sleep(rng.uniform(0.0, 0.3))
        living = descendants(search.pid)
        seen.update(living)
        if living and ended(folder) >= moments[0]:
            victim = rng.choice(living)
            what = kind(folder, victim)
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed[what] += 1
                moments.pop(0)
    while search.poll() is None:
        seen.update(descendants(search.pid))
        time.sleep(0.2)
    return killed, seen


def ended(folder: Path) -> int:
    return sum(trial.state in ENDED for trial in trials_of(folder))


def trials_of(folder: Path) -> list[Trial]:
    return Reader(folder).trials() if (folder / FILE).exists() else []


def kind(folder: Path, pid: int) -> str:
    """Of a process, as the table names it."""
    if b"--tied" not in words_of(pid):
        return "other process"
    running = (trial.owner or "" for trial in trials_of(folder) if trial.state == "running")
    return "training worker" if any(owner.endswith(f":{pid}") for owner in running) else "starting worker"


def words_of(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def descendants(pid: int) -> list[int]:
    """Of a process: its children and theirs."""
    found: list[int] = []
    with suppress(OSError):  # it has ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found + [each for child in found for each in descendants(child)]


if __name__ == "__main__":
    main()
