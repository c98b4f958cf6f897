"""A fixed kernel, timed beside the networks that are measured: how busy the machine is while they are.

Why it is one thread unless more are asked for: on two cores that others used too, twice this kernel took 1.2 ms at best
with two threads and 2 to 40 ms on average, since a thread that waits for its core holds all of them up; with one thread
1.9 ms at best and 2.4 to 4.3.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F

from space import InputError
from space.processor import cores

ROWS = {"cpu": 64, "cuda": 16_384}  # of 256 channels: 34M and 8.6G multiply-accumulates, a millisecond or so
WIDTH, WIDER = 256, 1024
BURST = 20  # runs in a row
SETTLING = 4  # bursts to warm up and to find the best time


class ReferenceKernel:
    """An inverted bottleneck, `gelu(x A) B` in float32, on a device, with the threads that torch has now."""

    def __init__(self, device: torch.device, best: float | None = None) -> None:
        """`best`: seconds, where it was timed on this device before."""
        self.device, self.best = device, float("inf") if best is None else best
        generator = torch.Generator().manual_seed(0)
        shapes = ((ROWS.get(device.type, ROWS["cuda"]), WIDTH), (WIDTH, WIDER), (WIDER, WIDTH))
        self._x, self._a, self._b = (torch.randn(shape, generator=generator).to(device) for shape in shapes)
        for _ in range(SETTLING):
            self.burst()

    def burst(self) -> list[float]:
        """Seconds of each of some runs. The kernel's best is the lowest first quartile: on a busy machine some runs
        still fit between two turns of others, and a single lucky one is not what the rest are held to."""
        with torch.inference_mode():
            took = [timed(self._run, self.device) for _ in range(BURST)]
        self.best = min(self.best, statistics.quantiles(took, n=4, method="inclusive")[0])
        return took

    def _run(self) -> object:
        return F.gelu(self._x @ self._a) @ self._b


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds from calling `run` until its work is done. Work queued on the device before is counted too: call it on an
    idle one."""
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(device))
        done.synchronize()
    return time.perf_counter() - started


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch with so many threads on the CPU. Raises InputError for more than there are cores for this process."""
    if not 1 <= count <= cores():
        raise InputError(f"threads must be from 1 to {cores()}, the cores here, got {count}; use 1")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
