"""Data sets that Hugging Face's `datasets` reads: of the hub, and parquet files on the disk."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nas.data.arrays import ELSEWHERE
from nas.data.columns import LABELS, ONE, label_column, one_class_each
from nas.data.folders import split_of
from nas.data.images import Encoded
from nas.data.labelled import Labelled, joined
from nas.process.errors import first_line
from nas.records.data_card import Reading
from nas.records.look import Look
from space.reading import InputError, nearest

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]

NAMES = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
}
HUB = re.compile(r"\w[\w.-]*/[\w.-]+")  # owner/name
CAME_FROM = "the hub's split"  # before the name of a split that is from there
IMAGES = ("image", "img")
PROBE_SECONDS = 5

Tables = Mapping[str, "Dataset"]


def repository(source: str, others: Sequence[str]) -> str:
    """The hub's `owner/name` behind a source. Raises InputError when it looks like a path or a misspelt name."""
    found = NAMES.get(source, source.removeprefix("hf:"))
    path = Path(source)
    below = len(path.parts) > 1 and Path(path.parts[0]).is_dir() and not path.is_absolute()
    if re.fullmatch(HUB, found) and not below:
        return found
    if "/" in source or os.sep in source:
        hint = f"check the path, or give hf:{source} for the hub's" if re.fullmatch(HUB, found) else "check the path"
        raise InputError(f"data must be a folder that exists, got {source}, which is not there; {hint}")
    local = get_close_matches(source, [path.name for path in Path().iterdir() if path.is_dir()], n=1, cutoff=0.8)
    hint = f"did you mean the folder {local[0]}?" if local else nearest(source, [*others, *NAMES])
    raise InputError(
        f"data must be a name, a folder or owner/name on the Hugging Face hub, got {source or 'nothing'}; {hint}"
    )


def hub_id(source: str, look: Look | None) -> str | None:
    """The hub's `owner/name` of data that was read from there; None for other data, whatever its folder is called."""
    if look is None or not look.came_from["train"].startswith(CAME_FROM):
        return None
    return NAMES.get(source, source.removeprefix("hf:"))


def of_the_hub(source: str, name: str) -> tuple[dict[str, Dataset], list[str]]:
    """The tables of a hub data set by our split names, and the names of those that are none of them; of its cached copy
    when the hub does not answer. One with train and validation only has its validation split as test."""
    loaded = _load(source, name)
    tables = by_split(loaded)
    ours = [id(table) for table in tables.values()]
    others = [each for each, table in loaded.items() if len(table) and id(table) not in ours]
    if set(tables) == {"train", "validation"}:
        tables = {"train": tables["train"], "test": tables["validation"]}
    return tables, others


def by_split(tables: Tables) -> dict[str, Dataset]:
    """Tables under our split names, empty ones left out; a lone table is train whatever it is called."""
    filled = {name: table for name, table in tables.items() if len(table)}
    if len(filled) == 1:
        return {"train": next(iter(filled.values()))}
    ours = {split: table for name, table in reversed(filled.items()) if (split := split_of(name))}
    if "train" not in ours:
        got = ", ".join(filled) or "no rows"
        raise InputError(f"data must have a train split, got {got}; rename one to train")
    return ours


def of_parquet(root: Path, files: Mapping[str, Sequence[Path]], cache: str, reading: Reading) -> dict[str, Labelled]:
    """Parquet files by split. Files that number their classes otherwise than the first are read by themselves, as
    `datasets` takes the first one's numbers for all."""
    groups: dict[str, dict[str, list[Path]]] = {}
    for split in sorted(files, key=lambda split: split != "train"):  # whose numbers are ours
        for path in files[split]:
            groups.setdefault(_features(root / path), {}).setdefault(split, []).append(root / path)
    parts: dict[str, list[Labelled]] = {}
    for group in groups.values():
        patterns = {split: [glob.escape(str(path)) for path in each] for split, each in group.items()}
        loaded = local(root, cache, data_files=patterns)
        for split, table in loaded.items():
            if len(table):
                parts.setdefault(split, []).append(labelled(table, reading))
    return {split: joined(each) for split, each in parts.items()}


def _features(path: Path) -> str:
    """How a file describes its columns to `datasets`; empty where it does not, or cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return json.dumps(json.loads(metadata[b"huggingface"])["info"]["features"], sort_keys=True)
    except (OSError, pa.ArrowInvalid, KeyError, ValueError, TypeError):
        return ""


def labelled(table: Dataset, reading: Reading) -> Labelled:
    """A table's labels by the names of its classes, and its images. Raises InputError where it lacks either."""
    column = _label_column(table, reading)
    values = table.with_format("arrow")[:][column].to_pylist()
    names = tuple(getattr(table.features[column], "names", None) or ())
    if names:
        values = [None if value is None or value < 0 else names[value] for value in values]
    return Labelled(one_class_each(values, column, spaces=not names), _reader(table, reading), names)


def _label_column(table: Dataset, reading: Reading) -> str:
    """The column by customary name, else the only one that knows its class names."""
    from datasets import ClassLabel

    names = list(table.features)
    class_labels = [name for name, feature in table.features.items() if isinstance(feature, ClassLabel)]
    named = label_column(names, reading.label_column)
    if named or len(class_labels) == 1:
        return named or class_labels[0]
    raise InputError(
        f"data must have a column of labels ({', '.join(LABELS)}), got columns {', '.join(names)}; name it with "
        f"--label-column ({ONE})"
    )


def _reader(table: Dataset, reading: Reading) -> Any:
    """Reads rows' encoded images, undecoded. Raises InputError when no column, or more than one, holds images."""
    import pyarrow as pa

    types = {field.name: field.type for field in table.data.schema}
    structs = [name for name, kind in types.items() if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0]
    binary = [name for name, kind in types.items() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind)]
    found = structs or binary
    if not found:
        raise InputError(f"data must have a column of images, got columns {', '.join(types)}; is it an image data set?")
    chosen = reading.image_column or (found[0] if len(found) == 1 else None)
    if chosen is None or chosen not in found:
        raise InputError(
            f"image_column must be one of {', '.join(found)}, got {chosen or 'none'}; say which with --image-column"
        )
    return partial(_encoded, table.with_format("arrow"), chosen)


def _encoded(table: Dataset, column: str, rows: list[int]) -> list[Encoded]:
    cells = [cell if isinstance(cell, dict) else {"bytes": cell} for cell in table[rows][column].to_pylist()]
    return [{"bytes": cell.get("bytes"), "path": cell.get("path")} for cell in cells]


def local(root: Path, cache: str, **options: Any) -> Tables:
    """The tables of local files, read without the network."""
    from datasets import load_dataset

    files = [path for each in options.get("data_files", {}).values() for path in each]
    if (odd := next((path for path in map(str, [root, *files]) if "::" in path), None)) is not None:
        raise InputError(f"parquet files must be on a path without ::, got {odd}; rename it")
    try:
        with _quiet():
            return cast(Tables, load_dataset(str(root), cache_dir=cache, **options))
    except Exception as error:  # the edge of a library that raises its own, pyarrow's, fsspec's and yaml's errors
        cause = error.__cause__ or error
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            raise InputError(
                f"disk must have room for a copy of {root} while it is read, got none left in {Path(cache).parent}; "
                f"{ELSEWHERE}"
            ) from error
        raise InputError(
            f"data must be a folder of images or parquet files, got {root} ({first_line(cause)[:160]}); mend it"
        ) from error


def _load(source: str, name: str) -> Tables:
    """The tables of a hub data set; of its cached copy when the hub does not answer."""
    from datasets import config, load_dataset

    offline = config.HF_HUB_OFFLINE
    reachable = not offline and _answers(config.HF_ENDPOINT)
    config.HF_HUB_OFFLINE = not reachable  # for this call only: without it every request is tried 6 times, in 23 s
    try:
        return cast(Tables, load_dataset(name))
    except Exception as error:  # the edge, as in local
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
