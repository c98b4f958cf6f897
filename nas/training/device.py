"""The device of a training: which one, whose turn it is in this thread, and what it computes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Literal

import torch

from space import InputError

AMPERE = (8, 0)  # compute capability of the first GPUs with bfloat16 units


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises InputError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device must be one that torch finds here, got {name} ({reason}); use auto or cpu") from error
    return device


@cache
def stream(index: int, use: Literal["training", "copies", "measuring"]) -> torch.cuda.Stream:
    """One for each use of a CUDA device in this process: every stream keeps memory of its own, workspaces of torch's
    libraries among it, until the process ends."""
    return torch.cuda.Stream(index)


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Makes `device` the calling thread's own and gives the thread's work one stream, from first to last.

    A thread's device is cuda:0 until it says otherwise, whatever device its tensors are on, and a capture synchronises
    and records on the thread's. Steps before a capture must run on the stream that is captured: gradients are summed up
    on the one that saw the weights first. On a CPU it does nothing.
    """
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        outer, own = torch.cuda.current_stream(), stream(torch.cuda.current_device(), "training")
        own.wait_stream(outer)
        with torch.cuda.stream(own):
            yield
        outer.wait_stream(own)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 autocast where `precision` asks for it; `auto` does where the device has bfloat16 matrix units."""
    if precision == "bfloat16" or (precision == "auto" and has_bfloat16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def has_bfloat16(device: torch.device) -> bool:
    """Matrix units for it. `torch.cuda.is_bf16_supported` counts emulation too, and asks the thread's device."""
    if device.type == "cuda":
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= AMPERE
    return device.type == "cpu" and _cpu_has_amx()


def _cpu_has_amx() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())
