"""A real PostgreSQL server of one's own, from the distribution's package."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SECRET = "s3cret-of-the-tests"


class Postgres:
    """A server in a folder of its own, of user postgres, who has a password."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        folder.mkdir()
        (folder / "password").write_text(SECRET)
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
        self._as_postgres("initdb", "-D", self.data, "-A", "scram-sha-256", "--pwfile", folder / "password", "-N")

    def _as_postgres(self, program: str, *words: object) -> None:
        subprocess.run(
            ["runuser", "-u", "postgres", "--", BINARIES[-1].with_name(program), *map(str, words)],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._as_postgres("pg_ctl", "-D", self.data, "-w", "-o", options, "-l", self.folder / "log", "start")

    def stop(self) -> None:
        self._as_postgres("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def url(self, password: str = f":{SECRET}") -> str:
        return f"postgresql://postgres{password}@127.0.0.1:{self.port}/postgres"


@contextmanager
def started() -> Iterator[Postgres]:
    """A server that runs, and is gone afterwards."""
    place = Path("/tmp") / f"nas-postgres-{secrets.token_hex(4)}"  # where another user may go
    server = Postgres(place)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(place)
