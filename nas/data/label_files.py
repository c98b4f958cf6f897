"""Label files: a CSV or JSON-lines file beside pictures that says which class each of them is.

`metadata.csv`, `labels.csv`, `train.csv` and the like, with a column of file names (with or without their folder and
suffix) and one of labels; a column `split` may say which split a row belongs to, else the names of file and folders do.
"""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from nas.data.columns import ONE, label_column, one_class_each
from nas.data.folders import listed, split_of
from nas.data.picture_index import PictureIndex
from nas.process.errors import first_line
from nas.records.data_card import Reading
from space.reading import InputError

FILES = (
    "file_name",
    "filename",
    "file",
    "image",
    "img",
    "path",
    "filepath",
    "filepaths",
    "image_path",
    "image_id",
    "id",
)
SPLIT_COLUMNS = (
    "split", "splits", "set", "subset", "partition", "data set", "data_set", "data_split", "dataset", "phase", "usage",
    "fold", "is_test", "is_train", "is_valid",
)  # fmt: skip
KINDS = {".csv", ".tsv", ".jsonl"}
ENOUGH = 0.5  # part of a file's rows that have to name a picture, for it to be about them
PROBED = 200  # rows


@dataclass(slots=True)
class Told:
    """Pictures, relative to the root, and their labels; None where the file gives none."""

    file: Path
    pictures: list[Path] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """What label files say, by split; `missing` rows have no picture; `others`: why a file was not taken."""

    rows: dict[str, Told] = field(default_factory=dict)
    missing: int = 0
    others: list[str] = field(default_factory=list)
    customary: bool = True  # whether all label columns have customary names, or were said


class NotAbout(Exception):
    """Why a file says nothing about the labels of the pictures."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Of pictures' names, of labels, and of splits where there is one."""

    names: str
    label: str
    split: str | None
    customary: bool  # whether `label` has a customary name, or was said


def read(
    root: Path, files: Sequence[Path], pictures: Sequence[Path], reading: Reading, split: str | None = None
) -> Found:
    """What label files say of pictures; nothing where no file says anything. `split`: that all of them are about it.

    Raises InputError for a file that contradicts itself or another.
    """
    index, found = PictureIndex(pictures), Found()
    for file in files:
        if file.suffix.lower() not in KINDS:
            continue
        try:
            if "submission" in file.stem.lower():
                raise NotAbout("a contest's submission, whose labels are not true ones")
            table = load(root / file)
            columns = _columns(table, file, index, reading, followed=split is None)
        except NotAbout as why:
            found.others.append(f"{file}: {why}")
            continue
        found.customary &= columns.customary
        _add(_places(table, file, columns, index, split, found), file, found)
    return found


def load(path: Path) -> pd.DataFrame:
    """A file's rows: words as they are written, so that class 01 stays 01. Raises NotAbout."""
    try:
        encoding = _encoding(path)
        if path.suffix.lower() == ".jsonl":
            found = pd.read_json(path, lines=True, dtype=False, encoding=encoding)
            return found.set_axis(found.columns.map(str), axis=1)
        with path.open(encoding=encoding) as file:
            header = file.readline()
        separator = max(",;\t|", key=header.count)
        return pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, na_values=[""], encoding=encoding,
            skipinitialspace=True,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        step = "save it as UTF-8" if isinstance(error, UnicodeError) else "mend or remove it"
        raise NotAbout(f"no table ({first_line(error)}); {step}") from error


def _encoding(path: Path) -> str:
    """UTF-8, or, where the file begins as such files do, UTF-16, which spreadsheets call Unicode text."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig"


def _columns(table: pd.DataFrame, file: Path, index: PictureIndex, reading: Reading, followed: bool) -> Columns:
    """Which column says what; a column of splits where that is `followed`. Raises NotAbout, and InputError for a file
    without the names of its columns."""
    names = _file_column(table, index, reading)
    if names is None:
        said = reading.image_column
        which = f"no column {said}, but" if said else "the pictures are named in none of"
        raise NotAbout(f"{which} {listed(table.columns)}")
    if (first := next((name for name in table.columns if name in index), None)) is not None:
        raise InputError(f"{file} must begin with the names of its columns, got {first}; add a first row: file,label")
    chosen = reading.label_column
    others = [name for name in table.columns if name != names]
    split = _split_column(table[[name for name in others if name != chosen]], file) if followed else None
    others = [name for name in others if name != split]
    if chosen and chosen not in others:
        raise NotAbout(f"no column {chosen}, but {listed(others)}")
    label = label_column(others, chosen)
    if label is None and len(others) != 1:
        what = f"which of {listed(others)} is the label? say it with --label-column" if others else "it has no labels"
        raise NotAbout(what)
    return Columns(names, label or others[0], split, label is not None)


Place = tuple[str | None, Path, str | None]  # split where it is said, picture, label


def _places(
    table: pd.DataFrame, file: Path, columns: Columns, index: PictureIndex, split: str | None, found: Found
) -> list[Place]:
    """A file's rows whose pictures are there. Raises InputError for several rows of one picture."""
    labels = one_class_each(table[columns.label].tolist(), f"{columns.label} of {file}")
    words = table[columns.split].tolist() if columns.split else [""] * len(table)
    own = split or split_of(file.stem) or split_of(file.parent.name)
    places: list[Place] = []
    for name, label, word in zip(table[columns.names].tolist(), labels, words, strict=True):
        of = split_of(str(word)) or own
        picture = index.find(name, file.parent, of)
        found.missing += picture is None
        if picture is not None:
            places.append((of, picture, label))
    twice = [path for path, count in Counter(picture for _, picture, _ in places).items() if count > 1]
    if twice:
        raise InputError(
            f"{file} must have one row for each picture, got several for {twice[0]} ({len(twice):,} such); {ONE}"
        )
    return places


def _add(places: Sequence[Place], file: Path, found: Found) -> None:
    """Raises InputError where another file is about the same split."""
    taken = set(found.rows)
    for of, picture, label in _with_folders_splits(places):
        if of in taken:
            raise InputError(f"labels must be in one file for each split, got {file} too for {of}; join them")
        rows = found.rows.setdefault(of, Told(file))
        rows.pictures.append(picture)
        rows.labels.append(label)


def _file_column(table: pd.DataFrame, index: PictureIndex, reading: Reading) -> str | None:
    """The column that names most different pictures, of equal ones a customary one."""
    if reading.image_column:
        return reading.image_column if reading.image_column in table.columns else None
    best: tuple[int, int, str] | None = None
    for name in table.columns:
        values = table[name].dropna().head(PROBED).tolist()
        hits = [str(value) for value in values if value in index]
        customary = FILES[::-1].index(name.lower()) if name.lower() in FILES else -1
        rank = (len(set(hits)), customary)
        if hits and len(hits) >= ENOUGH * len(values) and (best is None or rank > best[:2]):
            best = *rank, name
    return best[2] if best else None


def _split_column(table: pd.DataFrame, file: Path) -> str | None:
    """The column that says the split of each row: all of its words are splits. Raises InputError for one that is called
    so and has other words."""
    for name in table.columns:
        words = list(dict.fromkeys(table[name].fillna("").map(str)))
        unknown = [word for word in words if not split_of(word)]
        if not unknown and len(words) > 1:
            return str(name)
        if unknown and len(words) > 1 and name.lower() in SPLIT_COLUMNS:
            raise InputError(
                f"{name} of {file} must be train, validation or test in every row, got {unknown[0]!r}; correct it, or "
                "remove the column"
            )
    return None


def _with_folders_splits(places: Sequence[Place]) -> Iterator[tuple[str, Path, str | None]]:
    """Rows whose split is not said belong to that of their picture's folder, where all have one; else to train."""
    folders = {
        picture: next(filter(None, map(split_of, picture.parts[:-1])), None) for of, picture, _ in places if of is None
    }
    told = "train" in folders.values() and None not in folders.values()
    for of, picture, word in places:
        yield of or (str(folders[picture]) if told else "train"), picture, word
