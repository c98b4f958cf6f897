"""What a folder holds: parquet files, pictures with a label file, or pictures in a folder per class."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.data import folders, hub
from nas.data.folders import LAYOUTS, SAY, listed, split_of
from nas.data.labelled import Labelled, Source, of_files
from nas.data.walk import Files, walk
from nas.records.data_card import Reading
from space.reading import InputError

if TYPE_CHECKING:
    from nas.data.label_files import Found


def read_folder(source: str, root: Path, named: Mapping[str, Path], reading: Reading, cache: str) -> Source:
    """A folder's splits, but for those that a person `named`, each by a folder or file of its own: where train is
    one of these, nothing else of the folder is read. Raises InputError."""
    found = Source({}, {})
    if "train" not in named:
        found = _read(source, root, [path for path in named.values() if path != root], cache, reading)
    splits, came_from = dict(found.splits), dict(found.came_from)
    for split, place in named.items():
        splits[split] = _one_split(place, split, cache, reading, found.notes)
        came_from[split] = f"{place.name}, as said"
        if not len(splits[split]):
            raise InputError(f"{split} must have images with labels, got none in {place}; give another folder or file")
    return Source(splits, came_from, found.notes)


def _read(source: str, root: Path, others: Sequence[Path], cache: str, reading: Reading) -> Source:
    """All that is below a folder, without what is said to be another split."""
    files = walk(root)
    for each in (files.pictures, files.tables):
        each[:] = [path for path in each if not any((root / path).is_relative_to(other) for other in others)]
    if not files.pictures and not files.tables:
        if files.other:
            step = files.step or f"give {LAYOUTS}"
            raise InputError(f"data must be a folder of images or parquet files, got none in {source}; {step}")
        raise InputError(f"data must be a folder of images or parquet files, got the empty {source}; fill it")
    parquet = [file for file in files.tables if file.suffix.lower() == ".parquet"]
    if files.pictures:
        return _pictures(root, files, parquet, cache, reading)
    if parquet:
        return _parquet(root, parquet, cache, reading, files.notes())
    tables = hub.by_split(hub.local(root, cache))
    splits = {split: hub.labelled(table, reading) for split, table in tables.items()}
    return Source(splits, dict.fromkeys(splits, "its files"))


def _pictures(root: Path, files: Files, parquet: Sequence[Path], cache: str, reading: Reading) -> Source:
    """By label files or class folders, whichever can be read; where both can, they have to agree."""
    _no_folders_of_links(files)
    told = _label_files(root, files, reading)
    if told and "train" in told.rows and (reading.label_column or reading.image_column):
        return _of_label_files(root, files, told)
    _check_columns(told, reading)
    notes = files.notes()
    try:
        found = folders.read(files.pictures, notes)
    except InputError as error:
        if told and "train" in told.rows:
            return _of_label_files(root, files, told)
        if parquet:
            return _parquet(root, parquet, cache, reading, [*notes, _beside(files)])
        why = f" ({said})" if (said := _why_no_labels(files, told)) else ""
        raise InputError(f"{error}{why}") from error
    one_class = len({*found["train"].values()}) < 2
    if parquet and one_class:
        return _parquet(root, parquet, cache, reading, [*notes, _beside(files)])
    if parquet:
        raise InputError(
            f"data must be in one form, got class folders {listed({*found['train'].values()})} and {parquet[0]}; "
            "move one of them away"
        )
    if told and "train" in told.rows and one_class:
        return _of_label_files(root, files, told)
    if told and "train" in told.rows and told.customary:
        _check_same(found, told)
    if one_class and (said := _why_no_labels(files, told)):
        got = listed({*found["train"].values()})
        raise InputError(f"data must have at least 2 classes, got the one folder {got}; {said}")
    return _of_class_folders(root, files, found, notes)


def _why_no_labels(files: Files, told: Found | None) -> str:
    """Why no file beside the pictures gives their labels; nothing where there is none."""
    others = [f"{file}: no .csv, .tsv or .jsonl; save it as one" for file in files.tables if file.suffix == ".json"]
    return "; ".join([*(told.others if told else []), *others][:3])


def _beside(files: Files) -> str:
    return f"left out, pictures beside parquet files: {len(files.pictures):,}"


def _no_folders_of_links(files: Files) -> None:
    """Raises InputError for folders whose pictures are all links to ones that are elsewhere below the root: either are
    splits, and each picture can be in one place only."""
    own = {path.parts[0] for path in files.pictures if len(path.parts) > 1}
    only = {path.parts[0] for path in files.again if len(path.parts) > 1} - own
    if only:
        raise InputError(
            f"pictures must be in one place, got folders of links to others in this folder: {listed(only)}; "
            f"move one of the two away, or {SAY}"
        )


def _label_files(root: Path, files: Files, reading: Reading) -> Found | None:
    if not any(file.suffix.lower() != ".json" for file in files.tables):
        return None
    from nas.data import label_files  # pandas

    return label_files.read(root, files.tables, files.pictures, reading)


def _check_columns(told: Found | None, reading: Reading) -> None:
    """Raises InputError for columns that were said and are not there."""
    for field in ("label_column", "image_column"):
        if name := getattr(reading, field):
            why = f" ({'; '.join(told.others[:3])})" if told and told.others else ""
            raise InputError(f"{field} must be in a file beside the pictures, got {name}{why}; correct it")


def _check_same(found: Mapping[str, folders.ClassOf], told: Found) -> None:
    """Raises InputError where class folders and label files tell classes apart differently; other names are no
    difference."""
    pairs = set()
    by_folder = {picture: name for labelled in found.values() for picture, name in labelled.items()}
    for rows in told.rows.values():
        pairs |= {(by_folder.get(picture), label) for picture, label in zip(rows.pictures, rows.labels, strict=True)}
    names, labels = {name for name, _ in pairs}, {label for _, label in pairs}
    if not len(pairs) == len(names) == len(labels):
        file = told.rows["train"].file
        raise InputError(
            f"labels must be told by one thing, got folders {listed({*found['train'].values()})} and {file} with "
            f"{listed(filter(None, labels))}; say --label-column for the file, or move it away for the folders"
        )


def _of_label_files(root: Path, files: Files, told: Found) -> Source:
    notes = [*files.notes(), *(f"left out, {why}" for why in told.others)]
    taken = {picture for rows in told.rows.values() for picture in rows.pictures}
    if told.missing:
        notes.append(f"left out, rows of label files without their picture: {told.missing:,}")
    if more := len(files.pictures) - len(taken):
        notes.append(f"left out, pictures that no label file names: {more:,}")
    splits = {split: of_files(root, rows.pictures, rows.labels) for split, rows in told.rows.items()}
    return Source(splits, {split: f"the label file {rows.file}" for split, rows in told.rows.items()}, notes)


def _of_class_folders(root: Path, files: Files, found: Mapping[str, folders.ClassOf], notes: list[str]) -> Source:
    if empty := _empty(files):
        notes.append(f"folders without pictures: {listed(empty)}")
    splits = {split: _of_folders(root, pictures) for split, pictures in found.items()}
    return Source(splits, {split: f"folders such as {_such_as(found[split])}" for split in found}, notes)


def _such_as(pictures: folders.ClassOf) -> Path:
    """The folder of one of the classes."""
    picture, name = next(iter(pictures.items()))
    parts = [unicodedata.normalize("NFC", part) for part in picture.parts]
    return Path(*picture.parts[: parts.index(name) + 1])


def _of_folders(root: Path, pictures: folders.ClassOf) -> Labelled:
    """In the order of classes, folders, suffixes and names, which decides what is held out."""
    ordered = sorted(pictures, key=lambda path: (pictures[path], path.parent, path.suffix, path.name))
    return of_files(root, ordered, [pictures[picture] for picture in ordered])


def _empty(files: Files) -> list[Path]:
    """Folders without any picture in them or below."""
    filled = {picture.parent for picture in files.pictures}
    holding = {parent for folder in filled for parent in (folder, *folder.parents)}
    return [folder for folder in files.folders if folder not in holding]


def _parquet(root: Path, paths: Sequence[Path], cache: str, reading: Reading, notes: list[str]) -> Source:
    """By split: the last part of a path that names one. Files without any are train where no file has one.

    Raises InputError for several configurations, as the hub calls them.
    """
    named = {path: next(filter(None, map(split_of, reversed(path.with_suffix("").parts))), None) for path in paths}
    configurations = {tuple(part for part in path.parts[:-1] if not split_of(part)) for path in paths}
    if len(configurations) > 1:
        raise InputError(
            f"data must be one set, got parquet files in {listed('/'.join(each) or '.' for each in configurations)}; "
            f"give one of these folders, or {SAY}"
        )
    if "train" not in named.values() and len({*named.values()}) == 1:
        named = dict.fromkeys(paths, "train")
    if unknown := [path for path, split in named.items() if split is None]:
        raise InputError(f"splits must be named train, validation or test, got {unknown[0]} beside others; {SAY}")
    if "train" not in named.values():
        got = ", ".join(sorted({str(split) for split in named.values()}, reverse=True))
        raise InputError(f"data must have a train split, got {got}; rename one to train")
    by_split: dict[str, list[Path]] = {}
    for path, split in named.items():
        by_split.setdefault(str(split), []).append(path)
    splits = hub.of_parquet(root, by_split, cache, reading)
    return Source(splits, {split: f"files such as {by_split[split][0]}" for split in splits}, notes)


def _one_split(place: Path, split: str, cache: str, reading: Reading, notes: list[str]) -> Labelled:
    """A split that a person named: a folder of class folders or parquet files, or one parquet or label file."""
    root = place.parent if place.is_file() else place
    files = walk(root)
    if place.is_file():
        files.tables = [Path(place.name)]
    else:
        notes += files.notes()
    parquet = [file for file in files.tables if file.suffix.lower() == ".parquet"]
    if parquet and (place.is_file() or not files.pictures):
        return hub.of_parquet(root, {"train": parquet}, cache, reading)["train"]
    if place.is_file() or files.tables:
        from nas.data import label_files

        told = label_files.read(root, files.tables, files.pictures, reading, split)
        if split in told.rows and (place.is_file() or reading.label_column or told.customary):
            rows = told.rows[split]
            if told.missing:
                notes.append(f"left out, rows of {rows.file} without their picture: {told.missing:,}")
            return of_files(root, rows.pictures, rows.labels)
        if place.is_file():
            why = f" ({'; '.join(told.others)})" if told.others else ""
            raise InputError(f"{place} must name pictures beside it and their labels, got neither{why}; give {LAYOUTS}")
    if not files.pictures:
        raise InputError(f"{split} must have images, got none in {place}; give another folder")
    return _of_folders(root, folders.one_split(files.pictures))
