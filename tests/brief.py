"""Latencies measured in a blink, on a machine that is never busy: on the real one tests run side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.analysis import cost_axes
from nas.export import folder
from nas.latency import modelling, reference_kernel, timing


def measure_briefly(replace: Callable[[object, str, Any], None] = setattr) -> None:
    """Everything is run, hardly anything repeated. From now on in this process; with a monkeypatch's `setattr` until
    its test ends."""
    for name, value in {"SECONDS": 0.0, "ROUNDS": 4, "SLICES": 2}.items():
        replace(timing, name, value)
    replace(folder, "SECONDS", 0.0)
    replace(folder, "LONGEST", 3.0)  # of networks of digits never
    for name, value in {"SECONDS": 0.0, "FEWEST": 4, "NETWORKS": 20, "POOL": 10}.items():
        replace(modelling, name, value)
    replace(reference_kernel, "BURST", 2)
    replace(cost_axes, "LIMIT", float("inf"))
