"""Owner: the process that trains a trial, written so that others can see whether it still lives."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any

WINDOWS = os.name == "nt"


def owner(pid: int | None = None) -> dict[str, Any]:
    """Who runs a trial, by default this process: written into the trial, so that others can see whether it still lives.

    Containers may share a host's name, and even a process id, so that neither says which process is meant: beside them
    stand the start of the system that it runs on, the namespace in which its id is one, and when it began.
    """
    pid = os.getpid() if pid is None else pid
    return {"host": socket.gethostname(), "pid": pid, **_system(), "began": (_process(pid) or ("", None))[1]}


def is_alive(owner: dict[str, Any] | None) -> bool:
    """Whether the owner's process lives. One that cannot be seen from here, on another machine or in another container,
    is taken to live. Owners of earlier studies are a host and a process id alone."""
    if not owner:
        return False
    if owner.get("host") != socket.gethostname() or any(owner.get(k, v) != v for k, v in _system().items()):
        return True
    return lives(int(owner["pid"]), owner.get("began"))


def lives(pid: int, began: int | None = None) -> bool:
    """Whether a process of this system lives, that which `began` then where that is known. On Windows each is taken to:
    there signal 0 is Ctrl-C."""
    if WINDOWS:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    found = _process(pid)
    return found is None or (found[0] not in ("Z", "X") and began in (None, found[1]))


@cache
def _system() -> dict[str, str | None]:
    """What tells process ids of one system from those of another; None where the system does not say (not Linux)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return {"boot": boot, "processes": str(Path("/proc/self/ns/pid").readlink())}
    except OSError:
        return {"boot": None, "processes": None}


def _process(pid: int) -> tuple[str, int | None] | None:
    """A process's state, such as S, or Z once it has ended, and when it began, in ticks since the system's start."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # not Linux, or hidden from this user
        return None
    return fields[0], int(fields[19])
