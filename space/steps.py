"""Steps: the differing choices between two networks, named, so that any of them can be taken without the others.

"A ConvNet for the 2020s" (arXiv 2201.03545, table 10) walks from ResNet-50 to ConvNeXt in one order. Here every set of
steps is a network, brought to equal FLOPs by its width, or left as wide as the steps make it, as in the paper.

The blocks bottleneck, inverted, depthwise_first and convnext are one block in two respects, each a step of its own:
which of its three convolutions is spatial (`position`: second or first), and where it is wide (`wide`: outside or
inside). First and outside is depthwise_first on `expansion` times the channels, narrow inside.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from types import EllipsisType
from typing import Any

from space.arch import DROP_PATH, Arch, Task
from space.axes import Axis
from space.budget import COUNTS, Band, Budget
from space.chooser import Chooser, RandomChooser
from space.cost import Cost, cost
from space.draw import Proposal, Shape, land
from space.factorial import Design, Row
from space.parts import find_part, make_part, options
from space.reading import InputError, check_keys, nearest
from space.scaling import Scaling, scaled
from space.stems import Stem

CHOICES = (*range(1, 257), *range(264, 4097, 8))  # of the channels between stages
AS_BLOCKS = "as its blocks"  # a norm or an activation of stem or head that is the kind which the blocks beside it have
_CONVS = {
    "bottleneck": ("second", "outside"), "inverted": ("second", "inside"), "depthwise_first": ("first", "inside"),
    "convnext": ("first", "inside"),
}  # fmt: skip
_NAMED = {("second", "outside"): "bottleneck", ("second", "inside"): "inverted"}  # all else: depthwise_first
_CONVNEXT = ("depthwise", "1", "2")  # groups, norm_after, act_after that make a depthwise_first block ConvNeXt's

Fields = dict[str, Any]  # by name; of stages a tuple, `...` for a stage whose block has no such option


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
        groups: dict[str, list[str]] | None = None, equal: bool = True, image_size: int = 32, name: str = "steps",
    ) -> Steps:  # fmt: skip
        """`groups`: fields by the step they belong to, in the order of the walk; None: a step for each field that
        differs, one for all of the stem and one for all of the head. `orders`: of step names, for the design `paths`;
        none: the order of the steps. Raises InputError where the networks cannot be walked between."""
        if len(first.stages) != len(last.stages):
            raise InputError(
                f"stages must be as many in both networks, got {len(first.stages)} and {len(last.stages)}; "
                "choose two of equal length"
            )
        a, b = _fields(first, last)
        found = _grouped(_differing(a, b, equal), groups)
        if not found:
            raise InputError("networks must differ in a step, got two equal ones; choose another second network")
        steps = tuple(
            Step(name, fields, _words(a, fields), _words(b, fields)) for name, fields in found.items()
        )  # fmt: skip
        places = {step.name: i for i, step in enumerate(steps)}
        listed = [_order(order, places) for order in orders]
        scale = None if equal else 0.0  # which `unequal` settles
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
        steps = Steps.between(
            first, last, plain["design"], plain["orders"], groups, plain["scale"] is None, raw["image_size"], name
        )
        return steps if plain["scale"] is None else steps.scaled(plain["scale"])

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

    # Networks

    def shape(self, done: Row) -> Shape:
        """The network with those steps taken, but for its size. Raises InputError where parts do not go together."""
        a, b = _fields(self.first, self.last)
        taken = {name for step, is_done in zip(self.steps, done, strict=True) if is_done for name in step.fields}
        return _shape({name: _either(a, b, name, name in taken) for name in a.keys() | b.keys()})

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
            counts = shape.count(0, i, task)
            return Proposal(shape.arch(0, i), Cost(*counts), None, budget.holds(counts))
        size, target = len(shape.scaling.widths), math.sqrt(band.low * band.high)
        landing = land(lambda i: shape.count(0, i, task), size, budget, target, band.low, band.high)
        return Proposal(shape.arch(0, landing.rung), Cost(*landing.counts), None, landing.inside)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The design's networks by the steps taken, each network once, in the order in which they are to be trained: a
        random one, so that a part of them says as much of each step."""
        found: dict[str, Row] = {}
        for row in self.design.rows:
            found.setdefault(self.shape(row).arch(0, -1).key, row)
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
                got = (found.cost.flops, found.cost.params, found.cost.activations)[place]
                raise InputError(
                    f"{COUNTS[place]} must be within reach of every network, got {band}, where {self.words(done)} "
                    f"has {got:,}; raise it, or widen the band"
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
    fixed = steps.scaled(shape.scaling.scales[found.rung])
    anything = Budget(flops=Band(1, 10**18))
    costs = [fixed.network(row, task, anything).cost.flops for row in fixed.design.rows]
    return fixed, Band(min(costs), max(costs))


# Fields of a network, and a network of fields


def _fields(first: Arch, last: Arch) -> tuple[Fields, Fields]:
    """Of both networks, under the same names."""
    both = _plain_fields(first), _plain_fields(last)
    for name in ("stem.norm", "stem.act", "head.norm", "head.act"):
        part, option = name.split(".")
        stage = 0 if part == "stem" else -1
        own = [fields.get(name) for fields in both]
        beside = [fields[option][stage] for fields in both]
        if all(a in (b, None) for a, b in zip(own, beside, strict=True)) and any(own):
            for fields, value in zip(both, own, strict=True):
                if value is not None:
                    fields[name] = AS_BLOCKS
    return both


def _plain_fields(arch: Arch) -> Fields:
    found: Fields = {"drop_path": arch.drop_path}
    for kind, part in (("stem", arch.stem), ("head", arch.head)):
        found[f"{kind}.kind"] = part.name
        found |= {f"{kind}.{name}": value for name, value in part.to_dict().items()}
    rows = [_stage_fields(stage.to_dict()) for stage in arch.stages]
    rows[0]["downsample"] = ...  # the first stage has none
    for name in dict.fromkeys(name for row in rows for name in row):
        found[name] = tuple(row.get(name, ...) for row in rows)
    return found


def _stage_fields(plain: dict[str, Any]) -> Fields:
    if plain["block"] in _CONVS:
        position, wide = _CONVS[plain["block"]]
        return {**plain, "block": "convolutions", "position": position, "wide": wide}
    return plain


def _either(a: Fields, b: Fields, name: str, done: bool) -> Any:
    """A field of the network: of the second one where its step is done; where only one has it, that one's."""
    there, here = (b, a) if done else (a, b)
    value, other = there.get(name, ...), here.get(name, ...)
    if not isinstance(value, tuple) and not isinstance(other, tuple):
        return other if value is ... else value
    size = len(value if isinstance(value, tuple) else other)
    pairs = zip(_each(value, size), _each(other, size), strict=True)
    return tuple(second if one is ... else one for one, second in pairs)


def _each(value: Any | EllipsisType, size: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * size


def _shape(fields: Fields) -> Shape:
    rows = [
        {name: value[i] for name, value in fields.items() if isinstance(value, tuple)}
        for i in range(len(fields["depth"]))
    ]
    blocks = [(_block(row), "separate" if row["downsample"] is ... else row["downsample"]) for row in rows]
    stem, head = _part("stem", fields, blocks[0][0]), _part("head", fields, blocks[-1][0])
    drop_path = DROP_PATH.check_field("drop_path", fields["drop_path"])
    return Shape(stem, tuple(blocks), head, drop_path, (tuple(fields["depth"]),), _scaling(rows, stem))


def _block(row: Fields) -> Any:
    name = row["block"]
    if name == "convolutions":
        places = (row["position"], row["wide"])
        name = _NAMED.get(places, "depthwise_first")
        if places == ("first", "outside"):
            row = {**row, "expansion": 1 / row["expansion"]}
        elif name == "depthwise_first" and (row["groups"], row["norm_after"], row["act_after"]) == _CONVNEXT:
            name = "convnext"
    cls: Any = find_part("block", name)
    chosen = {key: value for key, value in row.items() if key in options(cls) and value is not ...}
    return make_part(cls, chosen, "stage")


def _part(kind: Any, fields: Fields, block: Any) -> Any:
    cls: Any = find_part(kind, fields[f"{kind}.kind"])
    values = {name: fields[f"{kind}.{name}"] for name in options(cls) if fields.get(f"{kind}.{name}", ...) is not ...}
    values = {name: getattr(block, name) if value == AS_BLOCKS else value for name, value in values.items()}
    return make_part(cls, values, kind)


def _scaling(rows: Sequence[Fields], stem: Stem) -> Scaling:
    """Of the channels that go out of the stages, in the smallest steps, which come nearest to equal FLOPs; even ones
    where the stem halves them. A bottleneck's width is a part of what goes out."""
    times = tuple(row["expansion"] if row.get("wide") == "outside" else 1.0 for row in rows)
    outs = tuple(round(row["width"] * factor) for row, factor in zip(rows, times, strict=True))
    parts = tuple(1.0 if row.get("position") == "first" else factor for row, factor in zip(rows, times, strict=True))
    return _scaled(outs, parts, math.ceil(max(times)), 1 if stem.refusal(1) is None else 2)


@lru_cache(256)
def _scaled(outs: tuple[int, ...], parts: tuple[float, ...], least: int, grid: int) -> Scaling:
    """Widths in the proportions `outs`, from `least` up, each divided by its part."""
    choices = tuple(width for width in CHOICES if width >= least and width % grid == 0)
    whole = scaled(choices, outs)
    rows = (tuple(max(1, round(out / part)) for out, part in zip(row, parts, strict=True)) for row in whole.widths)
    return Scaling(whole.scales, tuple(rows))


# Steps of fields


def _differing(a: Fields, b: Fields, equal: bool) -> list[str]:
    """Names of the fields whose value differs where both have one."""

    def differ(name: str) -> bool:
        here, there = a.get(name, ...), b.get(name, ...)
        if name == "width" and equal:
            here, there = (tuple(Fraction(w, row[0]) for w in row) for row in (here, there))
        size = max(len(each) if isinstance(each, tuple) else 1 for each in (here, there))
        return any(
            ... not in (one, other) and one != other
            for one, other in zip(_each(here, size), _each(there, size), strict=True)
        )

    order = ["depth", "width", *(n for n in a if n.startswith("stem.")), "block", "wide", "position"]
    names = dict.fromkeys([*(name for name in order if name in a.keys() & b.keys()), *a, *b])
    return [name for name in names if differ(name)]


def _grouped(differing: list[str], groups: dict[str, list[str]] | None) -> dict[str, tuple[str, ...]]:
    """Step -> fields. Each field that differs is in one step."""
    if groups is None:
        found: dict[str, tuple[str, ...]] = {}
        for name in differing:
            step = name.split(".")[0]
            found[step] = (*found.get(step, ()), name)
        return found
    owner: dict[str, str] = {}
    for step, names in groups.items():
        for name in names:
            members = [each for each in differing if each == name or each.split(".")[0] == name]
            if not members:
                raise InputError(f"steps.{step} must name fields that differ, got {name}; {nearest(name, differing)}")
            for each in members:
                exact = each == name or all(each not in others for others in groups.values())
                if exact and owner.setdefault(each, step) != step:
                    raise InputError(f"steps must have each field once, got {each} twice; leave one out")
    if left := [name for name in differing if name not in owner]:
        raise InputError(f"steps must hold every field that differs, got none for {', '.join(left)}; add it to a step")
    return {step: tuple(name for name in differing if owner[name] == step) for step in groups}


def _order(order: Sequence[str], places: dict[str, int]) -> tuple[int, ...]:
    """Places of steps in an order that names each once."""
    for name in order:
        if name not in places:
            raise InputError(f"order must name steps, got {name}; {nearest(name, list(places))}")
    if len(set(order)) < len(order) or len(order) < len(places):
        missing = [name for name in places if name not in order] or ["none missing, one twice"]
        raise InputError(f"order must name every step once, got {len(order)} names; mend: {', '.join(missing)}")
    return tuple(places[name] for name in order)


def _words(fields: Fields, names: Sequence[str]) -> str:
    """Values of a step's fields: `7`, `2-2-6`, `patchify, stride 2`."""
    rows = [(name, _word(fields[name])) for name in names if name in fields]
    if len(rows) == 1:
        return rows[0][1]
    return ", ".join(word if name.endswith(".kind") else f"{name.split('.')[-1]} {word}" for name, word in rows)


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        words = [_word(each) for each in value if each is not ...]
        return words[0] if len(set(words)) == 1 else "-".join(words)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
