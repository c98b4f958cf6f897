"""Workers as Ray actors: Ray finds them a place, restarts them elsewhere when a machine is lost, and says so. What they
train is decided by the study alone, as with processes. Needs ray; the other modules do not.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nas.process.errors import STOPPED, exit_code, first_line, line_of
from nas.process.progress import Notes
from nas.records.settings import FILE, Settings
from nas.searching.fleet import MAX_CRASHES, PATIENCE, WorkerExit
from nas.searching.loop import Search, Watch
from nas.searching.worker import on_record, prepare
from nas.storage.known_servers import name
from nas.storage.postgres import PASSWORD, environment
from nas.storage.study_folder import open_folder
from space import InputError
from space.file_permissions import is_private

SECRETS = (PASSWORD, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")
STATISTICS = "RAY_USAGE_STATS_ENABLED"
PASSED_ON = (*SECRETS, "AWS_DEFAULT_REGION", "NAS_LEASE")
GONE = "the search that started its worker ended"


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker on another machine is told. The environment holds secrets: it goes to the actor alone, never into
    a file or Ray's description of it."""

    folder: str  # where the study is for whoever begins it, and for all machines that share it
    settings: Settings
    source: str
    device: str
    place: int
    threads: int | None
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Share:
    """Of a machine, for one worker."""

    cpus: float = 1.0
    gpus: float = 0.0

    def fit(self, cpus: float, gpus: float) -> int:
        """How many workers so much has room for."""
        rooms = [int(there // each) for there, each in ((cpus, self.cpus), (gpus, self.gpus)) if each]
        return max(1, min(rooms, default=1))


class Actor:
    """A worker. Ray calls its methods in threads of their own."""

    def __init__(self) -> None:
        self.asked, self.ended = threading.Event(), threading.Event()
        self.search: Search | None = None

    def where(self) -> tuple[str, int]:
        """Machine and process."""
        return socket.gethostname(), os.getpid()

    def work(self, assignment: Assignment) -> tuple[int, tuple[str, ...]]:
        """Trains as long as the study wants it: exit code and lines, as a process would have them."""
        os.environ.update(assignment.environment)
        if server := assignment.settings.server:  # named where the search runs, which has opened it
            name(server.url)
        said: list[str] = []
        watch = Watch(on_note=lambda note: said.append(f"note: {note}"), stop=self.asked.is_set)
        try:
            folder, console = folder_here(assignment), Console(file=io.StringIO())
            with on_record(folder, search=False):
                trainer, _, extent = prepare(
                    folder, assignment.source, assignment.device, assignment.threads, Notes(console)
                )
                self.search = Search(folder, trainer, watch, assignment.place)
                finished = self.search.run(*extent)
        except Exception as error:
            return exit_code(error), (*said, f"error: {line_of(error)}; on {socket.gethostname()}")
        finally:
            self.ended.set()
        return (0 if finished else STOPPED), tuple(said)

    def stop(self) -> None:
        self.asked.set()

    def leave(self) -> None:
        if self.search:
            self.search.abandon(GONE)
            self.ended.wait(PATIENCE)


def folder_here(assignment: Assignment) -> Path:
    """The study's folder on this machine: the shared one, or one of its own where all that is in it is elsewhere."""
    shared, settings = Path(assignment.folder), assignment.settings
    if (shared / FILE).exists():
        return shared
    if settings.server is None or settings.artifacts is None:
        raise InputError(
            f"study must be in a folder that every machine sees, got {shared}, which {socket.gethostname()} does not "
            "see; share it, or begin the study with --storage postgresql://... and --artifacts s3://..."
        )
    place = Path(tempfile.gettempdir()) / f"nas-{os.getuid()}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(place.lstat()):
        raise InputError(
            f"{place} must be a folder that only this user writes, got another's; remove it, or set TMPDIR"
        )
    own = place / settings.server.study
    open_folder(own, settings)
    return own


class Remote:
    """An actor as the fleet sees it."""

    def __init__(self, place: int, actor: Any, assignment: Assignment) -> None:
        import ray

        self.ray, self.place, self.actor = ray, place, actor
        self.result = actor.work.options(max_task_retries=-1).remote(assignment)  # goes on where it is restarted
        self.pending_where = actor.where.remote()
        self.last_where: tuple[str, int] | None = None
        self.asked = False

    def look(self) -> WorkerExit | None:
        if not self.ray.wait([self.result], timeout=0)[0]:
            return None
        try:
            code, lines = self.ray.get(self.result)
        except self.ray.exceptions.RayError as error:
            return WorkerExit(-1, (), f"was lost by Ray ({first_line(error)})")
        self.ray.kill(self.actor, no_restart=True)  # its share is free for others
        return WorkerExit(code, lines)

    def notes(self) -> list[str]:
        """Without waiting: a line where Ray restarted the worker since the last call."""
        if not self.ray.wait([self.pending_where], timeout=0)[0]:
            return []
        try:
            now = self.ray.get(self.pending_where)
        except self.ray.exceptions.RayError:  # it is being restarted, or lost
            self.pending_where = self.actor.where.remote()
            return []
        self.pending_where = self.actor.where.remote()
        before, self.last_where = self.last_where, now
        if before in (None, now):
            return []
        if self.asked:
            self.stop()  # the one that was told so is gone
        return [f"worker {self.place} was lost on {before[0]}; Ray started it again on {now[0]} as process {now[1]}"]

    def stop(self) -> None:
        self.asked = True
        self.actor.stop.remote()

    def leave(self) -> None:
        self.left = self.actor.leave.remote()

    def end(self, until: float) -> None:
        with suppress(self.ray.exceptions.RayError):
            self.ray.wait([self.left], timeout=max(0.0, until - time.monotonic()))
        self.ray.kill(self.actor, no_restart=True)


@contextmanager
def _no_usage_statistics() -> Iterator[None]:
    """A cluster that is started inside sends none, unless the person's environment says otherwise."""
    before = os.environ.get(STATISTICS)
    os.environ.setdefault(STATISTICS, "0")
    try:
        yield
    finally:
        if before is None:
            del os.environ[STATISTICS]


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """Ray, connected: `ray` (the cluster that RAY_ADDRESS names, else this machine's own) or ray://host:port.
    Raises InputError where it cannot be reached."""
    where = None if address == "ray" else address
    if where and not where.startswith("ray://"):
        raise InputError(f"on must be ray or ray://host:port, got {address}; correct it")
    try:
        import ray
    except ImportError as error:
        raise InputError("on must have ray, got none; pip install -e '.[ray]' in the clone of nas") from error
    own = not where and "RAY_ADDRESS" not in os.environ
    try:
        with _no_usage_statistics():
            ray.init(
                where, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False,
                include_dashboard=False if own else None,
            )  # fmt: skip
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        asked = where or os.environ.get("RAY_ADDRESS", "ray")
        raise InputError(
            f"on must be a Ray cluster that answers, got {asked} ({first_line(error)}); "
            "start one with `ray start --head`"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def start(ray: Any, share: Share, source: str, device: str, folder: Path, place: int) -> Remote:
    """Starts a worker on the study in a folder. Ray restarts it up to MAX_CRASHES times."""
    settings, data = Settings.read(folder), Path(source)
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    assignment = Assignment(
        folder=str(folder.absolute()), settings=settings, source=str(data.absolute()) if data.exists() else source,
        device=device, place=place, threads=max(1, int(share.cpus)),
        environment=passed_on | environment(settings.server),
    )  # fmt: skip
    actor = ray.remote(Actor).options(
        num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=MAX_CRASHES, max_concurrency=4
    )
    return Remote(place, actor.remote(), assignment)
