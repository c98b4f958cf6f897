"""Designs: which sets they hold, and that a fraction keeps effects and pairs apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from space import InputError
from space.factorial import Design, along, every, fraction


@pytest.mark.parametrize("steps", range(1, 17))
def test_a_fraction_keeps_steps_and_pairs_clear_of_each_other(steps: int) -> None:
    """Resolution V: no product of one to four columns is constant, so that no two effects or pairs are the same."""
    x = np.where(np.array(fraction(steps)), 1, -1)
    assert len(set(map(tuple, x.tolist()))) == len(x)
    for letters in range(1, min(4, steps) + 1):
        for columns in combinations(range(steps), letters):
            assert x[:, columns].prod(axis=1).sum() == 0


@pytest.mark.parametrize(("steps", "networks"), [(4, 16), (5, 16), (6, 32), (8, 64), (11, 128), (16, 256)])
def test_a_fraction_is_as_small_as_the_known_ones(steps: int, networks: int) -> None:
    """Codes of distance 5: [5, 1], [6, 1], [8, 2], [11, 4], [17, 9] are the longest for 4 to 8 check bits."""
    assert len(fraction(steps)) == networks
    assert fraction(steps)[0] == (False,) * steps


def test_all_sets_and_paths() -> None:
    assert len(Design.of("full", 3).rows) == len(set(every(3))) == 8
    assert along((1, 0)) == ((False, False), (False, True), (True, True))
    both = Design.of("paths", 2, [(1, 0), (0, 1)])
    assert both.rows == ((False, False), (False, True), (True, True), (True, False))
    assert Design.of("paths", 2).rows == along((0, 1))


@pytest.mark.parametrize(
    ("kind", "steps", "said"),
    [("some", 3, "design must be one of"), ("full", 13, "design must be fraction"), ("fraction", 17, "at most 16")],
)
def test_what_is_no_design(kind: str, steps: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Design.of(kind, steps)
