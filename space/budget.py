"""Band: a range of FLOPs, as people write it (`1M..4M`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from space.reading import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Band:
    """FLOPs from `low` to `high`, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise InputError(f"flops must rise from low to high, got {self}; write e.g. 1M..4M")

    def __contains__(self, flops: int) -> bool:
        return self.low <= flops <= self.high

    def __str__(self) -> str:
        return f"{compact(self.low, 6)}..{compact(self.high, 6)}"

    @staticmethod
    def parse(text: str) -> Band:
        """`1M..4M`, `..4M` (1 to 4M) or `4M` (the same)."""
        low, _, high = text.strip().rpartition("..")
        return Band(_parse_count(low, text) if low else 1, _parse_count(high, text))

    def violation(self, flops: int) -> float:
        """At most 0 inside; outside, by which fraction the nearer limit is missed."""
        return max(flops / self.high - 1, 1 - flops / self.low)


def _parse_count(text: str, whole: str) -> int:
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        raise InputError(f"flops must be a band of numbers with K, M or G, got {whole}; write e.g. 1M..4M")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def compact(count: float, digits: int = 3) -> str:
    """`4455531264` -> `4.46G`: three digits and a unit, for people."""
    for unit in ("T", "G", "M", "K"):
        if count >= (1 - 0.5 / 10**digits) * _UNITS[unit]:
            return f"{count / _UNITS[unit]:.{digits}g}{unit}"
    return f"{count:.{digits}g}"
