"""Stems: from the image to the maps of the first stage. Each is its options and its layers, one after another.

No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

from space.acts import ACT_OR_NONE, act
from space.layers import Conv, Layers, MaxPool
from space.norms import NORM_OR_NONE, norm
from space.parts import Part, option, part
from space.rules import Flag, Whole

_NORM, _ACT = "kind of its norm, or null", "kind of its activation, or null"


class Stem(Part):
    """A stem that gives maps of `width` channels."""

    def refusal(self, width: int) -> str | None:
        """Why it cannot give that width; None if it can."""
        return None

    def channels(self, image: int, width: int) -> dict[str, int]:
        """The numbers behind the names in `layers`, for images of so many channels."""
        return {"image": image, "half": width // 2, "out": width}

    def layers(self) -> Layers:
        """Its layers by name."""
        raise NotImplementedError

    def describe(self) -> str:
        """In a few letters: `4` for a patchify stem of stride 4."""
        return self.name


@part("stem", "patchify")
@dataclass(frozen=True, kw_only=True)
class Patchify(Stem):
    """Convolution of kernel and stride `stride`, then a norm (arXiv 2201.03545, 2.2)."""

    stride: int = option(4, Whole(1, 32, show=(4, 1, 2, 3)), "kernel and stride of its convolution")
    norm: str | None = option("ln", NORM_OR_NONE, _NORM, moves=("params",))
    act: str | None = option(None, ACT_OR_NONE, _ACT, moves=())
    bias: bool = option(True, Flag(), "whether its convolution has a bias", moves=("params",))

    def layers(self) -> Layers:
        return {
            "conv": Conv("image", "out", self.stride, self.stride, bias=self.bias),
            "norm": norm(self.norm, "out"),
            "act": act(self.act),
        }

    def describe(self) -> str:
        return str(self.stride)


@part("stem", "overlapping")
@dataclass(frozen=True, kw_only=True)
class Overlapping(Stem):
    """One convolution whose kernel is larger than its stride, then a norm (arXiv 2103.15808, 2106.13797)."""

    kernel: int = option(7, Whole(3, 31, odd=True, show=(7, 3, 5)), "side of its convolution")
    stride: int = option(4, Whole(1, 16, show=(4, 1, 2)), "of its convolution; below the kernel")
    norm: str | None = option("ln", NORM_OR_NONE, _NORM, moves=("params",))
    act: str | None = option(None, ACT_OR_NONE, _ACT, moves=())
    bias: bool = option(True, Flag(), "whether its convolution has a bias", moves=("params",))

    def refusal(self, width: int) -> str | None:
        if self.stride >= self.kernel:
            return f"stride must be below the kernel {self.kernel} to overlap, got {self.stride}; use stem patchify"
        return None

    def layers(self) -> Layers:
        return {
            "conv": Conv("image", "out", self.kernel, self.stride, self.kernel // 2, bias=self.bias),
            "norm": norm(self.norm, "out"),
            "act": act(self.act),
        }

    def describe(self) -> str:
        return f"{self.kernel}/{self.stride}"


@part("stem", "resnet")
@dataclass(frozen=True, kw_only=True)
class ResNetStem(Stem):
    """7x7 convolution with stride 2, norm, activation, 3x3 max-pool with stride 2 (arXiv 1512.03385)."""

    kernel: int = option(7, Whole(3, 31, odd=True, show=(7, 3)), "side of its convolution")
    stride: int = option(2, Whole(1, 4, show=(2, 1)), "of its convolution")
    pool: bool = option(True, Flag(), "whether the max-pool follows")
    norm: str | None = option("bn", NORM_OR_NONE, _NORM, moves=("params",))
    act: str | None = option("relu", ACT_OR_NONE, _ACT, moves=())
    bias: bool = option(False, Flag(), "whether its convolution has a bias", moves=("params",))

    def layers(self) -> Layers:
        return {
            "conv": Conv("image", "out", self.kernel, self.stride, self.kernel // 2, bias=self.bias),
            "norm": norm(self.norm, "out"),
            "act": act(self.act),
            "pool": MaxPool(3, 2, 1) if self.pool else None,
        }


@part("stem", "three_convs")
@dataclass(frozen=True, kw_only=True)
class ThreeConvsStem(Stem):
    """Conv2Former's official code: 3x3 s2 to half the width, act, norm; 3x3, act, norm; 2x2 s2 to the width."""

    norm: str | None = option("bn", NORM_OR_NONE, _NORM, moves=("params",))
    act: str | None = option("gelu", ACT_OR_NONE, _ACT, moves=())
    bias: bool = option(False, Flag(), "whether its convolutions have biases", moves=("params",))

    def refusal(self, width: int) -> str | None:
        return f"width must be even for stem three_convs, got {width}; use e.g. {width + 1}" if width % 2 else None

    def layers(self) -> Layers:
        return {
            "conv1": Conv("image", "half", 3, 2, 1, bias=self.bias),
            "act1": act(self.act),
            "norm1": norm(self.norm, "half"),
            "conv2": Conv("half", "half", 3, 1, 1, bias=self.bias),
            "act2": act(self.act),
            "norm2": norm(self.norm, "half"),
            "conv3": Conv("half", "out", 2, 2, bias=self.bias),
        }


@part("stem", "two_convs")
@dataclass(frozen=True, kw_only=True)
class TwoConvsStem(Stem):
    """Two 3x3 convolutions with stride 2, the overlapping stems of timm's ConvNeXt; `tiered`: half the width between,
    as a multiple of 8 (timm's convnext_atto_ols: 24 of 40)."""

    tiered: bool = option(False, Flag(), "half the width after the first convolution, rounded to a multiple of 8")
    norm: str | None = option("ln", NORM_OR_NONE, _NORM, moves=("params",))
    act: str | None = option(None, ACT_OR_NONE, "kind of the activation between them, or null", moves=())
    bias: bool = option(True, Flag(), "whether its convolutions have biases", moves=("params",))

    def channels(self, image: int, width: int) -> dict[str, int]:
        half = width // 2
        eights = max(8, (half + 4) // 8 * 8)
        if eights < 0.9 * half:  # timm's make_divisible never takes more than a tenth away
            eights += 8
        return {"image": image, "half": eights, "out": width}

    def layers(self) -> Layers:
        middle = "half" if self.tiered else "out"
        return {
            "conv1": Conv("image", middle, 3, 2, 1, bias=self.bias),
            "act": act(self.act),
            "conv2": Conv(middle, "out", 3, 2, 1, bias=self.bias),
            "norm": norm(self.norm, "out"),
        }
