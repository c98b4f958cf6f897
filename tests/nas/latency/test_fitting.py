"""Fitting a latency model: rates of a made-up device are found, none is negative, its error is told on others."""

from __future__ import annotations

import random

import numpy as np
import pytest

from nas.latency.fitting import error_of, fit
from space import Arch, Budget, InputError, Space, Task
from space.work import Amount, Work, work

TASK = Task(32, 3, 10)
RATES = {"calls": 3000.0, "elements": 0.4, "macs": 0.02, "weights": 0.1}
FIXED = 8000.0


def networks(count: int, seed: int = 0) -> list[Arch]:
    space, rng = Space.load("convnext_or_modulation_32"), random.Random(seed)
    return [space.random_arch(rng, TASK, Budget.parse("1M..32M")) for _ in range(count)]


def rate(amount: Amount) -> float:
    """Of a device on which kernels of 7 and more are slow and norms cost nothing."""
    slow = 4.0 if amount.kind.startswith("depthwise") and int(amount.kind.split()[1]) >= 7 else 1.0
    return 0.0 if amount.kind in ("ln", "bn") else slow * RATES[amount.unit]


def took(amounts: Work) -> float:
    return FIXED + sum(rate(amount) * count for amount, count in amounts.items())


def test_what_a_device_does_is_found_whatever_the_noise() -> None:
    every = networks(220)
    works, rng = [work(arch, TASK) for arch in every], np.random.default_rng(0)
    noisy = [took(each) * float(rng.normal(1, 0.02)) for each in works]
    fitted = fit(works[:120], noisy[:120])
    assert all(value >= 0 for value in fitted.rates.values())
    assert fitted.fixed >= 0
    error = error_of(fitted, every[120:], TASK, noisy[120:])
    assert error.networks == 100
    assert error.median < 0.03
    assert error.tau is not None
    assert error.flops_tau is not None
    assert error.tau > 0.95 > error.flops_tau
    slow, quick = (fitted.forecast({Amount(f"depthwise {k}", "macs"): k * k * 10**6,
                                    Amount(f"depthwise {k}", "elements"): 2 * 10**6}) for k in (7, 3))  # fmt: skip
    assert slow > 4 * quick


def test_an_error_needs_networks_to_be_told_by() -> None:
    every = networks(12)
    fitted = fit([work(arch, TASK) for arch in every], [took(work(arch, TASK)) for arch in every])
    with pytest.raises(InputError, match="networks must leave 2 at least to tell the error by, got 1; measure more"):
        error_of(fitted, every[:1], TASK, [1.0])
