"""CUDA tensors on any machine: under `FakeTensorMode` they have shape, kind and device, but no numbers.

An operation that mixes devices raises, as on a real device, and so does one that reads a value back to the host. Copies
between host and device would pass: `Watched` refuses these, and every other tensor of the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda", 0)


class Watched(TorchDispatchMode):
    """Every operation takes and gives tensors of the device alone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        adamw = func is torch.ops.aten._fused_adamw_.tensor_lr  # has no fake form; it gives nothing back
        result = None if adamw else func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            assert not isinstance(value, Tensor) or value.device == CUDA, f"{func} has a tensor on the {value.device}"
        return result


def on_cuda(tensor: Tensor) -> Tensor:
    """A fake one like it, under `FakeTensorMode`."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=CUDA)


def move(module: nn.Module) -> None:
    """Its parameters and buffers become fake ones; what else it holds does not, which is a fault if a step uses it."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                part._parameters[name] = nn.Parameter(on_cuda(value))
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = on_cuda(buffer)


def move_optimizer(optimizer: torch.optim.Optimizer, was: list[nn.Parameter], now: list[nn.Parameter]) -> None:
    """The optimizer of parameters `was`, before its first step, becomes one of `now`, with a gradient each."""
    assert not optimizer.state
    new = dict(zip(map(id, was), now, strict=True))
    for group in optimizer.param_groups:
        group["params"] = [new[id(parameter)] for parameter in group["params"]]
        for parameter in group["params"]:
            parameter.grad = torch.empty_like(parameter)


@contextmanager
def bfloat16() -> Iterator[None]:
    """What `torch.autocast` does on a device that computes in it; without one it switches itself off."""
    kind, before = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    torch.set_autocast_enabled("cuda", True)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before)
        torch.set_autocast_dtype("cuda", kind)
