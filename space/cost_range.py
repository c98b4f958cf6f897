"""The range of a cost: the cheapest and the dearest network of a space, exactly, by dynamic programming over stages.

Cost never falls with depth, width, growth, kernel and expansion, so only their ends are looked at; of all other axes
that move a count every choice is. Choices for the whole network are tried one by one; those made stage by stage are
settled by keeping, after each stage, the best total for every (channels, side, norm) that what follows can see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from space.arch import Task
from space.axes import Axis, Value, ratios_for, share
from space.blocks import Block
from space.budget import Band
from space.cost import count_head, count_stage, count_stem
from space.rules import COUNTS
from space.structure import Structure

End = Callable[..., Any]  # min or max


def cost_range(space: Structure, task: Task, place: int) -> Band:
    """From the lowest to the highest count (COUNTS[place]) of all networks of `space`."""
    if (task, place) not in space._ranges:
        low, high = min(_totals(space, task, place, min)), max(_totals(space, task, place, max))
        space._ranges[task, place] = Band(low, high)
    return space._ranges[task, place]


def _totals(space: Structure, task: Task, place: int, end: End) -> Iterator[int]:
    """Counts of networks of which one is the lowest (`end=min`) or the highest (`end=max`)."""
    depth = end(space.axes["depth"].ints)
    plans = list(_plans(space, place, end))
    for stages in space.axes["stages"].ints:
        depths = {share(depth, str(ratio)) for ratio in ratios_for(space.axes, stages)}
        widths = {scaling.widths[0 if end is min else -1] for scaling in space.scalings(stages)}
        for row, blocks, plan in product(widths, depths, plans):
            for norm in dict.fromkeys(block.norm for block, _ in plan):  # stem and head may follow it
                opening = [(block, between) for block, between in plan if block.norm == norm]
                stems = {count_stem(stem, task.channels, row[0], task.image_size) for stem in space.parts("stem", norm)}
                for first in stems:
                    states = {(row[0], first[3], norm): first[place]}
                    for i, (choices, own, width) in enumerate(
                        zip([opening, *[plan] * (stages - 1)], blocks, row, strict=True)
                    ):
                        states = _stage(states, choices, i, own, width, place, end)
                    for (channels, side, last), total in states.items():
                        for head in space.parts("head", last):
                            yield total + count_head(head, channels, task.classes, side)[place]


States = dict[tuple[int, int, str], int]  # (channels, side in pixels, norm of the last block) -> best total so far
Choices = list[tuple[Block, str]]


def _stage(states: States, choices: Choices, i: int, depth: int, width: int, place: int, end: End) -> States:
    found: States = {}
    for (channels, side, _), total in states.items():
        for block, downsample in choices:
            more = count_stage(block, downsample if i else "", depth, width, channels, side)
            key, value = (block.out(width), more[3], block.norm), total + more[place]
            found[key] = end(found[key], value) if key in found else value
    return found


def _plans(space: Structure, place: int, end: End) -> Iterator[Choices]:
    """What every stage can be, one plan for each choice that holds for the whole network."""
    shared = {name: axis for name, axis in space.axes.items() if name in space.block_axes and not axis.each_stage}
    ends = [_ends(space, axis, place, end) for axis in shared.values()]
    for values in product(*ends):
        fixed = dict(zip(shared, values, strict=True))
        yield _choices(space, fixed, place, end)


def _choices(space: Structure, fixed: dict[str, Value], place: int, end: End) -> Choices:
    """Blocks and downsamplings that one stage can have beside what is fixed."""
    free = [name for name in space.block_axes if name not in fixed]
    found: dict[tuple[Block, str], None] = {}
    for values in product(*(_ends(space, space.axes[name], place, end) for name in free)):
        chosen = fixed | dict(zip(free, values, strict=True))
        block = space.make_block(chosen)
        found[block, str(chosen["downsample"]) if block.strides else "separate"] = None
    return list(found)


def _ends(space: Structure, axis: Axis, place: int, end: End) -> tuple[Value, ...]:
    """The choices of an axis that can make a network the cheapest or the dearest."""
    if axis.name in ("block", "downsample"):
        return axis.values
    fields = space.fields(axis.name)
    if not any(COUNTS[place] in field.metadata["moves"] for field in fields):
        return axis.values[:1]
    if all(field.metadata["rule"].ordered for field in fields):
        return (end(axis.values),)
    return axis.values
