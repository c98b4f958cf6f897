"""Measuring a network on the device at hand: latency, throughput, peak memory."""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from space import InputError, Task

WARM_UP = 3  # forward passes before the clock
SECONDS = 0.5  # of measuring, per batch size, with at least ROUNDS passes
ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Forward passes in evaluation mode and float32, one at a time, synchronised. Seconds per batch."""

    device: str
    batch: int
    median: float
    low: float  # first quartile
    high: float  # third quartile
    passes: int
    memory: int | None  # bytes at the peak: of the device on CUDA, of the process on a CPU

    @property
    def images_per_second(self) -> float:
        return self.batch / self.median

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "images_per_second": self.images_per_second}

    def report(self) -> str:
        """In a line."""
        memory = "" if self.memory is None else f", peak memory {self.memory / 1e6:,.0f} MB"
        return (
            f"{self.device}: "
            f"batch {self.batch}: {1e3 * self.median:.2f} ms (quartiles {1e3 * self.low:.2f} to {1e3 * self.high:.2f}, "
            f"{self.passes} passes), {self.images_per_second:,.0f} images/s{memory}"
        )


def measure(network: nn.Module, task: Task, batch: int, device: torch.device, seconds: float = SECONDS) -> Timing:
    """Times `network`, which must be on `device`, on noise of the task's size. Raises InputError without room."""
    if batch < 1:
        raise InputError(f"batch must be at least 1, got {batch}; use e.g. 1 or 64")
    images = torch.randn(batch, task.channels, task.image_size, task.image_size, device=device)
    network.eval()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        with torch.inference_mode():
            for _ in range(WARM_UP):
                network(images)
            took: list[float] = []
            while len(took) < ROUNDS or sum(took) < seconds:
                _wait(device)
                started = time.perf_counter()
                network(images)
                _wait(device)
                took.append(time.perf_counter() - started)
    except torch.OutOfMemoryError as error:
        raise InputError(f"batch must fit the memory of {device}, got {batch}; lower it") from error
    low, median, high = statistics.quantiles(took, n=4, method="inclusive")
    return Timing(
        device=device_name(device),
        batch=batch,
        median=median,
        low=low,
        high=high,
        passes=len(took),
        memory=_peak(device),
    )


def device_name(device: torch.device) -> str:
    """`NVIDIA H200`; `Intel(R) Xeon(R) Platinum 8488C, 2 threads`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' * (threads > 1)}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "CPU")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux counts in KiB
