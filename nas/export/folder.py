"""Writing an export's folder: aside, each file checked in a fresh process, then given its name."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nas.export.arch_source import ARCH, PREPROCESS
from nas.export.formats import File, verify, write_base, write_formats
from nas.export.kept import folder_of
from nas.export.load import CARD, WEIGHTS, Preprocess
from nas.latency.reference_kernel import ReferenceKernel, threads
from nas.latency.timing import Timing, measure
from nas.process.errors import terminable
from nas.process.progress import StepLine
from nas.storage.owners import WINDOWS, lives
from space import InputError
from space.network import Network

CHECKED = 64  # images whose logits are compared
BATCHES = (1, 64)  # that the card's timings are of
SECONDS = 0.3  # of each
LONGEST = 0.5  # seconds of a forward pass; a larger batch is left out


@dataclass(frozen=True, slots=True)
class Written:
    """What the card says of the folder: its files and timings on the device at hand."""

    files: tuple[File, ...]
    timings: tuple[Timing, ...]


def check_out(out: Path, force: bool) -> None:
    """Raises InputError for a folder that exists, unless `force` may overwrite it: an export and nothing else."""
    if out.name in ("", ".."):
        raise InputError(f"out must end in a folder's name, got {out}; write {out.resolve()}")
    if not out.exists() and not out.is_symlink():
        return
    if not force:
        raise InputError(
            f"out must be a new folder, got {out}, which exists; choose another, or overwrite with --force "
            "(in Python force=True)"
        )
    if out.is_symlink():
        raise InputError(f"out must be a folder, got {out}, a link to {out.resolve()}; name that one")
    if not out.is_dir() or not all((out / name).is_file() for name in (WEIGHTS, ARCH, PREPROCESS)):
        raise InputError(f"out must be an export to be overwritten, got {out}; remove it by hand")


def write(
    out: Path,
    network: Network,
    preprocess: Preprocess,
    images: Tensor,
    card: Callable[[Written], str],
    *,
    formats: Collection[str] = (),
    extra: Callable[[Path], None] = lambda folder: None,
    check: Callable[[Path], None] = lambda folder: None,
    force: bool = False,
    timed: bool = True,
    steps: StepLine | None = None,
) -> Written:
    """Writes the folder `out`: the network in `formats`, its card, and what `extra` adds; `check` sees it before it
    gets its name. `images`: normalised (N, C, H, W), to compare logits on. Predictions that were kept of an export
    of that name go. Whatever interrupts it, nothing half-written
    stands under that name. `steps`: what is told of its own, `steps_of` the formats."""
    steps = steps or StepLine.unseen()
    _sweep(out)
    check_out(out, force)
    aside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    network = network.cpu().eval()
    with terminable():
        try:
            aside.mkdir(parents=True)
            files = write_base(aside, network, preprocess) + write_formats(aside, network, preprocess, formats, steps)
            with steps.step("loading its files in fresh processes"):
                files = verify(aside, network, files, images[:CHECKED])
            with steps.step("timing it"):
                timings = _timings(network) if timed else []
            written = Written(tuple(files), tuple(timings))
            extra(aside)
            (aside / CARD).write_text(card(written), encoding="utf-8")
            check(aside)
            _sync(aside)
            check_out(out, force)  # again: another may have come meanwhile
            _name(aside, out)
            if (of_another := folder_of(out)).is_dir():
                shutil.rmtree(of_another)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return written


def steps_of(formats: Collection[str]) -> int:
    """How many steps `write` has."""
    return 2 + len(set(formats))


def _timings(network: Network) -> list[Timing]:
    """Short and once, as nobody waits for a quiet machine here; the card says where it was busy."""
    found = list[Timing]()
    with threads(1):  # as `nas measure` does
        reference = ReferenceKernel(torch.device("cpu"))
        for batch in BATCHES:
            if not found or batch / found[0].images_per_second <= LONGEST:
                found += measure(network, network.task, batch, reference, SECONDS, tries=1)
    return found


def _sweep(out: Path) -> None:
    """What processes that were killed left beside `out`: half-written folders go, an export that one was replacing
    comes back."""
    for path in out.parent.iterdir() if out.parent.is_dir() else ():
        left = re.fullmatch(rf"\.{re.escape(out.name)}\.(\d+)\.(tmp|old)", path.name)
        if left is None or lives(int(left[1])):
            continue
        if left[2] == "old" and not out.exists():
            path.rename(out)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _name(aside: Path, out: Path) -> None:
    """`aside` becomes `out`; what stood there goes once it does."""
    if not out.exists():
        aside.rename(out)
        return
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    out.rename(old)
    try:
        aside.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    """To the disk, so that a name never stands for files that a power cut left empty. On Windows, which
    opens no folders, this is left to the system."""
    if WINDOWS:
        return
    for path in [*sorted(path for path in folder.rglob("*") if path.is_file()), folder]:
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
