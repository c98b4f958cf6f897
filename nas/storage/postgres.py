"""A study's journal in a PostgreSQL table, for workers on many machines: Optuna's journal storage, with a backend that
waits for a server that is away. Needs psycopg; no torch.

The password comes with the URL of the command, for this process and those it starts, or from where PostgreSQL's own
programs have it (PGPASSWORD, ~/.pgpass). It is never written or shown, and goes to no server that was not named on this
machine (`nas.storage.known_servers`).

Why not Optuna's own tables or its Redis journal: docs/design.md.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from optuna.storages.journal import BaseJournalBackend

from nas.process.errors import first_line
from nas.records.settings import Server, ServerUnavailable
from nas.storage import known_servers
from nas.storage.journal import Journal
from nas.storage.known_servers import check_named, name, without_password
from space import InputError

if TYPE_CHECKING:
    import psycopg

PATIENCE = 300.0  # seconds that a server may be away
ANSWER = 30.0  # seconds after which a server that has not answered counts as away; for readers a third
PAGE = 50_000  # entries, some 12 MB, that are read at once: so much comes in time over a slow line
PAUSE = 2.0  # between tries
FRESH = 0.02  # seconds for which what was read last counts as read now
PASSWORD = "PGPASSWORD"
_passwords: dict[str, str] = {}  # by URL, of this process: those that came in a URL
T = TypeVar("T")

_TABLE = """create table if not exists nas_journal (
  study text, number bigint, entry text not null, key uuid not null, primary key (study, number), unique (key))"""
_READ = "select entry from nas_journal where study = %s and number >= %s order by number limit %s"
# Under the lock numbers have no gap, and whoever sees one entry has all before it. A key that is there already comes
# from a try whose answer was lost.
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
_APPEND = """insert into nas_journal
  select %s, (select coalesce(max(number) + 1, 0) from nas_journal where study = %s), %s, %s
  on conflict (key) do nothing"""


def parse_server(url: str, study: str) -> Server:
    """The server of a URL such as postgresql://user:password@host/database, and the name that the study has there.
    Whoever gives a URL names the server, for this process; a password in it is kept likewise. Raises InputError for
    another kind of server."""
    try:
        parts, plain = urlsplit(url), without_password(url)
    except ValueError:
        raise _wrong("a URL that cannot be read") from None
    if "@" in parts.path or (not parts.netloc and "@" in url):
        raise _wrong("a URL whose user and password are not between // and @")
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise _wrong(plain if parts.scheme else "something else")
    if "password" in parts.query:
        raise _wrong("a password among its options")
    if parts.password:
        _passwords[plain] = unquote(parts.password)
    name(plain)
    return Server(url=plain, study=study)


def remember_server(url: str) -> None:
    """A server that a person has named: later commands of this user may connect to it."""
    known_servers.remember(parse_server(url, "").url)


def environment(server: Server | None) -> dict[str, str]:
    """Variables for a process that works on a study of that server: who named it, and the password."""
    if server is None:
        return {}
    password = _passwords.get(server.url)
    return known_servers.environment() | ({} if password is None else {PASSWORD: password})


def _wrong(got: str) -> InputError:
    return InputError(f"storage must be postgresql://user@host/database, got {got}; correct it")


def connect(server: Server, on_note: Callable[[str], None]) -> Journal:
    """The study's storage, which waits while the server is away and says so. Raises ServerUnavailable where it cannot
    be reached at all."""
    table = Table(server, on_note)
    table.create()
    return Journal(table)


def connect_to_read(server: Server) -> Journal | None:
    """The same, but it makes no table and does not wait; None where there is no table yet."""
    table = Table(server)
    return Journal(table) if table.exists() else None


class Table(BaseJournalBackend):
    """The entries of one study. `on_note` None: to be read only, without patience. Raises ServerUnavailable for a
    server that was not named on this machine."""

    def __init__(self, server: Server, on_note: Callable[[str], None] | None = None) -> None:
        check_named(server)
        self.server, self.on_note = server, on_note
        self.lock = threading.Lock()  # a worker's heartbeat writes too
        self.connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self.read = 0  # entries
        self.at = -FRESH  # when
        self.coming: list[dict[str, Any]] = []  # read with an append, not asked for yet

    def exists(self) -> bool:
        """Whether a study was ever begun on the server."""
        with self.lock:
            (row,) = self._once(lambda c: c.execute("select to_regclass('nas_journal')").fetchall())
            return row[0] is not None

    def create(self) -> None:
        def make(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
            with connection.transaction():
                connection.execute(_LOCK, ("nas_journal",))  # `if not exists` alone fails where two make it at once
                connection.execute(_TABLE)

        with self.lock:
            try:
                self._once(make)
            except _psycopg().Error as error:
                raise InputError(
                    f"storage must be a database where this user may make a table, got {self.server.url} "
                    f"({first_line(error)}); grant create on its schema"
                ) from None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        with self.lock:
            if log_number_from != self.read:  # another storage on this backend begins anew
                self.read, self.coming, self.at = log_number_from, [], -FRESH
            more = time.monotonic() - self.at >= FRESH
            while more:
                more = self._take(self._patiently(lambda c: c.execute(_READ, self._place()).fetchall()))
            found, self.coming = self.coming, []
            self.read += len(found)
            return found

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        study = self.server.study
        lines = [(study, study, json.dumps(log, separators=(",", ":")), uuid.uuid4()) for log in logs]

        def append(connection: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            with connection.pipeline(), connection.transaction():
                connection.execute(_LOCK, (study,))
                for line in lines:
                    connection.execute(_APPEND, line)
                rows = connection.execute(_READ, self._place())
            return rows.fetchall()

        with self.lock:
            self._take(self._patiently(append))

    def _place(self) -> tuple[str, int, int]:
        """What is to be read next."""
        return self.server.study, self.read + len(self.coming), PAGE

    def _take(self, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Whether there may be more."""
        self.coming += (json.loads(entry) for (entry,) in rows)
        whole = len(rows) < PAGE
        self.at = time.monotonic() if whole else -FRESH
        return not whole

    def _once(self, call: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        """Raises ServerUnavailable where the server does not answer."""
        psycopg = _psycopg()
        try:
            if self.connection is None or self.connection.closed:
                from nas.storage.postgres_connection import connect as open_connection

                answer = ANSWER if self.on_note else ANSWER / 3
                self.connection = open_connection(
                    self.server.url, answer, read_only=not self.on_note, password=_passwords.get(self.server.url)
                )
            return call(self.connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if self.connection is not None:
                self.connection.close()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ServerUnavailable(
                f"storage must be a server that answers, got {self.server.url} ({reason}); "
                f"start it, or set {PASSWORD} if it wants a password"
            ) from None

    def _patiently(self, call: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        since = None
        while True:
            try:
                found = self._once(call)
            except ServerUnavailable as error:
                if not self.on_note:
                    raise
                if since is None:
                    since = time.monotonic()
                    self.on_note(f"storage {self.server.url} is away; waiting for up to {PATIENCE:.0f} s")
                if time.monotonic() - since >= PATIENCE:
                    raise ServerUnavailable(
                        f"storage must answer within {PATIENCE:.0f} s, got silence from {self.server.url}; "
                        f"start it and run the same command again (the last try: {error})"
                    ) from None
                time.sleep(PAUSE)
            else:
                if since is not None and self.on_note:
                    self.on_note(f"storage is back after {time.monotonic() - since:.0f} s")
                return found


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise InputError(
            "storage on a server must have psycopg, got none; pip install -e '.[postgres]' in the clone of nas"
        ) from error
    return psycopg
