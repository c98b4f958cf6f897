"""Membership: whether a space holds a network, whichever of its kinds and options give it."""

from __future__ import annotations

from itertools import product
from typing import Any

from space.arch import Arch
from space.axes import Value, ratios_for, share
from space.blocks import Block
from space.parts import find_part, options
from space.structure import Structure


def contains(space: Structure, arch: Arch) -> bool:
    """Whether some choices of the axes give `arch`, or a network equal to it. Its drop path counts only where the
    space has several to choose from."""
    stages, drop_paths = len(arch.stages), space.axes["drop_path"].values
    if stages not in space.axes["stages"].ints or (len(drop_paths) > 1 and arch.drop_path not in drop_paths):
        return False
    depths = tuple(stage.depth for stage in arch.stages)
    ratios = [str(ratio) for ratio in ratios_for(space.axes, stages)]
    return (
        arch.depth in space.axes["depth"].values
        and any(share(arch.depth, ratio) == depths for ratio in ratios)
        and _allows_widths(space, tuple(stage.width for stage in arch.stages))
        and _allows_downsampling(space, arch)
        and arch.stem in space.parts("stem", arch.stages[0].block.norm)
        and arch.head in space.parts("head", arch.stages[-1].block.norm)
        and _allows_blocks(space, [stage.block for stage in arch.stages])
    )


def _allows_widths(space: Structure, widths: tuple[int, ...]) -> bool:
    if space.axes["width"].each_stage:
        return all(width in space.axes["width"].values for width in widths)
    return any(widths in scaling.widths for scaling in space.scalings(len(widths)))


def _allows_downsampling(space: Structure, arch: Arch) -> bool:
    axis = space.axes["downsample"]
    used = {stage.downsample for stage in arch.stages[1:] if stage.block.strides}
    return used <= set(axis.values) and (axis.each_stage or len(used) <= 1)


def _allows_blocks(space: Structure, blocks: list[Block]) -> bool:
    """Whether each block equals one of a kind and options that the axes have, chosen as the axes choose."""
    kinds = [str(kind) for kind in space.axes["block"].values]
    ways = [[same for kind in kinds if (same := _same(space, block, kind)) is not None] for block in blocks]
    together = ["block"] * (not space.axes["block"].each_stage)
    together += [n for n in space.block_axes if n not in ("block", "downsample") and not space.axes[n].each_stage]
    return any(all(len({row[name] for row in way if name in row}) <= 1 for name in together) for way in product(*ways))


def _same(space: Structure, block: Block, kind: str) -> dict[str, Value] | None:
    """Choices of the axes that give a block of `kind` equal to `block`; None if there are none."""
    cls = find_part("block", kind)
    chosen: dict[str, Value] = {}
    for name, option in options(cls).items():
        allowed: tuple[Any, ...] = space.axes[name].values if name in space.axes else (option.default,)
        value = getattr(block, name, allowed[0])
        chosen[name] = value if value in allowed else allowed[0]
    made = space.make_block({"block": kind, **chosen})
    equal = all(made.layers(s, p) == block.layers(s, p) for s, p in ((1, False), (1, True), (2, True)))
    numbers = all(made.channels(width, 8) == block.channels(width, 8) for width in (8, 24, 64))
    if not equal or not numbers or made.formula() != block.formula():
        return None
    return {"block": kind} | {name: value for name, value in chosen.items() if name in space.axes}
