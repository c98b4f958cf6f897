"""Folders: which split and which class each picture below a folder belongs to, by the names of the folders above it.

The folder directly under the root, or under a split, is the class; everything below it belongs to it. What can be read
in two ways is refused with both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from space.reading import InputError

SPLITS = {
    "train": {"train", "training", "trainset", "trn", "trainval"},
    "validation": {"validation", "valid", "val", "dev", "valset", "devset", "development"},
    "test": {"test", "testing", "eval", "evaluation", "testset", "tst"},
}
# what names a part of the data, but not which
PARTS = {"fold", "split", "part", "holdout", "heldout", "subset", "extra", "unlabeled", "unlabelled", "query"} | {
    "gallery", "private", "public", "batch", "chunk"
}  # fmt: skip
LAYOUTS = "a folder per class, the same in train and test, or a labels.csv with the columns file and label"

Labelled = dict[Path, str]  # pictures and their classes


def split_of(name: str) -> str | None:
    """The split that a name stands for: test of `test_set`, `Testing` or `my-test2`. None where it is none or many."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    found = [split for split, known in SPLITS.items() if words & known]
    return found[0] if len(found) == 1 else None


def read(pictures: Sequence[Path]) -> dict[str, Labelled]:
    """Pictures, relative to a root, by split and with their classes; a root without splits is all `train`.

    Raises InputError where there are no classes, or where folders can be read in two ways.
    """
    top = _top(pictures)
    children = _by_child(pictures, top)
    splits = {name: split for name in children if (split := split_of(name))}
    flat = [name for name, inside in children.items() if any(len(each.parts) == len(top.parts) + 2 for each in inside)]
    _no_loose(pictures, top, children)
    if len(splits) == len(children) and len(set(splits.values())) > 1:
        if len(flat) == len(children):
            raise InputError(
                f"pictures must have labels, got {_names(children)} with no folder per class in them; give {LAYOUTS}"
            )
        return _below_splits(children, splits, top)
    if len(flat) < len(children):
        if "train" in splits.values():
            _unknown(children, splits)
        if all(PARTS & set(re.findall("[a-z]+", name.lower())) for name in children):
            _unknown(children, {})
        if inner := _splits_in_classes(children, top):
            return inner
    return {"train": classes(pictures, top)}


def classes(pictures: Sequence[Path], top: Path) -> Labelled:
    """The pictures of one split by class: the folder directly below `top`. Raises InputError for unequal depths."""
    children = _by_child(pictures, top)
    _no_loose(pictures, top, children)
    depth = len(top.parts) + 2
    deeper = [name for name, inside in children.items() if all(len(each.parts) > depth for each in inside)]
    direct = [name for name in children if name not in deeper]
    if direct and deeper:
        below = sorted({each.parts[depth - 1] for name in deeper for each in children[name]})
        raise InputError(
            f"classes must be folders at one depth, got pictures directly in {_names(direct)} but deeper in "
            f"{_names(deeper)}: the classes could be {_names(children)} or {_names([*direct, *below])}; "
            "move the pictures to one depth"
        )
    return {picture: name for name, inside in children.items() for picture in inside}


def _top(pictures: Sequence[Path]) -> Path:
    """The folder under which names tell pictures apart: a lone folder of folders is passed through."""
    top = Path()
    while True:
        inside = {picture.parts[: len(top.parts) + 1] for picture in pictures}
        depths = min(len(picture.parts) for picture in pictures)
        if len(inside) > 1 or depths <= len(top.parts) + 2:
            return top
        top = Path(*inside.pop())


def _by_child(pictures: Iterable[Path], top: Path) -> dict[str, list[Path]]:
    children: dict[str, list[Path]] = {}
    for picture in pictures:
        if len(picture.parts) > len(top.parts) + 1:
            children.setdefault(picture.parts[len(top.parts)], []).append(picture)
    return children


def _no_loose(pictures: Sequence[Path], top: Path, children: Mapping[str, object]) -> None:
    """Raises InputError for pictures that are in no folder of a class."""
    loose = [picture for picture in pictures if len(picture.parts) == len(top.parts) + 1]
    if not loose:
        return
    where = "" if top == Path() else f" in {top}"
    if not children:
        raise InputError(f"pictures must have labels, got {len(loose):,} in no class folder{where}; give {LAYOUTS}")
    raise InputError(
        f"classes must be folders at one depth, got {len(loose):,} pictures ({_names(loose)}) beside the folders "
        f"{_names(children)}{where}: they could be another class, or none; move them into a folder, or away"
    )


def _below_splits(children: Mapping[str, list[Path]], splits: Mapping[str, str], top: Path) -> dict[str, Labelled]:
    """By split; one other than train without any class folder has no labels, and is left out."""
    found: dict[str, Labelled] = {}
    for name, inside in children.items():
        labelled = any(len(each.parts) > len(top.parts) + 2 for each in inside)
        if labelled or splits[name] == "train":
            found.setdefault(splits[name], {}).update(classes(inside, top / name))
    return found


def _splits_in_classes(children: Mapping[str, list[Path]], top: Path) -> dict[str, Labelled] | None:
    """`cat/train`, `cat/test`, `dog/train`, ...: where all folders of all classes are splits, and train is one."""
    place = len(top.parts) + 1
    inner = {each.parts[place] for inside in children.values() for each in inside if len(each.parts) > place + 1}
    splits = {name: split_of(name) for name in inner}
    if None in splits.values() or len(set(splits.values())) < 2 or "train" not in splits.values():
        return None
    found: dict[str, Labelled] = {}
    for name, inside in children.items():
        for picture in inside:
            if len(picture.parts) <= place + 1:
                return None
            found.setdefault(str(splits[picture.parts[place]]), {})[picture] = name
    return found


def _unknown(children: Mapping[str, object], splits: Mapping[str, str]) -> None:
    """Raises InputError: folders that look like splits, with names that nobody knows."""
    unknown = [name for name in children if name not in splits]
    beside = f" beside {_names(splits)}" if splits else ""
    raise InputError(
        f"splits must be named train, validation or test, got {_names(unknown)}{beside}; say which are which with "
        "--train, --val and --test, or move away what is none of them"
    )


def _names(names: Iterable[object]) -> str:
    listed = sorted(map(str, names))
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5:,} more" if len(listed) > 5 else "")
