"""A study on a database server: where it is, without its password, and a storage that waits for a server that is away.

The password comes with the URL of the command, for this process and those it starts, or from where PostgreSQL's own
programs have it (PGPASSWORD, ~/.pgpass). It is never written or shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage

from nas.settings import Away, Server
from space import InputError

PATIENCE = 300.0  # seconds that a server may be away
PAUSE = 2.0  # between tries
TRIES = 5  # to make the tables, where others make them too
PASSWORD = "PGPASSWORD"


def parse_server(url: str, study: str) -> Server:
    """The server of a URL such as postgresql://user:password@host/database, and the name that the study has there. A
    password in it is kept for this process. Raises InputError for another kind of server."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise _wrong("a URL that cannot be read") from error
    kind = parsed.drivername.split("+")[0]
    if kind not in ("postgresql", "postgres") or not parsed.database:
        raise _wrong(parsed.render_as_string(hide_password=True))
    if parsed.password:
        os.environ[PASSWORD] = str(parsed.password)
    plain = URL.create(
        "postgresql+psycopg", parsed.username, host=parsed.host, port=parsed.port, database=parsed.database,
        query=parsed.query,
    )  # fmt: skip
    return Server(url=plain.render_as_string(), study=study)


def _wrong(got: str) -> InputError:
    return InputError(f"storage must be postgresql://user@host/database, got {got}; correct it")


def connect(server: Server, on_note: Callable[[str], None]) -> BaseStorage:
    """The server's storage, which waits while the server is away and says so. Raises InputError where it cannot be
    reached at all."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(TRIES):
        try:
            return cast(BaseStorage, Patient(_open(server, create=True), server.url, on_note))
        except (StorageInternalError, IntegrityError, ProgrammingError) as error:
            if not has_cause(error, IntegrityError, ProgrammingError):
                raise
            last = error  # another process makes the tables at the same moment
            time.sleep(PAUSE)
    raise last


def connect_to_read(server: Server) -> BaseStorage | None:
    """The same, but it makes no tables and does not wait; None where there are none yet."""
    from sqlalchemy.exc import ProgrammingError

    try:
        return _open(server, create=False)
    except (StorageInternalError, ProgrammingError) as error:
        if has_cause(error, ProgrammingError):
            return None
        raise


def _open(server: Server, create: bool) -> BaseStorage:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise InputError("storage on a server must have psycopg, got none; pip install 'nas[postgres]'") from error
    from optuna.storages import RDBStorage, get_storage

    options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    try:
        return get_storage(
            RDBStorage(server.url, options, skip_compatibility_check=not create, skip_table_creation=not create)
        )
    except Exception as error:
        if not is_away(error):
            raise
        raise away(server.url, error) from None


def away(url: str, error: BaseException) -> Away:
    """What to say of a server that does not answer."""
    return Away(
        f"storage must be a server that answers, got {url} ({_reason(error)}); "
        f"start it, or set {PASSWORD} if it wants a password"
    )


class Patient:
    """Another storage, each of whose calls is tried again while the server is away, for PATIENCE seconds.

    A call whose answer was lost may have been carried out; all that a search writes may be written twice, but for a new
    trial, which then has no owner and is taken back.
    """

    def __init__(self, inner: BaseStorage, url: str, on_note: Callable[[str], None]) -> None:
        self._inner, self._url, self._on_note = inner, url, on_note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._patiently(found) if callable(found) else found

    def _patiently(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def patient(*args: Any, **kwargs: Any) -> Any:
            since = None
            while True:
                try:
                    found = call(*args, **kwargs)
                except Exception as error:
                    if not is_away(error):
                        raise
                    since = since or self._begin(error)
                    if time.monotonic() - since > PATIENCE:
                        raise Away(
                            f"storage must answer within {PATIENCE:.0f} s, got silence from {self._url} "
                            f"({_reason(error)}); start it and run the same command again"
                        ) from None
                    time.sleep(PAUSE)
                else:
                    if since:
                        self._on_note(f"storage is back after {time.monotonic() - since:.0f} s")
                    return found

        return patient

    def _begin(self, error: BaseException) -> float:
        self._on_note(f"storage {self._url} is away ({_reason(error)}); waiting for up to {PATIENCE:.0f} s")
        return time.monotonic()


def is_away(error: BaseException) -> bool:
    """Whether an error says that the server cannot be reached, not that what was asked of it is wrong."""
    from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

    return has_cause(error, OperationalError, InterfaceError, PendingRollbackError)


def has_cause(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    """Whether an error, or one that it came of, is of one of these kinds."""
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__
    return error is not None


def _reason(error: BaseException) -> str:
    """The innermost cause, in its first line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
