"""Fitting a latency model: which networks of a space teach most, and the rates that explain how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space import Arch, InputError, Task, cost
from space.latency_model import ModelError
from space.work import Amount, Work, work

Floats = NDArray[np.float64]
RIDGE = 1e-6  # of the information of a first network: what is not known of any rate


@dataclass(frozen=True, slots=True)
class Fitted:
    """Nanoseconds: of any network, and for each amount."""

    fixed: float
    rates: Mapping[Amount, float]

    def forecast(self, amounts: Work) -> float:
        return self.fixed + sum(self.rates.get(amount, 0.0) * count for amount, count in amounts.items())


def teaching_most(works: Sequence[Work], count: int) -> list[int]:
    """Of the networks that do this work the places of `count` that together tell most of all rates: greedily those that
    raise the determinant of the information matrix most (D-optimal design)."""
    amounts = _amounts(works)
    rows = _matrix(works, amounts)
    rows /= np.maximum(rows.max(axis=0), 1e-300)
    rows /= rows.sum(axis=1, keepdims=True)  # errors are relative: about as if every network took one second
    inverse = np.eye(rows.shape[1]) / (RIDGE * float(np.mean(rows**2)))
    chosen: list[int] = []
    for _ in range(min(count, len(works))):
        gains = np.einsum("ij,jk,ik->i", rows, inverse, rows)
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        moved = inverse @ rows[best]
        inverse -= np.outer(moved, moved) / (1.0 + gains[best])  # Sherman and Morrison
        chosen.append(best)
    return chosen


def fit(works: Sequence[Work], nanoseconds: Sequence[float]) -> Fitted:
    """The rates, none negative, that make the squares of relative errors least."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]

    amounts, took = _amounts(works), np.asarray(nanoseconds, float)
    rows = np.column_stack([_matrix(works, amounts), np.ones(len(works))])
    scale = np.maximum(rows.max(axis=0), 1e-300)
    found, _ = nnls(rows / scale / took[:, None], np.ones(len(works)))
    rates = found / scale
    return Fitted(float(rates[-1]), {a: float(rate) for a, rate in zip(amounts, rates[:-1], strict=True)})


def error_of(fitted: Fitted, archs: Sequence[Arch], task: Task, nanoseconds: Sequence[float]) -> ModelError:
    """On networks that it was not fitted to, at least two."""
    from scipy.stats import kendalltau  # type: ignore[import-untyped]

    if len(archs) < 2:
        raise InputError(f"networks must leave 2 at least to tell the error by, got {len(archs)}; measure more")
    took = np.asarray(nanoseconds, float)
    said = np.array([fitted.forecast(work(arch, task)) for arch in archs])
    errors = np.abs(said / took - 1)
    flops = [cost(arch, task).flops for arch in archs]
    return ModelError(
        networks=len(archs), median=float(np.median(errors)), p95=float(np.quantile(errors, 0.95)),
        tau=float(kendalltau(said, took).statistic), flops_tau=float(kendalltau(flops, took).statistic),
    )  # fmt: skip


def _amounts(works: Sequence[Work]) -> list[Amount]:
    return sorted({amount for each in works for amount in each})


def _matrix(works: Sequence[Work], amounts: Sequence[Amount]) -> Floats:
    return np.array([[each.get(amount, 0) for amount in amounts] for each in works], float)
