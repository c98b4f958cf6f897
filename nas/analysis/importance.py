"""Which choices of a space matter: for accuracy at equal FLOPs, and for FLOPs; and what each choice reached. No torch.

Importance of an axis: the part of the variance that it alone explains, corrected for the number of its choices
(adjusted R^2, which is 0 on average for a choice without effect). For accuracy it is the part of what is left after a
quadratic in log FLOPs, so that a choice does not matter merely because it makes networks larger. Beside it stands what
chance reaches, by permutations: such that with 95% no axis without an effect is said to have one, on accuracy or on
FLOPs (`multiple_comparisons`). One axis at a time: where a sampler chose two together, both get the credit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nas.analysis.design_choices import Traits, is_numeric, number, varied
from nas.analysis.multiple_comparisons import VALUES, bonferroni_level
from nas.analysis.seed_noise import Floats, student_t
from space import Band

PERMUTATIONS, BLOCK = 2000, 100  # of which three lie beyond each of 30 statements' level; so many at once, for memory
FEWEST = 20  # networks below which an importance says nothing
Places = NDArray[np.int64]
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

    @property
    def sizes(self) -> bool:
        """Whether it explains more of FLOPs than chance does."""
        return self.flops > self.flops_chance


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean accuracy of the networks with a choice, in a part of the budget; a network counts by its share of blocks."""

    axis: str
    choice: str
    band: Band
    mean: float
    half: float  # of the interval (Student's t), which holds together with those of the axis; infinite for too few
    networks: float  # effective number: (sum of shares)^2 / sum of squares

    @property
    def too_few(self) -> bool:
        return self.networks < VALUES


def importances(designs: Sequence[Traits], accuracy: Floats, flops: Floats, seed: int = 0) -> list[Importance]:
    """Of every axis that varies, by falling importance for accuracy. Empty for fewer than FEWEST networks."""
    if len(designs) < FEWEST:
        return []
    size, axes = np.log(flops) - np.log(flops).mean(), varied(designs)
    columns = [_columns(axis, choices, designs) for axis, choices in axes.items()]
    if not columns:
        return []
    curve = np.stack([np.ones(len(size)), size, size**2], axis=1)
    targets = _Target.of(accuracy, curve, columns), _Target.of(size, np.ones((len(size), 1)), columns)
    chance = _chance(targets, bonferroni_level(2 * len(axes)), np.random.default_rng(seed))
    own = [target.explained(target.left[:, None])[:, 0] for target in targets]
    rows = np.maximum(0, np.stack([own[0], chance[0], own[1], chance[1]], axis=1))
    found = [Importance(axis, *map(float, row)) for axis, row in zip(axes, rows, strict=True)]
    return sorted(found, key=lambda row: -row.accuracy)


def _chance(targets: Sequence[_Target], level: float, rng: np.random.Generator) -> list[Floats]:
    """Of each target, (axes,) what a part `level` of the permutations stays within."""
    found: list[list[Floats]] = [[] for _ in targets]
    for _ in range(PERMUTATIONS // BLOCK):
        order = np.array([rng.permutation(len(targets[0].left)) for _ in range(BLOCK)]).T  # (N, BLOCK)
        for target, rows in zip(targets, found, strict=True):
            rows.append(target.explained(target.left[order]))
    return [np.quantile(np.concatenate(rows, axis=1), level, axis=1, method="higher") for rows in found]


def _columns(axis: str, choices: Sequence[str], designs: Sequence[Traits]) -> Floats:
    """(N, columns): shares of the choices; for many numbers the logarithm of their mean, and its square."""
    if len(choices) > ONE_HOT and is_numeric(choices):
        means = np.array([number(design.get(axis, {})) or 0.0 for design in designs])
        log = np.log1p(means - means.min())
        return np.stack([log, log**2], axis=1)
    return np.array([[design.get(axis, {}).get(choice, 0.0) for choice in choices] for design in designs])


@dataclass(frozen=True, slots=True)
class _Target:
    """What a base leaves of a target (N,), and the orthonormal columns of every axis (N, columns) in that."""

    left: Floats
    vectors: Floats
    starts: Places  # (axes,) of each axis among the columns
    ranks: Places  # (axes,) columns that tell something: 0 where the base explains an axis
    free: int  # degrees of freedom that the base leaves

    @staticmethod
    def of(target: Floats, base: Floats, axes: Sequence[Floats]) -> _Target:
        base = np.linalg.qr(base)[0]
        found = [_orthonormal(columns, base) for columns in axes]
        starts = np.cumsum([0, *(vectors.shape[1] for vectors in found)])[:-1]
        ranks = np.array([round(float((vectors**2).sum())) for vectors in found])
        left = target - base @ (base.T @ target)
        return _Target(left, np.concatenate(found, axis=1), starts, ranks, len(left) - base.shape[1])

    def explained(self, left: Floats) -> Floats:
        """(axes, permutations) adjusted R^2 for (N, permutations) of what is left; 0 where nothing could tell."""
        total, rest = float(self.left @ self.left), (self.free - self.ranks)[:, None]
        if total <= 0:
            return np.zeros((len(rest), left.shape[1]))
        parts = np.add.reduceat((self.vectors.T @ left) ** 2, self.starts, axis=0) / total
        found: Floats = 1 - (1 - parts) * self.free / np.maximum(rest, 1)  # corrected for the columns that fitted it
        return np.where((rest < 1) | (rest == self.free), 0.0, found)


def _orthonormal(columns: Floats, base: Floats) -> Floats:
    """What the base leaves of an axis, as orthonormal columns; one of zeros where that is nothing."""
    vectors, values, _ = np.linalg.svd(columns - base @ (base.T @ columns), full_matrices=False)
    kept = values > 1e-9 * max(1.0, np.abs(columns).max()) * math.sqrt(len(columns))
    return vectors[:, kept] if kept.any() else np.zeros((len(columns), 1))


def thirds(band: Band, flops: Floats, parts: int = 3) -> list[Band]:
    """The budget in parts of equal ratio; from the cheapest network where the budget has no lower end."""
    low = band.low if band.low > 1 else int(flops.min())
    exact = [int(edge.round()) for edge in np.geomspace(max(low, 1), max(band.high, low + parts), parts + 1)]
    plain = [exact[0], *(int(float(f"{edge:.3g}")) for edge in exact[1:-1]), exact[-1]]  # to be read
    return [Band(a, b) for a, b in pairwise(plain if sorted(set(plain)) == plain else exact)]


def cells(
    axis: str, choices: Sequence[str], designs: Sequence[Traits], accuracy: Floats, flops: Floats, bands: Sequence[Band]
) -> list[Cell]:
    """Mean accuracy of each choice in each band; those without any network are left out."""
    shares = np.array([[design.get(axis, {}).get(choice, 0.0) for choice in choices] for design in designs])
    found = []
    for place, band in enumerate(bands):
        last = place == len(bands) - 1
        inside = (flops >= band.low) & ((flops <= band.high) if last else (flops < band.high))
        columns = (shares * inside[:, None]).T
        found += [(choice, band, share) for choice, share in zip(choices, columns, strict=True) if share.sum() > 0]
    level = bonferroni_level(sum(effective_number(share) >= VALUES for _, _, share in found))
    return [_cell(axis, choice, band, share, accuracy, level) for choice, band, share in found]


def effective_number(share: Floats) -> float:
    """Of networks: `(sum of shares)^2 / sum of squares`, whole where it is so but for rounding; 0 without a share."""
    return round(float(share.sum() ** 2 / (share**2).sum()), 9) if share.any() else 0.0


def _cell(axis: str, choice: str, band: Band, share: Floats, accuracy: Floats, level: float) -> Cell:
    total, networks = share.sum(), effective_number(share)
    mean = float(share @ accuracy / total)
    if networks < VALUES:
        return Cell(axis, choice, band, mean, math.inf, networks)
    variance = float(share @ (accuracy - mean) ** 2 / total) * networks / (networks - 1)
    half = student_t(int(networks) - 1, level) * math.sqrt(variance / networks)
    return Cell(axis, choice, band, mean, half, networks)
