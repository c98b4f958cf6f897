"""A person's pictures: the files below what they name, with the classes that their folders are named after."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.data.walk import walk
from nas.records.look import printable
from space import InputError


@dataclass(frozen=True, slots=True)
class Found:
    """Each file once, with its class as an index where a folder is named like one; the folders of pictures that are
    named like no class; and what was left out, a line each."""

    files: Sequence[tuple[Path, int | None]]
    strange: Sequence[str]
    notes: Sequence[str]

    @property
    def labelled(self) -> int:
        return sum(label is not None for _, label in self.files)


def find(paths: Sequence[Path], classes: Sequence[str]) -> Found:
    """The pictures in files and folders. The class of a picture is the first folder below the one that is named, else
    that one itself, where it is named like a class; folders that all pictures are in are passed through.

    Raises InputError for a path that is not there, and where there is no picture.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    files, strange, notes = dict[Path, tuple[Path, int | None]](), dict[str, None](), list[str]()
    for path, folders in _files(paths, notes):
        label = next((numbers[folder] for folder in map(composed, folders) if folder in numbers), None)
        if path.resolve() not in files and label is None:
            strange[folders[0]] = None
        files.setdefault(path.resolve(), (path, label))
    if not files:
        step = next((note for note in notes if "pip install" in note), "check the path")
        raise InputError(f"PATH must have pictures, got none in {', '.join(map(str, paths))}; {step}")
    return Found(list(files.values()), list(strange), notes)


def composed(name: str) -> str:
    """A name as classes are named: one accented letter is one letter."""
    return unicodedata.normalize("NFC", printable(name))


def _files(paths: Iterable[Path], notes: list[str]) -> Iterator[tuple[Path, list[str]]]:
    """Pictures, and the folders that may be their classes, the likeliest first."""
    for path in paths:
        if path.is_dir():
            found = walk(path)
            notes += found.notes()
            shared = Path(os.path.commonpath([each.parent for each in found.pictures] or [Path()])).parts
            for picture in found.pictures:
                below = picture.parts[len(shared) : -1][:1]
                yield path / picture, [*shared, *below, path.resolve().name]
        elif path.exists():
            yield path, [path.absolute().parent.name]
        else:
            raise InputError(f"PATH must be a file or a folder, got {path}, which is not there; check the path")
