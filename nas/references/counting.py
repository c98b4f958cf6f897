"""What any torch network costs in the one convention of this project, as fvcore counts it, and what it has besides."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from space import Task

with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch.jit, which fvcore imports
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

PRODUCTS = ("matmul", "mm", "bmm", "baddbmm", "einsum", "addmm", "attention")  # operators, as they are counted


@dataclass(frozen=True, slots=True)
class ModuleCost:
    """`flops`: conv + linear multiply-accumulates, batch 1. `products`: those of all other products of matrices, which
    are attention's: of maps with maps, or with a weight that is in no layer."""

    flops: int
    products: int
    params: int


def count_module(network: nn.Module, task: Task) -> ModuleCost:
    """Traced on one image in evaluation mode. fvcore does not know attention that torch computes in one step, and looks
    at no `baddbmm`: both are counted here."""
    image = torch.zeros(1, task.channels, task.image_size, task.image_size)
    with _slow_attention(), warnings.catch_warnings(action="ignore"):  # a tracer's, on sizes that it takes for constant
        analysis = FlopCountAnalysis(network.eval(), image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        analysis.set_op_handle("aten::scaled_dot_product_attention", _attention, "aten::baddbmm", _baddbmm)
        counts = analysis.by_operator()
    flops = round(counts["conv"] + counts["linear"])
    products = round(sum(counts[name] for name in PRODUCTS))
    return ModuleCost(flops, products, sum(parameter.numel() for parameter in network.parameters()))


@contextmanager
def _slow_attention() -> Iterator[None]:
    """`nn.MultiheadAttention` computes in evaluation by one operator of its own, its linear layers included; without it
    as in training, by those that are counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _sizes(value: Any) -> list[int]:
    """Of a value of torch's tracer."""
    return list(value.type().sizes())


def _attention(inputs: list[Any], outputs: list[Any]) -> dict[str, int]:
    """Queries (..., L, E), keys (..., S, E), values (..., S, F): L S (E + F) for each of what is before."""
    (*batch, queries, width), (*_, keys, out) = _sizes(inputs[0]), _sizes(inputs[2])
    return {"attention": prod(batch) * queries * keys * (width + out)}


def _baddbmm(inputs: list[Any], outputs: list[Any]) -> dict[str, int]:
    """(B, n, m) of (B, n, k) and (B, k, m)."""
    return {"baddbmm": prod(_sizes(inputs[1])) * _sizes(inputs[2])[-1]}
