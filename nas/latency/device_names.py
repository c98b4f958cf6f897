"""Names of the devices that latencies are kept under, and which of them some words mean. Needs no torch.

`Intel(R) Xeon(R) Platinum 8488C, 2 threads`, with `, onnxruntime` behind it where that ran the network; `NVIDIA H200,
eager`; of an older release `NVIDIA H200`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from space.reading import InputError

EAGER, CAPTURED = "eager", "CUDA graph"
Runtime = Literal["torch", "onnxruntime"]  # what runs a network
ONNX: Runtime = "onnxruntime"
USUAL = (CAPTURED, "1 thread")  # of several names of one machine, the one that is meant where none is said
_WAY = re.compile(rf", ({EAGER}|{CAPTURED}|\d+ threads?(?:, {ONNX})?)$")


@dataclass(frozen=True, slots=True)
class Device:
    """The one that is meant, and the other names of its machine that the words fit as well."""

    name: str
    others: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What must be said where the choice was left open; else nothing."""
        if not self.others:
            return ""
        return f"{self.name}, by default; --by latency@DEVICE for {' or '.join(self.others)}"


def meant(names: Sequence[str], words: str) -> Device | None:
    """The name itself, whatever its case; else the only one with these words, or of several of one machine the usual
    one. Each part of `words` between commas must be whole words in a row, within a part of the name: `6 threads` is not
    in `16 threads`. None where that leaves no one."""
    exact = [name for name in names if name.casefold() == words.strip().casefold()]
    found = exact or [name for name in names if _fits(name, words)]
    if len(found) == 1:
        return Device(found[0])
    usual = [name for name in found if (way := _WAY.search(name)) and way[1] in USUAL]
    if len(usual) != 1 or len({_WAY.sub("", name) for name in found}) != 1:
        return None
    return Device(usual[0], tuple(name for name in found if name != usual[0]))


def threads_of(name: str) -> int | None:
    """Of a CPU's name; None of any other."""
    found = re.search(rf", (\d+) threads?(?:, {ONNX})?$", name)
    return int(found[1]) if found else None


def runtime_of(name: str) -> Runtime:
    """What ran the networks that were measured under that name."""
    return ONNX if name.endswith(f", {ONNX}") else "torch"


def _fits(name: str, words: str) -> bool:
    parts = _parts(name)
    return all(any(asked in part for part in parts) for asked in _parts(words))


def _parts(words: str) -> list[str]:
    """Parts between commas, each as ` word word `."""
    parts = (re.findall(r"\w+", part) for part in words.casefold().split(","))
    return [f" {' '.join(part)} " for part in parts if part]


def parse_latency_at(text: str | None) -> tuple[str | None, str | None]:
    """`..5ms@DEVICE` -> the limit, and words of a measured device's name; None where there are none."""
    if text is None:
        return None, None
    limit, at, device = (part.strip() for part in str(text).partition("@"))
    if at and not device:
        raise InputError(f"latency must name a device after @, got {text}; write {limit}, or e.g. {limit}@epyc")
    return limit, device or None
