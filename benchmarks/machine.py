"""What benchmarks share: the heading of their output (machine, versions, date), and a clock."""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

from nas.benchmark.table import machine


def heading(*packages: str) -> str:
    """`2026-01-31, Intel(R) Xeon(R) ..., 2 cores, Python 3.11.7, torch 2.15.0`."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {machine()}, Python {platform.python_version()}, {versions}"


def milliseconds(work: Callable[[], object], seconds: float) -> float:
    """Median of a call, the device's work included, with the threads that torch has now. `seconds`: of measuring."""
    import torch
    from torch.utils.benchmark import Timer

    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    return 1e3 * timer.blocked_autorange(min_run_time=seconds).median
