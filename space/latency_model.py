"""LatencyModel: how long a network takes on a device, forecast from its layers before anything is built.

`seconds = fixed + sum of rate * amount` over the amounts of `space.work`. No rate is negative, so that a forecast never
falls as a network gets wider or deeper, and networks are constructed within a limit on it as within one on FLOPs. The
rates are fitted to measured networks (`nas.latency.fitting`). No torch here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from space.cost import CACHED
from space.reading import InputError, check, is_file
from space.work import UNITS, Work, head_work, stage_work, stem_work

_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelError:
    """What a model says of networks that it was not fitted to, against what they were measured at."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    networks: int
    median: float  # of |forecast / measured - 1|
    p95: float  # its 95th percentile
    tau: float | None  # Kendall's, of forecast and measured; None where all are equal
    flops_tau: float | None  # likewise, of FLOPs and measured

    def __post_init__(self) -> None:
        for name, value in (("median", self.median), ("p95", self.p95)):
            if not 0 <= value < math.inf:
                raise InputError(f"error.{name} must be from 0 up, got {value}; measure again")

    def __str__(self) -> str:
        tau, flops_tau = ("none" if each is None else f"{each:.2f}" for each in (self.tau, self.flops_tau))
        return (
            f"median error {self.median:.1%}, 95% within {self.p95:.1%}, Kendall's tau {tau} (FLOPs alone "
            f"{flops_tau}), on {self.networks} networks that it has not seen"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LatencyModel:
    """Of one device, runtime and batch. Two are equal only where they are the same object."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    device: str  # as `nas.latency.timing.device_names` names it
    batch: int
    space: str  # whose networks were measured
    image_size: int  # pixels to a side
    channels: int
    classes: int
    networks: int  # that it was fitted to
    flops: tuple[int, int]  # of these, from the least to the most (conv + linear multiply-accumulates, batch 1)
    fixed: float  # nanoseconds of a batch, whatever the network
    rates: dict[str, dict[str, float]]  # kind of layer -> one of UNITS -> nanoseconds of a batch for each
    error: ModelError
    created: str  # ISO 8601, UTC
    versions: dict[str, str]

    def __post_init__(self) -> None:
        if not 0 <= self.fixed < math.inf:
            raise InputError(f"fixed must be nanoseconds from 0 up, got {self.fixed}; measure again")
        for kind, of_kind in self.rates.items():
            for unit, rate in of_kind.items():
                if unit not in UNITS:
                    raise InputError(f"rates.{kind} must be of {', '.join(UNITS)}, got {unit}; measure again")
                if not 0 <= rate < math.inf:
                    raise InputError(f"rates.{kind}.{unit} must be from 0 up, got {rate}; measure again")
        if not any(rate for of_kind in self.rates.values() for rate in of_kind.values()):
            raise InputError("rates must be above 0 for some kind of layer, got none; measure again")
        if self.batch < 1 or not 0 < self.flops[0] <= self.flops[1]:
            raise InputError(f"batch and flops must be from 1 up, got {self.batch} and {self.flops}; measure again")
        if not self.device.strip():
            raise InputError("device must be the name of one, got nothing; measure again")

    @property
    def where(self) -> str:
        """`batch 1, AMD EPYC, 1 thread`."""
        return f"batch {self.batch}, {self.device}"

    def line(
        self, stem: tuple[Any, ...], stages: Sequence[tuple[Any, ...]], head: tuple[Any, ...]
    ) -> tuple[int, list[int]]:  # fmt: skip
        """Nanoseconds of networks that leave a pixel, whose parts are as `space.work` takes them: what does not depend
        on the stages' depths, and what a block of each adds; whole ones, so that a forecast is a line in the depths."""
        both = [_stage(self, *stage) for stage in stages]
        rest = sum(first - each for first, each in both)
        return round(self.fixed) + _stem(self, *stem) + rest + _head(self, *head), [each for _, each in both]

    def total(self, amounts: Work) -> int:
        """Nanoseconds of work of layers that were measured."""
        return round(sum(self.rates[kind].get(unit, 0.0) * amount for (kind, unit), amount in amounts.items()))

    def to_dict(self) -> dict[str, Any]:
        """Plain, as it is read from JSON and YAML."""
        plain: dict[str, Any] = json.loads(self.to_json())
        return plain

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_dict(plain: Any, where: str) -> LatencyModel:
        """Raises InputError, with the place, for what is none."""
        return _of(json.dumps(plain, sort_keys=True), where)

    @staticmethod
    def load(path: Path) -> LatencyModel:
        """From a file that `nas measure SPACE` wrote. Raises InputError for one that is missing, damaged or other."""
        if not is_file(path):
            raise InputError(f"device-model must be a file that exists, got {path}; nas measure SPACE makes one")
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} must be JSON, got {error}; measure again: nas measure SPACE") from None
        return LatencyModel.from_dict(plain, str(path))


@lru_cache(CACHED)
def _stem(model: LatencyModel, *stem: Any) -> int:
    return model.total(stem_work(*stem)[0])


@lru_cache(CACHED)
def _stage(model: LatencyModel, *stage: Any) -> tuple[int, int]:
    """Of one block, and of each further one."""
    first, each, _ = stage_work(*stage)
    return model.total(first), model.total(each)


@lru_cache(CACHED)
def _head(model: LatencyModel, *head: Any) -> int:
    return model.total(head_work(*head))


@lru_cache(32)
def _of(text: str, where: str) -> LatencyModel:
    """The same object for the same model: what a space has worked out with it is kept by it."""
    model: LatencyModel = check(LatencyModel, json.loads(text), where)
    return model
