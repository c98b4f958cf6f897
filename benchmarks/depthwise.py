"""The weight gradient of a depthwise convolution on this CPU: `space/depthwise.c` against oneDNN's. Medians.

python -m benchmarks.depthwise
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.machine import heading
from space.depthwise import KERNELS, kernel, weight_gradient

BATCH, ROUNDS = 256, 7
SHAPES = ((64, 16), (128, 8), (24, 16), (208, 4))  # channels, side of the map


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    assert kernel() is not None, "a C compiler must be installed"
    print(heading("torch"), f"batch {BATCH}, {torch.get_num_threads()} threads, float32", sep=", ")
    for channels, side in SHAPES:
        for size in KERNELS:
            maps, gradient = torch.randn(2, BATCH, side, side, channels)
            weight = torch.zeros(channels, 1, size, size)
            places = gradient.permute(0, 3, 1, 2), maps.permute(0, 3, 1, 2), weight, None

            def theirs(places=places, size=size, channels=channels) -> None:  # type: ignore[no-untyped-def]
                edge = [size // 2] * 2
                torch.ops.aten.convolution_backward(
                    *places, [1, 1], edge, [1, 1], False, [0, 0], channels, [False, True, False]
                )

            def ours(maps=maps, gradient=gradient, size=size) -> None:  # type: ignore[no-untyped-def]
                weight_gradient(maps, gradient, size)

            pairs = [(milliseconds(theirs), milliseconds(ours)) for _ in range(ROUNDS)]
            a, b = (median(column) for column in zip(*pairs, strict=True))
            print(f"{channels:4} x {side:2} px, K {size:2}: torch {a:6.1f} ms, ours {b:5.1f} ms, {a / b:5.1f}x")


if __name__ == "__main__":
    main()
