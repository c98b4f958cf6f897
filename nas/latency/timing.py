"""Measuring a network on the device at hand: latency beside a reference kernel, throughput, memory of its tensors."""

from __future__ import annotations

import itertools
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from nas.analysis import cost_axes
from nas.latency.device_names import CAPTURED, EAGER, ONNX, Runtime
from nas.latency.reference_kernel import ReferenceKernel, timed
from nas.latency.runtimes import WARM_UP, passes
from nas.latency.tensor_memory import peak_tensor_bytes
from nas.training.allocator import is_for_room
from space import InputError, Task, processor

SECONDS = 0.5  # of measuring, per batch size, with at least ROUNDS passes
ROUNDS = 10
SLICES = 5  # of those, with a burst of the reference kernel before, between and after
TRIES = 4  # to measure while the machine is quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Forward passes in evaluation mode and float32, one at a time, synchronised. Seconds per batch."""

    device: str  # with the threads on a CPU, with how kernels are launched on a GPU
    batch: int
    median: float
    low: float  # first quartile
    high: float  # third quartile
    passes: int
    reference: float  # seconds of the reference kernel, mean of its runs before, between and after the passes
    reference_best: float  # at its best on this device so far
    peak_tensor_bytes: int  # `nas.latency.tensor_memory`

    @property
    def images_per_second(self) -> float:
        return self.batch / self.median

    @property
    def slowdown(self) -> float:
        """How many times its best the reference kernel took."""
        return self.reference / self.reference_best

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "images_per_second": self.images_per_second}

    def report(self) -> str:
        """In a line; a second one where the machine was busy."""
        line = (
            f"{self.device}: "
            f"batch {self.batch}: {1e3 * self.median:.2f} ms (quartiles {1e3 * self.low:.2f} to {1e3 * self.high:.2f}, "
            f"{self.passes} passes), {self.images_per_second:,.0f} images/s, tensors at the peak "
            f"{self.peak_tensor_bytes / 1e6:,.2f} MB"
        )
        if not cost_axes.is_busy(self.slowdown):
            return line
        return (
            f"{line}\nbusy: a reference kernel took {self.slowdown:.1f} times its best meanwhile, "
            f"{cost_axes.LIMIT:g} is the limit; end other programs and measure again"
        )


@dataclass(frozen=True, slots=True)
class Try:
    """Passes that were timed, the reference kernel's mean time among them, and that by its best."""

    took: tuple[float, ...]
    reference: float
    slowdown: float


def measure(
    network: nn.Module, task: Task, batch: int, reference: ReferenceKernel, seconds: float | None = None,
    tries: int = TRIES, runtime: Runtime = "torch",
) -> list[Timing]:  # fmt: skip
    """Times `network`, which must be on the reference's device, on noise of the task's size: once on a CPU; on a GPU
    with its kernels launched one by one, and all of them at once as a captured CUDA graph.

    Raises InputError without room.
    """
    if batch < 1:
        raise InputError(f"batch must be at least 1, got {batch}; use e.g. 1 or 64")
    device, seconds = reference.device, SECONDS if seconds is None else seconds
    network.eval()
    try:
        own = device if device.type == "cuda" else -1  # what is captured goes to streams of the current device
        with torch.cuda.device(own), torch.inference_mode():
            images = torch.randn(batch, task.channels, task.image_size, task.image_size, device=device)
            memory = peak_tensor_bytes(network, images)
            return [
                _timing(name, batch, memory, reference, quietest(_tries(run, reference, seconds), tries))
                for name, run in zip(device_names(device, runtime), passes(network, images, runtime), strict=True)
            ]
    except (RuntimeError, MemoryError, TypeError) as error:
        if not is_for_room(error):
            raise
        raise InputError(f"batch must fit the memory of {device}, got {batch}; lower it") from error


def quietest(tries: Iterable[Try], most: int = TRIES) -> Try:
    """The first beside which the reference kernel kept within the limit; else, of `most`, the one nearest to it."""
    seen: list[Try] = []
    for each in itertools.islice(tries, most):
        seen.append(each)
        if not cost_axes.is_busy(each.slowdown):
            break
    return min(seen, key=lambda each: each.slowdown)


def device_names(device: torch.device, runtime: Runtime = "torch") -> list[str]:
    """What measurements on it are kept under: numbers of one name may be compared."""
    name = device_name(device)
    if runtime == ONNX:
        return [f"{name}, {ONNX}"]
    return [f"{name}, {EAGER}", f"{name}, {CAPTURED}"] if device.type == "cuda" else [name]


def device_name(device: torch.device) -> str:
    """`NVIDIA H200`; `Intel(R) Xeon(R) Platinum 8488C, 2 threads`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    # where the system has no name (ARM, macOS), the machine's, so that different ones never share theirs
    name = processor.model() or f"{platform.machine()} {platform.node()}"
    return f"{name}, {threads} thread{'s' * (threads > 1)}"


def _tries(run: Callable[[], object], reference: ReferenceKernel, seconds: float) -> Iterator[Try]:
    for _ in range(WARM_UP):
        timed(run, reference.device)
    while True:
        took, total = list[float](), 0.0
        beside = reference.burst()
        for part in range(1, SLICES + 1):
            while len(took) < part * ROUNDS / SLICES or total < part * seconds / SLICES:
                took.append(timed(run, reference.device))
                total += took[-1]
            beside += reference.burst()
        mean = statistics.fmean(beside)
        yield Try(tuple(took), mean, mean / reference.best)


def _timing(name: str, batch: int, memory: int, reference: ReferenceKernel, chosen: Try) -> Timing:
    low, median, high = statistics.quantiles(chosen.took, n=4, method="inclusive")
    return Timing(
        device=name, batch=batch, median=median, low=low, high=high, passes=len(chosen.took),
        reference=chosen.reference, reference_best=reference.best, peak_tensor_bytes=memory,
    )  # fmt: skip
