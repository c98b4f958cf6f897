"""How long a worker lives that finds nothing left to train: from its start to its end on a study that is at its goal.

python -m benchmarks.startup
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.machine import heading

STARTS = 5
SEARCH = "search digits --data digits --flops 200K..4M --trials 1 --epochs 1 --study s"


def nas(*words: str) -> float:
    """Seconds of a command."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nas", *words], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    print(heading("torch"), "\n")
    with tempfile.TemporaryDirectory() as runs:
        nas(*SEARCH.split(), "--runs", runs)
        seconds = statistics.median(nas("worker", f"{runs}/s", "--device", "cpu") for _ in range(STARTS))
    print(f"A worker with nothing to do, from its start to its end, median of {STARTS}: {seconds:.1f} s.")


if __name__ == "__main__":
    main()
