"""The heading of every benchmark's output: machine, versions, date."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version

from space import processor


def heading(*packages: str) -> str:
    """`2026-01-31, Intel(R) Xeon(R) ..., 2 cores, Python 3.11.7, torch 2.15.0`."""
    cpu = processor.model() or platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {cpu}, {processor.cores()} cores, Python {platform.python_version()}, {versions}"
