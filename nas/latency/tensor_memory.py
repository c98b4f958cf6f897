"""The memory that a network itself needs: bytes of tensors alive at once, counted and not asked of the system.

A process's peak (`ru_maxrss`) is that of its whole life, torch and every network before included. This number is the
network's own and the same on every machine; memory that kernels of torch's libraries take for themselves is not in it.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _Alive(TorchFunctionMode):
    """Bytes of all storages that operators have made and that still live, and the most there were."""

    def __init__(self, *held: Tensor) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()
        for tensor in held:
            self._add(tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple) else (made,):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        return made

    def _add(self, tensor: Tensor) -> None:
        """Views share a storage: it counts once."""
        storage = tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if address not in self.known:
            self.known.add(address)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, address, size)

    def _freed(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.now -= size


def peak_tensor_bytes(network: nn.Module, images: Tensor) -> int:
    """Of a forward pass in evaluation mode: parameters, buffers, `images` and what lives beside them at its peak."""
    network.eval()
    alive = _Alive(*network.parameters(), *network.buffers(), images)
    with torch.inference_mode(), alive:
        network(images)
    return alive.peak
