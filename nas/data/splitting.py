"""Splitting: which rows of a source are our train, validation and test; the same pixels are never in two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from space.reading import InputError

Labels = NDArray[np.int64]
Place = tuple[str, int]  # a split of the source, and one of its rows
Plan = dict[str, tuple[str, Labels]]  # our split -> the source's split, and which of its rows

SPLITS = ("train", "validation", "test")
HELD_OUT = {"validation": 0.1, "test": 0.2}  # of train, for the splits that a source does not have
SPLIT_SEED = 0  # never the study's seed: every study of one source trains and is judged on the same images
JUDGES = ("test", "validation", "train")  # an image stays in the first of them


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Images with the same pixels as another."""

    within: int = 0  # beyond the first of each, in all splits of the source
    dropped: int = 0  # left out, as they are in another split too
    conflicting: int = 0  # different images that occur under more than one class
    groups: list[list[Place]] = field(default_factory=list)  # the images that are the same
    contradicting: list[list[Place]] = field(default_factory=list)  # of those of several classes, one of each class


def check(labels: Mapping[str, Labels], classes: Sequence[str], fractions: Mapping[str, float]) -> None:
    """Raises InputError for a single class, and for a class with too few images to hold any out."""
    missing = [split for split in fractions if split not in labels]
    if len(classes) < 2:
        raise InputError(f"data must have at least 2 classes, got 1 ({', '.join(classes)}); add a class")
    counts = np.bincount(labels["train"], minlength=len(classes))
    _enough(counts, classes, missing, "")


def _enough(counts: NDArray[np.int64], classes: Sequence[str], missing: Sequence[str], kind: str) -> None:
    needed = max(2, 1 + len(missing))
    if counts.min() < needed:
        why = f" to hold out {' and '.join(missing)}" if missing else ""
        least = classes[int(counts.argmin())]
        raise InputError(
            f"data must have at least {needed} {kind}train images per class{why}, got {counts.min()} in {least}; "
            f"add images, or leave {least} out"
        )


def plan(
    labels: Mapping[str, Labels],
    classes: Sequence[str],
    fractions: Mapping[str, float],
    digests: Mapping[str, Sequence[bytes]],
    broken: Mapping[str, Sequence[int]],
) -> tuple[Plan, Duplicates]:
    """Rows of the source's train split for train and for every split that the source does not have, else all of the
    source's own; without the broken ones, and without what is in another split too.

    `digests` by split: of each image's pixels; empty where the same ones may be anywhere. Raises InputError.
    """
    missing = {split: fraction for split, fraction in fractions.items() if split not in labels}
    keys = _keys(labels, digests)
    readable = {split: np.setdiff1d(np.arange(len(found)), broken.get(split, ())) for split, found in labels.items()}
    kept: dict[str, Labels] = {}
    for split in (split for split in JUDGES if split in readable):
        elsewhere = [keys[other][rows] for other, rows in kept.items()]
        again = np.isin(keys[split][readable[split]], np.concatenate(elsewhere)) if elsewhere else False
        kept[split] = readable[split][~np.broadcast_to(again, len(readable[split]))]
    for split, rows in kept.items():
        if not len(rows):
            raise InputError(
                f"{split} must have images of its own, got only such as another split has too; give other ones"
            )
    dropped = sum(len(rows) - len(kept[split]) for split, rows in readable.items())
    found: Plan = {split: (split, rows) for split, rows in kept.items()}
    train, of_train = kept["train"], keys["train"]
    different = np.unique(of_train[train], return_index=True)[1]
    counts = np.bincount(labels["train"][train[different]], minlength=len(classes))
    _enough(counts, classes, list(missing), "different " if len(different) < len(train) else "")
    held = _hold_out(labels["train"][train], of_train[train], missing)
    found |= {split: ("train", train[rows]) for split, rows in held.items()}
    return {split: found[split] for split in SPLITS}, _duplicates(labels, keys, readable, dropped)


def _keys(labels: Mapping[str, Labels], digests: Mapping[str, Sequence[bytes]]) -> dict[str, Labels]:
    """Of each row by split what is equal for equal images: its digest, else its number."""
    if digests:
        return {split: np.frombuffer(b"".join(digests[split]), np.int64) for split in labels}
    starts = np.cumsum([0, *map(len, labels.values())])
    return {
        split: np.arange(start, start + len(found))
        for start, (split, found) in zip(starts, labels.items(), strict=False)
    }


def _duplicates(
    labels: Mapping[str, Labels], keys: Mapping[str, Labels], rows: Mapping[str, Labels], dropped: int
) -> Duplicates:
    whole, names = (np.concatenate([each[split][rows[split]] for split in labels]) for each in (keys, labels))
    pairs = np.unique(np.stack([whole, names], axis=1), axis=0)[:, 0]
    different, classes = np.unique(pairs, return_counts=True)
    places = [(split, row) for split in labels for row in rows[split].tolist()]
    groups = _groups(whole)
    contradicting = [of_each for group in groups if len(of_each := _of_each_class(group, names)) > 1]
    return Duplicates(
        len(whole) - len(different), dropped, int((classes > 1).sum()),
        [[places[each] for each in group] for group in groups],
        [[places[each] for each in group] for group in contradicting],
    )  # fmt: skip


def _groups(keys: Labels) -> list[list[int]]:
    """Where equal keys stand, of those that occur more than once."""
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    found: dict[int, list[int]] = {}
    for place in np.flatnonzero(sizes[group] > 1).tolist():
        found.setdefault(int(group[place]), []).append(place)
    return list(found.values())


def _of_each_class(group: Sequence[int], labels: Labels) -> list[int]:
    """The first of a group in each class."""
    first: dict[int, int] = {}
    for place in group:
        first.setdefault(int(labels[place]), place)
    return list(first.values())


def _hold_out(labels: Labels, keys: Labels, fractions: Mapping[str, float]) -> dict[str, Labels]:
    """Disjoint rows for each of `fractions` and for `train`, the rest; the same fraction of every class, at least 1,
    and equal images together.

    RandomState and not Generator: only its streams are promised never to change (NumPy NEP 19).
    """
    random = np.random.RandomState(SPLIT_SEED)
    _, first, group, sizes = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    home = np.zeros(len(first), np.int64)  # 0: train, then the places of `fractions`
    order = np.argsort(first)  # groups by their first row, whose class they count for
    for label in np.unique(labels):
        of_class = order[labels[first[order]] == label]
        groups = random.permutation(of_class)
        targets = [max(1, round(fraction * int(sizes[groups].sum()))) for fraction in fractions.values()]
        large = sizes[groups] > max(targets, default=0)  # too many alike to be held out, where there are others
        groups = np.concatenate([groups[~large], groups[large]])
        start, reached = 0, np.cumsum(sizes[groups])
        for place, target in enumerate(targets, start=1):
            goal = target + (reached[start - 1] if start else 0)
            end = min(int(np.searchsorted(reached, goal)) + 1, len(groups) - 1 - len(targets) + place)
            home[groups[start:end]] = place
            start = end
    where = home[group]
    return {split: np.flatnonzero(where == place) for place, split in enumerate(("train", *fractions))}
