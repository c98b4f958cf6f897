"""Which choices of a space matter: for accuracy at equal FLOPs, and for FLOPs; and what each choice reached. No torch.

Importance of an axis: the part of the variance that it alone explains, corrected for the number of its choices
(adjusted R^2, which is 0 on average for a choice without effect). For accuracy it is the part of what is left after a
quadratic in log FLOPs, so that a choice does not matter merely because it makes networks larger. Beside it stands what
chance reaches: the 95% quantile over permutations. One axis at a time: where a sampler chose two together, both get the
credit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nas.certainty import LEVEL, Floats, student_t
from nas.design import Traits, is_numeric, number, varied
from space import Band

PERMUTATIONS = 400
FEWEST = 20  # networks below which an importance says nothing
Places = NDArray[np.int64]
LEAST = 5.0  # networks that a mean must rest on
ONE_HOT = 6  # choices up to which each has an effect of its own; more numbers than that: a quadratic in their logarithm


@dataclass(frozen=True, slots=True)
class Importance:
    """Of one axis: parts of the variance, 0 to 1, and what chance alone reaches."""

    axis: str
    accuracy: float  # of accuracy at equal FLOPs
    accuracy_chance: float
    flops: float  # of log FLOPs
    flops_chance: float

    @property
    def matters(self) -> bool:
        """Whether it explains more of accuracy at equal FLOPs than chance does."""
        return self.accuracy > self.accuracy_chance


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean accuracy of the networks with a choice, in a part of the budget; a network counts by its share of blocks."""

    axis: str
    choice: str
    band: Band
    mean: float
    half: float  # of the 95% interval (Student's t); infinite for fewer than 2 networks
    networks: float  # effective number: (sum of shares)^2 / sum of squares

    @property
    def too_few(self) -> bool:
        return self.networks < LEAST


def importances(designs: Sequence[Traits], accuracy: Floats, flops: Floats, seed: int = 0) -> list[Importance]:
    """Of every axis that varies, by falling importance for accuracy. Empty for fewer than FEWEST networks."""
    if len(designs) < FEWEST:
        return []
    rng, size = np.random.default_rng(seed), np.log(flops) - np.log(flops).mean()
    order = np.array([rng.permutation(len(size)) for _ in range(PERMUTATIONS)]).T  # (N, PERMUTATIONS)
    curve = np.stack([np.ones(len(size)), size, size**2], axis=1)
    targets = _Rest.of(accuracy, curve, order), _Rest.of(size, np.ones((len(size), 1)), order)
    rows = []
    for axis, choices in varied(designs).items():
        columns = _columns(axis, choices, designs)
        rows.append(Importance(axis, *_explained(columns, targets[0]), *_explained(columns, targets[1])))
    return sorted(rows, key=lambda row: -row.accuracy)


def _columns(axis: str, choices: Sequence[str], designs: Sequence[Traits]) -> Floats:
    """(N, columns): shares of the choices; for many numbers the logarithm of their mean, and its square."""
    if len(choices) > ONE_HOT and is_numeric(choices):
        means = np.array([number(design.get(axis, {})) or 0.0 for design in designs])
        log = np.log1p(means - means.min())
        return np.stack([log, log**2], axis=1)
    return np.array([[design.get(axis, {}).get(choice, 0.0) for choice in choices] for design in designs])


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a base leaves of a target: the base's orthonormal columns, what is left (N,), and that permuted."""

    base: Floats
    left: Floats
    permuted: Floats  # (N, PERMUTATIONS)

    @staticmethod
    def of(target: Floats, base: Floats, order: Places) -> _Rest:
        base = np.linalg.qr(base)[0]
        left = target - base @ (base.T @ target)
        return _Rest(base, left, left[order])


def _explained(columns: Floats, rest: _Rest) -> tuple[float, float]:
    """Adjusted R^2 of `columns` for the rest, and its 95% quantile over permutations."""
    base, left = rest.base, rest.left
    extra = columns - base @ (base.T @ columns)
    vectors, values, _ = np.linalg.svd(extra, full_matrices=False)
    vectors = vectors[:, values > 1e-9 * max(1.0, np.abs(columns).max()) * math.sqrt(len(columns))]
    free = len(left) - base.shape[1]
    more, total = vectors.shape[1], float(left @ left)
    if more == 0 or total <= 0 or free - more < 1:
        return 0.0, 0.0

    def adjusted(parts: Floats) -> Floats:  # R^2 -> corrected for the columns that fitted it
        found: Floats = 1 - (1 - parts) * free / (free - more)
        return found

    own = adjusted(np.array(((vectors.T @ left) ** 2).sum() / total))
    chance = adjusted(((vectors.T @ rest.permuted) ** 2).sum(axis=0) / total)
    return max(0.0, float(own)), max(0.0, float(np.quantile(chance, LEVEL)))


def thirds(band: Band, flops: Floats, parts: int = 3) -> list[Band]:
    """The budget in parts of equal ratio; from the cheapest network where the budget has no lower end."""
    low = band.low if band.low > 1 else int(flops.min())
    edges = np.geomspace(max(low, 1), max(band.high, low + parts), parts + 1)
    inner = [int(float(f"{edge:.3g}")) for edge in edges[1:-1]]  # to be read
    return [Band(a, b) for a, b in pairwise([int(edges[0].round()), *inner, int(edges[-1].round())])]


def cells(
    axis: str, choices: Sequence[str], designs: Sequence[Traits], accuracy: Floats, flops: Floats, bands: Sequence[Band]
) -> list[Cell]:
    """Mean accuracy of each choice in each band; those without any network are left out."""
    shares = np.array([[design.get(axis, {}).get(choice, 0.0) for choice in choices] for design in designs])
    found = []
    for place, band in enumerate(bands):
        last = place == len(bands) - 1
        inside = (flops >= band.low) & ((flops <= band.high) if last else (flops < band.high))
        for choice, share in zip(choices, (shares * inside[:, None]).T, strict=True):
            if share.sum() > 0:
                found.append(_cell(axis, choice, band, share, accuracy))
    return found


def _cell(axis: str, choice: str, band: Band, share: Floats, accuracy: Floats) -> Cell:
    total = share.sum()
    mean = float(share @ accuracy / total)
    networks = float(total**2 / (share**2).sum())
    if networks < 2 - 1e-9:
        return Cell(axis, choice, band, mean, math.inf, networks)
    variance = float(share @ (accuracy - mean) ** 2 / total) * networks / (networks - 1)
    return Cell(axis, choice, band, mean, student_t(int(networks) - 1) * math.sqrt(variance / networks), networks)
