"""Sources: where a data set comes from, and its rows as Hugging Face tables with a label column."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from nas.data.arrays import ELSEWHERE
from nas.data.images import Encoded
from nas.records.errors import first_line
from space.reading import InputError, nearest

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]

DIGITS = "digits"
HUB = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
}
WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target", "y")
IMAGE_COLUMNS = ("image", "img")
IMAGE_FILES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
    ".jp2",
    ".tga",
)
PROBE_SECONDS = 5
SMALL = 8_000_000  # bytes of a folder that is decoded in a few seconds, at every start and without a cache

Tables = Mapping[str, "Dataset"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A data set that exists: its name, a `key` that changes when its content does, whether it is `small`, and its
    tables by split (train, and validation and test where it has them) while the context lasts.

    What opening needs on disk goes below the folder given; nothing is written beside the data.
    """

    name: str
    key: str
    small: bool
    tables: Callable[[Path], AbstractContextManager[Tables]]


def find(source: str) -> Origin:
    """The folder or hub data set behind a source. Raises InputError.

    A folder is not opened for its key, which is of the names, sizes and times of its files. A hub data set is, and
    downloaded where it was not; its key is the fingerprint that `datasets` gives to a revision.
    """
    path = Path(source).expanduser()
    if source and path.is_dir():
        root = path.resolve()
        key, size = _stamp(root)
        return Origin(root.name, key, size < SMALL, partial(_folder_tables, source, root, key))
    if source and path.exists():
        raise InputError(f"data must be a folder or a name, got the file {source}; give the folder it is in")
    repository = _repository(source)
    tables = _by_split(_hub(source, repository))
    if set(tables) == {"train", "validation"}:
        tables = {"train": tables["train"], "test": tables["validation"]}
    key = repr([(split, table._fingerprint) for split, table in sorted(tables.items())])
    return Origin(
        source if source in HUB else repository.split("/")[1], key, False, lambda scratch: nullcontext(tables)
    )


def _stamp(root: Path) -> tuple[str, int]:
    """A digest of the path, size, and times of modification and change of every file below a folder, as git knows a
    changed file, and the sum of their sizes in bytes. Hidden files are left out, as `datasets` leaves them out.

    The time of change moves with every write, even with one that sets the time of modification back.
    """
    facts, total = [], 0
    for folder, below, files in os.walk(root, followlinks=True):
        below[:] = [name for name in below if not name.startswith(".")]
        for file in files:
            path = f"{folder}{os.sep}{file}"
            if not file.startswith(".") and os.path.exists(path):  # noqa: PTH110 - a million files: no Path for each
                stat = os.stat(path)  # noqa: PTH116
                facts.append((path[len(str(root)) :], stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
                total += stat.st_size
    return hashlib.sha256(repr(sorted(facts)).encode(errors="surrogateescape")).hexdigest(), total


@contextmanager
def _folder_tables(source: str, root: Path, key: str, scratch: Path) -> Iterator[Tables]:
    """A folder's tables. Their own cache is temporary, so that changed files are read anew."""
    with tempfile.TemporaryDirectory(prefix="nas-", dir=scratch) as cache:
        yield _by_split(_folder(source, root, cache))
    if _stamp(root)[0] != key:
        raise InputError(f"data must stay as it is while it is read, got changed files in {source}; start again")


def labels(tables: Tables) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Labels by split as indices into the class names, and those names.

    A validation or test split in which any row has no label (null, or -1 where that is no class) is left out.
    Raises InputError when there is no label column or train has rows without a label.
    """
    column = _label_column(tables["train"])
    values = {split: _cells(table, column) for split, table in tables.items() if column in table.column_names}
    known = getattr(tables["train"].features[column], "names", None)
    absent = {None, -1} if known or -1 not in values["train"] else {None}
    row = next((index for index, value in enumerate(values["train"]) if value in absent), None)
    if row is not None:
        raise InputError(f"{column} must be given for every train image, got none in row {row}; add or remove it")
    labelled = {split: found for split, found in values.items() if not absent.intersection(found)}
    classes = range(len(known)) if known else sorted(set().union(*labelled.values()))
    index = {value: position for position, value in enumerate(classes)}
    numbers = {split: np.array([index[value] for value in found], np.int64) for split, found in labelled.items()}
    return numbers, tuple(str(name) for name in known or classes)


def reader(table: Dataset) -> Callable[[list[int]], list[Encoded]]:
    """Reads rows' encoded images, undecoded. Raises InputError when no column holds images."""
    import pyarrow as pa

    types = {field.name: field.type for field in table.data.schema}
    structs = [name for name, kind in types.items() if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0]
    binary = [name for name, kind in types.items() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind)]
    found = sorted(structs or binary, key=lambda name: name not in IMAGE_COLUMNS)
    if not found:
        raise InputError(f"data must have a column of images, got columns {', '.join(types)}; is it an image data set?")
    return partial(_encoded, table.with_format("arrow"), found[0])


def _encoded(table: Dataset, column: str, rows: list[int]) -> list[Encoded]:
    cells = [cell if isinstance(cell, dict) else {"bytes": cell} for cell in table[rows][column].to_pylist()]
    return [{"bytes": cell.get("bytes"), "path": cell.get("path")} for cell in cells]


def _cells(table: Dataset, column: str) -> list[Any]:
    """A column as it is stored: images not decoded, labels as integers."""
    return cast(list[Any], table.with_format("arrow")[:][column].to_pylist())


def _label_column(table: Dataset) -> str:
    """The column by customary name, else the only one that knows its class names."""
    import pyarrow as pa
    from datasets import ClassLabel

    def usable(kind: pa.DataType) -> bool:
        checks = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string)
        return any(check(kind) for check in checks)

    types = {field.name: field.type for field in table.data.schema}
    named = [name for name in LABEL_COLUMNS if name in types and usable(types[name])]
    class_labels = [name for name, feature in table.features.items() if isinstance(feature, ClassLabel)]
    if named or len(class_labels) == 1:
        return (named or class_labels)[0]
    raise InputError(
        f"data must have a column of labels ({', '.join(LABEL_COLUMNS)}; integers or words), "
        f"got columns {', '.join(types)}; rename one, or sort the images into a folder per class"
    )


def _by_split(tables: Tables) -> dict[str, Dataset]:
    """Tables under our split names, empty ones left out; a lone table is train whatever it is called."""
    filled = {name: table for name, table in tables.items() if len(table)}
    if len(filled) == 1:
        return {"train": next(iter(filled.values()))}
    ours = {split: filled[word] for split, words in WORDS.items() for word in reversed(words) if word in filled}
    if "train" not in ours:
        got = ", ".join(filled) or "no rows"
        raise InputError(f"data must have a train split, got {got}; rename one to train")
    return ours


def _folder(source: str, root: Path, cache: str) -> Tables:
    """The tables of a local folder, read without the network."""
    from datasets import load_dataset

    patterns = _class_folders(source, root)
    options: dict[str, Any] = {"data_files": patterns, "drop_labels": False} if patterns else {}
    try:
        with _quiet():
            return cast(Tables, load_dataset(str(root), cache_dir=cache, **options))
    except Exception as error:  # the edge of a library that raises its own, pyarrow's, fsspec's and yaml's errors
        cause = error.__cause__ or error
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            raise InputError(
                f"disk must have room for a copy of {source} while it is read, got none left in {Path(cache).parent}; "
                f"{ELSEWHERE}"
            ) from error
        reason = first_line(cause)
        raise InputError(
            f"data must be a folder of images or parquet files, got {source} ({reason}); mend it"
        ) from error


def _class_folders(source: str, root: Path) -> dict[str, list[str]] | None:
    """`data_files` of a tree with a folder per class, or None where there are no images or tables describe them.

    Hugging Face's own rules for finding splits take a class `test-tube` or a file `train 1.png` for a split.
    A split here is a folder of exactly that name with folders but no images directly inside, beside a `train`.
    Raises InputError for an empty folder.
    """
    walk = {
        Path(folder): files
        for folder, _, files in os.walk(root, followlinks=True)
        if not any(part.startswith((".", "__")) for part in Path(folder).relative_to(root).parts)
    }
    files = [Path(file) for found in walk.values() for file in found]
    if not files:
        raise InputError(f"data must be a folder of images or parquet files, got the empty {source}; fill it")
    if any(file.stem == "metadata" or file.suffix == ".parquet" for file in files) or not any(map(_is_image, files)):
        return None
    bare = [folder for folder, found in walk.items() if folder != root and not any(map(_is_image, map(Path, found)))]
    splits = {split: [folder for folder in bare if folder.name.lower() in words] for split, words in WORDS.items()}
    chosen = splits if splits["train"] else {"train": [root]}
    patterns = {split: [p for folder in folders for p in _patterns(folder, walk)] for split, folders in chosen.items()}
    return {split: found for split, found in patterns.items() if found}


def _patterns(folder: Path, walk: Mapping[Path, list[str]]) -> list[str]:
    """Glob patterns of all images below a folder, one per folder and suffix: `**` would not follow links."""
    below = sorted(path for path in walk if path.is_relative_to(folder))
    found = {path: sorted({Path(file).suffix for file in walk[path] if _is_image(Path(file))}) for path in below}
    return [f"{glob.escape(str(path))}/*{suffix}" for path, suffixes in found.items() for suffix in suffixes]


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_FILES and not file.name.startswith(".")


def _repository(source: str) -> str:
    """The hub's `owner/name` behind a source. Raises InputError when it looks like a path or a misspelt name."""
    repository = HUB.get(source, source.removeprefix("hf:"))
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", repository):
        return repository
    if "/" in source or os.sep in source:
        raise InputError(f"data must be an existing folder, a name or owner/name, got {source}; check the path")
    raise InputError(
        f"data must be a name, a folder or owner/name on the Hugging Face hub, got {source or 'nothing'}; "
        f"{nearest(source, [DIGITS, *HUB])}"
    )


def _hub(source: str, repository: str) -> Tables:
    """The tables of a hub data set; of its cached copy when the hub does not answer."""
    from datasets import config, load_dataset

    offline = config.HF_HUB_OFFLINE
    reachable = not offline and _answers(config.HF_ENDPOINT)
    config.HF_HUB_OFFLINE = not reachable  # for this call only: without it every request is tried 6 times, in 23 s
    try:
        return cast(Tables, load_dataset(repository))
    except Exception as error:  # the edge, as in _folder
        reason = (
            first_line(error.__cause__ or error) if reachable else "the hub cannot be reached, and it is not cached"
        )
        step = "check the name" if reachable else "check the network, or give a local folder"
        raise InputError(
            f"data must be a folder or a data set on the Hugging Face hub, got {source} ({reason}); {step}"
        ) from error
    finally:
        config.HF_HUB_OFFLINE = offline


def _answers(endpoint: str) -> bool:
    """Whether a server answers at all within seconds; a refusal is an answer."""
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=PROBE_SECONDS).close()
    except OSError as error:
        cause = getattr(error, "reason", None)  # Python's certificates may differ from Hugging Face's
        return isinstance(error, urllib.error.HTTPError) or isinstance(cause, ssl.SSLError)
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Hugging Face's progress bars, which say little about files that are here already."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()
