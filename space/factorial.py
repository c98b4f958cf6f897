"""Designs: which sets of k steps are trained, so that what each does can be told apart.

`full`: all 2^k. `fraction`: a regular fraction of resolution V or more (Box and Hunter 1961): main effects and two-way
interactions are clear of each other, which takes 2^r networks for

    r  4  5  6  7   8
    k  5  6  8  11  17   steps at most

`paths`: the networks along given orders alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal, get_args

from space.reading import InputError

Row = tuple[bool, ...]  # whether each step is taken
Kind = Literal["full", "fraction", "paths"]
MOST_STEPS = 16
MOST_ROWS = 4096


@dataclass(frozen=True)
class Design:
    """`orders` of steps, by place: those of `paths`."""

    kind: Kind
    steps: int
    orders: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(kind: str, steps: int, orders: Sequence[tuple[int, ...]] = ()) -> Design:
        """Raises InputError for a design that is none, or too large."""
        if kind not in get_args(Kind):
            raise InputError(f"design must be one of {', '.join(get_args(Kind))}, got {kind}; choose one")
        if steps > MOST_STEPS:
            raise InputError(f"steps must be at most {MOST_STEPS}, got {steps}; group some with --steps FILE")
        if kind == "full" and 2**steps > MOST_ROWS:
            raise InputError(
                f"design must be fraction for {steps} steps, got full, {2**steps:,} networks; add --design fraction, "
                "or group some with --steps FILE"
            )
        listed = tuple(orders) or (tuple(range(steps)),)
        return Design(kind, steps, listed)  # type: ignore[arg-type]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Each set of steps once."""
        if self.kind == "paths":
            return tuple(dict.fromkeys(row for order in self.orders for row in along(order)))
        return fraction(self.steps) if self.kind == "fraction" else every(self.steps)


def every(steps: int) -> tuple[Row, ...]:
    """All 2^k sets."""
    return tuple(product((False, True), repeat=steps))


def along(order: Sequence[int]) -> tuple[Row, ...]:
    """The sets along an order of all steps, from none of them to all."""
    return tuple(tuple(place in order[:taken] for place in range(len(order))) for taken in range(len(order) + 1))


@cache
def fraction(steps: int) -> tuple[Row, ...]:
    """The smallest regular fraction of resolution V that `_columns` finds; the whole where there is none smaller.
    Row 0 takes no step."""
    basic = next(r for r in range(1, steps + 1) if len(_columns(r, steps)) == steps)
    columns = _columns(basic, steps)
    return tuple(tuple((run & column).bit_count() % 2 == 1 for column in columns) for run in range(2**basic))


@cache
def _columns(basic: int, steps: int) -> tuple[int, ...]:
    """Up to `steps` columns, each the product of the basic factors whose bits it has: the first that keeps every word
    of the defining relation at five letters or more is taken, the basic factors before all others."""
    chosen: list[int] = []
    sums = {0: 0}  # sum of some columns -> the fewest that give it, up to three
    candidates = [*(1 << i for i in range(basic)), *(c for c in range(1, 2**basic) if c.bit_count() > 1)]
    for column in candidates:
        if len(chosen) == steps:
            break
        if column in sums:  # a sum of three at most: a word of four letters
            continue
        chosen.append(column)
        for total, count in list(sums.items()):
            if count < 3:
                sums[total ^ column] = min(sums.get(total ^ column, 3), count + 1)
    return tuple(chosen)
