"""This machine: what its processor is called and can do, how many of its cores this process may use, its memory."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def model() -> str | None:
    """`AMD EPYC 7763 64-Core Processor`; None where the system does not say."""
    return _first("model name")


def instructions() -> str:
    """What `-march=native` compiles for."""
    return _first("flags", "Features") or platform.processor()


def memory() -> int | None:
    """Bytes of the machine; None where the system does not say, as Windows."""
    if not hasattr(os, "sysconf") or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(os.sysconf_names):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _first(*fields: str) -> str | None:
    """The first value that is not empty of these fields of Linux's own list."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:  # another system
        return None
    values = (line.partition(":")[2].strip() for line in lines if line.startswith(fields))
    return next(filter(None, values), None)
