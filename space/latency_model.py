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

from space.arch import Task
from space.blocks import Block
from space.cost import CACHED
from space.heads import Head
from space.reading import InputError, check, is_file
from space.stems import Stem
from space.work import UNITS, Work, head_work, stage_work, stem_work

_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelError:
    """What a model says of networks that it was not fitted to, against what they were measured at."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    networks: int
    median: float  # of |forecast / measured - 1|
    p95: float  # its 95th percentile
    tau: float  # Kendall's, of forecast and measured
    flops_tau: float  # likewise, of FLOPs and measured

    def __str__(self) -> str:
        return (
            f"median error {self.median:.1%}, 95% within {self.p95:.1%}, Kendall's tau {self.tau:.2f} (FLOPs alone "
            f"{self.flops_tau:.2f}), on {self.networks} networks that it has not seen"
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
    fixed: float  # nanoseconds of a batch, whatever the network
    rates: dict[str, dict[str, float]]  # kind of layer -> one of UNITS -> nanoseconds of a batch for each
    error: ModelError
    created: str  # ISO 8601, UTC
    versions: dict[str, str]

    def __post_init__(self) -> None:
        where = f"latency model of {self.device}"
        for kind, of_kind in self.rates.items():
            if not of_kind.keys() <= set(UNITS) or not all(0 <= rate < math.inf for rate in of_kind.values()):
                raise InputError(
                    f"{where}: rates must be of {', '.join(UNITS)}, from 0 up, got {of_kind} for {kind}; measure again"
                )

    @property
    def where(self) -> str:
        """`batch 1, AMD EPYC, 1 thread`."""
        return f"batch {self.batch}, {self.device}"

    def stem(self, stem: Stem, image: int, width: int, size: int) -> int:
        """Nanoseconds of the stem, and of what takes as long in every network."""
        return round(self.fixed + self._sum(stem_work(stem, image, width, size)[0]))

    def stage(self, block: Block, downsample: str, depth: int, width: int, inputs: int, size: int) -> int:
        """Of a stage, as `space.cost.count_stage` takes it."""
        blocks = (block, downsample, width, inputs, size)
        return self.first(*blocks) + ((depth - 1) * self.further(*blocks) if depth > 1 else 0)

    def first(self, *stage: Any) -> int:
        """Of a stage of one block, as `space.work.stage_work` takes it."""
        return _nanoseconds(self, 0, *stage)

    def further(self, *stage: Any) -> int:
        """Of each further block; whole nanoseconds, so that a forecast is a line in the depth."""
        return _nanoseconds(self, 1, *stage)

    def line(
        self, stem: tuple[Any, ...], stages: Sequence[tuple[Any, ...]], deepest: Sequence[int], head: tuple[Any, ...]
    ) -> tuple[int, list[int]]:  # fmt: skip
        """Of networks that leave a pixel, whose parts are as `stem`, `first` and `head` take them: what does not depend
        on the stages' depths, and what a block of each adds. Of a stage that is one block at the `deepest` only that
        block need have been measured. Raises InputError for a layer that was not measured."""
        each = [self.further(*stage) if depth > 1 else 0 for stage, depth in zip(stages, deepest, strict=True)]
        first = sum(self.first(*stage) for stage in stages)
        return self.stem(*stem) + first - sum(each) + self.head(*head), each

    def head(self, head: Head, width: int, classes: int, size: int) -> int:
        """Of the head."""
        return round(self._sum(head_work(head, width, classes, size)))

    def _sum(self, amounts: Work) -> float:
        total = 0.0
        for (kind, unit), amount in amounts.items():
            if kind not in self.rates:
                raise InputError(
                    f"latency model must know every layer, got {kind}, which no measured network of space {self.space} "
                    "has; measure the space that is searched: nas measure SPACE"
                )
            total += self.rates[kind].get(unit, 0.0) * amount
        return total

    def check_task(self, task: Task) -> None:
        """Raises InputError where it is of images of another size."""
        mine, asked = (self.image_size, self.channels), (task.image_size, task.channels)
        if mine != asked:
            raise InputError(
                f"latency model must be of {asked[0]} px and {asked[1]} channels, got one of {mine[0]} px and "
                f"{mine[1]}; measure the space at that size: nas measure SPACE --image-size {asked[0]}"
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

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
def _nanoseconds(model: LatencyModel, further: int, *stage: Any) -> int:
    return round(model._sum(stage_work(*stage)[:2][further]))


@lru_cache(32)
def _of(text: str, where: str) -> LatencyModel:
    """The same object for the same model: what a space has worked out with it is kept by it."""
    model: LatencyModel = check(LatencyModel, json.loads(text), where)
    return model
