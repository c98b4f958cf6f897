"""Columns: which one of a table holds the class of each image, and what is one class."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any

from space.reading import InputError

LABELS = ("label", "labels", "fine_label", "class", "target", "y", "class_name", "label_name", "category", "class_id")
SEVERAL = re.compile(r"[|;,]")  # between several classes in one word
DECIMAL = re.compile(r"^(-?\d+),(\d+)$")
ONE = "nas is for one class an image: no boxes, no several labels, no numbers to predict"


def label_column(columns: Iterable[str], chosen: str | None) -> str | None:
    """The chosen column, else one by a customary name. Raises InputError where the chosen one is not there."""
    names = list(columns)
    if chosen is not None and chosen not in names:
        raise InputError(f"label_column must be one of {', '.join(names)}, got {chosen}; correct it")
    lower = {name.lower(): name for name in reversed(names)}
    return chosen or next((lower[name] for name in LABELS if name in lower), None)


def one_class_each(values: Sequence[Any], column: str, spaces: bool = True) -> list[str | None]:
    """A class's name for every value, None where there is none. Raises InputError for what is no class. `spaces`:
    whether words with spaces are several classes where each of them is a class of its own."""
    plain = [None if _is_missing(value) else value for value in map(_listed, values)]
    present = [value for value in plain if value is not None]
    several = [value for value in present if isinstance(value, (list, tuple, dict)) or _are_several(value)]
    if several and not all(isinstance(value, str) for value in several):
        raise InputError(f"{column} must be one class for each image, got {str(several[0])[:60]}; {ONE}")
    if several and _share_parts(several, present):
        raise InputError(f"{column} must be one class for each image, got {several[0][:60]!r}; {ONE}")
    if spaces and (both := _of_other_classes(present)):
        raise InputError(
            f"{column} must be one class for each image, got {both[0][:60]!r} beside {both[1]!r}; write _ for the "
            f"space if it is one ({ONE})"
        )
    numbers = [number for value in present if (number := _number(value)) is not None]
    fraction = next((number for number in numbers if number != math.floor(number)), None)
    if fraction is not None and len(numbers) == len(present):
        raise InputError(f"{column} must be integers or words, got {fraction}; {ONE}")
    whole = bool(present) and len(numbers) == len(present) and any("." in str(value) for value in present)
    named = [str(int(_number(value) or 0) if whole else value).strip() for value in plain]
    return [None if value is None else intern(name) for value, name in zip(plain, named, strict=True)]


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Classes as they are numbered: by number where all are integers, else by their letters."""
    found = set(names)
    if all(re.fullmatch(r"-?\d+", name) for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def _listed(value: Any) -> Any:
    """numpy's arrays and scalars as Python's."""
    return value.tolist() if hasattr(value, "tolist") else value


def _is_missing(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _are_several(value: Any) -> bool:
    """Whether words may be of several classes: `cat|dog`, `['cat', 'dog']`."""
    return isinstance(value, str) and (value.strip().startswith("[") or bool(SEVERAL.search(value)))


def _share_parts(several: Sequence[str], all_of_them: Sequence[Any]) -> bool:
    """Whether the parts of such words are classes by themselves, or, but for commas, come in several of them."""
    if any(value.strip().startswith("[") for value in several):
        return True
    parts = {value: {part.strip() for part in SEVERAL.split(value)} for value in {*several}}
    alone = {str(value).strip() for value in all_of_them} - set(parts)
    counts = Counter(part for value, each in parts.items() if "," not in value for part in each)
    return any(part in alone for each in parts.values() for part in each) or any(n > 1 for n in counts.values())


def _of_other_classes(present: Sequence[Any]) -> tuple[str, str] | None:
    """Words of which each is a class of its own, such as `cat dog` beside `cat` and `dog`; and the first of them."""
    words = {value.strip() for value in present if isinstance(value, str)}
    parts = {value: value.split() for value in sorted(words) if " " in value}
    found = next((value for value, each in parts.items() if len(each) > 1 and words.issuperset(each)), None)
    return None if found is None else (found, parts[found][0])


def _number(value: Any) -> float | None:
    """NaN and infinity are words here."""
    if isinstance(value, bool):
        return None
    try:
        number = float(DECIMAL.sub(r"\1.\2", value) if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
