"""What a network costs: the measures that accuracy can be set against. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nas.trials import Trial
from space import compact


def _counted(value: float) -> str:
    return compact(round(value))


@dataclass(frozen=True)
class Measure:
    """`of` gives None for a trial that was not measured so; `words` writes a value with its unit, where it has one."""

    name: str  # as in an address
    label: str  # of an axis, with its unit
    of: Callable[[Trial], float | None]
    words: Callable[[float], str] = _counted

    def said(self, value: float) -> str:
        """A value with what it counts: `4.2M FLOPs`, `1.3 ms`."""
        words = self.words(value)
        return f"{words} {self.name}" if self.words is _counted else words

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


def measures(trials: Iterable[Trial], measured: Mapping[str, Any] | None = None) -> dict[str, Measure]:
    """Those that any of these trials has, by name. `measured`: what `nas.measured.read` found beside the study."""
    rows = list(trials)
    latencies = [
        latency(networks, device, batch)
        for device, networks in (measured or {}).items()
        for batch in sorted({int(batch) for timings in networks.values() for batch in timings})
    ]
    return {m.name: m for m in (*COUNTED, *latencies) if m is FLOPS or any(map(m.of, rows))}


def latency(networks: Mapping[str, Any], device: str, batch: int) -> Measure:
    """Of a batch on a device, in ms. `networks`: timings by batch by the network's key."""

    def of(trial: Trial) -> float | None:
        timing = networks.get(trial.key or "", {}).get(str(batch))
        return None if timing is None else 1e3 * float(timing["median"])

    images = "one image" if batch == 1 else f"{batch} images"
    return Measure(
        f"latency (batch {batch}, {device})", f"latency of {images}, ms (median, float32, {device})", of,
        lambda value: f"{value:.3g} ms",
    )  # fmt: skip
