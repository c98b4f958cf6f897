"""What a network costs: the measures that accuracy can be set against. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.records.trial import Trial
from space import compact

if TYPE_CHECKING:
    from nas.records.settings import Settings

LIMIT = 1.25  # times its best: a latency beside which the reference kernel took longer is on no front
UNCHECKED = "not checked"


def _counted(value: float, digits: int = 3) -> str:
    return compact(round(value), digits)


def _ms(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g} ms"


@dataclass(frozen=True)
class CostAxis:
    """`of` gives None for a trial that was not measured so; `words` writes a value with its unit, where it has one, in
    three digits or as many as are asked for."""

    name: str  # as in an address
    label: str  # of an axis, with its unit
    of: Callable[[Trial], float | None]
    words: Callable[..., str] = _counted
    quartiles: Callable[[Trial], tuple[float, float]] | None = None  # around `on`, of what was measured many times
    note: str = ""  # what must be said beside its values, in sentences
    unit: float = 1.0  # in what a budget's band of it counts

    def said(self, value: float, digits: int = 3) -> str:
        """A value with what it counts: `4.2M FLOPs`, `1.3 ms forecast latency`; one that was measured is `1.3 ms`."""
        words = self.words(value, digits)
        return words if self.quartiles else f"{words} {self.name}"

    def exact(self, value: float) -> str:
        """A value that has few digits, with all of them."""
        return self.words(value, 15)

    def on(self, trial: Trial) -> float:
        """Of a trial that has it."""
        value = self.of(trial)
        assert value is not None
        return value


FLOPS = CostAxis("FLOPs", "FLOPs (conv + linear multiply-accumulates, batch 1)", lambda trial: trial.flops)
PARAMETERS = CostAxis("parameters", "parameters", lambda trial: trial.params)
ACTIVATIONS = CostAxis(
    "activations", "activations (outputs of conv and linear, batch 1)", lambda trial: trial.activations
)
FORECAST = CostAxis(
    "forecast latency", "latency that the study's model forecasts, ms",
    lambda trial: None if trial.latency is None else trial.latency / 1e6, _ms, unit=1e6,
)  # fmt: skip
COUNTED = {"flops": FLOPS, "params": PARAMETERS, "activations": ACTIVATIONS}  # by their names in options and tables
MINIMISED = COUNTED | {"latency": FORECAST}  # by what a study minimises


def cost_of(settings: Settings) -> CostAxis:
    """What a study minimises: its front is over it."""
    return MINIMISED[settings.minimize]


def cost_axes(trials: Iterable[Trial], measured: Mapping[str, Any] | None = None) -> dict[str, CostAxis]:
    """Those that any of these trials has, by name. `measured`: what `nas measure` found beside the study."""
    rows = list(trials)
    every = (*COUNTED.values(), FORECAST, *_latencies(rows, measured or {}))
    return {m.name: m for m in every if m is FLOPS or any(map(m.of, rows))}


def busy_alone(trials: Iterable[Trial], measured: Mapping[str, Any]) -> list[str]:
    """A sentence for each latency that is no measure, since the machine was busy whenever it was measured."""
    rows = list(trials)
    return [
        f"L{axis.name[1:]} was measured on a busy machine only: end other programs and measure again."
        for axis in _latencies(rows, measured)
        if axis.note and not any(map(axis.of, rows))
    ]


def _latencies(trials: Sequence[Trial], measured: Mapping[str, Any]) -> list[CostAxis]:
    keys = {trial.key or "" for trial in trials}
    return [
        latency(networks, device, batch, keys)
        for device, networks in measured.items()
        for batch in sorted({int(batch) for timings in networks.values() for batch in timings})
    ]


def latency(networks: Mapping[str, Any], device: str, batch: int, keys: Iterable[str] | None = None) -> CostAxis:
    """Of a batch on a device, in ms; None where the machine was busy. `networks`: timings by batch by the network's
    key, of which `keys` are asked about."""
    best = reference_best(networks)

    def timing(trial: Trial) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = networks.get(trial.key or "", {}).get(str(batch))
        return None if found is None or is_busy(slowdown(found, best)) else found

    def of(trial: Trial) -> float | None:
        found = timing(trial)
        return None if found is None else 1e3 * float(found["median"])

    def quartiles(trial: Trial) -> tuple[float, float]:
        found = timing(trial)
        assert found is not None
        return 1e3 * float(found["low"]), 1e3 * float(found["high"])

    images = "one image" if batch == 1 else f"{batch} images"
    return CostAxis(
        f"latency (batch {batch}, {device})", f"latency of {images}, ms (median, float32, {device})", of,
        _ms, quartiles, _note(networks, batch, networks if keys is None else keys), unit=1e6,
    )  # fmt: skip


def reference_best(networks: Mapping[str, Any]) -> float | None:
    """The reference kernel's best time over all that was measured on a device; None for an older release's alone."""
    found = (timing.get("reference_best") for timings in networks.values() for timing in timings.values())
    return min((best for best in found if best is not None), default=None)


def slowdown(timing: Mapping[str, Any], best: float | None) -> float | None:
    """How many times its best the reference kernel took meanwhile; None for a timing of an older release."""
    reference = timing.get("reference")
    return None if reference is None or best is None else reference / best


def is_busy(slowdown: float | None) -> bool:
    return slowdown is not None and slowdown > LIMIT


def mark(slowdown: float | None) -> str:
    """`busy 1.8x`; `not checked` without a reference kernel beside it; nothing for what holds."""
    if slowdown is None:
        return UNCHECKED
    return f"busy {slowdown:.1f}x" if is_busy(slowdown) else ""


def _note(networks: Mapping[str, Any], batch: int, keys: Iterable[str]) -> str:
    best = reference_best(networks)
    timings = (networks.get(key, {}).get(str(batch)) for key in keys)
    marks = [mark(slowdown(timing, best)) for timing in timings if timing]
    busy, unchecked = sum(each.startswith("busy") for each in marks), marks.count(UNCHECKED)
    notes = []
    if busy:
        notes.append(
            f"{busy} of {len(marks)} networks are left out: the machine was busy (a reference kernel took over "
            f"{LIMIT:g} times its best)."
        )
    if unchecked:
        notes.append(f"{unchecked} of {len(marks)} were measured without a check that the machine was not busy.")
    return " ".join(notes)
