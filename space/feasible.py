"""Feasible: which choices of a space make networks at all, at an image size, in a budget; every refusal says why."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

from space.arch import MAX_WIDTH, Task
from space.axes import Axis
from space.budget import Band, Budget
from space.cost import count_stem
from space.cost_range import cost_range
from space.measure_command import check_images, command_like
from space.parts import find_part
from space.reading import InputError
from space.rules import COUNTS
from space.stems import Stem
from space.structure import Structure
from space.work import Amount, head_work, kinds, stage_work, stem_work


def check_networks(space: Structure, where: str) -> None:
    """Raises InputError where some choice of the axes makes no network."""
    rows = {
        widths
        for stages in space.axes["stages"].ints
        for scaling in space.scalings(stages)
        for widths in scaling.widths
    }
    refusals = (stem.refusal(width) for stem in space.parts("stem") for width in sorted({row[0] for row in rows}))
    refusal = next(filter(None, refusals), None) or _block_refusal(space, rows)
    if refusal:
        raise InputError(f"{where}: axes: {refusal}")
    check_size(space, space.image_size, where)


def _block_refusal(space: Structure, rows: set[tuple[int, ...]]) -> str | None:
    """Why some block cannot be built at some of these widths of the stages."""
    moving = {n for n in space.block_axes for field in space.fields(n) if "flops" in field.metadata["moves"]}
    kept = [n for n in space.block_axes if n == "block" or n in moving]
    choices = product(*(space.axes[name].values for name in kept))
    blocks = list(dict.fromkeys(space.make_block(dict(zip(kept, row, strict=True))) for row in choices))
    pairs = sorted({(row[0], row[0]) for row in rows} | {pair for row in rows for pair in pairwise(row)})
    for before, width in pairs:
        inputs = {block.out(before) for block in blocks} if "strided" in space.axes["downsample"].values else set()
        for block in blocks:
            for channels in inputs | {block.out(width)} if block.strides else {width}:
                if refusal := block.refusal(width, channels):
                    return refusal
    return None


def check_budget(space: Structure, budget: Budget, task: Task) -> None:
    """Raises InputError that names the axis in the way, and what is possible, if no network can be in a band of counts;
    and for a latency that nothing forecasts, or not of these layers. What latencies there are, drawing finds out."""
    check_size(space, task.image_size, f"space {space.name}")
    _check_latency(space, budget, task)
    for place, band in budget.bands:
        if place >= len(COUNTS):
            continue
        ends = cost_range(space, task, place)
        if band.low <= ends.high and ends.low <= band.high:
            continue
        axis = _blocking(space, band, task, place)
        small = band.high < ends.low and axis != "stem.stride"  # a larger stride makes a cheaper network
        side, value = ("smallest", space.axes[axis].ints[0]) if small else ("largest", space.axes[axis].ints[-1])
        mend = f"axes.{axis} ({side}: {value}) keeps it out: extend that axis or move the band"
        if meant := _with_unit(band, ends):
            mend = f"did you mean {meant}?"
        raise InputError(
            f"{COUNTS[place]} must be within {ends} for space {space.name} at {task.image_size} px, got {band}; {mend}"
        )


def _with_unit(band: Band, ends: Band) -> str:
    """A band of small numbers in the unit that brings it into what there is: `5..40` as `5M..40M`; empty for none."""
    for unit, times in (("K", 10**3), ("M", 10**6), ("G", 10**9)):
        if band.high < 1000 and band.low * times <= ends.high and ends.low <= band.high * times:
            upper = f"..{band.high}{unit}, or " if band.low == 1 else ""  # 1 may stand for no lower end
            return f"{upper}{band.low}{unit}..{band.high}{unit}"
    return ""


def _check_latency(space: Structure, budget: Budget, task: Task) -> None:
    if budget.latency is None:
        return
    if budget.model is None:
        raise InputError("latency must have a model that forecasts it, got none; Budget.forecast_by gives it one")
    assert budget.flops is not None, "networks are drawn over FLOPs, within a latency"
    check_images(budget.model, space, task)
    known = budget.model.rates
    missing = [amount for amount in sorted(amounts(space)) if amount.unit not in known.get(amount.kind, {})]
    if missing:
        kind, unit = missing[0]
        what = f"{unit} of {kind}" if kind in known else kind
        raise InputError(
            f"latency model must know every layer of space {space.name}, got none of {what}; measure that: "
            f"{command_like(budget.model, space, task)}"
        )


def amounts(space: Structure) -> set[Amount]:
    """Of all layers that its networks can have."""
    names = space.block_axes  # of `expansion` one choice tells: it changes widths, not layers
    choices = product(*(space.axes[name].values[: 1 if name == "expansion" else None] for name in names))
    every = (space.make_block(dict(zip(names, row, strict=True))) for row in choices)
    blocks = {(block.formula(), block.norm, block.bias, kinds(block.layers(1, True))): block for block in every}
    width = space.axes["width"].ints[0]
    found: set[Amount] = set()
    several = space.axes["stages"].ints[-1] > 1
    for block in blocks.values():
        between = space.axes["downsample"].values if block.strides else ("separate",)
        for downsample in ("", *(between if several else ())):
            first, each, _ = stage_work(block, str(downsample), width, 2 * width if downsample else width, 64)
            found |= (first | each).keys()
        for stem in space.parts("stem", block.norm):
            found |= stem_work(stem, 3, 2 * width, 64)[0].keys()
        for head in space.parts("head", block.norm):
            found |= head_work(head, width, 10, 64).keys()
    return found


def _blocking(space: Structure, band: Band, task: Task, place: int) -> str:
    """The axis that, extended alone, lets the band in; if none does, the stem's stride or the width."""
    small = band.high < cost_range(space, task, place).low
    grid = space.axes["width"].grid or 8
    growth = space.axes["growth"].numbers[-1] ** (space.axes["stages"].ints[-1] - 1)
    most = max(int(MAX_WIDTH / (1 if space.axes["width"].each_stage else growth)) // grid * grid, grid)
    ends: dict[str, int] = (
        {"width": grid, "depth": space.axes["stages"].ints[-1]} if small else {"width": most, "depth": 1000}
    )
    for name, value in ends.items():
        axis = space.axes[name]
        wider = Axis(name, tuple(sorted({*axis.ints, value})), axis.each_stage)
        ends_now = cost_range(replace(space, axes=space.axes | {name: wider}, _ranges={}), task, place)
        if band.low <= ends_now.high and ends_now.low <= band.high:
            return name
    return "stem.stride" if small and place != COUNTS.index("params") and "stem.stride" in space.axes else "width"


def check_size(space: Structure, image_size: int, where: str) -> None:
    """Raises InputError where some choice of stem and stages would shrink `image_size` below one pixel."""
    stages = space.axes["stages"].ints[-1]
    strided = all(find_part("block", str(kind)).strides for kind in space.axes["block"].values)
    rounds_up = strided and space.axes["downsample"].values == ("strided",)
    width = space.axes["width"].ints[0]
    needs = [
        (next(size for size in range(1, 4097) if _last_side(stem, width, size, stages, rounds_up) >= 1), stem)
        for stem in space.parts("stem")
    ]
    needed, stem = max(needs, key=lambda need: need[0])
    if image_size < needed:
        raise InputError(
            f"{where}: image_size must be at least {needed} for stem {stem.name} {stem.describe()} and {stages} "
            f"stages, got {image_size}; lower the stem's stride or axes.stages"
        )


def _last_side(stem: Stem, width: int, image_size: int, stages: int, rounds_up: bool) -> int:
    side = count_stem(stem, 1, width + width % 2, image_size)[3]
    for _ in range(stages - 1):
        side = (side + 1) // 2 if rounds_up else side // 2
    return side
