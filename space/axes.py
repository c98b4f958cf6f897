"""Axes of a space: their names, choices and rules, as read from the `axes:` of a YAML file.

An axis is one of the structure (`depth`, `width`, `block`, ...) or an option of a part: `kernel` of the blocks,
`stem.stride` of the stem, `head.norm` of the head. Which options there are, the parts themselves say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from space.arch import DEPTH, DOWNSAMPLE, DROP_PATH, MAX_WIDTH, WIDTH
from space.parts import Kind, find_part, names, options
from space.reading import InputError, check_keys, nearest, shortened
from space.rules import Number, Rule, Whole

Value = int | float | str | None

# What an axis of the structure is where the file does not name it: ConvNeXt's choice. Depth and width must be given.
DEFAULTS: dict[str, tuple[Value, ...]] = {
    "stages": (4,), "ratio": (), "growth": (2.0,), "block": ("convnext",), "downsample": ("separate",),
    "stem": ("patchify",), "head": ("linear",), "drop_path": (0.0,),
}  # fmt: skip
STRUCTURE = (*DEFAULTS, "depth", "width")
MOST_CHOICES = 10_000
_RANGE = re.compile(r"(\d+)\s*(?:\.\.|-|to)\s*(\d+)", re.ASCII)  # as people write one elsewhere


@dataclass(frozen=True)
class Axis:
    """A named choice. `each_stage`: chosen anew for every stage (parameters `kernel.1`, `kernel.2`, ...). `grid`: the
    step of an axis that was given as a range."""

    name: str
    values: tuple[Value, ...]
    each_stage: bool = False
    grid: int | None = None

    @cached_property
    def ints(self) -> tuple[int, ...]:
        """The choices of an axis of whole numbers, in rising order."""
        return tuple(int(number) for number in self.numbers)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The choices of an axis of numbers, in rising order."""
        return tuple(sorted(float(str(value)) for value in self.values))

    @property
    def step(self) -> int | None:
        """The step of an even row of three or more integers, which a sampler may treat as a quantity; else None."""
        whole = [value for value in self.values if isinstance(value, int) and not isinstance(value, bool)]
        if len(whole) < 3 or len(whole) < len(self.values):
            return None
        step = whole[1] - whole[0]
        return step if step > 0 and whole == list(range(whole[0], whole[-1] + 1, step)) else None

    def words(self) -> str:
        """Its choices for people: `16 to 64 by 8`, `7, 9 (each stage)`."""
        if self.grid:
            text = f"{self.values[0]} to {self.values[-1]} by {self.grid}"
        else:
            shown = ["null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
                     for value in self.values]  # fmt: skip
            text = ", ".join(shown)
        return f"{text} (each stage)" if self.each_stage else text

    def to_plain(self) -> Any:
        """What `parse_axes` reads back to an equal Axis."""
        choices: Any = list(self.values)
        if self.grid:
            choices = {"low": choices[0], "high": choices[-1], "step": self.grid}
        return {"each_stage": choices} if self.each_stage else choices


def parse_axes(raw: Any, where: str) -> dict[str, Axis]:
    """The `axes:` mapping, checked. Axes of the structure that are not named take ConvNeXt's choice; options of parts
    that are not named are no axes: the part's default holds. Raises InputError."""
    if not isinstance(raw, dict):
        raise InputError(f"{where}: axes must be a mapping of axis to choices, got {raw}; see a preset space")
    axes: dict[str, Axis] = {}
    for name in STRUCTURE:
        if name in raw:
            axes[name] = _parse_axis(name, raw[name], f"{where}: axes.{name}", [_RULES[name]])
        elif name in DEFAULTS:
            axes[name] = Axis(name, DEFAULTS[name])
    if not axes["ratio"].values:
        axes["ratio"] = Axis("ratio", tuple(dict.fromkeys("-".join("1" * n) for n in axes["stages"].ints)))
    known = option_names(axes)
    for name in raw:
        if name in STRUCTURE:
            continue
        if name not in known:
            raise InputError(_unknown(str(name), known, axes, where))
        kind, _, option = str(name).rpartition(".")
        rules = _rules_of(kind or "block", axes[kind or "block"])[option]  # type: ignore[arg-type]
        axes[name] = _parse_axis(name, raw[name], f"{where}: axes.{name}", rules)
    for name in ("depth", "width"):
        if name not in raw:
            raise InputError(f"{where}: axes.{name} must be given, got nothing; add e.g. `{name}: [16, 24, 32]`")
    return axes


def option_names(axes: dict[str, Axis]) -> set[str]:
    """What may be an axis because some part has it, of those that `stem`, `head` and `block` hold."""
    known = {f"{kind}.{name}" for kind in ("stem", "head") for name in _rules_of(kind, axes[kind])}
    return known | set(_rules_of("block", axes["block"]))


def _rules_of(kind: Kind, axis: Axis) -> dict[str, list[Rule]]:
    """Options of the parts that an axis names, each with the rules of all parts that have it."""
    found: dict[str, list[Rule]] = {}
    for part in axis.values:
        for name, field in options(find_part(kind, str(part))).items():
            found.setdefault(name, []).append(field.metadata["rule"])
    return found


def _unknown(name: str, known: set[str], axes: dict[str, Axis], where: str) -> str:
    prefix, _, option = name.rpartition(".")
    kind: Any = prefix or "block"
    if prefix in ("", "stem", "head") and any(option in options(find_part(kind, part)) for part in names(kind)):
        chosen = ", ".join(map(str, axes[kind].values))
        return (
            f"{where}: axes.{name} must be an option of {kind} {chosen}, got one of another; remove it or add to {kind}"
        )
    return f"{where}: axes.{name} must be a known axis; {nearest(name, [*STRUCTURE, *known])}"


def _parse_axis(name: str, raw: Any, where: str, rules: Sequence[Rule]) -> Axis:
    each_stage = isinstance(raw, dict) and set(raw) == {"each_stage"}
    if each_stage and ("." in name or name in ("stages", "ratio", "depth", "growth", "stem", "head", "drop_path")):
        raise InputError(f"{where} must hold for the whole network, got each_stage; list its choices alone")
    choices, grid = raw["each_stage"] if each_stage else raw, None
    if isinstance(choices, dict):
        values, grid = _parse_range(choices, where)
    else:
        values = choices if isinstance(choices, list) else [choices]
    if not values:
        raise InputError(f"{where} must have a choice at least, got an empty list; add one or leave the axis out")
    if len(values) > MOST_CHOICES:
        raise InputError(f"{where} must have under {MOST_CHOICES} choices, got {len(values)}; leave some out")
    for value in values:
        if (ends := _RANGE.fullmatch(str(value))) and isinstance(rules[0], Whole):
            low, high = sorted(map(int, ends.groups()))
            step = ", step: 2" * rules[0].odd
            raise InputError(
                f"{where} must be a list or a range of whole numbers, got {shortened(value)}; "
                f"write {{low: {low + rules[0].odd * (1 - low % 2)}, high: {high}{step}}}"
            )
    checked = tuple([rule.check_field(f"{where}[{i}]", value) for rule in rules][-1] for i, value in enumerate(values))
    if len(set(map(repr, checked))) < len(checked):
        raise InputError(f"{where} must not repeat a choice, got {values}; remove the repeat")
    return Axis(name, checked, each_stage, grid)


def _parse_range(raw: dict[str, Any], where: str) -> tuple[list[int], int]:
    """`{low: 16, high: 64, step: 8}`, both ends included."""
    check_keys(raw, ("low", "high", "step"), needed=("low", "high"), prefix=f"{where}.")
    low, high, step = raw["low"], raw["high"], raw.get("step", 1)
    if not all(type(value) is int for value in (low, high, step)) or not 0 < low <= high or step < 1:
        raise InputError(f"{where} must be whole numbers with 0 < low <= high and step >= 1, got {raw}; correct it")
    if (high - low) // step >= MOST_CHOICES:
        raise InputError(
            f"{where} must have under {MOST_CHOICES} choices, got {(high - low) // step + 1}; raise the step"
        )
    return list(range(low, high + 1, step)), step


@dataclass(frozen=True)
class _PartName(Rule):
    kind: Kind

    def check(self, value: Any) -> str:
        try:
            find_part(self.kind, str(value))
        except InputError as error:
            raise InputError(str(error).removeprefix(f"{self.kind} ")) from None
        return str(value)


class _Ratio(Rule):
    def check(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,2}(-[1-9]\d{0,2}){0,7}", value):
            colons = "" if isinstance(value, str) else ", without colons, of which YAML makes a number"
            raise InputError(f"must be shares joined by dashes, got {value}; write e.g. 1-1-3-1{colons}")
        return value


_RULES: dict[str, Rule] = {
    "stages": Whole(1, 8), "ratio": _Ratio(), "depth": DEPTH, "width": WIDTH,
    "growth": Number(1, 8, zero=True, show=(2.0,)), "block": _PartName("block"), "downsample": DOWNSAMPLE,
    "stem": _PartName("stem"), "head": _PartName("head"), "drop_path": DROP_PATH,
}  # fmt: skip


def ratios_for(axes: dict[str, Axis], stages: int) -> tuple[Value, ...]:
    """The ratios that have one share per stage."""
    return tuple(value for value in axes["ratio"].values if str(value).count("-") == stages - 1)


@lru_cache(2**16)
def share(depth: int, ratio: str) -> tuple[int, ...]:
    """`depth` blocks over stages in proportion `ratio`, one per stage at least (Webster's method: never fewer blocks
    in any stage for a larger depth). `share(18, "1-1-3-1")` is 3-3-9-3."""
    weights = [int(part) for part in ratio.split("-")]
    blocks = [1] * len(weights)
    for _ in range(depth - len(weights)):
        i = max(range(len(weights)), key=lambda i: (weights[i] / (blocks[i] + 0.5), -i))
        blocks[i] += 1
    return tuple(blocks)


def check_together(axes: dict[str, Axis], where: str) -> None:
    """Rules between axes."""
    _check_ratios(axes, where)
    most, least = axes["stages"].ints[-1], axes["depth"].ints[0]
    if least < most:
        raise InputError(f"{where}: axes.depth must be at least the {most} stages, got {least}; start at {most}")
    width, growth = axes["width"], axes["growth"]
    if width.each_stage and len(growth.values) > 1:
        raise InputError(f"{where}: axes.growth must be left out where width is each_stage, got choices; remove it")
    widths = width.ints
    if width.grid and not width.each_stage and widths[0] % width.grid:
        raise InputError(
            f"{where}: axes.width must begin at a multiple of its step {width.grid}, got {widths[0]}; "
            f"begin at {max(width.grid, widths[0] // width.grid * width.grid)}"
        )
    factor = 1.0 if width.each_stage else growth.numbers[-1] ** (most - 1)
    if widths[-1] * factor > MAX_WIDTH:
        raise InputError(
            f"{where}: axes.width must grow to at most {MAX_WIDTH}, got {widths[-1]} x {factor:g} in stage "
            f"{most}; lower axes.width or axes.growth"
        )
    stuck = [kind for kind in axes["block"].values if not find_part("block", str(kind)).strides]
    if stuck and most > 1 and "separate" not in axes["downsample"].values:
        raise InputError(
            f"{where}: axes.downsample must hold separate for block {stuck[0]}, which cannot stride, got "
            f"{list(axes['downsample'].values)}; add separate"
        )


def _check_ratios(axes: dict[str, Axis], where: str) -> None:
    for stages in axes["stages"].ints:
        if not ratios_for(axes, stages):
            raise InputError(
                f"{where}: axes.ratio must have a ratio of {stages} shares, got {list(axes['ratio'].values)}; "
                f"add e.g. {'-'.join('1' * stages)}"
            )
    for ratio in axes["ratio"].values:
        if str(ratio).count("-") + 1 not in axes["stages"].values:
            raise InputError(
                f"{where}: axes.ratio must fit a number of stages in {list(axes['stages'].values)}, got {ratio}; "
                "remove it"
            )
