"""Heads: from the maps of the last stage to the logits. Each is its options and its layers, one after another.

No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

from space.acts import ACT_OR_NONE, act
from space.layers import Layers, Linear, Pool
from space.norms import NORM_OR_NONE, norm
from space.parts import Part, option, part
from space.rules import Flag, Whole


class Head(Part):
    """A head on maps of `width` channels."""

    def channels(self, width: int, classes: int) -> dict[str, int]:
        """The numbers behind the names in `layers`."""
        return {"in": width, "classes": classes}

    def layers(self) -> Layers:
        """Its layers by name."""
        raise NotImplementedError


@part("head", "linear")
@dataclass(frozen=True, kw_only=True)
class LinearHead(Head):
    """Global average pool, norm, linear (ConvNeXt's); without the norm ResNet's."""

    norm: str | None = option("ln", NORM_OR_NONE, "kind of its norm, or null", moves=("params",))
    norm_first: bool = option(False, Flag(), "the norm before the pool, on maps", moves=())

    def layers(self) -> Layers:
        pool, own, linear = Pool(), norm(self.norm, "in"), Linear("in", "classes")
        if self.norm_first and own is not None:
            return {"norm": own, "pool": pool, "linear": linear}
        return {"pool": pool, "norm": own, "linear": linear}


@part("head", "conv2former")
@dataclass(frozen=True, kw_only=True)
class Conv2FormerHead(Head):
    """1x1 convolution to `features` channels, activation, norm, global average pool, linear (Conv2Former's code)."""

    features: int = option(1280, Whole(1, 65536, show=(1280, 24)), "channels before the pool")
    norm: str | None = option("ln", NORM_OR_NONE, "kind of its norm, or null", moves=("params",))
    act: str | None = option("gelu", ACT_OR_NONE, "kind of its activation, or null", moves=())

    def channels(self, width: int, classes: int) -> dict[str, int]:
        return {**super().channels(width, classes), "features": self.features}

    def layers(self) -> Layers:
        return {
            "conv": Linear("in", "features"),
            "act": act(self.act),
            "norm": norm(self.norm, "features"),
            "pool": Pool(),
            "linear": Linear("features", "classes"),
        }
