"""Given: data that is in Python's hands, kept as a file in the cache so that workers and later runs find it again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from nas.data.columns import label_column, one_class_each
from nas.data.images import encoded_file, open_plain
from nas.data.splitting import SPLITS
from nas.process.files import write_whole
from nas.records.data_card import AS_FOUND, Reading
from nas.records.look import printable
from space.cache_root import cache_root
from space.reading import InputError

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]

Given = Any  # (images, labels), a torch or Hugging Face data set, or a mapping of splits to those
CHANNELS = (1, 3, 4)
PLAIN = (bool, int, float, str, list, tuple, dict, type(None))  # labels that can be judged, the right ones among them


def kept(data: Given, reading: Reading = AS_FOUND) -> Path:
    """The folder of parquet files that holds the data from now on: one for each split, named by what is in all of them.

    Images: PIL images, files, or uint8 arrays or tensors (H, W), (H, W, C) or (C, H, W), kept upright in L or RGB;
    labels: integers, words or booleans, None where a test image has none. `reading` names the columns of a Hugging Face
    data set. Raises InputError for what is neither.
    """
    splits = data if isinstance(data, Mapping) else {"train": data}
    if unknown := [name for name in splits if name not in SPLITS]:
        raise InputError(f"data must be by train, validation and test, got {unknown[0]}; rename it")
    if "train" not in splits:
        raise InputError(f"data must have a train split, got {', '.join(splits) or 'nothing'}; add it")
    digest, files = hashlib.sha256(), {}
    for split in (split for split in SPLITS if split in splits):
        images, labels = _read(splits[split], split, reading)
        digest.update(repr((split, labels, [hashlib.sha256(image).digest() for image in images])).encode())
        files[f"{split}.parquet"] = _parquet(images, labels)
    folder = cache_root() / f"given-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if not (folder / name).exists():
            write_whole(folder / name, content)
    return folder


def _read(given: Given, split: str, reading: Reading) -> tuple[list[bytes], list[str | None]]:
    """The images of a split as PNG and their classes."""
    images, labels = [], []
    for number, (image, label) in enumerate(_pairs(given, split, reading)):
        images.append(_png(image, f"{split} image {number}"))
        labels.append(_label(label))
    if not images:
        raise InputError(f"{split} must have images, got none; give some, or leave it out")
    return images, one_class_each(labels, "label")


def _parquet(images: Sequence[bytes], labels: Sequence[str | None]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [{"bytes": png, "path": None} for png in images]
    written = io.BytesIO()
    pq.write_table(pa.table({"image": cells, "label": pa.array(labels, pa.string())}), written)
    return written.getvalue()


def _pairs(given: Given, split: str, reading: Reading) -> Iterable[tuple[Any, Any]]:
    if isinstance(given, tuple) and len(given) == 2 and all(hasattr(part, "__len__") for part in given):
        images, labels = given
        if len(images) != len(labels):
            raise InputError(f"labels must be as many as images, got {len(labels):,} for {len(images):,}; correct them")
        return zip(images, labels, strict=True)
    if hasattr(given, "features") and hasattr(given, "with_format") and hasattr(given, "__len__"):
        return _of_hugging_face(given, reading)
    rows = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    if rows and not isinstance(given, tuple) and not hasattr(given, "iloc"):  # pandas gives columns
        return (_pair(given[number], f"{split} item {number}") for number in range(len(given)))
    raise InputError(f"data must be a source, (images, labels) or a data set, got {type(given).__name__}; convert it")


def _of_hugging_face(table: Dataset, reading: Reading) -> Iterator[tuple[Any, Any]]:
    """As tables of the hub are read, classes by their names."""
    from nas.data import hub

    found = hub.labelled(table, reading)
    for number, label in enumerate(found.labels):
        yield encoded_file(found.read([number])[0], f"image {number}"), label


def _pair(item: Any, name: str) -> tuple[Any, Any]:
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    if isinstance(item, Mapping):
        image = next((key for key in ("image", "img") if key in item), None)
        label = label_column(map(str, item), None)
        if image and label:
            return item[image], item[label]
        got = f"the keys {', '.join(map(str, item))}"
    else:
        got = type(item).__name__ + (f" of {len(item)}" if isinstance(item, (tuple, list)) else "")
    raise InputError(f"{name} must be (image, label) or a mapping with image and label, got {got}; convert it")


def _png(image: Any, name: str) -> bytes:
    """An image as training sees it, without what else its file says. Arrays and tensors (C, H, W) -> (H, W, C), where
    the first axis is C by its size."""
    if getattr(image, "ndim", 0) == 3 and image.shape[2] not in CHANNELS and image.shape[0] in CHANNELS:
        image = image.swapaxes(0, 1).swapaxes(1, 2)
    plain, written = open_plain(image, name), io.BytesIO()
    if not plain.width * plain.height:
        raise InputError(f"{name} must have pixels, got {plain.width}x{plain.height}; remove it")
    Image.fromarray(np.asarray(plain)).save(written, "PNG")
    return written.getvalue()


def _label(label: Any) -> Any:
    plain = label.tolist() if hasattr(label, "tolist") else label
    if not isinstance(plain, PLAIN):
        raise InputError(f"label must be an integer or a word, got {type(plain).__name__}; convert it")
    return printable(plain) if isinstance(plain, str) else plain
