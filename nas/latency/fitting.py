"""Fitting a latency model: the rates that explain how long networks took, and how far off they are on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from space import Arch, InputError, Task, cost
from space.latency_model import ModelError
from space.work import Amount, Work, work


@dataclass(frozen=True, slots=True)
class Fitted:
    """Nanoseconds: of any network, and for each amount."""

    fixed: float
    rates: Mapping[Amount, float]

    def forecast(self, amounts: Work) -> float:
        return self.fixed + sum(self.rates.get(amount, 0.0) * count for amount, count in amounts.items())


def fit(works: Sequence[Work], nanoseconds: Sequence[float]) -> Fitted:
    """The rates, none negative, that make the squares of relative errors least."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]

    amounts, took = sorted({amount for each in works for amount in each}), np.asarray(nanoseconds, float)
    rows = np.array([[*(each.get(amount, 0) for amount in amounts), 1] for each in works], float)
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
        tau=_known(kendalltau(said, took).statistic), flops_tau=_known(kendalltau(flops, took).statistic),
    )  # fmt: skip


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
