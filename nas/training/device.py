"""The device of a training: choosing it, its CUDA stream, and its precision."""

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
        if name.partition(":")[0] not in ("cpu", "cuda"):
            raise InputError(f"device must be auto, cpu, cuda or e.g. cuda:1, got {name}; use one of these") from error
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
    """Sets the thread's current CUDA device and runs the block on the process's training stream of that device.

    torch's current device is cuda:0 in every thread, wherever its tensors are, and a CUDA graph is captured on the
    current one. The steps before a capture must run on the stream that is captured: gradients accumulate on the stream
    that first used the weights. No effect on a CPU.
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
    """bfloat16 autocast where `precision` asks for it; `auto` does on GPUs with bfloat16 matrix units. On a CPU with
    such units a step took up to 2.9 times as long as in float32 (`python -m benchmarks.precision`)."""
    if precision == "bfloat16" or (precision == "auto" and device.type == "cuda" and has_bfloat16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def has_bfloat16(device: torch.device) -> bool:
    """Whether a CUDA device has matrix units for it. `torch.cuda.is_bf16_supported` counts emulation too, and asks the
    thread's device."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= AMPERE
