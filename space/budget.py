"""Band: a range of a count, as people write it (`1M..4M`). Budget: bands of FLOPs, parameters, activations, and of a
latency that is forecast."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from space.reading import InputError
from space.rules import COUNTS

if TYPE_CHECKING:
    from space.latency_model import LatencyModel

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)", re.IGNORECASE | re.ASCII)
_TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}  # nanoseconds
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ns|us|µs|ms|s)", re.ASCII)
LATENCY = "latency"  # after them, in nanoseconds
MEASURES = (*COUNTS, LATENCY)
WORDS = ("FLOPs", "parameters", "activations", "forecast latency")


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

    def ends(self) -> tuple[str, str]:
        """Low and high for people, in six digits: in all where rounding moves one by a hundredth of the band."""
        low, high = compact(self.low, 6), compact(self.high, 6)
        moved = max(abs((_count(low) or 0) - self.low), abs((_count(high) or 0) - self.high))
        return (low, high) if 100 * moved <= self.high - self.low else (str(self.low), str(self.high))

    @staticmethod
    def parse(text: str, field: str = "flops") -> Band:
        """`1M..4M`; `..4M` or `0..4M` for 1 to 4M. A lone `4M` might mean both of `..4M` and `4M..4M`: refused."""
        _check_text(text, field)
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

    @staticmethod
    def parse_latency(text: str) -> Band:
        """`..5ms`, `2ms..5ms`, in nanoseconds; from 0 is from 1."""
        _check_text(text, LATENCY)
        low, dots, high = (part.strip() for part in text.partition(".."))
        ends = [_nanoseconds(part) for part in (low or "1ns", high)]
        if not dots or None in ends:
            got = text.strip() or "nothing"
            raise InputError(f"latency must be a band of times with us, ms or s, got {got}; write e.g. ..5ms")
        least, most = (max(end or 0, 1) for end in ends)
        if least > most:
            raise InputError(f"latency must rise from low to high, got {text}; write e.g. 2ms..5ms")
        return Band(least, most)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bands that a network must meet together, in the order flops, params, activations, latency (nanoseconds); one at
    least. `model` forecasts latencies: without it nothing is drawn within a latency."""

    flops: Band | None = None
    params: Band | None = None
    activations: Band | None = None
    latency: Band | None = None

    model: LatencyModel | None = field(default=None, init=False, repr=False)
    bands: tuple[tuple[int, Band], ...] = field(init=False, repr=False, compare=False)  # (place in MEASURES, band)

    def __post_init__(self) -> None:
        every = (self.flops, self.params, self.activations, self.latency)
        object.__setattr__(self, "bands", tuple((i, band) for i, band in enumerate(every) if band is not None))
        if not self.bands:
            raise InputError("budget must hold a band, got none; give flops, params or activations")

    @staticmethod
    def parse(
        flops: str | None, params: str | None = None, activations: str | None = None, latency: str | None = None
    ) -> Budget:  # fmt: skip
        """Of bands as people write them, FLOPs or a latency at least. Raises InputError."""
        if flops is None and latency is None:
            raise InputError("flops must be given, or a latency in their place, got neither; write e.g. 1M..4M")
        given = {"flops": flops, "params": params, "activations": activations}
        limits = {name: Band.parse(text, name) for name, text in given.items() if text is not None}
        if latency is not None:
            limits[LATENCY] = Band.parse_latency(latency)
        return Budget(**limits)

    def forecast_by(self, model: LatencyModel) -> Budget:
        """The same, with what forecasts its latency."""
        found = replace(self)
        object.__setattr__(found, "model", model)
        return found

    def holds(self, counts: Sequence[int]) -> bool:
        """Whether (flops, params, activations), with the latency where there is a model, are inside."""
        return self.misses(counts) == (False, False)

    def misses(self, counts: Sequence[int]) -> tuple[bool, bool]:
        """Whether some count is below its band, and whether some is above."""
        below = above = False
        for i, band in self.bands:
            if counts[i] < band.low:
                below = True
            elif counts[i] > band.high:
                above = True
        return below, above

    def violation(self, counts: Sequence[int]) -> float:
        """At most 0 where all bands hold; else by which fraction the worst of them is missed."""
        return max(band.violation(counts[i]) for i, band in self.bands)

    def __str__(self) -> str:
        """`1M..4M FLOPs, up to 500K parameters, up to 5 ms forecast latency (batch 1, AMD EPYC, 1 thread)`"""
        text = ", ".join(f"{_limit(i, band)} {WORDS[i]}" for i, band in self.bands)
        return text if self.model is None else f"{text} ({self.model.where})"


def said(place: int, count: int) -> str:
    """A count of MEASURES[place] for people: `4.2M`, `3.1 ms`."""
    return compact(count, 6) if place < len(COUNTS) else time_words(count)


def words(place: int, band: Band) -> str:
    """A band of MEASURES[place] for people: `1M..4M`, `2 ms to 5 ms`, `up to 5 ms`."""
    if place < len(COUNTS):
        return str(band)
    return f"up to {time_words(band.high)}" if band.low == 1 else f"{time_words(band.low)} to {time_words(band.high)}"


def ends_in_name(place: int, band: Band) -> list[str]:
    """Its ends for a study's name: `1M`, `4M`; `5ms`."""
    if place < len(COUNTS):
        return str(band).split("..")
    return [time_words(end).replace(" ", "") for end in (band.low, band.high) if end > 1]


def time_words(nanoseconds: float) -> str:
    """`1.3 ms`, `640 us`, `2 s`: three digits."""
    for unit, least in (("s", 999.5e6), ("ms", 99.95e3), ("us", 99.95)):
        if nanoseconds >= least:
            return f"{nanoseconds / _TIMES[unit]:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def _check_text(text: object, field: str) -> None:
    if not isinstance(text, str):
        example = "..5ms" if field == LATENCY else "1M..4M"
        raise InputError(f'{field} must be a band in words, got {text!r}; write e.g. "{example}"')


def _limit(place: int, band: Band) -> str:
    return f"up to {band.ends()[1]}" if band.low == 1 and place < len(COUNTS) else words(place, band)


def _nanoseconds(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    return round(float(match[1]) * _TIMES[match[2]]) if match else None


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
