"""Activations: one class each, with its torch module. They cost nothing in this project's counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.layers import Act
from space.parts import Named, part
from space.rules import Maybe

if TYPE_CHECKING:
    from torch import nn


def act(kind: str | None) -> Act | None:
    """The record of an activation; None for none."""
    return None if kind is None else Act(kind)


ACT = Named("act")
ACT_OR_NONE = Maybe(ACT)


class Activation:
    """`module()` computes it, elementwise."""

    @staticmethod
    def module() -> nn.Module:
        raise NotImplementedError


@part("act", "gelu")
class GELU(Activation):
    """x times the normal distribution function (arXiv 1606.08415), exact."""

    @staticmethod
    def module() -> nn.Module:
        from torch import nn

        return nn.GELU()


@part("act", "relu")
class ReLU(Activation):
    """max(x, 0)."""

    @staticmethod
    def module() -> nn.Module:
        from torch import nn

        return nn.ReLU()


@part("act", "silu")
class SiLU(Activation):
    """x sigmoid(x) (arXiv 1702.03118)."""

    @staticmethod
    def module() -> nn.Module:
        from torch import nn

        return nn.SiLU()


@part("act", "hardswish")
class Hardswish(Activation):
    """x relu6(x + 3) / 6 (arXiv 1905.02244)."""

    @staticmethod
    def module() -> nn.Module:
        from torch import nn

        return nn.Hardswish()
