"""Labelled: the images of one split of a source, encoded, and what their labels say; and the classes of all splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.columns import in_order
from nas.data.images import Encoded
from space.reading import InputError, nearest


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """`labels[i]` is the class of row i, None where there is none; `read` gives rows' images, encoded."""

    labels: Sequence[str | None]
    read: Callable[[list[int]], list[Encoded]]
    names: tuple[str, ...] = ()  # of the classes, in the source's own order, where it has one
    of: Callable[[int], str] = "row {}".format  # what a row is called

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Source:
    """What a source holds: its splits, where they came from, and what was noticed on the way."""

    splits: Mapping[str, Labelled]
    came_from: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    root: Path | None = None  # the folder, where it is one


def of_files(root: Path, pictures: Sequence[Path], labels: Sequence[str | None]) -> Labelled:
    """Picture files."""
    paths = [str(root / picture) for picture in pictures]
    return Labelled(
        labels, lambda rows: [Encoded(bytes=None, path=paths[row]) for row in rows], of=lambda row: str(pictures[row])
    )


def joined(parts: Sequence[Labelled]) -> Labelled:
    """One after the other. A class's name means the same in all of them, whatever its number was in each."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([len(part) for part in parts])

    def read(rows: list[int]) -> list[Encoded]:
        where = np.searchsorted(ends, rows, side="right")
        return [parts[i].read([row - int(ends[i]) + len(parts[i])])[0] for i, row in zip(where, rows, strict=True)]

    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    return Labelled([label for part in parts for label in part.labels], read, names)


def number(splits: Mapping[str, Labelled], notes: list[str]) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Labels by split as indices into the class names, and those names. A validation or test split in which any row has
    no label (none, or -1 where that is no class of train) is left out, and so are classes without images, with a note.

    Raises InputError for a train image without label, and for a class that train does not have.
    """
    train = splits["train"]
    absent = {None} if "-1" in train.labels and not train.names else {None, "-1"}
    row = next((index for index, label in enumerate(train.labels) if label in absent), None)
    if row is not None:
        raise InputError(f"label must be given for every train image, got none for {train.of(row)}; add or remove it")
    whole = {split: found for split, found in splits.items() if absent.isdisjoint(found.labels)}
    notes += [f"left out, images without a label: the split {split}" for split in splits if split not in whole]
    used = set(train.labels)
    for split, found in whole.items():
        _same_classes(split, set(found.labels) - used, used)
        if train.names and not found.names and train.names != in_order(train.names):
            raise InputError(
                f"labels of {split} must have names as those of train, got numbers alone; name its classes"
            )
    if like := _almost_equal(map(str, used)):
        notes.append(f"classes whose names differ in case or spaces alone: {', '.join(like)}")
    if empty := [name for name in train.names if name not in used]:
        notes.append(f"left out, classes without images: {', '.join(empty[:5])}{', ...' * (len(empty) > 5)}")
    classes = tuple(name for name in train.names if name in used) or in_order(map(str, used))
    index = {name: position for position, name in enumerate(classes)}
    return {
        split: np.array([index[str(label)] for label in found.labels], np.int64) for split, found in whole.items()
    }, classes


def _almost_equal(names: Iterable[str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.lower().split()), []).append(name)
    return sorted(name for group in groups.values() if len(group) > 1 for name in group)


def _same_classes(split: str, unknown: set[str | None], known: set[str | None]) -> None:
    if unknown:
        name = min(map(str, unknown))
        raise InputError(
            f"classes of {split} must all be in train, got {name} ({len(unknown):,} such); "
            f"{nearest(name, list(map(str, known)))}"
        )
