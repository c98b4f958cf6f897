"""Servers that the person of this machine has named. A study's folder may be another person's, and names a server too:
this user's password shall not go there.

Named is what `nas search --storage URL` was given on this machine, which a file in the user's configuration remembers,
and what stands in the environment, which processes pass on.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from nas.records.settings import Server, ServerUnavailable
from space import InputError
from space.file_permissions import is_private

STORAGE = "NAS_STORAGE"  # environment: URLs, separated by blanks
_by_this_process: set[str] = set()


def check_named(server: Server) -> None:
    """Raises ServerUnavailable for a server that was not named: it may be, in a moment."""
    if server.url in named():
        return
    shown = "".join(letter if letter.isprintable() else "?" for letter in server.url)
    raise ServerUnavailable(
        f"storage must be a server that was named on this machine, got {shown} from the study's folder; "
        f"where you trust it: export {STORAGE}={shlex.quote(shown)}"
    )


def name(url: str) -> None:
    """For this process, and for those that are started with `environment`."""
    _by_this_process.add(url)


def environment() -> dict[str, str]:
    """Variables that tell a process of this search which servers were named."""
    known = [*os.environ.get(STORAGE, "").split(), *sorted(_by_this_process)]
    return {STORAGE: " ".join(dict.fromkeys(known))} if known else {}


def remember(url: str) -> None:
    """For all later commands of this user. `url`: without a password. Raises InputError where it cannot be written."""
    if url in set(_remembered()) | set(os.environ.get(STORAGE, "").split()):
        return
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        with path.open("a") as file:
            file.write(f"\n{url}\n")  # a line of its own, whatever a full disk has left of the last one
    except OSError as error:
        raise InputError(
            f"storage must be remembered in {path}, got {error.strerror}; set XDG_CONFIG_HOME to a folder that can be "
            f"written, or export {STORAGE}={shlex.quote(url)}"
        ) from error


def named() -> set[str]:
    """URLs without passwords. Raises InputError where the environment's cannot be read."""
    try:
        given = {without_password(url) for url in os.environ.get(STORAGE, "").split()}
    except ValueError:
        raise InputError(
            f"{STORAGE} must be URLs such as postgresql://user@host/database, got what is none; correct it"
        ) from None
    return given | _by_this_process | set(_remembered())


def _remembered() -> Iterator[str]:
    path = _file()
    try:
        with path.open() as file:
            private, lines = is_private(os.fstat(file.fileno())), file.readlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not private:
        raise InputError(f"{path} must be written by this user alone, got a file that others write; chmod 600 {path}")
    yield from (line.strip() for line in lines if line.endswith("\n") and line.strip())


def _file() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nas" / "servers"


def without_password(url: str) -> str:
    """As `study.yaml` has it. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    host, port, database = parts.hostname or "", parts.port, parts.path.strip("/")
    host = f"[{host}]" if ":" in host else host
    user, whole = f"{parts.username}@" if parts.username else "", f"{host}:{port}" if port else host
    return f"{parts.scheme}://{user}{whole}/{database}" + (f"?{parts.query}" if parts.query else "")
