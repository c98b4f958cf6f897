"""Band: a range of a count, as people write it (`1M..4M`). Budget: bands of FLOPs, parameters, activations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from space.reading import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)", re.IGNORECASE | re.ASCII)
COUNTS = ("flops", "params", "activations")  # in the order of `Cost`
WORDS = ("FLOPs", "parameters", "activations")


@dataclass(frozen=True, slots=True)
class Band:
    """A count from `low` to `high`, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise _falling("flops", str(self))

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high

    def __str__(self) -> str:
        return "..".join(self.ends())

    def ends(self, digits: int = 6) -> tuple[str, str]:
        """Low and high for people, in so many digits: in more where rounding moves one by a hundredth of the band."""
        for each in (digits, 6):
            low, high = compact(self.low, each), compact(self.high, each)
            moved = max(abs((_count(low) or 0) - self.low), abs((_count(high) or 0) - self.high))
            if 100 * moved <= self.high - self.low:
                return low, high
        return str(self.low), str(self.high)

    @staticmethod
    def parse(text: str, field: str = "flops") -> Band:
        """`1M..4M`; `..4M` or `0..4M` for 1 to 4M. A lone `4M` might mean both of `..4M` and `4M..4M`: refused."""
        low, dots, high = (part.strip() for part in text.partition(".."))
        numbers = [_count(part) for part in (low or "1", high if dots else low)]
        if low and dots and not high and numbers[0]:
            raise InputError(f"{field} must have an upper end, got {text}; write e.g. {low}..{compact(4 * numbers[0])}")
        if None in numbers:
            got = text.strip() or "nothing"
            raise InputError(f"{field} must be a band of numbers with K, M or G, got {got}; write e.g. 1M..4M")
        if not dots:
            raise InputError(f"{field} must be a band, got {text}; write ..{text.strip()} for up to it, or e.g. 1M..4M")
        least, most = (number or 0 for number in numbers)
        try:
            return Band(least or 1, most)
        except InputError:
            raise _falling(field, text) from None

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

    @staticmethod
    def parse(flops: str, params: str | None = None, activations: str | None = None) -> Budget:
        """Of bands as people write them, the last two where they are given. Raises InputError."""
        given = {"params": params, "activations": activations}
        limits = {name: Band.parse(text, name) for name, text in given.items() if text is not None}
        return Budget(flops=Band.parse(flops), **limits)

    def holds(self, counts: Sequence[int]) -> bool:
        """Whether (flops, params, activations) are inside."""
        return all(band.low <= counts[i] <= band.high for i, band in self.bands)

    def violation(self, counts: Sequence[int]) -> float:
        """At most 0 where all bands hold; else by which fraction the worst of them is missed."""
        return max(band.violation(counts[i]) for i, band in self.bands)

    def __str__(self) -> str:
        """`1M..4M FLOPs, up to 500K parameters`"""
        return ", ".join(f"{_limit(band)} {WORDS[i]}" for i, band in self.bands)


def _limit(band: Band) -> str:
    return f"up to {str(band).partition('..')[2]}" if band.low == 1 else str(band)


def parse_count(text: str, field: str, example: str = "20M") -> int:
    """`20M`. Raises InputError for anything else, a band too."""
    count = _count(text.strip())
    if not count:
        raise InputError(f"{field} must be a number from 1 up, with K, M or G, got {text}; write e.g. {example}")
    return count


def _count(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    return round(float(match[1]) * _UNITS[match[2].upper()]) if match else None


def _falling(field: str, got: str) -> InputError:
    return InputError(f"{field} must rise from low to high, got {got}; write e.g. 1M..4M")


def compact(count: float, digits: int = 3) -> str:
    """`4455531264` -> `4.46G`: three digits and a unit, for people."""
    for unit in ("T", "G", "M", "K"):
        if count >= (1 - 0.5 / 10**digits) * _UNITS[unit]:
            return f"{count / _UNITS[unit]:.{digits}g}{unit}"
    return f"{count:.{digits}g}"
