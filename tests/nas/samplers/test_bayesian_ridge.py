"""Ridge: row by row it is the textbook's n x n model, found another way."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal  # type: ignore[import-untyped]

from nas.samplers.bayesian_ridge import STRENGTHS, Fit, Floats, Forecast, Ridge

FREE = (1e-3, 1e-3)


def made(n: int, signal: float, seed: int = 0) -> tuple[Floats, Floats]:
    """A constant, a trend, ten features, and values of these and noise of .02."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([np.ones(n), rng.uniform(-1, 1, n), rng.normal(size=(n, 10))])
    weights = np.concatenate([[0.5, 0.05], rng.normal(0, signal, 10)])
    return rows, rows @ weights + rng.normal(0, 0.02, n)


def fitted(rows: Floats, values: Floats, parts: int = 4) -> Ridge:
    ridge = Ridge(FREE, rows.shape[1])
    for places in np.array_split(np.arange(len(values)), parts):
        ridge.add(rows[places], values[places])
    return ridge


def log_evidence(rows: Floats, values: Floats, strength: float) -> tuple[float, float]:
    """By the normal density of all values, at the most likely noise; and that noise."""
    prior = np.diag([1 / s for s in FREE] + [1 / strength] * (rows.shape[1] - len(FREE)))
    shape = np.eye(len(values)) + rows @ prior @ rows.T
    variance = float(values @ np.linalg.solve(shape, values)) / len(values)
    density = multivariate_normal(np.zeros(len(values)), variance * shape)
    return float(density.logpdf(values)), math.sqrt(variance)


@pytest.mark.parametrize(("n", "signal"), [(8, 0.01), (40, 0.02), (40, 0.0), (300, 0.002)])
def test_it_is_the_model_of_all_values_at_once(n: int, signal: float) -> None:
    rows, values = made(n, signal)
    fit = fitted(rows, values).fit()
    evidence = {strength: log_evidence(rows, values, strength) for strength in STRENGTHS}
    assert fit.strength == max(STRENGTHS, key=lambda s: evidence[s][0])
    assert fit.noise == pytest.approx(evidence[fit.strength][1], rel=1e-4)
    fresh = made(5, signal, seed=1)[0]
    prior = np.diag([1 / s for s in FREE] + [1 / fit.strength] * 10)
    cross = fresh @ prior @ rows.T
    gain = cross @ np.linalg.inv(np.eye(n) + rows @ prior @ rows.T)
    mean, deviation = fit.predict(fresh)
    assert mean == pytest.approx(gain @ values, abs=1e-6)
    spread = np.diag(fresh @ prior @ fresh.T - gain @ cross.T)
    assert deviation == pytest.approx(fit.noise * np.sqrt(1 + spread), rel=1e-4)


def test_the_spread_is_that_of_the_posterior() -> None:
    rows, values = made(30, 0.02)
    ridge = fitted(rows, values)
    fit = ridge.fit()
    spread = ridge.spread(made(5, 0.0, seed=1)[0], fit.strength)
    assert fit.noise * np.sqrt(1 + spread) == pytest.approx(fit.predict(made(5, 0.0, seed=1)[0])[1])


def test_the_prior_is_strong_where_there_is_nothing_to_find() -> None:
    strengths = [fitted(*made(60, signal)).fit().strength for signal in (0.1, 0.01, 0.0)]
    assert strengths == sorted(strengths)
    assert strengths[0] < strengths[-1]


def test_forecasts_cover_what_comes() -> None:
    """68% of fresh values within a standard deviation, 95% within two."""
    rows, values = made(2060, 0.01)
    fit = fitted(rows[:60], values[:60]).fit()
    mean, deviation = fit.predict(rows[60:])
    scores = np.abs(values[60:] - mean) / deviation
    assert (np.mean(scores < 1), np.mean(scores < 2)) == pytest.approx((0.68, 0.95), abs=0.08)


def test_rows_with_a_forecast_count_as_values_of_their_weight() -> None:
    rows, values = made(40, 0.02)
    more = made(25, 0.02, seed=1)[0]
    inputs = np.column_stack([more[:, :2], np.random.default_rng(2).normal(size=25)])
    by = Fit(np.array([0.5, 0.05, 0.01]), np.eye(3), noise=0.03, strength=1.0)
    forecast = Forecast(more.shape[1], 3)
    for row, own in zip(more, inputs, strict=True):
        forecast.add(row, own)
    ridge, plain = fitted(rows, values), fitted(rows, values)
    ridge.add_forecast(forecast, by, noise=0.04)
    root = 0.8  # of .04^2 / (.04^2 + .03^2)
    plain.add(root * more, root * (inputs @ by.weights))
    found, expected = ridge.fit(10.0), plain.fit(10.0)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-12)
    assert found.noise == pytest.approx(expected.noise)
    assert found.strength == 10


def test_a_copy_learns_alone_and_equal_values_do_no_harm() -> None:
    rows, _ = made(20, 0.0)
    ridge = fitted(rows, np.full(20, 0.1))
    assert ridge.fit().predict(rows)[0] == pytest.approx(0.1, abs=1e-4)
    other = copy.deepcopy(ridge)
    other.add(rows, np.full(20, 0.9))
    assert ridge.fit().predict(rows)[0] == pytest.approx(0.1, abs=1e-4)
    assert other.fit().predict(rows)[0] == pytest.approx(0.5, abs=1e-2)
