"""What an answer of `nas` costs beyond a bare Python, processor time of the process, user and system; and how long a
worker lives that finds nothing left to train.

    python -m benchmarks.startup

Interleaved in one run; medians.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import heading

ROUNDS = 15
STARTS = 5
BARE = ("-c", "pass")
ANSWERS = {
    "`nas cost resnet50 --json`": ("-m", "nas", "cost", "resnet50", "--json"),
    "`nas cost resnet50`": ("-m", "nas", "cost", "resnet50"),
    "`nas show resnet50`": ("-m", "nas", "show", "resnet50"),
}


def processor_seconds(words: tuple[str, ...]) -> float:
    """User and system time of a Python process with these arguments, and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def worker_seconds(folder: Path) -> float:
    """From a worker's start to its end on a study that is at its goal."""
    started = time.perf_counter()
    words = ("worker", str(folder), "--device", "cpu")
    subprocess.run([sys.executable, "-m", "nas", *words], check=True, capture_output=True)
    return time.perf_counter() - started


def print_worker() -> None:
    with tempfile.TemporaryDirectory() as runs:
        words = ["search", "digits", "--data", "digits", "--flops", "200K..4M", "--trials", "1", "--epochs", "1"]
        words += ["--study", "s", "--runs", runs]
        subprocess.run([sys.executable, "-m", "nas", *words], check=True, capture_output=True)
        seconds = statistics.median(worker_seconds(Path(runs) / "s") for _ in range(STARTS))
    print(f"\nA worker with nothing to do, from its start to its end, median of {STARTS}: {seconds:.1f} s.")


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in ("bare", *ANSWERS)}
    for _ in range(ROUNDS):
        times["bare"].append(processor_seconds(BARE))
        for name, words in ANSWERS.items():
            times[name].append(processor_seconds(words))
    bare = statistics.median(times["bare"])
    print(heading("typer", "pydantic", "torch"), "\n")
    print(f"| processor time, median of {ROUNDS} | beyond a bare Python ({bare * 1e3:.0f} ms) |")
    print("|---|---|")
    for name in ANSWERS:
        print(f"| {name} | {(statistics.median(times[name]) - bare) * 1e3:.0f} ms |")
    print_worker()


if __name__ == "__main__":
    main()
