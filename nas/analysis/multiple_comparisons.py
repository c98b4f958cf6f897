"""What may be said of numbers: the statements of one table hold together, and what rests on too few says nothing.

**Many at once.** Bonferroni: of the m statements of one table or picture each is made at a level of 1 - 5% / m, so that
with 95% none of them is wrong, whatever they have in common. A statement is an interval or a test from which something
is concluded: that a choice matters, that two studies differ, that a network beats its neighbour. The interval of one
network's accuracy describes that network alone, is the same on every page, and stands for itself; it is said which is
which.

**Too few.** Student's quantile is 12.7 at 1 degree of freedom, 4.3 at 2 and 2.8 at 4: below FREEDOM an interval tells
of the quantile, not of the data, and one that leaves the possible range tells nothing at all. Neither is printed; the
line says how many there are and how many are needed.
"""

from __future__ import annotations

LEVEL = 0.95
FREEDOM = 4  # degrees of freedom that an interval must rest on
VALUES = FREEDOM + 1  # seeds, studies or networks behind the interval of a plain mean


def bonferroni_level(statements: int) -> float:
    """The level of each of so many statements that hold together with 95%."""
    return 1 - (1 - LEVEL) / max(statements, 1)


def bonferroni_note(statements: int, noun: str) -> str:
    """`95% for all 12 intervals together (Bonferroni)`; a single one needs no correction."""
    return "95%" if statements <= 1 else f"95% for all {statements:,} {noun} together (Bonferroni)"


def too_few(have: int, noun: str, need: int) -> str:
    """`too few for an interval: 2 seeds, and 5 are needed`."""
    return f"too few for an interval: {have:,} {noun}{'' if have == 1 else 's'}, and {need} are needed"
