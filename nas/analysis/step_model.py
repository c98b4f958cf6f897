"""A model of what steps do: a mean, an effect for each step and one for each pair, by least squares over a design.

    y = m + sum_i b_i x_i + sum_i<j b_ij x_i x_j + e,   x_i = +1 where step i is taken, -1 where it is not

y is a network's accuracy, the mean of its seeds. 2 b_i is the mean gain of step i over all contexts, 4 b_ij how much
more it gains where step j is taken. Intervals are Student's, from the error between the networks and the model, which
holds their seeds' noise and what three steps or more do together as far as the design tells that from pairs: a full
design does, in a regular fraction of resolution V each pair has triples of steps for aliases. Where there are hardly
more networks than numbers in the model, as in a full design of few steps, intervals are from the noise of seeds, of the
networks repeated, and tell nothing beyond these networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nas.analysis.multiple_comparisons import FREEDOM, bonferroni_level
from nas.analysis.seed_noise import Noise, student_t
from nas.analysis.wording import signed
from space.factorial import Row

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trained:
    """A set of steps whose network is trained: its mean accuracy (0 to 1), seeds, FLOPs, and its first trial."""

    row: Row
    accuracy: float
    seeds: int
    flops: int
    trial: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with half of its 95% interval; None where there is none."""

    value: float
    half: float | None

    @property
    def told(self) -> bool:
        """Whether it is told from nothing."""
        return self.half is not None and abs(self.value) > self.half

    @property
    def points(self) -> str:
        """`+1.23 ± 0.45`, of an accuracy."""
        half = "" if self.half is None else f" ± {100 * self.half:.2f}"
        return f"{signed(100 * self.value, 2)}{half}"


def numbers_of(steps: int) -> int:
    """How many numbers the model has."""
    return 1 + steps + math.comb(steps, 2)


class StepModel:
    """Of some networks of a design, each of which may stand for several sets of steps."""

    def __init__(self, steps: int, trained: Sequence[Trained], noise: Noise | None) -> None:
        self.steps, self.trained, self.noise = steps, trained, noise
        self.pairs = list(combinations(range(steps), 2))
        self.networks = {each.trial: each for each in reversed(trained)}  # each once, by its first trial
        self.size = numbers_of(steps)

    @cached_property
    def ready(self) -> bool:
        """Whether the networks tell all effects and pairs, and their error."""
        told = bool(self.trained) and int(np.linalg.matrix_rank(self._design)) == self.size
        return bool(told and (self.by_model or (self.noise is not None and self.noise.known)))

    @property
    def by_model(self) -> bool:
        """Whether the error is that between the networks and the model, not the noise of seeds."""
        return len(self.networks) >= self.size + FREEDOM

    @property
    def whole(self) -> bool:
        """Whether every set is trained."""
        return len(self.trained) == int(2**self.steps)

    def terms(self, rows: Sequence[Row]) -> Floats:
        """(sets, numbers of the model): 1, each step, each pair."""
        x = np.where(np.array(rows, dtype=bool), 1.0, -1.0)
        return np.column_stack([np.ones(len(x)), x, *(x[:, i] * x[:, j] for i, j in self.pairs)])

    @cached_property
    def _design(self) -> Floats:
        return self.terms([each.row for each in self.trained])

    @cached_property
    def _solver(self) -> Floats:
        """(numbers of the model, networks): what makes the numbers of the networks' accuracies. Sets that give the same
        network share its accuracy, and count as one in every error."""
        inverse = np.linalg.pinv(self._design)
        places = {trial: i for i, trial in enumerate(self.networks)}
        solver = np.zeros((len(inverse), len(places)))
        for column, each in zip(inverse.T, self.trained, strict=True):
            solver[:, places[each.trial]] += column
        return solver

    @cached_property
    def numbers(self) -> Floats:
        """m, each b_i, each b_ij in the order of `pairs`."""
        return np.asarray(self._solver @ np.array([each.accuracy for each in self.networks.values()]))

    @cached_property
    def _error(self) -> tuple[Floats, int]:
        """Standard deviation of each network's accuracy, and degrees of freedom behind it."""
        if not self.by_model:
            assert self.noise, "asked for without `ready`"
            seeds = np.array([each.seeds for each in self.networks.values()])
            return self.noise.sd / np.sqrt(seeds), self.noise.freedom
        residual = np.array([each.accuracy for each in self.trained]) - self._design @ self.numbers
        networks = len(self.networks)
        squares = (residual**2).sum() * networks / len(residual)
        return np.full(networks, math.sqrt(squares / (networks - self.size))), networks - self.size

    def estimate(self, weights: Floats, statements: int) -> Estimate:
        """Of a sum of the model's numbers, as one of so many statements that hold together."""
        sd, freedom = self._error
        half = student_t(freedom, bonferroni_level(statements)) * float(np.linalg.norm(weights @ self._solver * sd))
        return Estimate(float(weights @ self.numbers), half)

    def number(self, place: int, times: float, statements: int) -> Estimate:
        """So many times one of the model's numbers."""
        weights = np.zeros(self.size)
        weights[place] = times
        return self.estimate(weights, statements)

    @cached_property
    def measured(self) -> dict[Row, float]:
        """Accuracies of the sets that are trained."""
        return {each.row: each.accuracy for each in self.trained}

    def accuracy(self, rows: Sequence[Row]) -> Floats:
        """Of sets of steps: as measured where all are trained, else by the model."""
        if self.whole:
            return np.array([self.measured[row] for row in rows])
        return np.asarray(self.terms(rows) @ self.numbers)
