"""What was chosen in a network, axis by axis, from its plain dictionary: quick enough for ten thousand. Needs no torch.

An axis that is chosen stage by stage (block, kernel, ...) has a share of the network's blocks for each choice; the
shares of one axis sum to 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

Shares = Mapping[str, float]  # choice -> share of the network's blocks
Traits = dict[str, Shares]  # by axis
MIXED = "mixed"
SIZES = ("depth", "width", "stages")  # of the whole network: blocks, channels of the first stage, number of stages
_NONE: Shares = {}
_FIRST = ("block", "kernel", "norm", "act", "expansion", *SIZES)  # axes that come before all others


def traits_of(plain: object) -> Traits:
    """Of a network's plain dictionary, as the journal has it, unchecked; empty where there is none."""
    arch = plain if isinstance(plain, dict) else {}
    listed = arch.get("stages")
    stages = [s for s in listed if isinstance(s, dict)] if isinstance(listed, (list, tuple)) else []
    depths = [s.get("depth") for s in stages]
    if not stages or not all(isinstance(depth, int) and depth > 0 for depth in depths):
        return {}
    total = sum(depth for depth in depths if isinstance(depth, int))
    blocks: dict[str, dict[str, int]] = {
        name: {} for stage in stages for name in stage if name not in ("depth", "width")
    }
    for stage in stages:
        for name, choices in blocks.items():
            word = word_of(stage.get(name))
            choices[word] = choices.get(word, 0) + stage["depth"]
    found = {name: _shares(tuple(choices.items()), total) for name, choices in blocks.items()}
    sizes = zip(SIZES, (total, stages[0].get("width"), len(stages)), strict=True)
    for name, value in (*sizes, *_options("stem", arch), *_options("head", arch), ("drop_path", arch.get("drop_path"))):
        found[name] = _shares(((word_of(value), 1),), 1)
    return found


@lru_cache(maxsize=1 << 16)
def _shares(blocks: tuple[tuple[str, int], ...], total: int) -> Shares:
    """The same object for the same choices: networks of one study share most of theirs."""
    return {word: number / total for word, number in blocks}


def _options(part: str, arch: Mapping[str, Any]) -> list[tuple[str, Any]]:
    plain = arch.get(part)
    if not isinstance(plain, dict):
        return []
    return [(part if name == "kind" else f"{part}.{name}", value) for name, value in plain.items()]


def word_of(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def varied(designs: Iterable[Traits]) -> dict[str, list[str]]:
    """Axes in which the networks differ, with their choices in order: numbers by size, words by name.

    An axis that always goes together with an earlier one (a stem's norm with the blocks') is left out.
    """
    rows = list(designs)
    names = dict.fromkeys(name for row in rows for name in row)
    kept: dict[str, list[str]] = {}
    seen: set[tuple[int, ...]] = set()
    for name in sorted(names, key=axis_order):
        cells = [row.get(name, _NONE) for row in rows]
        distinct = {id(shares): shares for shares in cells}
        codes: dict[tuple[tuple[str, float], ...], int] = {}
        code = {at: codes.setdefault(tuple(sorted(shares.items())), len(codes)) for at, shares in distinct.items()}
        if len(codes) < 2 or (pattern := tuple(code[id(shares)] for shares in cells)) in seen:
            continue
        seen.add(pattern)
        kept[name] = sorted({word for shares in distinct.values() for word in shares}, key=in_order)
    return kept


def axis_order(name: str) -> tuple[int, str]:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name


def one_word(shares: Mapping[str, float]) -> str:
    """The choice of an axis where all stages agree, else `mixed`."""
    return next(iter(shares)) if len(shares) == 1 else MIXED if shares else "none"


def number(shares: Mapping[str, float]) -> float | None:
    """The mean over blocks of an axis of numbers; None where a choice is a word."""
    try:
        return sum(float(word) * share for word, share in shares.items()) if shares else None
    except ValueError:
        return None


def is_numeric(choices: Sequence[str]) -> bool:
    return all(number({word: 1.0}) is not None for word in choices)


def within(design: Traits, wanted: Mapping[str, Collection[str]]) -> bool:
    """Whether every stage has one of the wanted choices, for each axis: as if the space had been narrowed to them."""
    return all(design.get(axis, {}).keys() <= set(choices) for axis, choices in wanted.items())


def in_order(word: str) -> tuple[int, float, str]:
    """Numbers by size, then words by name."""
    value = number({word: 1.0})
    return (0, value, word) if value is not None else (1, 0.0, word)
