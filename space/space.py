"""Space: named axes and their choices, from YAML; it draws networks inside a FLOPs band, by construction.

A network is settled in two steps. First its relative shape: stages, ratio and depth, growth, kernels, blocks, ... each
a choice from an axis. Then its base width: of all widths on the grid, the one whose FLOPs come closest to a target
inside the band. So a draw lands in the band wherever any width does, and samplers see no parameter that the budget
overrules.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from space.arch import Arch, Stage, Stem, Task
from space.axes import IN_STAGE, Axis, Value, parse_axes, ratios_for, share
from space.budget import Band
from space.chooser import Chooser, RandomChooser
from space.cost import cost
from space.reading import InputError, find, load_yaml, nearest
from space.shape import MULTIPLE, Shape, rounded, with_width


@dataclass(frozen=True)
class Space:
    """What may be built. `image_size` is the side in pixels that the space is meant for."""

    name: str
    image_size: int
    axes: dict[str, Axis]
    _reach: dict[Task, Band] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def load(source: str | Path) -> Space:
        """From a YAML file or the name of a preset space. Raises InputError that names file, key, rule and value."""
        path = find(source, "spaces")
        where = path.name if path.parent.name == "spaces" else str(path)
        return Space.from_dict(load_yaml(path), name=path.stem, where=where)

    @staticmethod
    def from_dict(raw: dict[str, Any], name: str, where: str) -> Space:
        for key in raw:
            if key not in ("image_size", "axes"):
                raise InputError(f"{where}: {key} must be a known key; {nearest(str(key), ['image_size', 'axes'])}")
        for key in ("image_size", "axes"):
            if key not in raw:
                raise InputError(f"{where}: {key} must be given, got nothing; add it")
        size = raw["image_size"]
        if type(size) is not int or not 1 <= size <= 4096:
            raise InputError(f"{where}: image_size must be a whole number from 1 to 4096, got {size}; use e.g. 32")
        space = Space(name, size, parse_axes(raw["axes"], where))
        space.check_size(size, where)
        return space

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` reads back to an equal Space."""
        return {"image_size": self.image_size, "axes": {name: axis.to_plain() for name, axis in self.axes.items()}}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None)

    @property
    def size(self) -> int:
        """Number of settings of all axes: an upper bound of the number of distinct networks."""
        total = 0
        for stages in self._ints("stages"):
            ways = len(ratios_for(self.axes, stages))
            for name, axis in self.axes.items():
                if name not in ("stages", "ratio"):
                    ways *= len(axis.values) ** (stages if axis.each_stage else 1)
            total += ways
        return total

    def check_size(self, image_size: int, where: str) -> None:
        """Raises InputError where some choice of stem and stages would shrink `image_size` below one pixel."""
        stride, stages = max(self._ints("stem_stride")), max(self._ints("stages"))
        smallest = stride * 2 ** (stages - 1)
        if image_size < smallest:
            raise InputError(
                f"{where}: image_size must be at least {smallest} for stem stride {stride} and {stages} stages, "
                f"got {image_size}; lower axes.stem_stride or axes.stages"
            )

    def shape(self, chooser: Chooser) -> Shape:
        """All choices but the base width."""
        stages = _int(self._choose(chooser, "stages"))
        ratio = str(chooser.choice(f"ratio.{stages}", Axis("ratio", ratios_for(self.axes, stages))))
        depths = share(_int(self._choose(chooser, "depth")), ratio)
        stem_stride = _int(self._choose(chooser, "stem_stride"))
        shared = {name: self._choose(chooser, name) for name in IN_STAGE if not self.axes[name].each_stage}
        relative = self.axes["width"].each_stage
        growth = None if relative else _float(self._choose(chooser, "growth"))
        rows = []
        for i, depth in enumerate(depths):
            own = {n: self._choose(chooser, n, i) for n in IN_STAGE if self.axes[n].each_stage}
            width = _int(self._choose(chooser, "width", i)) if relative else MULTIPLE
            rows.append(Stage(depth=depth, width=width, **cast("dict[str, Any]", shared | own)))
        stem = Stem(stride=stem_stride, norm=rows[0].norm)
        return Shape(stem, tuple(rows), growth, tuple(sorted(self._ints("width"))))

    def compose(self, chooser: Chooser, task: Task, band: Band | None = None) -> Arch:
        """One network, chosen by `chooser`: inside `band` if any width brings its shape there, else the nearest to it.

        Costs about ten evaluations of `cost`. The caller looks whether the FLOPs are in the band.
        """
        shape = self.shape(chooser)
        if band is None:
            width = _int(chooser.choice("width", Axis("width", shape.widths)))
            return shape.at(shape.widths.index(width))
        reach = self.reach(task)
        low, high = max(band.low, reach.low), min(band.high, reach.high)
        target = chooser.log_uniform("flops", low, high) if low < high else float(min(max(low, band.low), band.high))
        return shape.nearest(task, band, target)

    def draw(self, rng: random.Random, task: Task, band: Band | None = None, attempts: int = 1000) -> Arch:
        """A random network, in `band` where one is given. Raises InputError if the band cannot be met."""
        if band is not None:
            self.check_band(band, task)
        for _ in range(attempts):
            arch = self.compose(RandomChooser(rng), task, band)
            if band is None or cost(arch, task).flops in band:
                return arch
        raise InputError(
            f"flops must hold a network of space {self.name}, got {band}, where none of {attempts} draws fell; "
            "widen the band or lower the step of axes.width"
        )

    def check_band(self, band: Band, task: Task) -> None:
        """Raises InputError that names the axis in the way if no network of the space can be in `band`."""
        self.check_size(task.image_size, f"space {self.name}")
        reach = self.reach(task)
        if band.low <= reach.high and reach.low <= band.high:
            return
        side = "smallest" if band.high < reach.low else "largest"
        axis, value = self._blocking(band, task)
        raise InputError(
            f"flops must be within {reach} for space {self.name} at {task.image_size} px, got {band}; axes.{axis} "
            f"({side} network: {value}) keeps it out: extend that axis or move the band"
        )

    def reach(self, task: Task) -> Band:
        """FLOPs of the cheapest and of the dearest network, exactly: cost rises with depth, width, growth, kernel and
        expansion, so only their ends are counted, with every stage number, ratio, stem stride and block."""
        if task not in self._reach:
            low = min(cost(arch, task).flops for arch in self._extremes(min))
            high = max(cost(arch, task).flops for arch in self._extremes(max))
            self._reach[task] = Band(low, high)
        return self._reach[task]

    def __contains__(self, arch: Arch) -> bool:
        """Whether some choices of the axes give `arch`."""
        stages = len(arch.stages)
        depths = [stage.depth for stage in arch.stages]
        return (
            stages in self.axes["stages"].values
            and arch.stem.stride in self.axes["stem_stride"].values
            and arch.depth in self.axes["depth"].values
            and any(share(arch.depth, str(ratio)) == depths for ratio in ratios_for(self.axes, stages))
            and all(self._allows(arch, name) for name in IN_STAGE)
            and self._allows_widths([stage.width for stage in arch.stages])
            and arch.stem.norm == arch.head.norm == arch.stages[0].norm
        )

    def _allows(self, arch: Arch, name: str) -> bool:
        axis, values = self.axes[name], [getattr(stage, name) for stage in arch.stages]
        return all(value in axis.values for value in values) and (axis.each_stage or len(set(values)) == 1)

    def _allows_widths(self, widths: list[int]) -> bool:
        axis = self.axes["width"]
        if axis.each_stage:
            return all(width in axis.values for width in widths)
        return widths[0] in axis.values and any(
            widths[1:] == [rounded(widths[0] * _float(growth) ** k) for k in range(1, len(widths))]
            for growth in self.axes["growth"].values
        )

    def _extremes(self, end: Any) -> Iterator[Arch]:
        """Networks of which one is the cheapest (`end=min`) or the dearest (`end=max`)."""
        width = end(self._ints("width"))
        kernel, expansion = end(self._ints("kernel")), end(map(_float, self.axes["expansion"].values))
        growth = None if self.axes["width"].each_stage else end(map(_float, self.axes["growth"].values))
        for stages in self._ints("stages"):
            for ratio in ratios_for(self.axes, stages):
                depths = share(end(self._ints("depth")), str(ratio))
                for stride in self._ints("stem_stride"):
                    for block in self.axes["block"].values:
                        base = Stage(depth=1, width=width, kernel=kernel, expansion=expansion, block=cast(Any, block))
                        rows = tuple(with_width(base, width, depth) for depth in depths)
                        widths = (width,)
                        yield Shape(Stem(stride=stride), rows, growth, widths).at(0)

    def _blocking(self, band: Band, task: Task) -> tuple[str, Value]:
        """The axis that keeps the space out of `band`, with its value at that end."""
        below = band.high < self.reach(task).low
        end, key = (min, min) if below else (max, max)
        arch = key(self._extremes(end), key=lambda a: cost(a, task).flops)
        missing = cost(arch, task).flops / band.high if below else band.low / cost(arch, task).flops
        # FLOPs grow with width squared, with depth, and with the stem stride to the power -2.
        width, depth = arch.stages[0].width, arch.depth
        if not below or width / math.sqrt(missing) >= MULTIPLE:
            return "width", width
        return ("stem_stride", arch.stem.stride) if depth <= 2 * len(arch.stages) else ("depth", depth)

    def _choose(self, chooser: Chooser, name: str, stage: int | None = None) -> Value:
        axis = self.axes[name]
        if len(axis.values) == 1:
            return axis.values[0]  # no parameter where there is no choice
        return chooser.choice(name if stage is None else f"{name}.{stage + 1}", axis)

    def _ints(self, name: str) -> list[int]:
        return [_int(value) for value in self.axes[name].values]


def _int(value: Value) -> int:
    return int(str(value))


def _float(value: Value) -> float:
    return float(str(value))
