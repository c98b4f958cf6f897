"""Band: a range of a count, as people write it (`1M..4M`). Budget: bands of FLOPs, parameters, activations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from space.reading import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)", re.IGNORECASE | re.ASCII)
COUNTS = ("flops", "params", "activations")  # in the order of `Cost`


@dataclass(frozen=True, slots=True)
class Band:
    """A count from `low` to `high`, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise InputError(f"flops must rise from low to high, got {self}; write e.g. 1M..4M")

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high

    def __str__(self) -> str:
        return f"{compact(self.low, 6)}..{compact(self.high, 6)}"

    @staticmethod
    def parse(text: str, field: str = "flops") -> Band:
        """`1M..4M`, `..4M` (1 to 4M) or `4M` (the same)."""
        low, _, high = text.strip().rpartition("..")
        try:
            return Band(_parse_count(low, text) if low else 1, _parse_count(high, text))
        except InputError as error:
            raise InputError(f"{field}{str(error).removeprefix('flops')}") from None

    def violation(self, count: int) -> float:
        """At most 0 inside; outside, by which fraction the nearer limit is missed."""
        return max(count / self.high - 1, 1 - count / self.low)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bands that a network must meet together, in the order flops, params, activations; one at least."""

    flops: Band | None = None
    params: Band | None = None
    activations: Band | None = None

    bands: tuple[tuple[int, Band], ...] = field(init=False, repr=False, compare=False)  # (place in COUNTS, band)

    def __post_init__(self) -> None:
        every = (self.flops, self.params, self.activations)
        object.__setattr__(self, "bands", tuple((i, band) for i, band in enumerate(every) if band is not None))
        if not self.bands:
            raise InputError("budget must hold a band, got none; give flops, params or activations")

    def holds(self, counts: Sequence[int]) -> bool:
        """Whether (flops, params, activations) are inside."""
        return all(band.low <= counts[i] <= band.high for i, band in self.bands)

    def __str__(self) -> str:
        return ", ".join(f"{band} {COUNTS[i]}" for i, band in self.bands)


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
