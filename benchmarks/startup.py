"""What an answer of `nas` costs beyond a bare Python: processor time of the process, user and system.

    python -m benchmarks.startup

Interleaved in one run; medians.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from benchmarks.machine import heading

ROUNDS = 15
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


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in ("bare", *ANSWERS)}
    for _ in range(ROUNDS):
        times["bare"].append(processor_seconds(BARE))
        for name, words in ANSWERS.items():
            times[name].append(processor_seconds(words))
    bare = statistics.median(times["bare"])
    print(heading("typer", "pydantic"), "\n")
    print(f"| processor time, median of {ROUNDS} | beyond a bare Python ({bare * 1e3:.0f} ms) |")
    print("|---|---|")
    for name in ANSWERS:
        print(f"| {name} | {(statistics.median(times[name]) - bare) * 1e3:.0f} ms |")


if __name__ == "__main__":
    main()
