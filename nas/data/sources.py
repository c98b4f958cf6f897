"""Sources: where a data set comes from, a folder or the hub, and what it holds: images and labels by split."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nas.data import folders, hub
from nas.data.labelled import Labelled, Source, of_files
from nas.data.walk import Files, walk
from nas.records.settings import Reading
from space.reading import InputError

DIGITS = "digits"
SMALL = 8_000_000  # bytes of a folder that is decoded in a few seconds, at every start and without a cache
NO_LABELS = f"give {folders.LAYOUTS}"


def name_of_source(source: str) -> str:
    """What a data set is called: a folder's own name, or the hub's without its owner. Raises InputError."""
    path = Path(source).expanduser()
    if source and path.is_dir():
        return path.resolve().name
    return source if source in (DIGITS, *hub.NAMES) else hub.repository(source, [DIGITS]).split("/")[1]


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
    path = Path(source).expanduser()
    if source and path.is_dir():
        root = path.resolve()
        key, size = _stamps(root, reading)
        return Origin(name_of_source(source), key, size < SMALL, partial(_folder, source, root, reading, key))
    if source and path.exists():
        raise InputError(f"data must be a folder or a name, got the file {source}; give the folder it is in")
    if reading.splits():
        raise InputError(f"train, val and test must be of a folder, got the name {source}; leave them out")
    tables = hub.of_the_hub(source, hub.repository(source, [DIGITS]))
    key = repr([(split, table._fingerprint) for split, table in sorted(tables.items())]) + repr(reading)

    @contextmanager
    def opened(scratch: Path) -> Iterator[Source]:
        yield Source(
            {split: hub.labelled(table, reading) for split, table in tables.items()},
            {split: f"the hub's {split} split" for split in tables},
        )

    return Origin(name_of_source(source), key, False, opened)


def _stamps(root: Path, reading: Reading) -> tuple[str, int]:
    """A digest of all files that are read, and the sum of their sizes in bytes."""
    found = [_stamp(root), *(_stamp(_named(path)) for path in reading.splits().values())]
    plain = repr(([key for key, _ in found], reading))
    return hashlib.sha256(plain.encode()).hexdigest(), sum(size for _, size in found)


def _named(path: str) -> Path:
    """A split's folder or file. Raises InputError where it is not there."""
    found = Path(path).expanduser()
    if not found.exists():
        raise InputError(f"train, val and test must be folders or files, got {path}, which is not there; correct it")
    return found.resolve()


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
        found = Source({}, {}) if reading.train else _read(source, root, cache, reading)
        splits, came_from = dict(found.splits), dict(found.came_from)
        for split, path in reading.splits().items():
            place = _named(path)
            splits[split] = _one_split(place, cache, reading, found.notes)
            came_from[split] = f"{place.name}, as said"
        yield Source(splits, came_from, found.notes)
    if _stamps(root, reading)[0] != key:
        raise InputError(f"data must stay as it is while it is read, got changed files in {source}; start again")


def _read(source: str, root: Path, cache: str, reading: Reading) -> Source:
    """Parquet files, or pictures with a label file or in folders by class."""
    files = walk(root)
    if not files.pictures and not files.tables:
        if files.other:
            raise InputError(f"data must be a folder of images or parquet files, got none in {source}; {NO_LABELS}")
        raise InputError(f"data must be a folder of images or parquet files, got the empty {source}; fill it")
    parquet = [file for file in files.tables if file.suffix.lower() == ".parquet"]
    if parquet and not files.pictures:
        return _parquet(root, parquet, cache, reading, files)
    if not files.pictures:
        tables = hub.by_split(hub.local(root, cache))
        splits = {split: hub.labelled(table, reading) for split, table in tables.items()}
        return Source(splits, dict.fromkeys(splits, "its files"), files.notes())
    return _label_files(root, files, reading) or _class_folders(root, files)


def _parquet(root: Path, paths: Sequence[Path], cache: str, reading: Reading, files: Files) -> Source:
    """By split: the last part of a path that names one. Files without any are train where no file has one."""
    named = {
        path: next(filter(None, map(folders.split_of, reversed(path.with_suffix("").parts))), None) for path in paths
    }
    if not any(named.values()):
        named = dict.fromkeys(paths, "train")
    if unknown := [path for path, split in named.items() if split is None]:
        raise InputError(
            f"splits must be named train, validation or test, got {unknown[0]} beside others; say which is which with "
            "--train, --val and --test"
        )
    if "train" not in named.values():
        split_names = sorted({str(split) for split in named.values()}, reverse=True)
        if len(split_names) > 1:
            raise InputError(f"data must have a train split, got {', '.join(split_names)}; rename one to train")
        named = dict.fromkeys(paths, "train")
    by_split: dict[str, list[Path]] = {}
    for path, split in named.items():
        by_split.setdefault(str(split), []).append(path)
    splits = hub.of_parquet(root, by_split, cache, reading)
    return Source(splits, {split: f"files such as {by_split[split][0]}" for split in splits}, files.notes())


def _label_files(root: Path, files: Files, reading: Reading) -> Source | None:
    """What label files say of the pictures, None where there is no such file."""
    if not files.tables:
        return None
    from nas.data import label_files  # pandas

    found = label_files.read(root, files.tables, files.pictures, reading)
    if "train" not in found:
        if reading.label_column:
            raise InputError(
                f"label_column must be in a file beside the pictures, got {reading.label_column}; correct it"
            )
        return None
    notes = files.notes()
    listed = {picture for rows in found.values() for picture in rows.pictures}
    if missing := sum(rows.missing for rows in found.values()):
        notes.append(f"left out, rows of label files without their picture: {missing:,}")
    if more := len(files.pictures) - len(listed):
        notes.append(f"left out, pictures that no label file names: {more:,}")
    splits = {split: of_files(root, rows.pictures, rows.labels) for split, rows in found.items()}
    return Source(splits, {split: f"the label file {rows.file}" for split, rows in found.items()}, notes)


def _class_folders(root: Path, files: Files) -> Source:
    found = folders.read(files.pictures)
    notes = files.notes()
    used = {picture for pictures in found.values() for picture in pictures}
    if more := len(files.pictures) - len(used):
        notes.append(f"left out, pictures of a split without a folder per class: {more:,}")
    splits = {split: _of_folders(root, pictures) for split, pictures in found.items()}
    empty = _empty(files, {picture.parent for picture in files.pictures})
    if empty:
        notes.append(f"folders without pictures: {', '.join(map(str, empty[:5]))}{', ...' * (len(empty) > 5)}")
    return Source(splits, {split: f"folders such as {_such_as(found[split])}" for split in found}, notes)


def _such_as(pictures: folders.Labelled) -> Path:
    """The folder of one of the classes."""
    picture, name = next(iter(pictures.items()))
    return Path(*picture.parts[: picture.parts.index(name) + 1])


def _of_folders(root: Path, pictures: folders.Labelled) -> Labelled:
    ordered = sorted(pictures, key=lambda picture: (pictures[picture], picture))
    return of_files(root, ordered, [pictures[picture] for picture in ordered])


def _empty(files: Files, filled: set[Path]) -> list[Path]:
    """Folders without any picture in them or below."""
    holding = {parent for folder in filled for parent in (folder, *folder.parents)}
    return [folder for folder in files.folders if folder not in holding]


def _one_split(place: Path, cache: str, reading: Reading, notes: list[str]) -> Labelled:
    """A split that a person named: a folder of class folders or parquet files, or one parquet or label file."""
    if place.is_file():
        root, name = place.parent, Path(place.name)
        files = walk(root)
        files.tables = [name]
    else:
        root, files = place, walk(place)
    notes += files.notes()
    parquet = [file for file in files.tables if file.suffix.lower() == ".parquet"]
    if parquet and (place.is_file() or not files.pictures):
        return hub.of_parquet(root, {"train": parquet}, cache, reading)["train"]
    if place.is_file() or files.tables:
        from nas.data import label_files

        rows = label_files.read(root, files.tables, files.pictures, reading)
        if len(rows) == 1:
            each = next(iter(rows.values()))
            return of_files(root, each.pictures, each.labels)
        if place.is_file():
            raise InputError(f"{place} must name pictures beside it and their labels, got neither; {NO_LABELS}")
    return _of_folders(root, folders.classes(files.pictures, Path()))
