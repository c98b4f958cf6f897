"""Rules: what a field of a part may hold, in one object that checks it, names it in errors and lists examples of it.

Reading YAML, the axes of a space, the docs' tables and the generators of the tests all go by these objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from space.reading import InputError, as_yaml_number, nearest, shortened

COUNTS = ("flops", "params", "activations")  # in the order of `Cost`


class Rule:
    """`check` returns the value or raises InputError `must ..., got ...; ...` (without the field's name)."""

    ordered = False  # whether a larger value never costs less: then its ends are the cheapest and the dearest choice

    def check(self, value: Any) -> Any:
        raise NotImplementedError

    def check_field(self, field: str, value: Any) -> Any:
        """`check`, with the field's name in the error."""
        try:
            return self.check(value)
        except InputError as error:
            raise InputError(f"{field} {error}") from None

    @property
    def examples(self) -> Sequence[Any]:
        """Values to draw from in tests: every one is allowed, and they cover what the rule distinguishes."""
        raise NotImplementedError

    def __str__(self) -> str:
        """For docs: `odd, 3 to 31`."""
        raise NotImplementedError


def refuse(rule: str, value: Any, step: str) -> InputError:
    return InputError(f"must {rule}, got {shortened(value)}; {step}")


@dataclass(frozen=True)
class Whole(Rule):
    """A whole number from `low` to `high`; where `odd`, an odd one."""

    low: int
    high: int
    odd: bool = False
    ordered: bool = True
    show: tuple[int, ...] = ()

    def check(self, value: Any) -> int:
        if type(value) is not int:
            raise refuse("be a whole number", value, "correct it")
        if not self.low <= value <= self.high or (self.odd and value % 2 == 0):
            inside = min(max(value, self.low), self.high)
            raise refuse(f"be {self}", value, f"use e.g. {inside + (self.odd and inside % 2 == 0)}")
        return value

    @property
    def examples(self) -> Sequence[int]:
        return self.show or (self.low, self.low + 2)

    def __str__(self) -> str:
        return f"odd and from {self.low} to {self.high}" if self.odd else f"from {self.low} to {self.high}"


@dataclass(frozen=True)
class Number(Rule):
    """A number above `above`, at most `most`."""

    above: float
    most: float
    ordered: bool = False
    show: tuple[float, ...] = ()
    zero: bool = False  # whether `above` itself is allowed

    def check(self, value: Any) -> float:
        if type(value) not in (int, float):
            raise refuse("be a number", value, as_yaml_number(value))
        if not (self.above < value <= self.most or (self.zero and value == self.above)):
            raise refuse(f"be {self}", value, f"use e.g. {self.examples[0]:g}")
        return float(value)

    @property
    def examples(self) -> Sequence[float]:
        return self.show or (self.most,)

    def __str__(self) -> str:
        return f"{'from' if self.zero else 'above'} {self.above:g}{' to' if self.zero else ', at most'} {self.most:g}"


@dataclass(frozen=True)
class Flag(Rule):
    """true or false."""

    def check(self, value: Any) -> bool:
        if type(value) is not bool:
            raise refuse("be true or false", value, "correct it")
        return value

    @property
    def examples(self) -> Sequence[bool]:
        return (False, True)

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Word(Rule):
    """One of some words."""

    words: tuple[str, ...]

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise refuse(f"be one of {', '.join(self.words)}", value, nearest(str(value), list(self.words)))
        return value

    @property
    def examples(self) -> Sequence[str]:
        return self.words

    def __str__(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)


@dataclass(frozen=True)
class Maybe(Rule):
    """null, or what `rule` allows."""

    rule: Rule

    def check(self, value: Any) -> Any:
        return None if value is None else self.rule.check(value)

    @property
    def examples(self) -> Sequence[Any]:
        return (None, *self.rule.examples)

    def __str__(self) -> str:
        return f"null, or {self.rule}"


@dataclass(frozen=True)
class Positions(Rule):
    """Places in a block, joined by dashes in their order (`1-2-add`), or `none`."""

    places: tuple[str, ...]

    def check(self, value: Any) -> str:
        text = str(value) if type(value) is int else value  # YAML reads a lone 1 as a number
        chosen = text.split("-") if isinstance(text, str) and text != "none" else []
        if not isinstance(text, str) or chosen != [place for place in self.places if place in chosen] or not text:
            step = f"write e.g. {'-'.join(self.places[:2])}"
            raise refuse(f"be none or some of {'-'.join(self.places)} in that order", value, step)
        return text

    @property
    def examples(self) -> Sequence[str]:
        subsets = ["none"]
        for place in self.places:
            subsets += [place if known == "none" else f"{known}-{place}" for known in subsets]
        return subsets

    def __str__(self) -> str:
        return f"`none`, or some of `{'-'.join(self.places)}`"


@dataclass(frozen=True)
class Groups(Rule):
    """`depthwise` (as many groups as channels), or a number of groups; 1 is a dense convolution."""

    most: int = 1024

    def check(self, value: Any) -> int | str:
        if value == "depthwise" or (type(value) is int and 1 <= value <= self.most):
            return value  # type: ignore[no-any-return]
        raise refuse(f"be depthwise or a number of groups from 1 to {self.most}", value, "use e.g. depthwise or 1")

    @property
    def examples(self) -> Sequence[int | str]:
        return ("depthwise", 1, 4)

    def __str__(self) -> str:
        return f"`depthwise`, or from 1 (dense) to {self.most}"
