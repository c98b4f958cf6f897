"""Fields of a network: its choices by name, and the network that choices from two of them make.

The blocks bottleneck, inverted, depthwise_first and convnext are one block in two respects, each a field of its own:
which of its three convolutions is spatial (`position`: second or first), and where it is wide (`wide`: outside or
inside). First and outside is depthwise_first on `expansion` times the channels, narrow inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from types import EllipsisType
from typing import Any

from space.arch import DROP_PATH, Arch
from space.draw import Shape
from space.parts import find_part, make_part, options
from space.reading import InputError, nearest
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


def fields_of(first: Arch, last: Arch) -> tuple[Fields, Fields]:
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


def either(a: Fields, b: Fields, name: str, done: bool) -> Any:
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


def shape_of(fields: Fields) -> Shape:
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


def differing(a: Fields, b: Fields, equal: bool) -> list[str]:
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


def grouped(differ: list[str], every: Sequence[str], groups: dict[str, list[str]] | None) -> dict[str, tuple[str, ...]]:
    """Step -> fields, of those that differ, each of which is in one step. `every`: names of all fields."""
    if groups is None:
        found: dict[str, tuple[str, ...]] = {}
        for name in differ:
            step = name.split(".")[0]
            found[step] = (*found.get(step, ()), name)
        return found
    known = dict.fromkeys([*every, *(name.split(".")[0] for name in every)])
    named = [name for names in groups.values() for name in names]
    owner: dict[str, str] = {}
    for step, names in groups.items():
        for name in names:
            if name not in known:
                raise InputError(f"steps.{step} must name fields of networks, got {name}; {nearest(name, list(known))}")
            for each in (each for each in differ if each == name or (each.split(".")[0] == name and each not in named)):
                if owner.setdefault(each, step) != step:
                    raise InputError(f"steps must have each field once, got {each} twice; leave one out")
    if left := [name for name in differ if name not in owner]:
        raise InputError(f"steps must hold every field that differs, got none for {', '.join(left)}; add it to a step")
    fields = {step: tuple(name for name in differ if owner[name] == step) for step in groups}
    return {step: names for step, names in fields.items() if names}


def words_of(fields: Fields, names: Sequence[str]) -> str:
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
