"""Space: named axes and their choices, from YAML; it draws networks inside a budget, by construction.

A network is settled in two steps. First its relative shape: stages, ratio and depth, growth, blocks, kernels, ... each
a choice from an axis; options that the chosen part does not have are not asked for. Then its size: of all rungs of the
scaling of widths, the one whose count comes closest to a target inside the band. So a draw lands in the band wherever
any width does, and samplers see no parameter that the budget overrules.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from space.arch import Arch, Task
from space.axes import STRUCTURE, Axis, Value, check_together, option_names, parse_axes, ratios_for, share
from space.blocks import Block
from space.budget import MEASURES, WORDS, Band, Budget, said
from space.chooser import Chooser, RandomChooser
from space.cost_range import cost_range
from space.draw import Counts, Landing, Proposal, Shape, land, rung_inside, spans
from space.feasible import check_budget, check_networks, check_size
from space.membership import contains
from space.parts import find_part, options
from space.reading import InputError, check_keys, find, load_yaml, nearest, shortened
from space.rules import COUNTS
from space.scaling import scaled
from space.structure import Structure, cached_part

ATTEMPTS = 1000


@dataclass(frozen=True)
class Space(Structure):
    """What may be built, and how it is drawn."""

    # What was worked out once:
    _checked: set[tuple[Budget, Task]] = field(default_factory=set, compare=False, repr=False)

    @staticmethod
    def load(source: str | Path) -> Space:
        """From a YAML file or the name of a preset space; called as the file, `space.yaml` as its folder. Raises
        InputError that names file, key, rule and value."""
        path = find(source, "spaces")
        where = path.name if path.parent.name == "spaces" else str(path)
        folder = path.resolve().parent.name if path.name == "space.yaml" else ""
        return Space.from_dict(load_yaml(path), name=folder or path.stem, where=where)

    @staticmethod
    def from_dict(raw: dict[str, Any], name: str, where: str) -> Space:
        keys = ("image_size", "axes")
        check_keys(raw, keys, needed=keys, prefix=f"{where}: ")
        size = raw["image_size"]
        if type(size) is not int or not 1 <= size <= 4096:
            raise InputError(f"{where}: image_size must be a whole number from 1 to 4096, got {size}; use e.g. 32")
        space = Space(name, size, parse_axes(raw["axes"], where))
        check_together(space.axes, where)
        check_networks(space, where)
        return space

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` reads back to an equal Space."""
        return {"image_size": self.image_size, "axes": {name: axis.to_plain() for name, axis in self.axes.items()}}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None)

    # Handling

    def narrow(self, **choices: Value | Sequence[Value]) -> Space:
        """The space with fewer choices: `narrow(kernel=(7, 9), stem_stride=4)`. A range stays one where the choices
        are still an even row of it; options that only a part had which is gone are left out. Raises InputError for what
        is no axis or no choice of it."""
        axes, named = dict(self.axes), set(STRUCTURE)
        for name, wanted in choices.items():
            dotted = name.replace("_", ".", 1) if name not in axes and name.startswith(("stem_", "head_")) else name
            if dotted not in axes:
                raise InputError(
                    f"{name} must be an axis of space {self.name} to be narrowed, got none; "
                    f"{nearest(dotted, list(axes))}"
                )
            axis = axes[dotted]
            values = tuple(wanted) if isinstance(wanted, (tuple, list)) else (wanted,)
            for value in values:
                if value not in axis.values:
                    known = ", ".join(map(str, axis.values[:20]))
                    raise InputError(
                        f"{dotted} must be among its choices in space {self.name}, got {value}; use {known}"
                    )
            if not values:
                raise InputError(f"{dotted} must keep a choice, got none; name one")
            kept = tuple(value for value in axis.values if value in values)
            grid = axis.grid if axis.grid and kept == tuple(range(kept[0], kept[-1] + 1, axis.grid)) else None  # type: ignore[arg-type, operator]
            axes[dotted] = Axis(dotted, kept, axis.each_stage, grid if len(kept) > 1 else None)
            named.add(dotted)
        named |= option_names(axes)
        plain = {name: axis.to_plain() for name, axis in axes.items() if name in named}
        if "stages" in choices and "ratio" not in choices:
            plain["ratio"] = [r for r in axes["ratio"].values if str(r).count("-") + 1 in axes["stages"].values]
        return Space.from_dict(
            {"image_size": self.image_size, "axes": plain}, self.name, f"space {self.name}, narrowed"
        )

    def differences(self, other: Space) -> list[tuple[str, str, str]]:
        """(axis, its choices here, its choices in `other`) where they differ; empty where there is no such axis."""
        rows = []
        if self.image_size != other.image_size:
            rows.append(("image_size", str(self.image_size), str(other.image_size)))
        for name in dict.fromkeys([*self.axes, *other.axes]):
            here, there = (space.axes[name].words() if name in space.axes else "" for space in (self, other))
            if here != there:
                rows.append((name, here, there))
        return rows

    # Drawing

    def shape(
        self, chooser: Chooser, allow: Callable[[list[Shape]], list[int]] = lambda shapes: list(range(len(shapes)))
    ) -> tuple[Shape, float]:
        """All choices but depth and width, and the scale of its scaling that its own widths have (nan: none yet).
        `allow`: of shapes by rising growth, the places of those to choose from."""
        stages = _int(self._choose(chooser, "stages"))
        ratios = Axis("ratio", ratios_for(self.axes, stages))
        ratio = str(chooser.choice(f"ratio.{stages}", ratios) if len(ratios.values) > 1 else ratios.values[0])
        depths = tuple(share(depth, ratio) for depth in self.axes["depth"].ints)
        blocks = self._blocks(chooser, stages)
        stem = self._part(chooser, "stem", blocks[0][0].norm)
        head = self._part(chooser, "head", blocks[-1][0].norm)
        drop_path = float(str(self._choose(chooser, "drop_path")))
        if self.axes["width"].each_stage:
            relative = tuple(_int(self._choose(chooser, "width", i)) for i in range(stages))
            return Shape(stem, blocks, head, drop_path, depths, scaled(self.axes["width"].ints, relative)), 1.0
        growths = self.axes["growth"].numbers[: 1 if stages == 1 else None]
        shapes = [Shape(stem, blocks, head, drop_path, depths, self._scaling(growth, stages)) for growth in growths]
        allowed = allow(shapes) or list(range(len(shapes)))
        if len(shapes) == 1:
            return shapes[0], math.nan
        choices = [growths[i] for i in allowed]
        chosen = chooser.choice_within("growth", self.axes["growth"], choices)
        chooser.note(chooser.weights(self.axes["growth"], choices)[chosen])
        return shapes[allowed[chosen]], math.nan

    def _blocks(self, chooser: Chooser, stages: int) -> tuple[tuple[Block, str], ...]:
        """Per stage its block and its downsampling."""
        kinds = self._by_stage(chooser, "block", range(stages))
        classes: list[Any] = [find_part("block", str(kinds[i])) for i in range(stages)]
        known = {cls: options(cls) for cls in classes}
        values: list[list[tuple[str, Value]]] = [[] for _ in classes]
        for name in self.block_axes:
            if name not in ("block", "downsample"):
                for i, value in self._by_stage(
                    chooser, name, [i for i, cls in enumerate(classes) if name in known[cls]]
                ).items():
                    values[i].append((name, value))
        between = self._by_stage(chooser, "downsample", [i for i in range(1, stages) if classes[i].strides])
        return tuple(
            (cached_part(cls, tuple(values[i])), str(between.get(i, "separate"))) for i, cls in enumerate(classes)
        )

    def _by_stage(self, chooser: Chooser, name: str, stages: Sequence[int]) -> dict[int, Value]:
        """A choice for each of these stages, or the same for all of them."""
        if self.axes[name].each_stage:
            return {i: self._choose(chooser, name, i) for i in stages}
        return dict.fromkeys(stages, self._choose(chooser, name)) if stages else {}

    def _part(self, chooser: Chooser, kind: Any, norm: str) -> Any:
        """A stem or head; its norm, where no axis names it, is the kind that the blocks beside it have."""
        cls: Any = find_part(kind, str(self._choose(chooser, kind)))
        values: dict[str, Value] = {}
        for name in options(cls):
            if f"{kind}.{name}" in self.axes:
                values[name] = self._choose(chooser, f"{kind}.{name}")
            elif name == "norm" and self._follows(kind, cls):
                values[name] = norm
        return cached_part(cls, tuple(values.items()))

    def compose(self, chooser: Chooser, task: Task, budget: Budget | None = None) -> Proposal:
        """One network, chosen by `chooser`: inside `budget` if any size brings its shape there, else the nearest."""
        if budget is None:
            shape, scale = self.shape(chooser)
            d = self.axes["depth"].ints.index(_int(self._choose(chooser, "depth")))
            i = shape.scaling.at(_int(self._choose(chooser, "width")) if math.isnan(scale) else scale)
            return Proposal(shape.arch(d, i), shape.count(d, i, task), chooser.log_density, True)
        everywhere = False  # whether every growth and depth can meet the budget, as in the middle of a space

        def allow(shapes: list[Shape]) -> list[int]:
            nonlocal everywhere
            model = budget.model
            everywhere = spans(shapes[-1].count(-1, 0, task, model), shapes[0].count(0, -1, task, model), budget)
            # As counts rise with the growth, the ends tell that every growth can:
            fit = everywhere or spans(shapes[-1].count(0, 0, task, model), shapes[0].count(-1, -1, task, model), budget)
            return [i for i, shape in enumerate(shapes) if fit or shape.fits(task, budget)]

        shape, _ = self.shape(chooser, allow)
        place, band = budget.bands[0]
        ends = cost_range(self, task, place)
        low, high = max(band.low, ends.low), min(band.high, ends.high)
        target = (
            chooser.log_uniform(MEASURES[place], low, high) if low < high else float(min(max(low, band.low), band.high))
        )
        if self.derived == "depth":
            rows = len(shape.depths)
            landing = land(lambda d: shape.count(d, 0, task, budget.model), rows, budget, target, low, high)
            arch = shape.arch(landing.rung, 0)
        else:
            d, landing = self._deep(chooser, shape, task, budget, (target, low, high), everywhere)
            arch = shape.arch(d, landing.rung)
        if landing.inside:
            chooser.note(landing.probability)
        return Proposal(arch, landing.counts, chooser.log_density, landing.inside)

    def _deep(
        self, chooser: Chooser, shape: Shape, task: Task, budget: Budget, aim: tuple[float, float, float],
        everywhere: bool,
    ) -> tuple[int, Landing]:  # fmt: skip
        """A row of `shape.depths`, and where its scaling lands: the depth chosen, or the next one that lands at all.

        Depths that a row of failures leads to are so much the more probable: the density counts those failures.
        """
        axis, rows = self.axes["depth"], len(shape.depths)
        depths = self.axes["depth"].ints
        allowed = range(rows) if everywhere else shape.depths_in(task, budget) or range(rows)
        begin = chooser.choice_within("depth", axis, depths[allowed.start : allowed.stop]) if rows > 1 else 0
        size = len(shape.scaling.widths)

        def at(step: int) -> Callable[[int], Counts]:
            d = allowed[step % len(allowed)]
            return lambda i: shape.count(d, i, task, budget.model)

        landing, steps = land(at(begin), size, budget, *aim), 0
        tried = [landing.rung]  # what settles one depth often settles the next, and is counted already

        @cache
        def lands(step: int) -> bool:
            if len(budget.bands) == 1:  # a straight line finds its rungs in fewer steps than halving
                return land(at(step), size, budget, *aim).inside
            rung, inside = rung_inside(at(step), size, budget, tried)
            tried.append(rung)
            return inside

        if not landing.inside:
            steps = next((n for n in range(1, len(allowed)) if lands(begin + n)), 0)
            landing = land(at(begin + steps), size, budget, *aim) if steps else landing
        if chooser.log_density is not None and rows > 1:
            weights = chooser.weights(axis, depths[allowed.start : allowed.stop])
            place = (begin + steps) % len(allowed)
            before = next((n for n in range(1, len(allowed)) if lands(place - n)), len(allowed))
            chooser.note(sum(weights[place - n] for n in range(before)))
        return allowed[(begin + steps) % len(allowed)], landing

    def sample(
        self, rng: random.Random, task: Task, budget: Budget | None = None,
        *, with_density: bool = True, attempts: int = ATTEMPTS,
    ) -> Proposal:  # fmt: skip
        """A random network, in `budget` where one is given, with its density. Raises InputError if none can be."""
        if budget is not None:
            self.check_budget(budget, task)
        missed: list[Proposal] = []
        for _ in range(attempts):
            proposal = self.compose(RandomChooser(rng, 0.0 if with_density else None), task, budget)
            if proposal.inside:
                return proposal
            missed.append(proposal)
        assert budget is not None, "without a budget every network is inside"
        near = min((each.counts for each in missed), key=budget.violation)
        has = ", ".join(f"{said(i, near[i])} {WORDS[i]}" for i, _ in budget.bands)
        field = MEASURES[budget.bands[0][0]] if len(budget.bands) == 1 else "budget"
        raise InputError(
            f"{field} must hold a network of space {self.name}, got {budget}, where none of {attempts} draws fell; the "
            f"nearest of them has {has}: {_mend(budget, [each.counts for each in missed])}"
        )

    def draw(
        self, *, flops: str | None = None, params: str | None = None, activations: str | None = None,
        task: Task | None = None, seed: int = 0,
    ) -> Arch:  # fmt: skip
        """A random network inside bands such as `flops="1M..4M"`; the same seed gives the same one on every machine.
        `task`: what the counts are of, by default the space's image size, 3 channels and 10 classes (1,000 from 128 px
        on). Raises InputError for a budget that no network meets."""
        bands = {"flops": flops, "params": params, "activations": activations}
        given = {name: Band.parse(text, name) for name, text in bands.items() if text is not None}
        aim = task or Task(self.image_size, 3, 1000 if self.image_size >= 128 else 10)
        self.check_size(aim.image_size, f"space {self.name}")
        if not hasattr(seed, "__index__"):
            raise InputError(f"seed must be a whole number, got {shortened(seed)}; correct it")
        return self.random_arch(random.Random(int(seed)), aim, Budget(**given) if given else None)

    def random_arch(self, rng: random.Random, task: Task, budget: Budget | None = None) -> Arch:
        """`sample`, the network alone and without its density, which takes a third of the time."""
        return self.sample(rng, task, budget, with_density=False).arch

    # What its networks cost, and which they are

    def cost_range(self, task: Task, count: str = "flops") -> Band:
        """The lowest and the highest `flops`, `params` or `activations` of its networks, exactly."""
        return cost_range(self, task, COUNTS.index(count))

    def check_budget(self, budget: Budget, task: Task) -> None:
        """Raises InputError that names the axis in the way, and what is possible, if no network can be in a band."""
        if (budget, task) not in self._checked:
            check_budget(self, budget, task)
            self._checked.add((budget, task))

    def check_size(self, image_size: int, where: str) -> None:
        """Raises InputError where some choice of stem and stages would shrink `image_size` below one pixel."""
        check_size(self, image_size, where)

    def __contains__(self, arch: Arch) -> bool:
        """Whether some choices of the axes give `arch`, or a network equal to it."""
        return contains(self, arch)

    def _choose(self, chooser: Chooser, name: str, stage: int | None = None) -> Value:
        axis = self.axes[name]
        if len(axis.values) == 1:
            return axis.values[0]  # no parameter where there is no choice
        return chooser.choice(name if stage is None else f"{name}.{stage + 1}", axis)


def _mend(budget: Budget, drawn: Sequence[Counts]) -> str:
    """What would let one of these networks, none of which is within a budget, in."""
    for place, band in budget.bands:
        least, most = (end(counts[place] for counts in drawn) for end in (min, max))
        if least > band.high:
            return f"all of them have more than that, raise {MEASURES[place]} beyond {said(place, least)}"
        if most < band.low:
            return f"all of them have less than that, lower {MEASURES[place]} below {said(place, most)}"
    return "widen a band, or lower the step of axes.width"


def _int(value: Value) -> int:
    return int(str(value))
