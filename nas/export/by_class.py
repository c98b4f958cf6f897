"""What an export tells right of each class: a table for the terminal, and one of every class for the model card."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Column
from rich.text import Text

from nas.analysis.plain_table import number, plain_table
from nas.records.look import printable
from nas.records.scores import ClassCounts

WIDTH, NAME = 80, 40  # characters, and of a class
MOST, ENDS = 20, 5  # classes that the terminal lists; of more, so many of the worst and of the best

BySplit = Mapping[str, ClassCounts]  # by the name of a split, one at least


def terminal_table(by_split: BySplit, classes: Sequence[str]) -> str:
    """A line for each class, within WIDTH; of many the ends, by the last split."""
    order = list(range(len(classes)))
    note = ""
    if len(classes) > MOST:
        shares = list(by_split.values())[-1].by_class
        known = sorted((share, i) for i, share in enumerate(shares) if share is not None)
        order = [i for _, i in [*known[:ENDS], *known[-ENDS:]]]
        note = f"the worst and the best {ENDS} of {len(classes):,} classes, {list(by_split)[-1]}; README.md has all"
    heads = [head for split in by_split for head in (number(split), number("n"))]
    table = plain_table(Column("class", no_wrap=True, overflow="ellipsis", max_width=NAME), *heads)
    for row in _rows(by_split, classes, order):
        table.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    with console.capture() as written:
        console.print(table)
    lines = [line.rstrip() for line in written.get().splitlines()]
    return "\n".join([*filter(None, lines), *filter(None, [note])])


def card_table(by_split: BySplit, classes: Sequence[str]) -> str:
    """All classes, in Markdown."""
    heads = ["class", *(head for split in by_split for head in (split, "n"))]
    rows = [heads, ["---"] * len(heads), *_rows(by_split, classes, range(len(classes)))]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def _rows(by_split: BySplit, classes: Sequence[str], order: Sequence[int]) -> list[list[str]]:
    """A class's name, then of each split the share told right and the images that it is of."""
    counts = [(each.by_class, each.images) for each in by_split.values()]

    def cells(i: int) -> list[str]:
        found = [("" if shares[i] is None else f"{shares[i]:.2%}", f"{images[i]:,}") for shares, images in counts]
        return [" ".join(printable(classes[i]).split()), *(cell for pair in found for cell in pair)]

    return [cells(i) for i in order]
