"""A person's pictures: the files below what they name, with the classes that their folders are named after."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.data.images import endings
from space import InputError


@dataclass(frozen=True, slots=True)
class Found:
    """Each file once, with its class as an index where its folder is named like one; what else was there by ending, and
    the folders of pictures that are named like no class."""

    files: Sequence[tuple[Path, int | None]]
    others: Counter[str]
    strange: Sequence[str]

    @property
    def labelled(self) -> int:
        return sum(label is not None for _, label in self.files)


def find(paths: Sequence[Path], classes: Sequence[str]) -> Found:
    """The pictures in files and folders. The class of a picture is the first folder below the one that is named, else
    that one itself, where it is named like a class.

    A file that is named is a picture whatever it is called; of a folder, those are whose endings Pillow knows.
    Raises InputError for a path that is not there, and where there is no picture.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    files, others, strange, seen = list[tuple[Path, int | None]](), Counter[str](), dict[str, None](), set[Path]()
    for path, folders in _files(paths):
        real = path.resolve()
        if real in seen:
            continue
        seen.add(real)
        if path not in paths and path.suffix.lower() not in endings():
            others[path.suffix.lower()] += 1
            continue
        label = next((numbers[folder] for folder in folders if folder in numbers), None)
        files.append((path, label))
        if label is None:
            strange[folders[0]] = None
    if not files:
        raise InputError(f"PATH must have pictures, got none in {', '.join(map(str, paths))}; check the path")
    return Found(files, others, list(strange))


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Files, and the folders that may be their classes."""
    for path in paths:
        if path.is_dir():
            for file in _below(path):
                yield file, [*file.relative_to(path).parts[:-1][:1], path.resolve().name]
        elif path.exists():
            yield path, [path.absolute().parent.name]
        else:
            raise InputError(f"PATH must be a file or a folder, got {path}, which is not there; check the path")


def _below(root: Path) -> Iterator[Path]:
    """Files by name, links followed, hidden ones left out; a folder that is linked into itself once."""
    seen = set[str]()
    for folder, below, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))
