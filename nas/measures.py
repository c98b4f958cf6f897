"""What a network costs: the measures that accuracy can be set against. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nas.trials import Trial


@dataclass(frozen=True)
class Measure:
    """`of` gives None for a trial that was not measured so."""

    name: str  # as in an address
    label: str  # of an axis, with its unit
    of: Callable[[Trial], float | None]

    def on(self, trial: Trial) -> float:
        """Of a trial that has it."""
        value = self.of(trial)
        assert value is not None
        return value


FLOPS = Measure("FLOPs", "FLOPs (conv + linear multiply-accumulates, batch 1)", lambda trial: trial.flops)
COUNTED = (
    FLOPS,
    Measure("parameters", "parameters", lambda trial: trial.params),
    Measure("activations", "activations (outputs of conv and linear, batch 1)", lambda trial: trial.activations),
)


def measures(trials: Iterable[Trial]) -> dict[str, Measure]:
    """Those that any of these trials has, by name."""
    rows = list(trials)
    devices = dict.fromkeys(device for trial in rows for device in _measured(trial))
    return {m.name: m for m in (*COUNTED, *map(_latency, devices)) if m is FLOPS or any(map(m.of, rows))}


def _latency(device: str) -> Measure:
    return Measure(f"latency {device}", f"measured latency on {device}", lambda trial: _measured(trial).get(device))


def _measured(trial: Trial) -> dict[str, float]:
    """Latency by device, where it was measured: the one place that knows where a trial keeps it."""
    found = getattr(trial, "measured", None)
    return found if isinstance(found, dict) else {}
