"""A real PostgreSQL server of one's own, from the distribution's package."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

    def url(self, password: str = f":{SECRET}", port: int | None = None) -> str:
        return f"postgresql://postgres{password}@127.0.0.1:{port or self.port}/postgres"


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


class Wire:
    """A way to a server that can be cut: then nothing comes through in either direction, and nobody is told."""

    def __init__(self, port: int) -> None:
        self.target, self.whole = port, threading.Event()
        self.whole.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.target))
                self.ends += [here, there]
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                self.whole.wait()
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self.whole.clear()

    def mend(self) -> None:
        self.whole.set()

    def close(self) -> None:
        self.mend()
        for end in (self.listener, *self.ends):
            end.close()
