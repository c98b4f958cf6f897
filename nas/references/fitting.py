"""Which scale of a network's widths brings it to so many FLOPs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nas.references.building import Looked, look
from nas.references.sources import Source
from space import Band, InputError, Task, compact

LOOKS = 14  # networks that are built and counted for one
NEAR = 1.02  # FLOPs over the target, or the other way, with which a search ends
SMALLEST, LARGEST = 1 / 64, 64.0  # scales


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network that is going to be trained, at `scale` where its widths were changed. `note`: what is to be said."""

    source: Source
    scale: float | None
    looked: Looked
    note: str = ""

    @property
    def name(self) -> str:
        return self.source.name if self.scale is None else f"{self.source.name} x{self.scale:g}"


def fit(source: Source, task: Task, band: Band, *, scale: bool, target: int | None) -> Fitted:
    """As it is, or where `scale` and it lies outside the band, or a `target` is told, at the widths that bring it
    nearest to the target, which else is the middle of the band by its logarithm. Raises InputError where none do."""
    plain = Fitted(source, None, look(source.name, source.at(None), task))
    flops = plain.looked.cost.flops
    inside = flops in band
    if not scale or (inside and target is None):
        outside = f"{source.name} lies outside the band {band} and cannot be compared there; --scale brings it in"
        return Fitted(source, None, plain.looked, "" if inside else outside)
    if source.unscalable:
        if inside:
            return Fitted(source, None, plain.looked, f"{source.name} stays as it is: {source.unscalable}")
        raise InputError(
            f"{source.name} must lie in the band {band} or be scaled, got {compact(flops)} FLOPs, and "
            f"{source.unscalable}; leave out --scale, or make it smaller by arguments"
        )
    wanted = target or math.sqrt(band.low * band.high)
    found = nearest(lambda s: _try(source, s, task), flops, wanted)
    fit_in = [s for s in found if found[s].cost.flops in band]
    best = min(fit_in, key=lambda s: abs(math.log(found[s].cost.flops / wanted)), default=None)
    if best is None:
        reach = ", ".join(sorted({compact(each.cost.flops) for each in found.values()})) or "nothing that can be built"
        raise InputError(f"{source.name} must come into the band {band} by its widths, got {reach}; name another")
    return Fitted(source, best, found[best])


def nearest(at: Callable[[float], Looked | None], plain: int, wanted: float) -> dict[float, Looked]:
    """What was looked at on the way to `wanted` FLOPs, by scale, from `plain` at 1; None: that cannot be built, as if
    it were too small. FLOPs never fall with the scale, and go by a power of it between 1 and 2."""
    low, high, scale = SMALLEST, LARGEST, math.sqrt(wanted / plain)
    found: dict[float, Looked] = {}
    for _ in range(LOOKS):
        scale = float(f"{min(max(scale, SMALLEST), LARGEST):.3g}")
        if scale in found or not low <= scale <= high:
            break
        looked = at(scale)
        flops = looked.cost.flops if looked else 0
        if looked:
            found[scale] = looked
            if max(flops / wanted, wanted / flops) < NEAR:
                break
        low, high = (scale, high) if flops < wanted else (low, scale)
        step = scale * math.sqrt(wanted / flops) if flops else 2 * scale
        scale = step if low < step < high else math.sqrt(low * high)
    return found


def _try(source: Source, scale: float, task: Task) -> Looked | None:
    try:
        return look(source.name, source.at(scale), task)
    except InputError:  # too narrow for a group, a head or a norm: the search says what it did find
        return None
