"""Where the names of points go, so that none lies on another, and few on points."""

from __future__ import annotations

from collections.abc import Sequence

Spot = tuple[float, float]  # px from the left and from the bottom of the plotted area
Box = tuple[float, float, float, float]  # left, bottom, right, top

WIDTH, HEIGHT = 500.0, 290.0  # of that area on the page, in a window of 1,400 px; a wider one moves names apart
LETTER, LINE = 6.0, 13.0  # px of letters of 11 px
GAP, HALF = 8.0, 7.0  # from a point to its name; half of a point


def placed(names: Sequence[str], at: Sequence[Spot], others: Sequence[Spot] = ()) -> list[str | None]:
    """plotly's `textposition` of each name of a point: of the sides where it stays in the area and meets no other name
    and no other named point, the one with the fewest `others` below it. None where there is no such side."""
    taken: list[Box] = []
    found: list[str | None] = []
    for name, spot in zip(names, at, strict=True):
        named = [_around(each) for each in at if each is not spot]
        sides = {side: box for side, box in _sides(name, spot).items() if _inside(box)}
        free = [side for side, box in sides.items() if not any(_meet(box, each) for each in (*taken, *named))]
        best = min(free, key=lambda side: sum(_meet(sides[side], _around(each)) for each in others), default=None)
        taken += [sides[best]] if best else []
        found.append(best)
    return found


def _sides(name: str, spot: Spot) -> dict[str, Box]:
    """In the order in which they are liked."""
    (x, y), wide = spot, LETTER * len(name)
    return {
        "bottom center": (x - wide / 2, y - GAP - LINE, x + wide / 2, y - GAP),
        "top center": (x - wide / 2, y + GAP, x + wide / 2, y + GAP + LINE),
        "middle right": (x + GAP, y - LINE / 2, x + GAP + wide, y + LINE / 2),
        "middle left": (x - GAP - wide, y - LINE / 2, x - GAP, y + LINE / 2),
    }


def _around(spot: Spot) -> Box:
    return spot[0] - HALF, spot[1] - HALF, spot[0] + HALF, spot[1] + HALF


def _inside(box: Box) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
