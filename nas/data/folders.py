"""Folders: which split and which class each picture below a folder belongs to, by the names of the folders above it.

The folder directly under the root, or under a split, is the class; everything below it belongs to it. What can be read
in two ways is refused with both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from space.reading import InputError

SPLIT_WORDS = {
    "train": {"train", "training", "trainset", "trn", "trainval"},
    "validation": {"validation", "valid", "val", "dev", "valset", "devset", "development"},
    "test": {"test", "testing", "eval", "evaluation", "testset", "tst"},
}
# what names a part of the data, but not which
PARTS = {
    "fold", "folds", "split", "part", "set", "holdout", "heldout", "subset", "extra", "labeled", "labelled", "learn",
    "unlabeled", "unlabelled", "query", "gallery", "private", "public", "batch", "chunk", "main", "tr", "te", "ts",
}  # fmt: skip
ALIKE = re.compile("train|test|valid|hold.?out|fold|split", re.IGNORECASE)
LAYOUTS = "a folder per class, the same in train and test, or a labels.csv with the columns file and label"
SAY = "say which is which with --train, --val and --test"

ClassOf = dict[Path, str]  # pictures and their classes
Children = Mapping[str, Sequence[Path]]


def split_of(name: str) -> str | None:
    """The split that a name stands for: test of `test_set`, `Testing` or `my-test2`. None where it is none or many."""
    words = _words(name)
    found = [split for split, known in SPLIT_WORDS.items() if words & known]
    return found[0] if len(found) == 1 else None


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}


def _like_a_split(name: str) -> bool:
    return bool(_words(name) & PARTS or ALIKE.search(name) or split_of(name))


def read(pictures: Sequence[Path], notes: list[str]) -> dict[str, ClassOf]:
    """Pictures, relative to a root, by split and with their classes; a root without splits is all `train`.

    `notes` hears of what may be read otherwise. Raises InputError where there are no classes, or where folders can be
    read in two ways.
    """
    top = _top(pictures, Path())
    children = by_child(pictures, top)
    _no_loose(pictures, top, children)
    splits = {name: split for name in children if (split := split_of(name))}
    flat = {name for name, inside in children.items() if any(len(each.parts) == len(top.parts) + 2 for each in inside)}
    if len(splits) == len(children) and len(set(splits.values())) > 1:
        if flat == set(children):
            raise InputError(
                f"pictures must have labels, got {listed(children)} with no folder per class in them; give {LAYOUTS}"
            )
        return _below_splits(children, splits, top, notes)
    if flat == set(children):
        return {"train": classes(pictures, top)}
    inner = _inner(children, len(top.parts) + 1)
    again = set.intersection(*inner.values()) if not flat else set()
    _no_parts(children, splits, recurring=len(again) > 1)
    if found := _splits_in_classes(children, inner, len(top.parts) + 1):
        return found
    if len(children) > 1 and len(again) > 1 and all(names == again for names in inner.values()):
        notes.append(f"in each of {listed(children)} are {listed(again)}: the outer folders are taken for the classes")
    return {"train": classes(pictures, top)}


def classes(pictures: Sequence[Path], top: Path) -> ClassOf:
    """The pictures of one split by class: the folder directly below `top`. Raises InputError for unequal depths."""
    children = by_child(pictures, top)
    _no_loose(pictures, top, children)
    depth = len(top.parts) + 2
    deeper = [name for name, inside in children.items() if all(len(each.parts) > depth for each in inside)]
    direct = [name for name in children if name not in deeper]
    if direct and deeper:
        below = sorted({each.parts[depth - 1] for name in deeper for each in children[name]})
        raise InputError(
            f"classes must be folders at one depth, got pictures directly in {listed(direct)} but deeper in "
            f"{listed(deeper)}: the classes could be {listed(children)} or {listed([*direct, *below])}; "
            "move the pictures to one depth"
        )
    return {picture: unicodedata.normalize("NFC", name) for name, inside in children.items() for picture in inside}


def one_split(pictures: Sequence[Path]) -> ClassOf:
    """The classes of a folder that is one split, whatever it is called."""
    return classes(pictures, _top(pictures, Path()))


def by_child(pictures: Iterable[Path], top: Path) -> dict[str, list[Path]]:
    """Pictures by the folder below `top` that they are in."""
    children: dict[str, list[Path]] = {}
    for picture in pictures:
        if len(picture.parts) > len(top.parts) + 1:
            children.setdefault(picture.parts[len(top.parts)], []).append(picture)
    return children


def _top(pictures: Sequence[Path], top: Path) -> Path:
    """The folder under which names tell pictures apart: a lone folder of folders is passed through."""
    while True:
        inside = {picture.parts[: len(top.parts) + 1] for picture in pictures}
        depths = min(len(picture.parts) for picture in pictures)
        if len(inside) > 1 or depths <= len(top.parts) + 2:
            return top
        top = Path(*inside.pop())


def _inner(children: Children, place: int) -> dict[str, set[str]]:
    """By child, the folders in it that hold pictures, at any depth."""
    return {
        name: {each.parts[place] for each in inside if len(each.parts) > place + 1} for name, inside in children.items()
    }


def _no_loose(pictures: Sequence[Path], top: Path, children: Children) -> None:
    """Raises InputError for pictures that are in no folder of a class."""
    loose = [picture for picture in pictures if len(picture.parts) == len(top.parts) + 1]
    if not loose:
        return
    where = "" if top == Path() else f" in {top}"
    if not children:
        raise InputError(f"pictures must have labels, got {len(loose):,} in no class folder{where}; give {LAYOUTS}")
    raise InputError(
        f"classes must be folders at one depth, got {len(loose):,} pictures ({listed(loose)}) beside the folders "
        f"{listed(children)}{where}: they could be another class, or none; move them into a folder, or away"
    )


def _below_splits(children: Children, splits: Mapping[str, str], top: Path, notes: list[str]) -> dict[str, ClassOf]:
    """By split; one other than train without class folders has no labels, and is left out.

    Raises InputError where train is missing, or where several folders are called like one split.
    """
    ours = {split: [name for name in children if splits[name] == split] for split in SPLIT_WORDS}
    if not ours["train"]:
        raise InputError(f"data must have a train split, got {listed(children)}; rename one to train, or {SAY}")
    if several := next((names for names in ours.values() if len(names) > 1), None):
        raise InputError(f"a split must be one folder, got {listed(several)} for {splits[several[0]]}; {SAY}")
    name = ours["train"][0]
    found = {"train": classes(children[name], _top(children[name], top / name))}
    known = set(found["train"].values())
    for split, names in ours.items():
        if split != "train" and names and (labelled := _other(children[names[0]], top / names[0], known)):
            found[split] = labelled
        elif split != "train" and names:
            notes.append(f"left out, a split without a folder per class: {names[0]} ({len(children[names[0]]):,})")
    return found


def _other(pictures: Sequence[Path], top: Path, known: set[str]) -> ClassOf | None:
    """The classes of a split beside train; None where its pictures are in no folder of a class of train."""
    children = by_child(pictures, top)
    if len(children) == 1 and not known & set(children):
        inside = _top(pictures, top)
        return classes(pictures, inside) if inside != top else None
    return classes(pictures, top) if children else None


def _splits_in_classes(children: Children, inner: Mapping[str, set[str]], place: int) -> dict[str, ClassOf] | None:
    """`cat/train`, `cat/test`, `dog/train`, ...: where all folders of all classes are splits, and train is one.

    Raises InputError where only some of them are, or others that look like splits.
    """
    names = set().union(*inner.values())
    splits = {name: split_of(name) for name in names}
    if "train" not in splits.values() or len(set(splits.values())) < 2:
        if len(names) > 1 and all(_words(name) & PARTS or split_of(name) for name in names):
            raise InputError(f"splits must be named train, validation or test, got {listed(names)}; {SAY}")
        _no_splits_below(children, place)
        return None
    if None in splits.values() or len(set(splits.values())) < len(names):
        raise InputError(
            f"splits must be named train, validation or test, got {listed(names)} in the folders "
            f"{listed(children)}; {SAY}"
        )
    found: dict[str, ClassOf] = {}
    for name, inside in children.items():
        for picture in inside:
            if len(picture.parts) <= place + 1:
                raise InputError(
                    f"pictures must be in a split, got {picture} beside {listed(names)}; move it, or {SAY}"
                )
            found.setdefault(str(splits[picture.parts[place]]), {})[picture] = unicodedata.normalize("NFC", name)
    return found


def _no_splits_below(children: Children, place: int) -> None:
    """Raises InputError for splits deeper down, which no class can have."""
    deeper = {part for inside in children.values() for each in inside for part in each.parts[place:-1]}
    splits = {part: split for part in deeper if (split := split_of(part))}
    if "train" in splits.values() and len(set(splits.values())) > 1:
        raise InputError(f"splits must be above the classes or directly in them, got {listed(splits)} deeper; {SAY}")


def _no_parts(children: Children, splits: Mapping[str, str], recurring: bool) -> None:
    """Raises InputError for folders that look like splits, with names that nobody knows: beside a train, or where the
    same folders recur in all of them."""
    alike = recurring and any(map(_like_a_split, children))
    if not alike and "train" not in splits.values():
        return
    unknown = [name for name in children if name not in splits]
    beside = f" beside {listed(splits)}" if splits and unknown else ""
    raise InputError(
        f"splits must be named train, validation or test, got {listed(unknown or children)}{beside}; {SAY}, or "
        "move away what is none of them"
    )


def listed(names: Iterable[object]) -> str:
    """For an error: the first of them, in order."""
    ordered = sorted(map(str, names))
    return ", ".join(ordered[:5]) + (f" and {len(ordered) - 5:,} more" if len(ordered) > 5 else "")
