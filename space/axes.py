"""Axes of a space: their names, choices and rules, as read from the `axes:` of a YAML file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from space.arch import MAX_WIDTH, Stage, Stem
from space.reading import InputError, check, nearest

Value = int | float | str | None

# What an axis is where the file does not name it: ConvNeXt's own choice. Depth and width must be given.
DEFAULTS: dict[str, Any] = {
    "stages": [4],
    "ratio": None,  # equal shares
    "growth": [2.0],
    "block": ["convnext"],
    "kernel": [7],
    "expansion": [4.0],
    "norm": ["ln"],
    "act": ["gelu"],
    "stem_stride": [4],
    "layer_scale": [1e-6],
}
NAMES = (*DEFAULTS, "depth", "width")
IN_STAGE = ("block", "kernel", "expansion", "norm", "act", "layer_scale")  # fields of Stage, and so may differ by stage
EACH_STAGE = (*IN_STAGE, "width")


@dataclass(frozen=True, slots=True)
class Axis:
    """A named choice. `each_stage`: chosen anew for every stage (parameters `kernel.1`, `kernel.2`, ...)."""

    name: str
    values: tuple[Value, ...]
    each_stage: bool = False

    @property
    def step(self) -> int | None:
        """The step of an even row of three or more integers, which a sampler may treat as a quantity; else None."""
        whole = [value for value in self.values if isinstance(value, int) and not isinstance(value, bool)]
        if len(whole) < 3 or len(whole) < len(self.values):
            return None
        step = whole[1] - whole[0]
        return step if step > 0 and whole == list(range(whole[0], whole[-1] + 1, step)) else None

    def to_plain(self) -> Any:
        """What `parse_axes` reads back to an equal Axis."""
        return {"each_stage": list(self.values)} if self.each_stage else list(self.values)


def parse_axes(raw: Any, where: str) -> dict[str, Axis]:
    """The `axes:` mapping, checked; axes that are not named take ConvNeXt's choice. Raises InputError."""
    if not isinstance(raw, dict):
        raise InputError(f"{where}: axes must be a mapping of axis to choices, got {raw}; see a preset space")
    for name in raw:
        if name not in NAMES:
            raise InputError(f"{where}: axes.{name} must be a known axis; {nearest(str(name), list(NAMES))}")
    for name in ("depth", "width"):
        if name not in raw:
            raise InputError(f"{where}: axes.{name} must be given, got nothing; add e.g. `{name}: [16, 24, 32]`")
    axes = {name: _parse_axis(name, raw[name], f"{where}: axes.{name}") for name in raw}
    for name, default in DEFAULTS.items():
        if name not in axes:
            axes[name] = Axis(name, tuple(default or _equal_ratios(axes["stages"])))
    _check_together(axes, where)
    return axes


def _parse_axis(name: str, raw: Any, where: str) -> Axis:
    each_stage = isinstance(raw, dict) and set(raw) == {"each_stage"}
    if each_stage and name not in EACH_STAGE:
        raise InputError(f"{where} must hold for the whole network, got each_stage; list its choices alone")
    choices = raw["each_stage"] if each_stage else raw
    if isinstance(choices, dict):
        values = _parse_range(choices, where)
    else:
        values = choices if isinstance(choices, list) else [choices]
    if not values:
        raise InputError(f"{where} must have a choice at least, got an empty list; add one or leave the axis out")
    rule = _RULES[name]
    checked = tuple(rule(value, f"{where}[{i}]") for i, value in enumerate(values))
    if len(set(checked)) < len(checked):
        raise InputError(f"{where} must not repeat a choice, got {values}; remove the repeat")
    return Axis(name, checked, each_stage)


def _parse_range(raw: dict[str, Any], where: str) -> list[int]:
    """`{low: 16, high: 64, step: 8}`, both ends included."""
    for key in raw:
        if key not in ("low", "high", "step"):
            raise InputError(f"{where}.{key} must be a known key; {nearest(str(key), ['low', 'high', 'step'])}")
    for key in ("low", "high"):
        if key not in raw:
            raise InputError(f"{where}.{key} must be given, got nothing; add it")
    low, high, step = raw["low"], raw["high"], raw.get("step", 1)
    if not all(type(value) is int for value in (low, high, step)) or not 0 < low <= high or step < 1:
        raise InputError(f"{where} must be whole numbers with 0 < low <= high and step >= 1, got {raw}; correct it")
    if (high - low) // step >= 10_000:
        raise InputError(f"{where} must have under 10000 choices, got {(high - low) // step + 1}; raise the step")
    return list(range(low, high + 1, step))


def _field_of(kind: type, field: str, **rest: Any) -> Callable[[Any, str], Value]:
    """The rule of a field of Stage or Stem, so that spaces and networks refuse the same values in the same words."""

    def rule(value: Any, where: str) -> Value:
        try:
            checked: Value = getattr(check(kind, {**rest, field: value}), field)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        return checked

    return rule


def _number(low: float, high: float, kind: type[int] | type[float]) -> Callable[[Any, str], Value]:
    def rule(value: Any, where: str) -> Value:
        accepted = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, accepted) or not low <= value <= high:
            word = "a whole number" if kind is int else "a number"
            raise InputError(f"{where} must be {word} from {low} to {high}, got {value}; correct it")
        return kind(value)

    return rule


def _ratio(value: Any, where: str) -> Value:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,2}(-[1-9]\d{0,2}){0,7}", value):
        raise InputError(f"{where} must be shares joined by dashes, got {value}; write e.g. 1-1-3-1")
    return value


_STAGE = {"depth": 1, "width": 64}
_RULES: dict[str, Callable[[Any, str], Value]] = {
    "stages": _number(1, 8, int),
    "ratio": _ratio,
    "depth": _number(1, 1000, int),
    "width": _field_of(Stage, "width", depth=1),
    "growth": _number(1, 8, float),
    "stem_stride": _field_of(Stem, "stride"),
    **{name: _field_of(Stage, name, **_STAGE) for name in IN_STAGE},
}


def ratios_for(axes: dict[str, Axis], stages: int) -> tuple[Value, ...]:
    """The ratios that have one share per stage."""
    return tuple(value for value in axes["ratio"].values if str(value).count("-") == stages - 1)


def share(depth: int, ratio: str) -> list[int]:
    """`depth` blocks over stages in proportion `ratio`, one a stage at least (Webster's method: never fewer blocks
    in any stage for a larger depth). `share(18, "1-1-3-1")` is 3-3-9-3."""
    weights = [int(part) for part in ratio.split("-")]
    blocks = [1] * len(weights)
    for _ in range(depth - len(weights)):
        i = max(range(len(weights)), key=lambda i: (weights[i] / (blocks[i] + 0.5), -i))
        blocks[i] += 1
    return blocks


def _equal_ratios(stages: Axis) -> list[str]:
    return ["-".join("1" * int(str(count))) for count in stages.values]


def _check_together(axes: dict[str, Axis], where: str) -> None:
    """Rules between axes."""
    for stages in axes["stages"].values:
        if not ratios_for(axes, int(str(stages))):
            example = "-".join("1" * int(str(stages)))
            raise InputError(
                f"{where}: axes.ratio must have a ratio of {stages} shares, got {list(axes['ratio'].values)}; "
                f"add e.g. {example}"
            )
    for ratio in axes["ratio"].values:
        if str(ratio).count("-") + 1 not in axes["stages"].values:
            raise InputError(
                f"{where}: axes.ratio must fit a number of stages in {list(axes['stages'].values)}, got {ratio}; "
                "remove it"
            )
    most, least = max(map(_int, axes["stages"].values)), min(map(_int, axes["depth"].values))
    if least < most:
        raise InputError(f"{where}: axes.depth must be at least the {most} stages, got {least}; start at {most}")
    if axes["width"].each_stage and len(axes["growth"].values) > 1:
        raise InputError(f"{where}: axes.growth must be left out where width is each_stage, got choices; remove it")
    _check_widths(axes, most, where)


def _check_widths(axes: dict[str, Axis], stages: int, where: str) -> None:
    """The widest and the narrowest stage that the axes allow must be ones that a Stage allows."""
    widths, growths, expansions = (
        [float(str(value)) for value in axes[name].values] for name in ("width", "growth", "expansion")
    )
    growth = 1.0 if axes["width"].each_stage else max(growths) ** (stages - 1)
    if max(widths) * growth > MAX_WIDTH:
        raise InputError(
            f"{where}: axes.width must grow to at most {MAX_WIDTH}, got {max(widths):g} x {growth:g} in stage "
            f"{stages}; lower axes.width or axes.growth"
        )
    if round(min(expansions) * min(widths)) < 1:
        raise InputError(
            f"{where}: axes.expansion must leave a hidden channel at width {min(widths):g}, got {min(expansions):g}; "
            "raise axes.expansion or axes.width"
        )


def _int(value: Value) -> int:
    return int(str(value))
