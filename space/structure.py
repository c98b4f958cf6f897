"""The structure of a space: what its axes give, beneath drawing, counting and membership."""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Literal

from space.arch import Task
from space.axes import Axis, Value
from space.blocks import Block
from space.budget import Band
from space.parts import find_part, options
from space.scaling import Scaling, grown, listed


@dataclass(frozen=True)
class Structure:
    """Named axes and their choices. `image_size` is the side in pixels that the space is meant for."""

    name: str
    image_size: int
    axes: dict[str, Axis]
    # What was worked out once:
    _ranges: dict[tuple[Task, int], Band] = field(default_factory=dict, compare=False, repr=False)
    _stems_and_heads: dict[tuple[str, str | None], list[Any]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def block_axes(self) -> list[str]:
        """`block`, `downsample` and the options of blocks that are axes."""
        structure = ("stages", "ratio", "depth", "width", "growth", "stem", "head", "drop_path")
        return [name for name in self.axes if name not in structure and "." not in name]

    @property
    def derived(self) -> str:
        """What the budget settles: `width`, or `depth` where the width has a single choice."""
        width = self.axes["width"]
        return "depth" if len(width.values) == 1 and len(self.axes["depth"].values) > 1 else "width"

    def make_block(self, chosen: dict[str, Value]) -> Block:
        """The block of these choices; options that are no axes, or that it does not have, keep its defaults."""
        cls: Any = find_part("block", str(chosen.get("block", self.axes["block"].values[0])))
        known = options(cls)
        block: Block = cached_part(cls, tuple((name, value) for name, value in chosen.items() if name in known))
        return block

    def parts(self, kind: Literal["stem", "head"], norm: str | None = None) -> list[Any]:
        """Every stem or head that the axes can give beside blocks of that norm, which it follows; None: its default."""
        if (kind, norm) not in self._stems_and_heads:
            found: dict[Any, None] = {}
            for name in self.axes[kind].values:
                cls = find_part(kind, str(name))
                own = {
                    option: self.axes[f"{kind}.{option}"].values
                    for option in options(cls)
                    if f"{kind}.{option}" in self.axes
                }
                if norm and self._follows(kind, cls):
                    own["norm"] = (norm,)
                for values in product(*own.values()):
                    found[cls(**dict(zip(own, values, strict=True)))] = None
            self._stems_and_heads[kind, norm] = list(found)
        return self._stems_and_heads[kind, norm]

    def _follows(self, kind: str, cls: type[Any]) -> bool:
        """Whether the norm of a stem or head is the kind that the blocks beside it have: no axis names it."""
        option = options(cls).get("norm")
        return option is not None and option.default is not None and f"{kind}.norm" not in self.axes

    def fields(self, name: str) -> list[Field[Any]]:
        """The options of the blocks that an axis is about."""
        known = (options(find_part("block", str(kind))) for kind in self.axes["block"].values)
        return [own[name] for own in known if name in own]

    def scalings(self, stages: int) -> list[Scaling]:
        """The scalings of widths, one per growth."""
        axis = self.axes["width"]
        if axis.each_stage:
            return [Scaling((0.0, 1.0), ((axis.ints[0],) * stages, (axis.ints[-1],) * stages))]
        return [self._scaling(growth, stages) for growth in self.axes["growth"].numbers]

    def _scaling(self, growth: float, stages: int) -> Scaling:
        axis = self.axes["width"]
        if axis.grid:
            return grown(axis.ints[0], axis.ints[-1], axis.grid, growth, stages)
        return listed(axis.ints, growth, stages)


@lru_cache(2**14)
def cached_part(cls: Any, values: tuple[tuple[str, Value], ...]) -> Any:
    """The same part for the same values, checked once."""
    return cls(**dict(values))
