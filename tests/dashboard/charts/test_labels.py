"""Names of points: none over another, by brute force on random ones."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from dashboard.charts.labels import HEIGHT, LETTER, LINE, WIDTH, Spot, placed

MIDDLES = {"bottom center": (0, -1), "top center": (0, 1), "middle right": (1, 0), "middle left": (-1, 0)}


def _middle(spot: Spot, side: str, name: str) -> Spot:
    """Of a name beside its point."""
    across, up = MIDDLES[side]
    return spot[0] + across * (8 + LETTER * len(name) / 2), spot[1] + up * (8 + LINE / 2)


@pytest.mark.parametrize("seed", range(20))
def test_no_two_names_meet_and_none_leaves_the_area(seed: int) -> None:
    rng = random.Random(seed)
    names = ["x" * rng.randint(2, 20) for _ in range(12)]
    at = [(rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)) for _ in names]
    sides = placed(names, at)
    shown = [(name, _middle(spot, side, name)) for name, spot, side in zip(names, at, sides, strict=True) if side]
    assert shown
    for (one, (x, y)), (other, (a, b)) in combinations(shown, 2):
        assert abs(x - a) >= LETTER * (len(one) + len(other)) / 2 - 1e-9 or abs(y - b) >= LINE - 1e-9
    for name, (x, y) in shown:
        assert LETTER * len(name) / 2 <= x <= WIDTH - LETTER * len(name) / 2
        assert LINE / 2 <= y <= HEIGHT - LINE / 2
        for a, b in at:
            assert (
                abs(x - a) >= LETTER * len(name) / 2 + 7 - 1e-9
                or abs(y - b) >= LINE / 2 + 7 - 1e-9
                or (a, b) in [spot for each, spot in zip(names, at, strict=True) if each is name]
            ), "on no other point that has a name"


def test_below_unless_points_lie_there() -> None:
    at = [(250.0, 150.0)]
    assert placed(["name"], at) == ["bottom center"]
    assert placed(["name"], at, [(250.0, 135.0)]) == ["top center"]
    assert placed(["name"], at, [(250.0, 135.0), (250.0, 165.0)]) == ["middle right"]
    assert placed(["name"], [(250.0, 10.0)]) == ["top center"], "where it stays in the area"
    assert placed(["name"], [(490.0, 10.0)]) == ["middle left"]
    assert placed(["name"], [(490.0, 5.0)]) == [None]
    assert placed([], []) == []
