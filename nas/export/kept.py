"""What `nas predict` found on labelled pictures, kept beside the export: `exports/knee.predictions/test-1a2b3c4d.json`.

Beside it and not in it, as it names a person's files and shows some: a folder that is published has none of that.
Needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import ConfigDict

from nas.data.folders import split_of
from nas.data.images import open_plain, shaped
from nas.data.sheet import jpeg
from nas.export.arch_source import PREPROCESS
from nas.export.predictions import Predictions, Scores, wrong
from nas.process.files import write_whole
from nas.records.look import printable
from space import InputError
from space.reading import check

if TYPE_CHECKING:
    from nas.export.predict import Classifier

BESIDE = ".predictions"  # behind the export's name
MOST = 50  # wrong pictures that are kept, the surest first


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture that was taken for another class; `picture`: as the network sees it, JPEG in base64."""

    path: str
    label: int
    answer: int
    probability: float
    picture: str


@dataclass(frozen=True, slots=True)
class Kept:
    """`confusion` as in Scores; `split`: as the folder is named; `format`: the export's file that ran."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    created: str
    paths: tuple[str, ...]
    split: str | None
    format: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    broken: int

    def __post_init__(self) -> None:
        """Raises ValueError for what `nas predict` cannot have written."""
        count = len(self.classes)
        if {len(self.confusion), *map(len, self.confusion)} != {count} or not self.scores.images:
            raise ValueError(f"confusion must be a row and a column for each of {count} classes, got others")
        if not all(0 <= number < count for each in self.mistakes for number in (each.label, each.answer)):
            raise ValueError(f"mistakes must be of the {count} classes, got others")

    @property
    def scores(self) -> Scores:
        return Scores(np.array(self.confusion, np.int64))

    @property
    def name(self) -> str:
        """`path/to/test (test)`: the first of the paths, and how many others."""
        others = f" and {len(self.paths) - 1:,} more" if len(self.paths) > 1 else ""
        return self.paths[0] + others + (f" ({self.split})" if self.split else "")


def folder_of(export: Path) -> Path:
    """Where the predictions of an export are kept."""
    whole = export.resolve()
    return whole.with_name(whole.name + BESIDE)


def keep(
    export: Path,
    paths: Sequence[Path],
    by: Classifier,
    predictions: Predictions,
    scores: Scores,
    notes: Sequence[str],
) -> Path:
    """Writes the file, in place of what was kept of the same paths. Raises OSError where that cannot be."""
    whole = [printable(str(path.resolve())) for path in paths]
    splits = {split_of(Path(path).name) for path in whole}
    kept = Kept(
        created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", paths=tuple(whole), format=by.kind,
        split=splits.pop() if len(splits) == 1 else None, classes=tuple(predictions.classes),
        confusion=tuple(map(tuple, scores.confusion.tolist())), mistakes=_mistakes(by, predictions),
        notes=tuple(notes), broken=len(predictions.broken),
    )  # fmt: skip
    digest = hashlib.sha256("\0".join(sorted(whole)).encode()).hexdigest()[:8]
    path = folder_of(export) / f"{paths[0].resolve().name.encode(errors='replace').decode()[:40]}-{digest}.json"
    path.parent.mkdir(exist_ok=True)
    write_whole(path, json.dumps(asdict(kept)))
    return path


def _mistakes(by: Classifier, predictions: Predictions) -> tuple[Mistake, ...]:
    size, channels = by.preprocess.image_size, by.preprocess.channels
    return tuple(
        Mistake(
            printable(str(each.path)), each.label or 0, each.answer, each.probability,
            jpeg(shaped(open_plain(each.path), size, channels)),
        )
        for each in wrong(predictions)[:MOST]
    )  # fmt: skip


def exports_in(folders: Iterable[Path]) -> list[Path]:
    """Folders of exports, and folders that are one: each export once, in order."""
    found = dict[Path, Path]()  # by where it is, however it is called
    for folder in folders:
        for path in [folder, *sorted(folder.iterdir())] if folder.is_dir() else []:
            if (path / PREPROCESS).is_file():
                found.setdefault(path.resolve(), path)
    return list(found.values())


def kept_of(export: Path) -> list[Path]:
    """The files that are kept of an export, the latest first."""
    return sorted(folder_of(export).glob("*.json"), key=lambda path: -path.stat().st_mtime_ns)


def read_kept(path: Path) -> Kept:
    """Raises InputError for a file that is not whole, or gone."""
    try:
        return check(Kept, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # InputError is one too
        raise InputError(f"predictions must be whole, got {path} ({error}); run nas predict again") from error
