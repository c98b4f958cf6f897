"""A connection to a PostgreSQL server on which nothing waits for ever: a network that is cut says nothing at all. Needs
psycopg."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import OperationalError

T = TypeVar("T")
CONNECT = 10  # seconds that a connection may take to be made
# Where packets are lost, the system notices so on a connection that rests, too: it is made anew when it is used next.
ALIVE: dict[str, Any] = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of, as it cleans up after an error, is that error


class Bounded(psycopg.Connection[tuple[Any, ...]]):
    """Raises OperationalError, and is closed, where one answer takes longer than `answer` seconds."""

    answer: float

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, self.answer if timeout is None else timeout)
        except OperationalError:
            self.close()  # what was asked may still come: whatever is asked next would take it for its own
            raise


def connect(url: str, answer: float, read_only: bool, password: str | None = None) -> Bounded:
    """Each call is a transaction of its own. The server ends what takes longer too, and sooner what holds a lock and
    says no more, so that a machine that is cut off does not keep all others waiting."""
    milliseconds = round(1000 * answer)
    found = Bounded.connect(
        url,
        password=password,
        autocommit=True,
        connect_timeout=CONNECT,
        application_name="nas",
        tcp_user_timeout=milliseconds,
        **ALIVE,
    )
    found.answer = answer
    found.execute(
        f"set statement_timeout = {milliseconds}; set idle_in_transaction_session_timeout = {milliseconds // 3}; "
        f"set default_transaction_read_only = {'on' if read_only else 'off'}"
    )
    return found
