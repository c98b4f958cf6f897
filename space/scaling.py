"""Scalings: the sizes that one relative shape can take, from the smallest network to the largest.

With a range of widths, the widths of a rung are `s * growth^i`, each rounded to the grid: as the scale s rises, the
stages step up one after another, so that rungs lie close together in cost. (With strict multiples of the first stage's
width they would lie 17% apart around width 96, and a narrow band would fall between them.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MULTIPLE = 8  # later stages' widths are rounded to multiples of 8, as RegNet's are (arXiv 2003.13678)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Rung i holds from scale `scales[i]` on; `widths[i]` are its stages' widths, which never fall with i."""

    scales: tuple[float, ...]
    widths: tuple[tuple[int, ...], ...]

    def at(self, scale: float) -> int:
        """The rung that holds at `scale`."""
        return max(bisect_right(self.scales, scale) - 1, 0)


@lru_cache(4096)
def grown(low: int, high: int, step: int, growth: float, stages: int) -> Scaling:
    """Widths `s * growth^i`, s from `low` to `high`, rounded half up to multiples of `step`."""
    factors = [1.0]
    for _ in range(stages - 1):
        # Products, not powers: the same on every machine. A hair more, so that stages never step up at once.
        factors.append(factors[-1] * growth * (1 + 1e-9))
    points = {float(low)}
    for factor in factors:
        m = int(low * factor / step)
        while (point := (m + 0.5) * step / factor) <= high:
            if point > low:
                points.add(point)
            m += 1
    scales = sorted(points)
    ends = [*scales[1:], float(high)]
    rows = [
        tuple(max(int((a + b) / 2 * factor / step + 0.5), 1) * step for factor in factors)
        for a, b in zip(scales, ends, strict=True)
    ]
    return _distinct(scales, rows)


@lru_cache(4096)
def listed(widths: tuple[int, ...], growth: float, stages: int) -> Scaling:
    """First widths exactly as listed; later ones `growth` times as wide, rounded half up to multiples of 8."""
    rows = []
    for base in sorted(widths):
        factor, row = 1.0, [base]
        for _ in range(stages - 1):
            factor *= growth
            row.append(max(MULTIPLE, int(base * factor / MULTIPLE + 0.5) * MULTIPLE))
        rows.append(tuple(row))
    return Scaling(tuple(float(row[0]) for row in rows), tuple(rows))


@lru_cache(4096)
def scaled(choices: tuple[int, ...], relative: tuple[int, ...]) -> Scaling:
    """Widths in the proportions `relative`, each stage at the nearest of the `choices`. Scale 1 is `relative`."""
    known = sorted(choices)
    middles = [(a + b) / 2 for a, b in pairwise(known)]
    scales = sorted({middle / width for middle in middles for width in relative} | {0.0})
    ends = [*scales[1:], scales[-1] + 2.0]
    rows = [
        tuple(known[bisect_right(middles, (a + b) / 2 * width)] for width in relative)
        for a, b in zip(scales, ends, strict=True)
    ]
    return _distinct(scales, rows)


def _distinct(scales: Sequence[float], rows: Sequence[tuple[int, ...]]) -> Scaling:
    kept = [i for i, row in enumerate(rows) if i == 0 or row != rows[i - 1]]
    return Scaling(tuple(scales[i] for i in kept), tuple(rows[i] for i in kept))
