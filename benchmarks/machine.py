"""The heading of every benchmark's output: machine, versions, date."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def heading(*packages: str) -> str:
    """`2026-01-31, Intel(R) Xeon(R) ..., 2 cores, Python 3.11.7, torch 2.15.0`."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cpu = models[0] if models else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {cpu}, {cores} cores, Python {platform.python_version()}, {versions}"
