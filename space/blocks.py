"""Blocks: what a stage repeats. Each is its options, its layers and its formula; its cost follows from the layers.

In formulas `net` is the torch module that was built from the layers: `net.conv1` is the layer of that name, an absent
layer is the identity. Maps are (N, H, W, C). No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from space.acts import ACT, act
from space.layers import Conv, Layers, Linear, Response, Scale
from space.norms import NORM, norm
from space.parts import Part, defaults, option, part
from space.rules import Flag, Groups, Maybe, Number, Positions, Whole, Word

if TYPE_CHECKING:
    from torch import Tensor

KERNEL = Whole(3, 31, odd=True, show=(3, 5, 7, 11, 31))
EXPANSION = Number(0, 16, ordered=True, show=(4.0, 1.0, 2.0, 3.0))
LAYER_SCALE = Maybe(Number(0, 10, show=(1e-6, 0.1)))


class Block(Part):
    """A block of a stage of `width` channels: `inputs` channels come in, `out(width)` go out.

    Its layers are written over the names that `channels` gives numbers to.
    """

    norm: str
    bias: bool = True
    strides: ClassVar[bool] = False  # whether it can halve the maps itself (stage option `downsample: strided`)

    def out(self, width: int) -> int:
        """Channels that go out."""
        return width

    def hidden(self, width: int) -> int:
        """Channels inside."""
        return width

    def refusal(self, width: int, inputs: int) -> str | None:
        """Why it cannot be built on these channels: `<field> must ..., got ...; ...`; None if it can."""
        return None

    def formula(self) -> str:
        """Names what `forward` computes from the layers; blocks with equal layers and formulas are equal."""
        forward = type(self).forward
        return f"{forward.__module__}.{forward.__qualname__}"

    def channels(self, width: int, inputs: int) -> dict[str, int]:
        """The numbers behind the names in `layers`."""
        return {"in": inputs, "hidden": self.hidden(width), "out": self.out(width)}

    def layers(self, stride: int = 1, project: bool = False) -> Layers:
        """Its layers by name; they are counted, and built as torch modules under these names. `project`: the block
        changes channels or size, so that its shortcut cannot be the identity."""
        raise NotImplementedError

    def forward(self, net: Any, x: Tensor) -> Tensor:
        """(N, H, W, inputs) -> (N, H', W', out)."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ThreeConvs(Block):
    """`act(shortcut(x) + scale * conv3(...conv2(...conv1(x))))`: two 1x1 convolutions and a spatial one, in some order.

    A norm and an activation may follow each of the three; one more activation may follow the addition. The shortcut is
    the identity, or 1x1 convolution and norm where channels or size change.
    """

    strides: ClassVar[bool] = True
    spatial: ClassVar[str]  # name of the spatial convolution's channels in `channels`: "in" or "hidden"

    kernel: int = option(3, KERNEL, "side of the spatial convolution")
    expansion: float = option(4.0, EXPANSION, "channels of the wide place, as a multiple of the width")
    groups: int | str = option(1, Groups(), "of the spatial convolution: dense is 1")
    norm: str = option("bn", NORM, "kind of its norms", moves=("params",))
    act: str = option("relu", ACT, "kind of its activations", moves=())
    norm_after: str = option("1-2-3", Positions(("1", "2", "3")), "convolutions that a norm follows", moves=("params",))
    act_after: str = option(
        "1-2-add", Positions(("1", "2", "3", "add")), "convolutions that an activation follows; `add`: the addition",
        moves=(),
    )  # fmt: skip
    bias: bool = option(False, Flag(), "biases of its convolutions and of the one before it", moves=("params",))
    layer_scale: float | None = option(None, LAYER_SCALE, "initial LayerScale, or null for none", moves=("params",))
    grn: bool = option(False, Flag(), "global response normalisation before the last convolution", moves=("params",))

    def hidden(self, width: int) -> int:
        return round(self.expansion * width)

    def refusal(self, width: int, inputs: int) -> str | None:
        if round(self.expansion * width) < 1:
            return f"expansion must leave a channel at width {width}, got {self.expansion:g}; raise it"
        if self.groups in (1, "depthwise"):
            return None
        channels = self.channels(width, inputs)[self.spatial]
        if channels % int(self.groups):
            return (
                f"groups must divide the {channels} channels of the spatial convolution, got {self.groups}; "
                "use a divisor, or depthwise"
            )
        return None

    def layers(self, stride: int = 1, project: bool = False) -> Layers:
        branch: Layers = {}
        for place, conv in zip("123", self.convs(stride), strict=True):
            if place == "3" and self.grn:
                branch["grn"] = Response(conv.inputs)
            branch[f"conv{place}"] = conv
            if place in self.norm_after:
                branch[f"norm{place}"] = norm(self.norm, str(conv.outputs))
            if place in self.act_after:
                branch[f"act{place}"] = act(self.act)
        if self.layer_scale is not None:
            branch["scale"] = Scale("out", self.layer_scale)
        conv1x1 = Linear("in", "out", self.bias) if stride == 1 else Conv("in", "out", 1, stride, bias=self.bias)
        return {
            "shortcut": {"conv": conv1x1, "norm": norm(self.norm, "out")} if project else None,
            "branch": branch,
            "act": act(self.act) if "add" in self.act_after else None,
        }

    def forward(self, net: Any, x: Tensor) -> Tensor:
        """`act(shortcut(x) + drop(branch(x)))`."""
        return net.act(net.shortcut(x) + net.drop_path(net.branch(x)))  # type: ignore[no-any-return]

    def convs(self, stride: int) -> tuple[Conv | Linear, Conv | Linear, Conv | Linear]:
        """The three convolutions in order."""
        raise NotImplementedError

    def _spatial(self, channels: str, stride: int) -> Conv:
        return Conv(channels, channels, self.kernel, stride, self.kernel // 2, self.groups, self.bias)


class SpatialFirst(ThreeConvs):
    """Spatial on the channels that come in, then 1x1 to `expansion` times the width, then 1x1 to the width."""

    spatial: ClassVar[str] = "in"

    def convs(self, stride: int) -> tuple[Conv | Linear, Conv | Linear, Conv | Linear]:
        return self._spatial("in", stride), Linear("in", "hidden", self.bias), Linear("hidden", "out", self.bias)


class SpatialSecond(ThreeConvs):
    """1x1, spatial, 1x1."""

    spatial: ClassVar[str] = "hidden"

    def convs(self, stride: int) -> tuple[Conv | Linear, Conv | Linear, Conv | Linear]:
        return Linear("in", "hidden", self.bias), self._spatial("hidden", stride), Linear("hidden", "out", self.bias)


@part("block", "convnext")
@dataclass(frozen=True, kw_only=True)
@defaults(
    kernel=7, groups="depthwise", norm="ln", act="gelu", norm_after="1", act_after="2", bias=True, layer_scale=1e-6
)
class ConvNeXt(SpatialFirst):
    """`x + scale * conv3(act(conv2(norm(conv1(x)))))`, conv1 depthwise (arXiv 2201.03545, figure 4).

    With `grn` and without LayerScale it is ConvNeXt V2's (arXiv 2301.00808).
    """


@part("block", "modulation")
@dataclass(frozen=True, kw_only=True)
class Modulation(Block):
    """Conv2Former's block (arXiv 2211.11943, equations 4-6): A = depthwise(W1 n), V = W2 n, fused as A * V, projected
    and added; then a feed-forward. `act_before` and `ffn_conv` make it the block of the official code."""

    kernel: int = option(11, KERNEL, "side of the depthwise convolution")
    expansion: float = option(4.0, EXPANSION, "channels inside the feed-forward, as a multiple of the width")
    norm: str = option("ln", NORM, "kind of its norms", moves=("params",))
    act: str = option("gelu", ACT, "kind of its activations", moves=())
    layer_scale: float | None = option(1e-6, LAYER_SCALE, "initial LayerScale, or null for none", moves=("params",))
    fusion: str = option(
        "hadamard", Word(("hadamard", "sum", "sigmoid", "l1")),
        "A * V, A + V, sigmoid(A) * V, or A / |A|_1 * V with the sum over channels (table 8)", moves=(),
    )  # fmt: skip
    act_before: bool = option(False, Flag(), "an activation before the depthwise convolution (official code)", moves=())
    ffn_conv: bool = option(False, Flag(), "a residual 3x3 depthwise convolution in the feed-forward (official code)")

    def hidden(self, width: int) -> int:
        return round(self.expansion * width)

    def refusal(self, width: int, inputs: int) -> str | None:
        if self.hidden(width) < 1:
            return f"expansion must leave a channel at width {width}, got {self.expansion:g}; raise it"
        return None

    def layers(self, stride: int = 1, project: bool = False) -> Layers:
        scale = None if self.layer_scale is None else Scale("out", self.layer_scale)
        return {
            "norm1": norm(self.norm, "out"),
            "a": Linear("out", "out"),
            "act_a": act(self.act) if self.act_before else None,
            "dwconv": Conv("out", "out", self.kernel, 1, self.kernel // 2, "depthwise"),
            "v": Linear("out", "out"),
            "proj": Linear("out", "out"),
            "scale1": scale,
            "norm2": norm(self.norm, "out"),
            "fc1": Linear("out", "hidden"),
            "act": act(self.act),
            "ffn_dwconv": Conv("hidden", "hidden", 3, 1, 1, "depthwise") if self.ffn_conv else None,
            "fc2": Linear("hidden", "out"),
            "scale2": scale,
        }

    def forward(self, net: Any, x: Tensor) -> Tensor:
        """`x = x + scale1 * proj(fuse(a, v))`, then `x + scale2 * fc2(act(fc1(norm2(x))))`."""
        n = net.norm1(x)
        a = net.dwconv(net.act_a(net.a(n)))
        x = x + net.drop_path(net.scale1(net.proj(self.fuse(a, net.v(n)))))
        h = net.act(net.fc1(net.norm2(x)))
        if self.ffn_conv:
            h = h + net.act(net.ffn_dwconv(h))
        return x + net.drop_path(net.scale2(net.fc2(h)))  # type: ignore[no-any-return]

    def formula(self) -> str:
        return f"{super().formula()} {self.fusion}"

    def fuse(self, a: Tensor, v: Tensor) -> Tensor:
        """(..., C), (..., C) -> (..., C). The paper names the ablations without formulas; `l1` is read as torch's
        `normalize(A, p=1)` over channels."""
        match self.fusion:
            case "sum":
                return a + v
            case "sigmoid":
                return a.sigmoid() * v
            case "l1":
                return a / a.abs().sum(-1, keepdim=True).clamp_min(1e-12) * v
            case _:
                return a * v


@part("block", "bottleneck")
@dataclass(frozen=True, kw_only=True)
class Bottleneck(SpatialSecond):
    """ResNet's (arXiv 1512.03385): narrow inside. The spatial convolution has `width` channels, the output `expansion`
    times as many. With `groups: depthwise` it is step 4 of the roadmap (arXiv 2201.03545, table 10)."""

    def hidden(self, width: int) -> int:
        return width

    def out(self, width: int) -> int:
        return round(self.expansion * width)


@part("block", "inverted")
@dataclass(frozen=True, kw_only=True)
@defaults(groups="depthwise")
class Inverted(SpatialSecond):
    """MobileNetV2's (arXiv 1801.04381), step 6 of the roadmap: wide inside, `expansion` times the width."""


@part("block", "depthwise_first")
@dataclass(frozen=True, kw_only=True)
@defaults(groups="depthwise")
class DepthwiseFirst(SpatialFirst):
    """Step 7 of the roadmap (arXiv 2201.03545, 2.5): the depthwise convolution moves up, before both 1x1. The ConvNeXt
    block is this one with fewer norms and activations."""


@cache
def downsampling(kind: str, bias: bool) -> Layers:
    """Between stages: norm, then a 2x2 convolution with stride 2; without that norm training diverges
    (arXiv 2201.03545, 2.6). It gives the channels that the block gives, so that its shortcut is the identity."""
    return {"norm": norm(kind, "before"), "conv": Conv("before", "out", 2, 2, bias=bias)}
