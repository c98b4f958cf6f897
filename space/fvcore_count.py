"""The cost of a network as fvcore counts it: the independent check of `space.cost`. Needs torch and fvcore."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from space.arch import Arch, Task
from space.cost import Cost, cost
from space.network import Network

with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch.jit, which fvcore imports
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

MULTIPLYING = {"matmul", "addmm", "bmm", "einsum"}  # operators of fvcore that would be multiply-accumulates too


def count_with_fvcore(arch: Arch, task: Task) -> Cost:
    """The network is built and traced. FLOPs: fvcore's conv and linear, batch 1; parameters: those that torch holds;
    activations: elements that convolutions and linear layers put out, by forward hooks."""
    net, outputs = Network(arch, task).eval(), list[int]()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda module, args, output: outputs.append(int(output.numel())))
    image = torch.zeros(1, task.channels, task.image_size, task.image_size)
    analysis = FlopCountAnalysis(net, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = analysis.by_operator()
    assert not set(counts) & MULTIPLYING, "a multiplication outside conv and linear"
    params = sum(parameter.numel() for parameter in net.parameters())
    return Cost(round(counts["conv"] + counts["linear"]), params, sum(outputs))


def check_with_fvcore(arch: Arch, task: Task) -> Cost:
    """The cost by arithmetic, once it equals fvcore's count of the built network, as integers. Raises AssertionError
    otherwise: a fault of this package."""
    ours, theirs = cost(arch, task), count_with_fvcore(arch, task)
    assert ours == theirs, f"cost must equal fvcore's count, got {ours} and {theirs} for {arch.key}"
    return ours
