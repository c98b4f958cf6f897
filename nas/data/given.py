"""Given: data that is in Python's hands, kept as a file in the cache so that workers and later runs find it again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nas.data import cache
from nas.data.folders import SPLITS
from space.reading import InputError

Given = Any  # (images, labels), a torch data set of (image, label), or a mapping of splits to those


def kept(data: Given) -> Path:
    """The folder of parquet files that holds the data from now on: one for each split, named by what is in it.

    Images: PIL images or uint8 arrays (H, W) or (H, W, C), tensors (C, H, W) likewise; labels: integers or words.
    Raises InputError for what is neither.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    splits = data if isinstance(data, Mapping) else {"train": data}
    if unknown := [name for name in splits if name not in SPLITS]:
        raise InputError(f"data must be by train, validation and test, got {unknown[0]}; rename it")
    digest, tables = hashlib.sha256(), {}
    for split, each in splits.items():
        encoded, labels = [], []
        for image, label in _pairs(each):
            encoded.append(_png(image))
            labels.append(_label(label))
            digest.update(encoded[-1] + repr(labels[-1]).encode())
        tables[split] = pa.table({"image": [{"bytes": png, "path": None} for png in encoded], "label": labels})
    folder = cache.root() / f"given-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    for split, table in tables.items():
        if not (path := folder / f"{split}.parquet").exists():
            aside = path.with_suffix(".tmp")
            pq.write_table(table, aside)
            aside.replace(path)
    return folder


def _pairs(given: Given) -> Iterable[tuple[Any, Any]]:
    if isinstance(given, tuple) and len(given) == 2:
        images, labels = given
        if len(images) != len(labels):
            raise InputError(f"labels must be as many as images, got {len(labels):,} for {len(images):,}; correct them")
        return zip(images, labels, strict=True)
    if hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        return (given[i] for i in range(len(given)))
    raise InputError(f"data must be a source, (images, labels) or a data set, got {type(given).__name__}; convert it")


def _png(image: Any) -> bytes:
    if not isinstance(image, Image.Image):
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim not in (2, 3):
            raise InputError(
                f"image must be a PIL image or uint8 (H, W) or (H, W, C), got {array.dtype} {array.shape}; convert it"
            )
        if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
            array = array.transpose(1, 2, 0)
        image = Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else np.ascontiguousarray(array))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _label(label: Any) -> Any:
    plain = label.item() if hasattr(label, "item") else label
    if isinstance(plain, bool) or not isinstance(plain, (int, str)):
        raise InputError(f"label must be an integer or a word, got {type(plain).__name__}; convert it")
    return plain
