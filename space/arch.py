"""Arch: one network of the family, completely. Frozen, validated, YAML and JSON round trip, and a key.

Sizes of images and the number of classes are not part of an Arch: they are the Task it is put to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import ConfigDict, Strict

from space.layers import NormKind
from space.reading import InputError, check, find, load_yaml

BlockKind = Literal["convnext", "modulation"]
ActKind = Literal["gelu", "relu", "silu", "hardswish"]

KERNELS = (3, 5, 7, 9, 11)
MAX_WIDTH = 8192
Int = Annotated[int, Strict()]  # 3.0 and "3" are not whole numbers
Float = Annotated[float, Strict()]
CLOSED = ConfigDict(extra="forbid")  # unknown keys are refused


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """Patchify stem: conv `stride` x `stride` with that stride, then a norm (ConvNeXt, arXiv 2201.03545, 2.2)."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED

    stride: Int = 4
    norm: NormKind = "ln"

    def __post_init__(self) -> None:
        _require(1 <= self.stride <= 32, f"stride must be from 1 to 32, got {self.stride}; use 1, 2, 4, 8 or 16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`depth` equal blocks of `width` channels. Between stages: norm + conv 2x2 s2, in the norm of the later stage."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED

    block: BlockKind = "convnext"
    depth: Int
    width: Int
    kernel: Int = 7
    expansion: Float = 4.0
    norm: NormKind = "ln"
    act: ActKind = "gelu"
    layer_scale: Float | None = 1e-6

    def __post_init__(self) -> None:
        _require(1 <= self.depth <= 1000, f"depth must be from 1 to 1000, got {self.depth}; give each stage a block")
        _require(1 <= self.width <= MAX_WIDTH, f"width must be from 1 to {MAX_WIDTH}, got {self.width}; use e.g. 96")
        _require(
            self.kernel in KERNELS,
            f"kernel must be odd and from 3 to 11, got {self.kernel}; use one of {', '.join(map(str, KERNELS))}",
        )
        _require(0 < self.expansion <= 16, f"expansion must be above 0, at most 16, got {self.expansion}; use e.g. 4")
        _require(self.hidden >= 1, f"expansion must leave a hidden channel, got {self.expansion}; use e.g. 4")
        _require(
            self.layer_scale is None or 0 < self.layer_scale <= 10,
            f"layer_scale must be null or above 0, at most 10, got {self.layer_scale}; use null, 0.1 or 1.0e-6",
        )

    @property
    def hidden(self) -> int:
        """Channels between the two linear layers of a block: `round(expansion * width)`."""
        return round(self.expansion * self.width)

    def describe(self) -> str:
        """`3 x convnext, kernel 7, hidden 384, ln, gelu`."""
        return f"{self.depth} x {self.block}, kernel {self.kernel}, hidden {self.hidden}, {self.norm}, {self.act}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Global average pool -> norm -> linear."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED

    norm: NormKind = "ln"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """A network: stem, stages, head. `check(Arch, ...)` or `Arch.load` for what people write."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED

    stem: Stem = Stem()
    stages: tuple[Stage, ...]
    head: Head = Head()

    def __post_init__(self) -> None:
        _require(1 <= len(self.stages) <= 8, f"stages must be 1 to 8, got {len(self.stages)}; list each as a mapping")

    @property
    def depth(self) -> int:
        """Blocks in all."""
        return sum(stage.depth for stage in self.stages)

    @property
    def key(self) -> str:
        """12 hex digits, equal exactly when the networks are equal (hidden width counts, not the ratio behind it)."""
        plain = asdict(self)
        for stage, record in zip(self.stages, plain["stages"], strict=True):
            record["expansion"] = stage.hidden
            record["layer_scale"] = None if stage.layer_scale is None else float(stage.layer_scale)
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, as JSON and YAML hold them."""
        plain = asdict(self)
        plain["stages"] = list(plain["stages"])
        return plain

    def to_yaml(self) -> str:
        """YAML that `Arch.load` reads back to an equal Arch."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @staticmethod
    def from_dict(plain: Any, where: str = "") -> Arch:
        """Checked; InputError names the field."""
        return check(Arch, plain, where)

    @staticmethod
    def load(source: str | Path) -> Arch:
        """From a YAML file or the name of a preset network."""
        path = find(source, "networks")
        return Arch.from_dict(load_yaml(path), str(path.name if path.parent.name == "networks" else path))


@dataclass(frozen=True, slots=True)
class Task:
    """What a network is put to: square images of `image_size` pixels with `channels`, `classes` answers."""

    image_size: int = 224
    channels: int = 3
    classes: int = 1000

    def __post_init__(self) -> None:
        for field, most in (("image_size", 4096), ("channels", 1024), ("classes", 1_000_000)):
            value = getattr(self, field)
            _require(1 <= value <= most, f"{field} must be from 1 to {most}, got {value}; correct it")
