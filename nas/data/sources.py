"""Sources: where a data set comes from, a folder or the hub, and what it holds: images and labels by split."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nas.data import hub
from nas.data.folder_source import read_folder
from nas.data.labelled import Source
from nas.records.data_card import Reading
from space.reading import InputError

DIGITS = "digits"
SMALL = 8_000_000  # bytes of a folder that is decoded in a few seconds, at every start and without a cache


def name_of_source(source: str) -> str:
    """What a data set is called: a folder's own name, or the hub's without its owner. Raises InputError."""
    if (root := folder(source)) is not None:
        return root.name
    return source if source in (DIGITS, *hub.NAMES) else hub.repository(source, [DIGITS]).split("/")[1]


def folder(source: str) -> Path | None:
    """The folder that a source is, whole and without links; None where there is none."""
    try:
        path = Path(source).expanduser()
        return path.resolve() if source and path.is_dir() else None
    except (OSError, RuntimeError) as error:
        raise InputError(f"data must be a folder or a name, got {source[:200]} ({error}); correct it") from error


@dataclass(frozen=True, slots=True)
class Origin:
    """A data set that exists: its name, a `key` that changes when its content does, whether it is `small`, and what it
    holds while the context lasts.

    What opening needs on disk goes below the folder given; nothing is written beside the data.
    """

    name: str
    key: str
    small: bool
    open: Callable[[Path], AbstractContextManager[Source]]


def find(source: str, reading: Reading) -> Origin:
    """The folder or hub data set behind a source. Raises InputError.

    A folder is not opened for its key, which is of the names, sizes and times of its files. A hub data set is, and
    downloaded where it was not; its key is the fingerprint that `datasets` gives to a revision.
    """
    if (root := folder(source)) is not None:
        key, size = _stamps(root, reading)
        return Origin(name_of_source(source), key, size < SMALL, partial(_folder, source, root, reading, key))
    if source and Path(source).expanduser().exists():
        raise InputError(f"data must be a folder or a name, got the file {source}; give the folder it is in")
    if reading.splits():
        raise InputError(f"train, val and test must be of a folder, got the name {source}; leave them out")
    tables, others = hub.of_the_hub(source, hub.repository(source, [DIGITS]))
    key = repr([(split, table._fingerprint) for split, table in sorted(tables.items())]) + repr(reading)

    @contextmanager
    def opened(scratch: Path) -> Iterator[Source]:
        yield Source(
            {split: hub.labelled(table, reading) for split, table in tables.items()},
            {split: f"{hub.CAME_FROM} {table.split or split}" for split, table in tables.items()},
            [f"left out, splits of the hub: {', '.join(others)}"] if others else [],
        )

    return Origin(name_of_source(source), key, False, opened)


def _stamps(root: Path, reading: Reading) -> tuple[str, int]:
    """A digest of all files that are read, and the sum of their sizes in bytes."""
    found = [_stamp(root), *(_stamp(_named(path)) for path in reading.splits().values())]
    plain = repr(([key for key, _ in found], reading))
    return hashlib.sha256(plain.encode()).hexdigest(), sum(size for _, size in found)


def _named(path: str) -> Path:
    """A split's folder or file. Raises InputError where it is not there."""
    try:
        return Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"train, val and test must be folders or files, got {path} ({error}); correct it") from error


def _stamp(root: Path) -> tuple[str, int]:
    """A digest of the path, size, and times of modification and change of every file below a folder, as git knows a
    changed file, and the sum of their sizes in bytes. Hidden files are left out.

    The time of change moves with every write, even with one that sets the time of modification back.
    """
    facts, total, seen = [], 0, set()
    walked = os.walk(root, followlinks=True) if root.is_dir() else iter([(str(root.parent), list[str](), [root.name])])
    for folder, below, files in walked:
        stat = os.stat(folder)  # noqa: PTH116 - a million files: no Path for each
        below[:] = [] if (stat.st_dev, stat.st_ino) in seen else [name for name in below if not name.startswith(".")]
        seen.add((stat.st_dev, stat.st_ino))  # links may lead in a circle
        for file in files:
            path = f"{folder}{os.sep}{file}"
            if not file.startswith(".") and os.path.exists(path):  # noqa: PTH110
                stat = os.stat(path)  # noqa: PTH116
                facts.append((path[len(str(root)) :], stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
                total += stat.st_size
    return hashlib.sha256(repr(sorted(facts)).encode(errors="surrogateescape")).hexdigest(), total


@contextmanager
def _folder(source: str, root: Path, reading: Reading, key: str, scratch: Path) -> Iterator[Source]:
    """What a folder holds. Hugging Face's copy of its tables is temporary, so that changed files are read anew."""
    with tempfile.TemporaryDirectory(prefix="nas-", dir=scratch) as cache:
        named = {split: _named(path) for split, path in reading.splits().items()}
        yield replace(read_folder(source, root, named, reading, cache), root=root)
    if _stamps(root, reading)[0] != key:
        raise InputError(f"data must stay as it is while it is read, got changed files in {source}; start again")
