"""What a model card says of its data and its accuracies: written as one line each, and read again from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.data.folders import split_of
from nas.data.sources import DIGITS, folder
from nas.export.load import CARD
from nas.records.look import printable

_SEARCHED = "validation accuracy of these weights"
_DATA = re.compile(r"^- data: (.+), fingerprint (\w+)$", re.MULTILINE)
_ACCURACY = r"(0\.\d{4}|1\.0000|\d{1,3}\.\d\d%)"  # older cards have shares
_TEST = re.compile(rf"^- .*\btest accuracy {_ACCURACY} \(top-1", re.MULTILINE)
_VALIDATION = re.compile(rf"^- (?:.*, validation|{_SEARCHED}) {_ACCURACY} \(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """The data an export was trained on and its top-1 on that data's validation and test split, 0 to 1."""

    source: str  # as it was given
    fingerprint: str
    validation: float | None
    test: float | None
    searched: bool  # else the weights of `nas train`

    def words(self, export: Path) -> str:
        """`exports/mine, as the search left it: validation 58.33%, test 41.33%`."""
        state = "as the search left it" if self.searched else "as it was trained"
        return f"{export}, {state}: validation {self.validation:.2%}, test {self.test:.2%}"


def data_line(source: str, fingerprint: str) -> str:
    return f"- data: {printable(source)}, fingerprint {fingerprint}"


def read_card(export: Path) -> CardFacts | None:
    """None where there is no card, or one of an export whose data is not on record."""
    try:
        text = (export / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not (data := _DATA.search(text)):
        return None
    validation, test = (found and _share(found[1]) for found in (_VALIDATION.search(text), _TEST.search(text)))
    return CardFacts(data[1], data[2], validation, test, searched=_SEARCHED in text)


def _share(text: str) -> float:
    return round(float(text[:-1]) / 100, 4) if text.endswith("%") else float(text)


def trained_on(export: Path, paths: Sequence[Path]) -> list[str]:
    """A note for each path that is the folder that an export was trained on, is inside of it or holds it; but not for
    its test split, by the names of folders."""
    card = read_card(export)
    root = folder(card.source) if card and card.source != DIGITS else None
    return [note for path in paths if (note := _note(path, root))] if root else []


def _note(path: Path, root: Path) -> str:
    whole = path.resolve()
    if whole == root:
        return f"{path} is what this network was trained on: its accuracy there flatters"
    if root.is_relative_to(whole):
        return f"{path} holds {root.name}, which this network was trained on: its accuracy there flatters"
    if not whole.is_relative_to(root):
        return ""
    split = next(filter(None, map(split_of, whole.relative_to(root).parts)), "train")
    if split == "test":
        return ""
    use = "trained" if split == "train" else "chosen"
    return f"{path} is part of {root.name}, which this network was {use} on: its accuracy there flatters"
