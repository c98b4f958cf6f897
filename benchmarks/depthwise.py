"""The weight gradient of a depthwise convolution on this CPU: `space/depthwise.c` against oneDNN's. Medians.

python -m benchmarks.depthwise
"""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.machine import heading, milliseconds
from space.depthwise import KERNELS, kernel, weight_gradient

BATCH, SECONDS = 256, 0.5
SHAPES = ((64, 16), (128, 8), (24, 16), (208, 4))  # channels, side of the map


def main() -> None:
    assert kernel() is not None, "a C compiler must be installed"
    print(heading("torch"), f"batch {BATCH}, {torch.get_num_threads()} threads, float32", sep=", ")
    for channels, side in SHAPES:
        for size in KERNELS:
            maps, gradient = torch.randn(2, BATCH, side, side, channels)
            weight, edge = torch.zeros(channels, 1, size, size), [size // 2] * 2
            places = gradient.permute(0, 3, 1, 2), maps.permute(0, 3, 1, 2), weight, None
            settings = [1, 1], edge, [1, 1], False, [0, 0], channels, [False, True, False]
            theirs = partial(torch.ops.aten.convolution_backward, *places, *settings)
            ours = partial(weight_gradient, maps, gradient, size)
            a, b = milliseconds(theirs, SECONDS), milliseconds(ours, SECONDS)
            print(f"{channels:4} x {side:2} px, K {size:2}: torch {a:6.1f} ms, ours {b:5.1f} ms, {a / b:5.1f}x")


if __name__ == "__main__":
    main()
