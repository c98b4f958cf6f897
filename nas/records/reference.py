"""Reference: a network that a study did not draw, trained once as its trials are. Plain data: needs no torch.

Kept in the study's folder, one file for each training, written whole: what is there is never trained again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock, Timeout
from pydantic import ConfigDict

from nas.process.files import write_whole
from nas.records.scores import ClassCounts, Metric, score_of
from nas.records.trial import Period
from space import InputError, Task
from space.reading import check

FOLDER = "references"  # of a study


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One training. `counts` None: it gave no accuracy, `reason` says why. `products`: multiply-accumulates of what is
    neither a convolution nor a linear layer, such as attention's, batch 1; they are no part of `flops`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str  # as it is shown, the same for all seeds of it: the source, and the scale where it has one
    source: str  # as it was given: a preset, a file, `timm:NAME`, `module:function`
    origin: str  # who defines it: `nas 0.1.0`, `timm 1.0.31`, a module's file
    scale: float | None  # of its widths; None: as it is
    built: str  # with what widths or arguments
    task: Task
    flops: int  # conv + linear multiply-accumulates, batch 1
    products: int
    params: int
    index: int  # of its seeds, from 0
    seed: int
    curve: tuple[Period, ...] = ()
    counts: ClassCounts | None = None  # on the validation split
    reason: str | None = None
    seconds: float  # of training and evaluation
    device: str
    versions: Mapping[str, str]
    arch: Mapping[str, Any] | None = None  # of one of ours
    code: str | None = None  # of a function: a digest of its file; None too in records of earlier releases

    @property
    def accuracy(self) -> float | None:
        return self.counts.accuracy if self.counts else None

    @property
    def balanced(self) -> float | None:
        return self.counts.balanced if self.counts else None

    def score(self, metric: Metric) -> float | None:
        """The number that its study maximises of its own networks."""
        return score_of(self, metric)

    def write(self, folder: Path) -> None:
        """Into the folder of a study."""
        (folder / FOLDER).mkdir(exist_ok=True)
        write_whole(reference_path(folder, self.name, self.index), json.dumps(asdict(self), indent=1) + "\n")


def reference_path(folder: Path, name: str, index: int) -> Path:
    """`references/timm-resnet18-x0.25-0.json` of a study."""
    plain = re.sub(r"[^A-Za-z0-9_.=,-]+", "-", name).strip("-.") or "network"
    return folder / FOLDER / f"{plain}-{index}.json"


@contextmanager
def alone(folder: Path, name: str, index: int) -> Iterator[bool]:
    """For whoever trains one: False where another process is at it. The kernel's lock, which dies with its process."""
    path = reference_path(folder, name, index)
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def read_references(folder: Path) -> list[Reference]:
    """Of a study's folder, by rising FLOPs, name and seed. Raises InputError for a file that is none."""
    found = [read_reference(path) for path in (folder / FOLDER).glob("*.json")]
    return sorted(found, key=lambda each: (each.flops, each.name, each.index))


def read_reference(path: Path) -> Reference:
    try:
        found: Reference = check(Reference, json.loads(path.read_text(encoding="utf-8")), str(path))
    except ValueError as error:
        raise InputError(
            f"{path} must be the whole record of a reference, got {error}; remove it to train that one again"
        ) from error
    return found
