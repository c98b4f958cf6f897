"""What an export says of its data and its accuracies, for `nas train` and `nas predict`: its `facts.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nas.data.folders import split_of
from nas.data.sources import DIGITS, folder
from nas.process.files import write_whole
from space import InputError
from space.reading import check

FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """The data an export was trained on and its top-1 on that data's validation and test split, 0 to 1."""

    source: str  # as it was given
    fingerprint: str
    validation: float
    test: float
    searched: bool  # else the weights of `nas train`

    def words(self, export: Path) -> str:
        """`exports/mine, as the search left it: validation 58.33%, test 41.33%`."""
        state = "as the search left it" if self.searched else "as it was trained"
        return f"{export}, {state}: validation {self.validation:.2%}, test {self.test:.2%}"

    def write(self, export: Path) -> None:
        write_whole(export / FACTS, json.dumps(asdict(self), indent=1))


def read_facts(export: Path) -> Facts | None:
    """None where an export has none: imported weights, and exports of earlier releases. Raises InputError where they
    are damaged."""
    path = export / FACTS
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise InputError(f"{path} must be JSON, got other text; export the network again") from error
    return check(Facts, plain, str(path))


def trained_on(export: Path, paths: Sequence[Path]) -> list[str]:
    """A note for each path that is the folder that an export was trained on, is inside of it or holds it; but not for
    its test split, by the names of folders."""
    facts = read_facts(export)
    root = folder(facts.source) if facts and facts.source != DIGITS else None
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
