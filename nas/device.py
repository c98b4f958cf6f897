"""The device of a training: whose turn it is in this thread, and what it computes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

AMPERE = (8, 0)  # compute capability of the first GPUs with bfloat16 units


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Makes `device` the calling thread's own and gives the thread's work a stream of its own, from first to last.

    A thread's device is cuda:0 until it says otherwise, whatever device its tensors are on, and a capture synchronises
    and records on the thread's. One stream, as the steps before a capture must run on the one that is captured
    (gradients are summed up on the stream that saw the weights first), and as every stream keeps a pool of memory. On a
    CPU it does nothing.
    """
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        outer, own = torch.cuda.current_stream(), torch.cuda.Stream()
        own.wait_stream(outer)
        with torch.cuda.stream(own):
            yield
        outer.wait_stream(own)


def has_bfloat16(device: torch.device) -> bool:
    """Matrix units for it. `torch.cuda.is_bf16_supported` counts emulation too, and asks the thread's device."""
    if device.type == "cuda":
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= AMPERE
    return device.type == "cpu" and _cpu_has_amx()


def _cpu_has_amx() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())
