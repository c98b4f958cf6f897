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

from space.arch import Arch, Task
from space.blocks import Block
from space.cost import Row, rows
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
    flops: tuple[int, int]  # of these, from the least to the most (conv + linear multiply-accumulates, batch 1)
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

    def of(self, arch: Arch, task: Task) -> int:
        """Nanoseconds of a batch."""
        return self.nanoseconds(arch.stem, rows(arch), arch.head, task)

    def nanoseconds(self, stem: Stem, stages: Sequence[Row], head: Head, task: Task) -> int:
        """Of a batch through a network that leaves a pixel. Raises InputError for a layer that was not measured."""
        channels = stages[0][3]
        side = stem_work(stem, task.channels, channels, task.image_size)[1]
        total = self.stem(stem, task.channels, channels, task.image_size)
        for place, (block, downsample, depth, width) in enumerate(stages):
            stage = (block, downsample if place else "", depth, width, channels, side)
            total, side, channels = total + self.stage(*stage), stage_work(*stage)[1], block.out(width)
        return total + self.head(head, channels, task.classes, side)

    def stem(self, stem: Stem, image: int, width: int, size: int) -> int:
        """Nanoseconds of the stem, and of what takes as long in every network."""
        return round(self.fixed + self._sum(stem_work(stem, image, width, size)[0]))

    def stage(self, block: Block, downsample: str, depth: int, width: int, inputs: int, size: int) -> int:
        """Of a stage, as `space.cost.count_stage` takes it."""
        return round(self._sum(stage_work(block, downsample, depth, width, inputs, size)[0]))

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
                f"{mine[1]}; measure the space so: nas measure SPACE --image-size {asked[0]} --channels {asked[1]}"
            )

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


@lru_cache(32)
def _of(text: str, where: str) -> LatencyModel:
    """The same object for the same model: what a space has worked out with it is kept by it."""
    model: LatencyModel = check(LatencyModel, json.loads(text), where)
    return model
