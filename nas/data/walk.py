"""Walk: the files below a folder, each once, however they are linked, and which of them are pictures."""

from __future__ import annotations

import mimetypes
import os
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from nas.data.images import STUBS, suffixes
from space.reading import InputError

HEIC = {".heic", ".heif", ".hif"}  # read where pillow-heif is installed
TABLES = {".csv", ".tsv", ".jsonl", ".json", ".parquet"}


@dataclass(slots=True)
class Files:
    """What is below a folder, by paths relative to it, sorted. Hidden ones are left out."""

    root: Path
    pictures: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)  # by suffix, what is neither
    again: list[Path] = field(default_factory=list)  # links to what is there already
    broken: int = 0  # links to nothing

    @property
    def step(self) -> str:
        """What would make pictures of files that are none here, or nothing."""
        kinds = ", ".join(sorted(HEIC & self.other.keys()))
        return f"pip install pillow-heif to read {kinds}" if kinds else ""

    def notes(self) -> list[str]:
        """What was left out, a line each."""
        found = []
        if other := [(suffix, count) for suffix, count in self.other.most_common(6) if count]:
            kinds = ", ".join(f"{suffix or 'no suffix'} ({count:,})" for suffix, count in other)
            step = f"; {self.step}" if self.step else ""
            found.append(f"left out, no readable pictures: {kinds}{step}")
        if links := len(self.again) + self.broken:
            found.append(f"left out, links to what is read already or is not there: {links:,}")
        return found


def walk(root: Path) -> Files:
    """The files below a folder. What links lead to is read once: where it is, or under its first link.

    Raises InputError for a folder that cannot be read.
    """
    try:
        return _walk(root)
    except OSError as error:
        raise InputError(
            f"folders must be readable, got {error.filename} ({error.strerror}); mend or remove it"
        ) from error


def _walk(root: Path) -> Files:
    found = Files(root)
    links: list[Path] = []
    seen = {_identity(root)}
    _real(root, Path(), found, links, seen)
    for link in links:  # grows meanwhile
        target = root / link
        if not target.exists():
            found.broken += 1
        elif _identity(target) in seen:
            found.again.append(link)
        elif target.is_dir():
            _real(target, link, found, links, seen)
        else:
            seen.add(_identity(target))
            _sort(target, link, found)
    for each in (found.pictures, found.tables, found.folders):
        each.sort()
    return found


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _real(folder: Path, name: Path, found: Files, links: list[Path], seen: set[tuple[int, int]]) -> None:
    """Adds what is in a folder and below it; its links are for later, so that a real file comes before them."""
    device, _ = identity = _identity(folder)
    seen.add(identity)
    if name != Path():
        found.folders.append(name)
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            hidden = entry.is_file() and Path(entry.name).suffix.lower() in suffixes()
            found.other["hidden"] += hidden and not entry.name.startswith("._")
            continue
        if entry.is_symlink():
            links.append(name / entry.name)
        elif entry.is_dir():
            if _identity(Path(entry.path)) not in seen:
                _real(Path(entry.path), name / entry.name, found, links, seen)
        elif entry.is_file():
            seen.add((device, entry.inode()))
            _sort(Path(entry.path), name / entry.name, found)


def _sort(file: Path, name: Path, found: Files) -> None:
    suffix = name.suffix.lower()
    if suffix in suffixes():
        found.pictures.append(name)
    elif suffix in TABLES:
        found.tables.append(name)
    elif _is_picture(file):
        found.pictures.append(name)
    else:
        found.other[suffix] += 1


def _is_picture(file: Path) -> bool:
    """By content, where the suffix tells nothing."""
    kind = mimetypes.guess_type(file.name)[0]
    if kind and not kind.startswith("image/"):
        return False
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
            return image.format not in STUBS
    except Exception:  # Pillow raises nearly anything on what is no picture
        return False
