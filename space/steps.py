"""Steps: the differing choices between two networks, named, so that any of them can be taken without the others.

"A ConvNet for the 2020s" (arXiv 2201.03545, table 10) walks from ResNet-50 to ConvNeXt in one order. Here every set of
steps is a network, brought to equal FLOPs by its width, or left as wide as the steps make it, as in the paper.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from space.arch import Arch, Task
from space.axes import Axis
from space.budget import MEASURES, Band, Budget
from space.chooser import Chooser, RandomChooser
from space.cost import cost
from space.draw import Proposal, Shape, land
from space.factorial import Design, Row
from space.reading import InputError, check_keys, nearest
from space.scaling import Scaling
from space.step_fields import Fields, differing, either, fields_of, grouped, shape_of, words_of

FEW = 2  # channels, over which a norm leaves nothing or a sign


@dataclass(frozen=True, slots=True)
class Step:
    """A named change of some fields; `before` and `after` in words."""

    name: str
    fields: tuple[str, ...]
    before: str
    after: str


@dataclass(frozen=True)
class Steps:
    """The networks between two, as a space whose axes are the steps, and a design: which of them are to be trained."""

    name: str
    image_size: int
    first: Arch
    last: Arch
    steps: tuple[Step, ...]
    design: Design
    scale: float | None = None  # of the widths; None: what equal FLOPs ask for
    _known: dict[tuple[Row, Task, Budget], Proposal] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def between(
        first: Arch, last: Arch, design: str = "full", orders: Sequence[Sequence[str]] = (),
        groups: dict[str, list[str]] | None = None, scale: float | None = None, image_size: int = 32,
        name: str = "steps",
    ) -> Steps:  # fmt: skip
        """`groups`: fields by the step they belong to, in the order of the walk; a step of fields that are equal is
        left out. None: a step for each field that differs, one for all of the stem and one for all of the head.
        `orders`: of step names, the networks of the design `paths` and what is compared with other orders; none: the
        order of the steps. `scale`: of the widths; None: what equal FLOPs ask for. Raises InputError where the networks
        cannot be walked between."""
        if len(first.stages) != len(last.stages):
            raise InputError(
                f"stages must be as many in both networks, got {len(first.stages)} and {len(last.stages)}; "
                "choose two of equal length"
            )
        a, b = fields_of(first, last)
        found = grouped(differing(a, b, scale is None), [*a, *b], groups)
        if not found:
            raise InputError(
                "networks must differ in a step, got two that are equal but perhaps for how wide they are as a whole, "
                "which equal FLOPs settle; choose another second network"
            )
        steps = tuple(
            Step(name, fields, words_of(a, fields), words_of(b, fields)) for name, fields in found.items()
        )  # fmt: skip
        places = {step.name: i for i, step in enumerate(steps)}
        listed = [_order(order, places) for order in orders]
        return Steps(name, image_size, first, last, steps, Design.of(design, len(steps), listed), scale)

    @staticmethod
    def from_dict(raw: dict[str, Any], name: str, where: str) -> Steps:
        """What `to_dict` wrote."""
        check_keys(raw, ("image_size", "steps"), needed=("image_size", "steps"), prefix=f"{where}: ")
        plain = raw["steps"]
        keys = ("first", "last", "names", "design", "orders", "scale")
        check_keys(plain, keys, needed=keys, prefix=f"{where}: steps.")
        first, last = (Arch.from_dict(plain[end], f"{where}: steps.{end}") for end in ("first", "last"))
        groups = {str(step): list(fields) for step, fields in plain["names"].items()}
        return Steps.between(
            first, last, plain["design"], plain["orders"], groups, plain["scale"], raw["image_size"], name
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` reads back to equal Steps."""
        names = [step.name for step in self.steps]
        return {
            "image_size": self.image_size,
            "steps": {
                "first": self.first.to_dict(), "last": self.last.to_dict(),
                "names": {step.name: list(step.fields) for step in self.steps},
                "design": self.design.kind,
                "orders": [[names[i] for i in order] for order in self.design.orders],
                "scale": self.scale,
            },
        }  # fmt: skip

    def scaled(self, scale: float) -> Steps:
        """With widths of so many times those of the two networks, whatever FLOPs that gives."""
        return Steps(self.name, self.image_size, self.first, self.last, self.steps, self.design, scale)

    @cached_property
    def axes(self) -> dict[str, Axis]:
        return {step.name: Axis(step.name, (step.before, step.after)) for step in self.steps}

    @cached_property
    def _fields(self) -> tuple[Fields, Fields]:
        return fields_of(self.first, self.last)

    # Networks

    def shape(self, done: Row) -> Shape:
        """The network with those steps taken, but for its size. Raises InputError where parts do not go together."""
        a, b = self._fields
        taken = {name for step, is_done in zip(self.steps, done, strict=True) if is_done for name in step.fields}
        return shape_of({name: either(a, b, name, name in taken) for name in a.keys() | b.keys()})

    def network(self, done: Row, task: Task, budget: Budget) -> Proposal:
        """With those steps taken (one flag a step): of all widths the one that comes nearest to the middle of the
        budget's first band, in log; or at the scale of these steps."""
        if (known := self._known.get((done, task, budget))) is not None:
            return known
        found = self._known[done, task, budget] = self._sized(done, task, budget)
        return found

    def _sized(self, done: Row, task: Task, budget: Budget) -> Proposal:
        shape, band = self.shape(done), budget.bands[0][1]
        if self.scale is not None:
            i = shape.scaling.at(self.scale)
            counts = shape.count(0, i, task, budget.model)
            return Proposal(shape.arch(0, i), counts, None, budget.holds(counts))
        size, target = len(shape.scaling.widths), math.sqrt(band.low * band.high)
        landing = land(lambda i: shape.count(0, i, task, budget.model), size, budget, target, band.low, band.high)
        return Proposal(shape.arch(0, landing.rung), landing.counts, None, landing.inside)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The design's networks by the steps taken, each network once, in the order in which they are to be trained: a
        random one, so that a part of them says as much of each step."""
        found: dict[tuple[str, Scaling], Row] = {}
        for row in self.design.rows:
            shape = self.shape(row)
            found.setdefault((shape.arch(0, -1).key, shape.scaling), row)
        rows = list(found.values())
        random.Random(0).shuffle(rows)
        return tuple(rows)

    def taken(self, params: dict[str, Any]) -> Row:
        """The steps that a trial's parameters take."""
        return tuple(params.get(step.name) == step.after for step in self.steps)

    def compose(self, chooser: Chooser, task: Task, budget: Budget | None = None) -> Proposal:
        """One network, its steps chosen by `chooser`."""
        assert budget is not None, "networks between two have no size without a budget"
        done = tuple(chooser.choice(name, axis) == axis.values[1] for name, axis in self.axes.items())
        return self.network(done, task, budget)

    def random_arch(self, rng: random.Random, task: Task, budget: Budget) -> Arch:
        """Any of them, at random."""
        return self.compose(RandomChooser(rng, None), task, budget).arch

    def check_size(self, image_size: int, where: str) -> None:
        """Raises InputError where a network of the design would shrink `image_size` below one pixel."""
        for done in self.design.rows:
            try:
                cost(self.shape(done).arch(0, -1), Task(image_size, 3, 10))
            except InputError as error:
                raise InputError(f"{where}, {self.words(done)}: {error}") from None

    def check_budget(self, budget: Budget, task: Task) -> None:
        """Raises InputError that names the first network of the design which no width brings into the budget."""
        self.check_size(task.image_size, self.name)
        place, band = budget.bands[0]
        for done in self.design.rows:
            found = self.network(done, task, budget)
            if not found.inside:
                got = found.counts[place]
                all_out = self.shape(done).count(0, -1, task)[place] < band.low
                raise InputError(
                    f"{MEASURES[place]} must be within reach of every network, got {band}, where {self.words(done)} "
                    f"has {got:,}; {'lower' if all_out else 'raise'} it, or widen the band"
                )

    def narrow(self, task: Task, budget: Budget) -> int:
        """Networks of the design that are left with FEW channels or fewer somewhere."""
        archs = (self.network(row, task, budget).arch for row in self.rows)
        return sum(
            any(min(stage.out, stage.block.hidden(stage.width)) <= FEW for stage in arch.stages) for arch in archs
        )

    def words(self, done: Row) -> str:
        """`stem, kernel taken`, for people."""
        names = [step.name for step, is_done in zip(self.steps, done, strict=True) if is_done]
        return f"{', '.join(names)} taken" if names else "no step taken"


def unequal(steps: Steps, task: Task, flops: int) -> tuple[Steps, Band]:
    """With the widths at which the first network has about so many FLOPs, all others keeping to those, as in the
    paper; and the band of what they then have."""
    shape = steps.shape((False,) * len(steps.steps))
    aim = Band(flops, flops)
    found = land(lambda i: shape.count(0, i, task), len(shape.scaling.widths), Budget(flops=aim), flops, flops, flops)
    scales, widths = shape.scaling.scales, shape.scaling.widths
    same = [i for i, row in enumerate(widths) if row == widths[found.rung]]
    low, high = scales[same[0]], scales[min(same[-1] + 1, len(scales) - 1)]
    fixed = steps.scaled((low + high) / 2)  # the middle of where it has these widths: at an end others' fall short
    anything = Budget(flops=Band(1, 10**18))
    costs = [fixed.network(row, task, anything).cost.flops for row in fixed.design.rows]
    return fixed, Band(min(costs), max(costs))


def _order(order: Sequence[str], places: dict[str, int]) -> tuple[int, ...]:
    """Places of steps in an order that names each once."""
    for name in order:
        if name not in places:
            raise InputError(f"order must name steps, got {name}; {nearest(name, list(places))}")
    if len(set(order)) < len(order) or len(order) < len(places):
        missing = [name for name in places if name not in order] or ["none missing, one twice"]
        raise InputError(f"order must name every step once, got {len(order)} names; mend: {', '.join(missing)}")
    return tuple(places[name] for name in order)
