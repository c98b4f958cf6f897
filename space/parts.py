"""What each part of a network consists of: block, downsampling, stem and head as named layers. No torch here.

The names are the names of the torch submodules that `modules.py` builds from these records.
"""

from __future__ import annotations

from space.arch import Arch, Stage, Task
from space.layers import Conv, Layer, Linear, Norm, Scale

Layers = dict[str, Layer]


def stem(arch: Arch, task: Task) -> Layers:
    """Patchify: conv s x s, stride s, then a norm."""
    stride, width = arch.stem.stride, arch.stages[0].width
    return {"conv": Conv(task.channels, width, stride, stride), "norm": Norm(arch.stem.norm, width)}


def downsample(before: Stage, after: Stage) -> Layers:
    """Norm, then conv 2x2 s2; without that norm training diverges (arXiv 2201.03545, 2.6)."""
    return {"norm": Norm(after.norm, before.width), "conv": Conv(before.width, after.width, 2, 2)}


def block(stage: Stage) -> Layers:
    """One block of a stage; every layer keeps height and width."""
    return convnext(stage) if stage.block == "convnext" else modulation(stage)


def convnext(stage: Stage) -> Layers:
    """`x + gamma * pwconv2(act(pwconv1(norm(dwconv(x)))))` (arXiv 2201.03545, figure 4)."""
    return {
        "dwconv": _depthwise(stage),
        "norm": Norm(stage.norm, stage.width),
        **_feed_forward(stage),
        **_scale(stage, "gamma"),
    }


def modulation(stage: Stage) -> Layers:
    """`x + gamma1 * proj(dwconv(a(n)) * v(n))`, n = norm1(x); then a feed-forward (arXiv 2211.11943, equations 4-6)."""
    width = stage.width
    return {
        "norm1": Norm(stage.norm, width),
        "a": Linear(width, width),
        "dwconv": _depthwise(stage),
        "v": Linear(width, width),
        "proj": Linear(width, width),
        **_scale(stage, "gamma1"),
        "norm2": Norm(stage.norm, width),
        **_feed_forward(stage),
        **_scale(stage, "gamma2"),
    }


def head(arch: Arch, task: Task) -> Layers:
    """Global average pool (no weights), norm, linear."""
    width = arch.stages[-1].width
    return {"norm": Norm(arch.head.norm, width), "linear": Linear(width, task.classes)}


def _depthwise(stage: Stage) -> Conv:
    width, kernel = stage.width, stage.kernel
    return Conv(width, width, kernel, padding=kernel // 2, groups=width)


def _feed_forward(stage: Stage) -> Layers:
    return {"pwconv1": Linear(stage.width, stage.hidden), "pwconv2": Linear(stage.hidden, stage.width)}


def _scale(stage: Stage, name: str) -> Layers:
    return {} if stage.layer_scale is None else {name: Scale(stage.width, stage.layer_scale)}
