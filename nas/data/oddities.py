"""Oddities: which pictures are behind the counts of a look, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nas.data.decoding import Seen
from nas.data.images import Row
from nas.data.labelled import Source
from nas.data.splitting import Duplicates, Place
from nas.records.look import Named, printable

MOST = 1_000  # pictures of a kind that are named


def named(source: Source, seen: Mapping[str, Seen], same: Duplicates) -> Named:
    """By the count of a look that they are behind, findings of one picture each, or of those that are the same: files
    by their paths in the source's folder, what is in no file of its own by split and row. Kinds without any are left
    out."""
    found: dict[str, Iterable[Sequence[Place]]] = {
        "broken": [[(split, row)] for split, each in seen.items() for row in each.broken],
        "duplicates": same.groups,
        "conflicting": same.contradicting,
        "flat": [[(split, row)] for split, each in seen.items() for row in each.flat],
    }
    bounded = {kind: _first(groups) for kind, groups in found.items()}
    names = _names(source, {place for groups in bounded.values() for group in groups for place in group})
    return {
        kind: tuple(tuple(names[place] for place in group) for group in groups)
        for kind, groups in bounded.items()
        if groups
    }


def _first(groups: Iterable[Sequence[Place]]) -> list[Sequence[Place]]:
    """The first of them, with `MOST` pictures together."""
    found: list[Sequence[Place]] = []
    left = MOST
    for group in groups:
        if left <= 0:
            break
        found.append(group[:left])
        left -= len(group)
    return found


def _names(source: Source, places: Iterable[Place]) -> dict[Place, str]:
    by_split: dict[str, list[int]] = {}
    for split, row in sorted(places):
        by_split.setdefault(split, []).append(row)
    return {
        (split, row): printable(_name(source.root, Row(split, row, image)))
        for split, rows in by_split.items()
        for row, image in zip(rows, source.splits[split].read(rows), strict=True)
    }


def _name(root: Path | None, row: Row) -> str:
    path = row.image["path"]
    if row.image["bytes"] is not None or path is None or "://" in path:
        return str(row)
    return str(Path(path).relative_to(root)) if root and Path(path).is_relative_to(root) else path
