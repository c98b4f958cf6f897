"""A study's folder renamed, put away, brought back or deleted: each is one renaming of the folder, so that whatever is
killed leaves the old state or the new one. A study that is searched is left alone."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.records.settings import ARCHIVE, BASELINE, FILE, Settings
from nas.records.study_name import check_name
from nas.storage.reader import Reader
from space import InputError

if sys.platform != "win32":
    import fcntl

LOCK = (
    "search.lock"  # shared by all that search or measure the study on this machine; the kernel's, so it dies with them
)
DELETED = ".deleted"  # beside the studies: what is being deleted


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """For whoever trains or measures networks of a study, as long as it does: nobody here moves its folder away
    meanwhile."""
    there = folder / LOCK
    moved = InputError(f"study must stay where it is, got {folder}, just moved away; look at nas studies")
    if not folder.is_dir():
        raise moved
    with there.open("a") as file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_SH)
            if not there.exists() or not os.path.samestat(os.fstat(file.fileno()), there.stat()):
                raise moved
        yield


@contextmanager
def at_rest(folder: Path) -> Iterator[Settings]:
    """A study that no process searches: none of this machine begins to meanwhile, and none of another holds one of its
    trials. Raises InputError else."""
    if folder.is_symlink():
        raise InputError(f"study must be a folder, got {folder}, a link to {folder.resolve()}; name that one")
    if sys.platform == "win32":
        raise InputError(
            f"system must have flock, got {sys.platform}; move or delete {folder} by hand, when nothing runs"
        )
    try:
        reader = Reader(folder)
        running = [trial for trial in reader.shown() if trial.state == "running"]
    except InputError as error:
        raise InputError(f"study must be one that can be read, got {folder} ({error}); or move it by hand") from error
    if running:
        place = f" in {running[0].owner}" if running[0].owner else ""
        raise _busy(folder, f"trial {running[0].number} is trained{place}")
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(folder, "a search, worker or measurement of this machine works on it") from None
        yield reader.settings


def _busy(folder: Path, what: str) -> InputError:
    return InputError(f"study must be at rest, got {folder.name}: {what}; end it with Ctrl-C, or wait")


def rename_study(folder: Path, name: str) -> Path:
    """The folder's new place. What is in study.yaml follows: `Settings.read` goes by the folder's name."""
    folder = _named(folder)
    target = folder.with_name(check_name(name))
    with at_rest(folder) as settings:
        if settings.is_baseline and not name.endswith(BASELINE):
            raise InputError(
                f"name must end in {BASELINE}, by which a search finds its baseline, got {name}; "
                f"write e.g. {name}{BASELINE}"
            )
        _move(folder, target, f"name must be free, got {name}, which {target} has; choose another")
        Settings.read(target).write(target)
    return target


def archive_study(folder: Path) -> Path:
    """Into `.archive` beside it, where no list and no name finds it."""
    folder = _named(folder)
    target = folder.parent / ARCHIVE / folder.name
    with at_rest(folder):
        target.parent.mkdir(exist_ok=True)
        _move(folder, target, f"archive must not have another {folder.name}, got {target}; rename one of them first")
    return target


def restore_study(name: str, runs: Path) -> Path:
    """What was archived as `name`, at its old place."""
    check_name(name)
    source, target = runs / ARCHIVE / name, runs / name
    if not (source / FILE).is_file():
        known = ", ".join(archived(runs)) or "none"
        raise InputError(f"study must be an archived one, got {name}; in {runs / ARCHIVE}: {known}")
    _move(source, target, f"name must be free, got {name}, which {target} has; rename that one first")
    return target


def delete_study(folder: Path) -> None:
    """All of a study that is in its folder. Raises InputError where something of it is elsewhere."""
    folder = _named(folder)
    with at_rest(folder) as settings:
        place = settings.server.url if settings.server else settings.artifacts
        if place:
            raise InputError(
                f"study must be in its folder whole to be deleted, got {settings.name}, of which a part is on {place}; "
                f"put it away with nas archive {settings.name}, or delete both by hand"
            )
        gone = folder.parent / DELETED / f"{folder.name}.{secrets.token_hex(4)}"
        gone.parent.mkdir(exist_ok=True)
        folder.rename(gone)
    shutil.rmtree(gone)
    shutil.rmtree(gone.parent, ignore_errors=True)  # with what one that was killed has left; another may be at it


def archived(runs: Path) -> list[str]:
    """Names of the studies that were put away."""
    return sorted(path.parent.name for path in (runs / ARCHIVE).glob(f"*/{FILE}"))


def _named(folder: Path) -> Path:
    """As it was given, but that it has a name to be changed: `.` has none."""
    return folder.resolve() if folder.name in ("", "..") else folder


def _move(source: Path, target: Path, taken: str) -> None:
    if target.exists() or target.is_symlink():
        raise InputError(taken)
    source.rename(target)
