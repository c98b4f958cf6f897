"""Label files: a CSV or JSON-lines file beside pictures that says which class each of them is.

`metadata.csv`, `labels.csv`, `train.csv` and the like, with a column of file names (with or without their folder and
suffix) and one of labels; a column `split` may say which split a row belongs to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nas.data.columns import ONE, label_column, one_class_each
from nas.data.folders import split_of
from nas.records.errors import first_line
from nas.records.settings import Reading
from space.reading import InputError

FILES = ("file_name", "filename", "file", "image", "img", "path", "filepath", "image_path", "image_id", "id", "name")
SPLITS = ("split", "set", "subset", "partition")
KINDS = {".csv", ".tsv", ".jsonl"}
ENOUGH = 0.5  # part of a file's rows that have to name a picture, for it to be about them


@dataclass(frozen=True, slots=True)
class Rows:
    """Pictures, relative to the root, and their labels; None where the file gives none."""

    pictures: list[Path]
    labels: list[str | None]
    missing: int  # rows whose picture is not there
    file: Path


class Index:
    """Finds pictures by whatever part of their path a file gives."""

    def __init__(self, pictures: Sequence[Path]) -> None:
        self.paths: dict[str, Path] = {}
        self.names: dict[str, list[Path]] = {}
        for path in pictures:
            self.paths[str(path)] = self.paths[str(path.with_suffix(""))] = path
            for name in {path.name, path.stem}:
                self.names.setdefault(name, []).append(path)

    def __contains__(self, name: str) -> bool:
        """Whether one or several pictures are called so."""
        return _plain(name).rpartition("/")[2] in self.names

    def find(self, name: str, beside: Path, split: str) -> Path | None:
        """The picture that a file about a split, in the folder `beside`, calls `name`; of several, the one in a folder
        of that split. Raises InputError where that is not one."""
        name = _plain(name)
        for key in (str(beside / name), name):
            if found := self.paths.get(key):
                return found
        last = name.rpartition("/")[2]
        several = self.names.get(last, [])
        if len(several) > 1:
            several = [path for path in several if split in map(split_of, path.parts[:-1])]
            if len(several) != 1:
                raise InputError(
                    f"file names must be unique, got several pictures named {last}; give their folders too"
                )
        return several[0] if several else None


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def read(root: Path, files: Sequence[Path], pictures: Sequence[Path], reading: Reading) -> dict[str, Rows]:
    """What label files say of pictures, by split; nothing where no file says anything. Raises InputError."""
    index, found = Index(pictures), {}
    for file in files:
        if file.suffix.lower() not in KINDS:
            continue
        table = load(root / file)
        column = _file_column(table, file, index, reading)
        if column is None:
            continue
        others = [str(name) for name in table.columns if str(name) != column and str(name).lower() not in SPLITS]
        if reading.label_column and reading.label_column not in others:
            continue
        label = label_column(others, reading.label_column) or (others[0] if len(others) == 1 else None)
        for split, part in _by_split(table, file) if label else ():
            if split in found:
                raise InputError(f"labels must be in one file for each split, got {file} too for {split}; join them")
            found[split] = _rows(part, file, (column, str(label), split), index)
    return found


def load(path: Path) -> pd.DataFrame:
    """A file's rows: words as they are written, so that class 01 stays 01. Raises InputError."""
    try:
        if path.suffix.lower() == ".jsonl":
            return pd.read_json(path, lines=True, dtype=False)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(",;\t", key=header.count)
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"labels must be a table, got {path} ({first_line(error)}); mend or remove it") from error


def _file_column(table: pd.DataFrame, file: Path, index: Index, reading: Reading) -> str | None:
    """The column that names most pictures: a customary one, else any."""
    if reading.image_column in table.columns:
        return reading.image_column
    names = {str(name).lower(): str(name) for name in table.columns}
    order = [names[name] for name in FILES if name in names] + [name for key, name in names.items() if key not in FILES]
    for name in order:
        values = table[name].dropna().head(200)
        hits = sum(str(value) in index for value in values)
        if hits and hits >= ENOUGH * len(values):
            return name
    return None


def _by_split(table: pd.DataFrame, file: Path) -> list[tuple[str, pd.DataFrame]]:
    """By the column `split` where there is one, else by the file's name or folder."""
    column = next((str(name) for name in table.columns if str(name).lower() in SPLITS), None)
    if column and all(map(split_of, map(str, table[column].unique()))):
        return [
            (str(split), part) for split, part in table.groupby(table[column].map(lambda word: split_of(str(word))))
        ]
    named = split_of(file.stem) or (split_of(file.parent.name) if file.parent.name else None)
    return [(named or "train", table)]


def _rows(table: pd.DataFrame, file: Path, names: tuple[str, str, str], index: Index) -> Rows:
    column, label, split = names
    found = [index.find(str(name), file.parent, split) for name in table[column].tolist()]
    classes = one_class_each(table[label].tolist(), f"{label} of {file}")
    known = [(picture, name) for picture, name in zip(found, classes, strict=True) if picture is not None]
    if twice := [path for path, count in Counter(path for path, _ in known).items() if count > 1]:
        raise InputError(
            f"{file} must have one row for each picture, got several for {twice[0]} ({len(twice):,} such); {ONE}"
        )
    return Rows([path for path, _ in known], [name for _, name in known], len(table) - len(known), file)
