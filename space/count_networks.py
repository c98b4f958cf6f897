"""How many networks a space holds: counted one by one where they are few, bounded where they are many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING

from space.arch import Arch
from space.axes import Axis, Value, ratios_for, share
from space.parts import find_part, options

if TYPE_CHECKING:
    from space.space import Space

EXACT = 3000  # networks that are made one by one to tell the distinct ones


@dataclass(frozen=True, slots=True)
class Size:
    """A number of distinct networks; where not `exact`, an upper bound."""

    networks: int
    exact: bool


def count_networks(space: Space) -> Size:
    """The number of distinct networks of `space`, every rung of its widths among them."""
    settings = bound(space)
    if settings > EXACT:
        return Size(settings, False)
    return Size(len({arch.key for arch in every(space)}), True)


def bound(space: Space) -> int:
    """The number of settings: distinct depths and widths, times stems, heads and drop paths, times what the blocks of
    the stages can be. Options that a part does not have do not count."""
    others = len(space.parts("stem")) * len(space.parts("head")) * len(space.axes["drop_path"].values)
    return others * sum(
        _depths(space, stages) * _widths(space, stages) * _blocks(space, stages) for stages in space.axes["stages"].ints
    )


def _depths(space: Space, stages: int) -> int:
    ratios = ratios_for(space.axes, stages)
    return len({share(depth, str(ratio)) for depth in space.axes["depth"].ints for ratio in ratios})


def _widths(space: Space, stages: int) -> int:
    if space.axes["width"].each_stage:
        return int(len(space.axes["width"].values) ** stages)
    return len({widths for scaling in space.scalings(stages) for widths in scaling.widths})


def _blocks(space: Space, stages: int) -> int:
    """Ways to choose kinds, options and downsamplings of all stages."""
    axis = space.axes["block"]
    if not axis.each_stage:
        return sum(_ways(space, (kind,) * stages) for kind in axis.values)
    total = 0
    for first, rest in product(axis.values, combinations_with_replacement(axis.values, stages - 1)):
        orders = math.factorial(stages - 1) // math.prod(map(math.factorial, Counter(rest).values()))
        total += orders * _ways(space, (first, *rest))
    return total


def _ways(space: Space, kinds: Sequence[Value]) -> int:
    """Ways to choose options and downsamplings of stages of these kinds."""
    ways, classes = 1, [find_part("block", str(kind)) for kind in kinds]
    for name in space.block_axes:
        if name == "downsample":
            stages = sum(cls.strides for cls in classes[1:])
        else:
            stages = sum(name in options(cls) for cls in classes)
        choices = len(space.axes[name].values)
        ways *= choices**stages if space.axes[name].each_stage else choices ** min(stages, 1)
    return ways


@dataclass(slots=True)
class _Path:
    """A chooser that takes one branch of the tree of all choices, and remembers where it could have turned."""

    plan: list[int]
    log_density: float | None = None
    taken: list[tuple[int, int]] = field(default_factory=list)

    def choice(self, name: str, axis: Axis) -> Value:
        return axis.values[self._turn(len(axis.values))]

    def choice_within(self, name: str, axis: Axis, allowed: Sequence[Value]) -> int:
        return self._turn(len(allowed))

    def weights(self, axis: Axis, allowed: Sequence[Value]) -> Sequence[float]:
        return [1.0] * len(allowed)

    def note(self, probability: float) -> None:
        pass

    def log_uniform(self, name: str, low: float, high: float) -> float:
        raise AssertionError("there is no budget here")

    def _turn(self, ways: int) -> int:
        place = len(self.taken)
        turn = self.plan[place] if place < len(self.plan) else 0
        self.taken.append((turn, ways))
        return turn


def every(space: Space) -> Iterator[Arch]:
    """Every setting of a space as a network, by turning at the last place where there is another way."""
    plan: list[int] | None = []
    while plan is not None:
        path = _Path(plan)
        shape, scale = space.shape(path)
        rungs = range(len(shape.scaling.widths)) if math.isnan(scale) else [shape.scaling.at(scale)]
        for d in range(len(shape.depths)):
            yield from (shape.arch(d, i) for i in rungs)
        taken = path.taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        plan = [turn for turn, _ in taken[:-1]] + [taken[-1][0] + 1] if taken else None
