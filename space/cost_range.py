"""The range of a cost: the cheapest and the dearest network of a space, exactly, by dynamic programming over stages.

Cost never falls with depth, width, growth, kernel and expansion, so only their ends are looked at; of all other axes
that move a count every choice is. A forecast latency may fall as the kernel grows, so that all kernels are. Choices for
the whole network are tried one by one; those made stage by stage are settled by keeping, after each stage, the best
total for every (channels, side, norm) that what follows can see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from space.arch import Task
from space.axes import Axis, Value, ratios_for, share
from space.blocks import Block
from space.budget import COUNTS, LATENCY, MEASURES, Band
from space.cost import count_head, count_stage, count_stem
from space.structure import Structure

if TYPE_CHECKING:
    from space.latency_model import LatencyModel

End = Callable[..., Any]  # min or max


def cost_range(space: Structure, task: Task, place: int, model: LatencyModel | None = None) -> Band:
    """From the lowest to the highest count (MEASURES[place]) of all networks of `space`; of latencies by `model`, which
    raises InputError for a layer that it does not know."""
    if (task, place, model) not in space._ranges:
        measure = Measure(place, model if place == MEASURES.index(LATENCY) else None)
        low, high = min(_totals(space, task, measure, min)), max(_totals(space, task, measure, max))
        space._ranges[task, place, model] = Band(low, high)
    return space._ranges[task, place, model]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is looked at: a count by its place, or what a model forecasts."""

    place: int
    model: LatencyModel | None

    def stem(self, *what: Any) -> tuple[int, int]:
        """Of a stem on images, and the side of the maps that leave it."""
        counted = count_stem(*what)
        return counted[self.place] if self.model is None else self.model.stem(*what), counted[3]

    def stage(self, *what: Any) -> tuple[int, int]:
        """Likewise."""
        counted = count_stage(*what)
        return counted[self.place] if self.model is None else self.model.stage(*what), counted[3]

    def head(self, *what: Any) -> int:
        return count_head(*what)[self.place] if self.model is None else self.model.head(*what)

    def moved_by(self, space: Structure, axis: Axis) -> bool:
        fields = space.fields(axis.name)
        return self.model is not None or any(COUNTS[self.place] in field.metadata["moves"] for field in fields)

    def rises_with(self, space: Structure, axis: Axis) -> bool:
        """Whether it never falls from one choice to the next."""
        ordered = all(field.metadata["rule"].ordered for field in space.fields(axis.name))
        return ordered and (self.model is None or axis.name != "kernel")


def _totals(space: Structure, task: Task, measure: Measure, end: End) -> Iterator[int]:
    """Counts of networks of which one is the lowest (`end=min`) or the highest (`end=max`)."""
    depth = end(space.axes["depth"].ints)
    plans = list(_plans(space, measure, end))
    for stages in space.axes["stages"].ints:
        depths = {share(depth, str(ratio)) for ratio in ratios_for(space.axes, stages)}
        widths = {scaling.widths[0 if end is min else -1] for scaling in space.scalings(stages)}
        for row, blocks, plan in product(widths, depths, plans):
            for norm in dict.fromkeys(block.norm for block, _ in plan):  # stem and head may follow it
                opening = [(block, between) for block, between in plan if block.norm == norm]
                image = (task.channels, row[0], task.image_size)
                for first, left in {measure.stem(stem, *image) for stem in space.parts("stem", norm)}:
                    states = {(row[0], left, norm): first}
                    for i, (choices, own, width) in enumerate(
                        zip([opening, *[plan] * (stages - 1)], blocks, row, strict=True)
                    ):
                        states = _stage(states, choices, i, own, width, measure, end)
                    for (channels, side, last), total in states.items():
                        for head in space.parts("head", last):
                            yield total + measure.head(head, channels, task.classes, side)


States = dict[tuple[int, int, str], int]  # (channels, side in pixels, norm of the last block) -> best total so far
Choices = list[tuple[Block, str]]


def _stage(
    states: States, choices: Choices, i: int, depth: int, width: int, measure: Measure, end: End
) -> States:  # fmt: skip
    found: States = {}
    for (channels, side, _), total in states.items():
        for block, downsample in choices:
            more, left = measure.stage(block, downsample if i else "", depth, width, channels, side)
            key, value = (block.out(width), left, block.norm), total + more
            found[key] = end(found[key], value) if key in found else value
    return found


def _plans(space: Structure, measure: Measure, end: End) -> Iterator[Choices]:
    """What every stage can be, one plan for each choice that holds for the whole network."""
    shared = {name: axis for name, axis in space.axes.items() if name in space.block_axes and not axis.each_stage}
    ends = [_ends(space, axis, measure, end) for axis in shared.values()]
    for values in product(*ends):
        fixed = dict(zip(shared, values, strict=True))
        yield _choices(space, fixed, measure, end)


def _choices(space: Structure, fixed: dict[str, Value], measure: Measure, end: End) -> Choices:
    """Blocks and downsamplings that one stage can have beside what is fixed."""
    free = [name for name in space.block_axes if name not in fixed]
    found: dict[tuple[Block, str], None] = {}
    for values in product(*(_ends(space, space.axes[name], measure, end) for name in free)):
        chosen = fixed | dict(zip(free, values, strict=True))
        block = space.make_block(chosen)
        found[block, str(chosen["downsample"]) if block.strides else "separate"] = None
    return list(found)


def _ends(space: Structure, axis: Axis, measure: Measure, end: End) -> tuple[Value, ...]:
    """The choices of an axis that can make a network the cheapest or the dearest."""
    if axis.name in ("block", "downsample"):
        return axis.values
    if not measure.moved_by(space, axis):
        return axis.values[:1]
    return (end(axis.values),) if measure.rises_with(space, axis) else axis.values
