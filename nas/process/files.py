"""Writing a file so that nothing half-written ever has its name. Needs neither torch nor Optuna."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from space import InputError


def write_whole(path: Path, content: bytes | str) -> None:
    """Written aside, on the disk, then renamed; a str as UTF-8. What was at `path` stays until then, and after an
    OSError. Any number of threads, processes and containers may write the same one: the last to end it has its way."""
    with _aside(path, content) as aside:
        aside.replace(path)


def write_first(path: Path, content: bytes | str) -> None:
    """The same where nothing is at `path`: of several that write it at once the first has its way, and the others raise
    FileExistsError; on a disk without hard links only those that come later."""
    with _aside(path, content) as aside:
        try:
            os.link(aside, path)
        except OSError:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            aside.replace(path)


@contextmanager
def _aside(path: Path, content: bytes | str) -> Iterator[Path]:
    """Written on the disk under another name, which is gone afterwards."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with aside.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def write_asked(path: Path, content: bytes | str, field: str) -> None:
    """Whole, where a person's option `field` says, in a folder that is made where there is none. Raises InputError
    where that cannot be, OSError for a disk without room."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{field} must be a file that can be written, got {path} ({error.strerror}); choose another"
        ) from error
