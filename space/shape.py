"""Shape: a network but for its base width, and the width that brings it nearest to a number of FLOPs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from space.arch import Arch, Head, Stage, Stem, Task
from space.budget import Band
from space.cost import cost

MULTIPLE = 8  # later stages' widths are rounded to multiples of 8, as RegNet's are (arXiv 2003.13678)


@dataclass(frozen=True)
class Shape:
    """A network but for its base width: `at(i)` is the network at the i-th width of the grid."""

    stem: Stem
    stages: tuple[Stage, ...]  # their widths are those of relative widths 1, growth, growth^2, ...
    growth: float | None
    widths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.widths)

    def at(self, i: int) -> Arch:
        stages = tuple(with_width(stage, width) for stage, width in zip(self.stages, self.stage_widths(i), strict=True))
        return Arch(stem=self.stem, stages=stages, head=Head(norm=self.stem.norm))

    def stage_widths(self, i: int) -> list[int]:
        """Widths of all stages at the i-th width of the grid; they rise with i."""
        base = self.widths[i]
        if self.growth is not None:
            return [base] + [rounded(base * self.growth**k) for k in range(1, len(self.stages))]
        scale = base / self.stages[0].width  # each stage keeps its share, on the grid
        return [base] + [min(self.widths, key=lambda w: (abs(w - scale * s.width), w)) for s in self.stages[1:]]

    def nearest(self, task: Task, band: Band, target: float) -> Arch:
        """The width whose FLOPs are nearest to `target`, in `band` if any is. FLOPs rise with width: by bisection."""

        def flops(i: int) -> int:
            return cost(self.at(i), task).flops

        low, high = 0, len(self) - 1
        while low < high:  # the first width at or above the target
            middle = (low + high) // 2
            low, high = (middle + 1, high) if flops(middle) < target else (low, middle)
        around = [i for i in (low - 1, low) if 0 <= i < len(self)]
        best = min(around, key=lambda i: (flops(i) not in band, abs(math.log(flops(i) / target))))
        return self.at(best)


def with_width(stage: Stage, width: int, depth: int | None = None) -> Stage:
    return Stage(
        depth=depth or stage.depth, width=width, block=stage.block, kernel=stage.kernel, expansion=stage.expansion,
        norm=stage.norm, act=stage.act, layer_scale=stage.layer_scale,
    )  # fmt: skip


def rounded(width: float) -> int:
    """To a multiple of 8, half up, 8 at least."""
    return max(MULTIPLE, int(width / MULTIPLE + 0.5) * MULTIPLE)
