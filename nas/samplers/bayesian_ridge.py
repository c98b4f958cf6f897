"""Bayesian linear regression that learns row by row: neither its memory nor a fit grows with the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # of the prior, in units of noise variance
LEAST_VARIANCE = 1e-10  # where all values are equal


@dataclass(frozen=True, slots=True)
class Fit:
    """The posterior: weights are normal with mean `weights` and covariance `noise`^2 x `covariance`."""

    weights: Floats  # (d,)
    covariance: Floats  # (d, d)
    noise: float  # standard deviation of a value about its mean
    strength: float  # of the prior that was chosen

    def predict(self, rows: Floats) -> tuple[Floats, Floats]:
        """(n, d) -> (n,) means and (n,) standard deviations of values to be observed, noise included."""
        spread = np.einsum("ij,jk,ik->i", rows, self.covariance, rows, optimize=True)
        return rows @ self.weights, self.noise * np.sqrt(1 + spread)


class Forecast:
    """Rows whose values are not known but forecast, by another regression on a few inputs of theirs; kept as sums."""

    def __init__(self, columns: int, inputs: int) -> None:
        self.gram: Floats = np.zeros((columns, columns))  # x'x
        self.cross: Floats = np.zeros((columns, inputs))  # x'z
        self.inputs: Floats = np.zeros((inputs, inputs))  # z'z
        self.count = 0

    def add(self, row: Floats, inputs: Floats) -> None:
        """(d,) and (k,)"""
        self.gram += np.outer(row, row)
        self.cross += np.outer(row, inputs)
        self.inputs += np.outer(inputs, inputs)
        self.count += 1


class Ridge:
    """y ~ N(x w, s^2), w ~ N(0, s^2 / strength): the columns of `free` are all but free of that prior.

    The strength is the one with the highest evidence, the noise s its most likely value for it (Bishop, Pattern
    Recognition and Machine Learning, 3.5; MacKay 1992). Both follow from x'x, x'y and y'y, which are all that is kept.
    """

    def __init__(self, free: Sequence[float], columns: int) -> None:
        """`free`: the strength of the first columns; `columns`: in all."""
        self.free, self.columns, self.count = tuple(free), columns, 0
        self.gram: Floats = np.zeros((columns, columns))
        self.moment: Floats = np.zeros(columns)
        self.square = 0.0

    def add(self, rows: Floats, values: Floats) -> None:
        """(n, d) and (n,)"""
        self.gram += rows.T @ rows
        self.moment += rows.T @ values
        self.square += float(values @ values)
        self.count += len(values)

    def add_forecast(self, forecast: Forecast, by: Fit, noise: float) -> None:
        """Its rows, at the values that `by` forecasts. Each counts by the part that `noise`, of a known value, has in
        the variance of such a one."""
        weight = noise**2 / (noise**2 + by.noise**2)
        self.gram += weight * forecast.gram
        self.moment += weight * (forecast.cross @ by.weights)
        self.square += weight * float(by.weights @ forecast.inputs @ by.weights)
        self.count += forecast.count

    def fit(self, strength: float | None = None) -> Fit:
        """`strength` None: chosen by 8 Cholesky decompositions of (d, d), 2 ms for 120 columns. Where all columns are
        free there is no choice."""
        if strength is None:
            strength = max(STRENGTHS, key=self._log_evidence) if self.columns > len(self.free) else STRENGTHS[0]
        covariance: Floats = np.asarray(np.linalg.inv(self._precision(strength)))
        weights = covariance @ self.moment
        return Fit(weights, covariance, math.sqrt(self._variance(float(weights @ self.moment))), strength)

    def spread(self, rows: Floats, strength: float) -> Floats:
        """(n, d) -> (n,) variances of the rows' means by noise variance, under a prior of that strength."""
        found: Floats = np.einsum("ij,ji->i", rows, np.linalg.solve(self._precision(strength), rows.T))
        return found

    def _log_evidence(self, strength: float) -> float:
        """Log marginal likelihood at the most likely noise, but for constants."""
        lower = np.linalg.cholesky(self._precision(strength))
        solved = np.linalg.solve(lower, self.moment)
        prior = (self.columns - len(self.free)) * math.log(strength)
        return (
            prior / 2
            - float(np.log(np.diag(lower)).sum())
            - self.count / 2 * math.log(self._variance(float(solved @ solved)))
        )

    def _precision(self, strength: float) -> Floats:
        prior = np.full(self.columns, strength)
        prior[: len(self.free)] = self.free
        found: Floats = self.gram + np.diag(prior)
        return found

    def _variance(self, explained: float) -> float:
        return max((self.square - explained) / max(self.count, 1), LEAST_VARIANCE)
