"""The four kinds of layer that networks are made of, and the only place where one is counted.

A block, stem or head lists its layers as these plain records (`parts.py`). `cost.py` sums them; `modules.py` builds
torch modules from the same records. So arithmetic and network cannot drift apart. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NormKind = Literal["ln", "bn", "rms"]


@dataclass(frozen=True, slots=True)
class Conv:
    """2-d convolution with a square kernel; `padding` pixels at each border."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = True

    @property
    def macs(self) -> int:
        """Multiply-accumulates per output position: the size of the weight."""
        return self.outputs * (self.inputs // self.groups) * self.kernel**2

    @property
    def params(self) -> int:
        return self.macs + self.bias * self.outputs

    def out_size(self, size: int) -> int:
        """Output side for an input side of `size` pixels."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear layer over channels, at every position."""

    inputs: int
    outputs: int
    bias: bool = True

    @property
    def macs(self) -> int:
        return self.inputs * self.outputs

    @property
    def params(self) -> int:
        return self.macs + self.bias * self.outputs


@dataclass(frozen=True, slots=True)
class Norm:
    """Normalisation over channels: LayerNorm, BatchNorm (scale and shift) or RMSNorm (scale only)."""

    kind: NormKind
    width: int

    @property
    def params(self) -> int:
        return self.width if self.kind == "rms" else 2 * self.width


@dataclass(frozen=True, slots=True)
class Scale:
    """LayerScale (arXiv 2103.17239): a learned factor per channel, `init` at the start."""

    width: int
    init: float

    @property
    def params(self) -> int:
        return self.width


Layer = Conv | Linear | Norm | Scale
