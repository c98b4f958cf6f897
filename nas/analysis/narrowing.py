"""Which choices of a space to drop, proposed from a study: those that are worse than the best of their axis.

Of each axis by itself: accuracy on a quadratic in log FLOPs and the shares of blocks that have each choice, by least
squares. The effect of a choice is its coefficient less that of the axis's best one: points of accuracy that a network
of it alone loses at equal FLOPs. Its interval is Student's, Bonferroni-adjusted over all pairs of choices, of all axes
that are tested, so that it holds for whichever choice came out best. A choice is dropped where it lies below 0.

It is a proposal: the study's sampler chose what it liked, and choices that go together share the credit. Fresh random
networks of both spaces tell (`space_comparison`). Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.analysis.design_choices import Traits, word_of
from nas.analysis.importance import FEWEST, ONE_HOT, effective_number
from nas.analysis.multiple_comparisons import VALUES, bonferroni_level
from nas.analysis.seed_noise import Floats, student_t
from space import InputError, Space
from space.axes import Axis, Value

SIZE = ("width",)  # which the budget settles


@dataclass(frozen=True, slots=True)
class ChoiceEffect:
    """Accuracy (0 to 1) of a choice at equal FLOPs, less that of the axis's best; `half` of its interval."""

    choice: Value
    value: float
    half: float

    @property
    def worse(self) -> bool:
        """Beyond its interval."""
        return self.value + self.half < 0


@dataclass(frozen=True, slots=True)
class AxisEffects:
    """Of an axis: the best choice and the others; `few`: choices that too few networks have to be judged, which
    stay."""

    axis: str
    best: Value
    others: tuple[ChoiceEffect, ...]
    few: tuple[Value, ...]

    @property
    def dropped(self) -> tuple[Value, ...]:
        return tuple(effect.choice for effect in self.others if effect.worse)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a study proposes. `untested`: axes with choices that it cannot judge at all."""

    effects: tuple[AxisEffects, ...]
    untested: tuple[str, ...]
    tests: int  # pairs of choices, whose intervals hold together
    networks: int

    def kept(self, space: Space) -> dict[str, list[Value]]:
        """Choices that stay, of the axes that lose some."""
        lost = {row.axis: row.dropped for row in self.effects if row.dropped}
        return {axis: [v for v in space.axes[axis].values if v not in gone] for axis, gone in lost.items()}


def propose_narrowing(space: Space, designs: Sequence[Traits], accuracy: Floats, flops: Floats) -> Narrowing:
    """From the networks of a study: designs, accuracies and FLOPs (N,). Raises InputError for fewer than FEWEST."""
    if len(designs) < FEWEST:
        raise InputError(
            f"narrow-from must be a study of {FEWEST} finished networks at least, got {len(designs)}; search on"
        )
    open_axes = [axis for axis in space.axes.values() if len(axis.values) > 1]
    shares = {axis.name: found for axis in open_axes if (found := _shares(axis, designs)) is not None}
    shares = {name: found for name, found in shares.items() if len(found) > 1}
    tests = sum(math.comb(len(found), 2) for found in shares.values())
    rows = [_effects(space.axes[name], found, accuracy, flops, tests) for name, found in shares.items()]
    effects = tuple(sorted((row for row in rows if row), key=lambda row: min(e.value for e in row.others)))
    known = {row.axis for row in effects}
    return Narrowing(effects, tuple(a.name for a in open_axes if a.name not in known), tests, len(designs))


def _shares(axis: Axis, designs: Sequence[Traits]) -> Mapping[Value, Floats] | None:
    """Choice -> (N,) its share of each network's blocks, of choices that enough networks have. None for an axis that
    the budget settles, that networks do not show, or that has too many choices to judge each."""
    if axis.name in SIZE or len(axis.values) > ONE_HOT or not any(axis.name in design for design in designs):
        return None
    found = {v: np.array([design.get(axis.name, {}).get(word_of(v), 0.0) for design in designs]) for v in axis.values}
    return {value: share for value, share in found.items() if effective_number(share) >= VALUES}


def _effects(
    axis: Axis, shares: Mapping[Value, Floats], accuracy: Floats, flops: Floats, tests: int
) -> AxisEffects | None:
    """None where the choices cannot be told apart from FLOPs or from one another."""
    columns = np.stack(list(shares.values()), axis=1)
    inside = columns.sum(axis=1) > 1 - 1e-9  # no other choice in it
    columns, size = columns[inside], np.log(flops[inside])
    size = (size - size.mean()) / (size.std() or 1.0)
    basis = np.concatenate([columns, size[:, None], size[:, None] ** 2], axis=1)
    freedom = len(basis) - basis.shape[1]
    if freedom < VALUES or np.linalg.matrix_rank(basis) < basis.shape[1]:
        return None
    inverse = np.linalg.inv(basis.T @ basis)
    fit = inverse @ basis.T @ accuracy[inside]
    variance = float(((accuracy[inside] - basis @ fit) ** 2).sum()) / freedom
    quantile, choices = student_t(freedom, bonferroni_level(tests)), list(shares)
    best = int(np.argmax(fit[: len(choices)]))
    others = []
    for i, choice in enumerate(choices):
        if i != best:
            spread = inverse[i, i] + inverse[best, best] - 2 * inverse[i, best]
            others.append(ChoiceEffect(choice, float(fit[i] - fit[best]), quantile * math.sqrt(variance * spread)))
    few = tuple(value for value in axis.values if value not in shares)
    return AxisEffects(axis.name, choices[best], tuple(others), few)


def narrowed_space(space: Space, kept: Mapping[str, Sequence[Value]], name: str) -> Space:
    """The space with these choices alone, under another name."""
    found = space.narrow(**dict(kept))
    return Space.from_dict(found.to_dict(), name, f"space {name}")
