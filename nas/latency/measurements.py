"""Where the latencies of a study's networks are kept: `measured.json` in its folder, device name -> network key ->
batch -> timing.

What older releases wrote has neither a reference kernel's time nor the network's own memory (theirs, `memory`, was the
process's): its latencies are marked as not checked, and measured again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from nas.analysis.baseline import baseline_of
from nas.process.files import write_whole
from space import InputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FILE = "measured.json"
PATIENCE = 30.0  # seconds for another process to write the file, which takes milliseconds


def read(folder: Path) -> dict[str, Any]:
    """What was measured; empty where nothing was. Raises InputError for a damaged file, with the first place that is
    not what `nas measure` writes."""
    from pydantic import ValidationError

    path = folder / FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        _shape().validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ", ".join(map(str, first["loc"])) or "the whole"
        raise InputError(
            f"{path} must be as `nas measure` writes it, got {str(first['input'])[:60]} at {place}; "
            "remove it to measure again"
        ) from None
    except ValueError as error:
        raise InputError(f"{path} must be JSON, got {error}; remove it to measure again") from error
    return found


@dataclass(frozen=True)
class _Kept:
    """What is relied on of a timing in the file."""

    median: float
    low: float
    high: float
    reference: float | None = None
    reference_best: float | None = None
    peak_tensor_bytes: float | None = None


@cache
def _shape() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(dict[str, dict[str, dict[int, _Kept]]])  # device, network, batch


def joined(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What was measured beside several studies: a network takes as long in one as in the other."""
    every: dict[str, Any] = {}
    for measured in found:
        for device, networks in measured.items():
            for key, timings in networks.items():
                _add(every, device, key, timings)
    return every


def keep(folder: Path, device: str, key: str, timings: dict[str, Any]) -> None:
    """Adds a network's timings to the file, to whatever other processes have added meanwhile: alone with it by the
    kernel's lock on a file beside it, which ends with its process."""
    try:
        with FileLock(folder / f".{FILE}.lock", timeout=PATIENCE, poll_interval=0.01):
            found = read(folder)
            _add(found, device, key, timings)
            write_whole(folder / FILE, json.dumps(found, indent=1))
    except Timeout as error:
        raise InputError(
            f"{FILE} must be free to write within {PATIENCE:g} s, got one that another process holds; "
            "end or resume that `nas measure`"
        ) from error


def _add(found: dict[str, Any], device: str, key: str, timings: Mapping[str, Any]) -> None:
    """Of two timings the one that was taken while the machine was quieter stays; of equals, the later."""
    there = found.setdefault(device, {}).setdefault(key, {})
    for batch, timing in timings.items():
        before, now = (each.get("reference", math.inf) for each in (there.get(batch, {}), timing))
        if now <= before:
            there[batch] = timing


def around(folder: Path) -> dict[str, Any]:
    """What was measured beside a study or its random search: one reference for both, and a network that both have is
    measured once."""
    beside = baseline_of(folder)
    return joined(read(place) for place in (folder, beside) if place)
