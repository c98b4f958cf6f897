"""Norms: one class each, with its parameters and its torch module on maps (..., C), channels last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from space.layers import Norm
from space.parts import Named, find_part, part
from space.rules import Maybe

if TYPE_CHECKING:
    from torch import nn


def norm(kind: str | None, width: str) -> Norm | None:
    """The record of a norm over the channels of that name; None for none."""
    return None if kind is None else Norm(kind, width, find_part("norm", kind).each)


NORM = Named("norm")
NORM_OR_NONE = Maybe(NORM)


class ChannelNorm:
    """A norm: `each` parameters per channel, and `module(width)`, which computes it on (..., C) -> (..., C)."""

    each: ClassVar[int] = 2  # a scale and a shift

    @staticmethod
    def module(width: int) -> nn.Module:
        raise NotImplementedError


@part("norm", "ln")
class LayerNorm(ChannelNorm):
    """LayerNorm over the channels of each position, epsilon 1e-6 (ConvNeXt's)."""

    @staticmethod
    def module(width: int) -> nn.Module:
        from torch import nn

        return nn.LayerNorm(width, eps=1e-6)


@part("norm", "bn")
class BatchNorm(ChannelNorm):
    """BatchNorm: each channel over the batch and all positions, epsilon 1e-5."""

    @staticmethod
    def module(width: int) -> nn.Module:
        from space.norm_modules import ChannelBatchNorm

        return ChannelBatchNorm(width)


@part("norm", "gn")
class GroupNorm(ChannelNorm):
    """GroupNorm with one group: over channels and positions of an image together, epsilon 1e-5. Not LayerNorm."""

    @staticmethod
    def module(width: int) -> nn.Module:
        from space.norm_modules import ImageNorm

        return ImageNorm(width)


@part("norm", "rms")
class RMSNorm(ChannelNorm):
    """RMSNorm over the channels of each position (arXiv 1910.07467), epsilon 1e-6: a scale, no shift."""

    each = 1

    @staticmethod
    def module(width: int) -> nn.Module:
        from torch import nn

        return nn.RMSNorm(width, eps=1e-6)
