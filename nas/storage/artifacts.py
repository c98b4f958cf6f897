"""The files of a study's trials, in its folder or in an S3 store: nothing half-written keeps a final name."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial

from nas.process.errors import first_line
from nas.process.files import write_whole
from nas.records.settings import ARTIFACTS, ServerUnavailable
from nas.records.trial import CURVE, WEIGHTS, Period, artifact_ids
from space import InputError

TRIES = 8  # of a call to an S3 store, with growing pauses: half a minute in all
LARGEST_KEPT = 1_000_000  # bytes of a file from an S3 store that is kept in the folder


class ArtifactStore(Protocol):
    """Where the files of trials are: what Optuna asks of a store, which it gives no public name."""

    def open_reader(self, artifact_id: str) -> BinaryIO: ...

    def write(self, artifact_id: str, content_body: BinaryIO) -> None: ...

    def remove(self, artifact_id: str) -> None: ...


class AtomicStore(FileSystemArtifactStore):
    """Optuna's artifacts as files, each written aside, synced and renamed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / artifact_id, content_body.read())


class S3Store:
    """Optuna's artifacts in an S3 store. Small ones (every worker wants every curve) are kept in the folder too.

    Where the store is, and who may use it, boto3 finds as usual: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ~/.aws, ...
    """

    def __init__(self, url: str, folder: Path) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise InputError(
                "artifacts in an S3 store must have boto3, got none; pip install -e '.[s3]' in the clone of nas"
            ) from error
        from optuna.artifacts import Boto3ArtifactStore

        parts = urlsplit(url)
        self.url, self.prefix = url, parts.path.strip("/")
        self.kept = AtomicStore(folder)
        retries = Config(retries={"max_attempts": TRIES, "mode": "standard"}, connect_timeout=10, read_timeout=60)
        with self._answering():
            self.inner = Boto3ArtifactStore(parts.netloc, boto3.client("s3", config=retries))

    def open_reader(self, artifact_id: str) -> BinaryIO:
        try:
            return self.kept.open_reader(artifact_id)
        except ArtifactNotFound:
            with self._answering():
                content = self.inner.open_reader(self._key(artifact_id)).read()
        if len(content) <= LARGEST_KEPT:
            with suppress(OSError):  # the folder may only be read, or is full: it is fetched again
                self.kept.write(artifact_id, io.BytesIO(content))
        return io.BytesIO(content)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        with self._answering():
            self.inner.write(self._key(artifact_id), content_body)

    def remove(self, artifact_id: str) -> None:
        with self._answering():
            self.inner.remove(self._key(artifact_id))
        with suppress(ArtifactNotFound):  # it was too large to be kept
            self.kept.remove(artifact_id)

    def _key(self, artifact_id: str) -> str:
        return f"{self.prefix}/{artifact_id}".lstrip("/")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise ServerUnavailable(
                f"artifacts must be in a store that answers, got {self.url} ({first_line(error)}); "
                "see AWS_ENDPOINT_URL, the bucket and the credentials"
            ) from error


def parse_artifacts(url: str) -> str:
    """An S3 store's URL, s3://bucket/prefix. Raises InputError for another."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query:
        got = "one with a password or options" if "@" in parts.netloc or parts.query else url
        raise InputError(f"artifacts must be s3://bucket/prefix, got {got}; credentials go into the environment")
    return f"s3://{parts.netloc}/{parts.path.strip('/')}".rstrip("/")


def open_store(folder: Path, url: str | None) -> ArtifactStore:
    """The artifact store of the study in a folder. `url`: None, or an S3 store's."""
    return S3Store(url, folder / ARTIFACTS) if url else AtomicStore(folder / ARTIFACTS)


def save_curve(store: ArtifactStore, trial: optuna.Trial, curve: Iterable[Period]) -> None:
    lines = ["period,images,loss,accuracy,seconds,balanced"]
    for e in curve:
        balanced = "" if e.balanced is None else f"{e.balanced:.6g}"
        lines.append(f"{e.period},{e.images},{e.loss:.6g},{e.accuracy:.6g},{e.seconds:.3f},{balanced}")
    save_file(store, trial, CURVE, ("\n".join(lines) + "\n").encode())


def drop_weights(store: ArtifactStore, frozen: FrozenTrial) -> None:
    """Removes the weights of a trial that has left the front."""
    for artifact_id in artifact_ids(frozen.system_attrs, WEIGHTS):
        with suppress(ArtifactNotFound):  # another worker was quicker
            store.remove(artifact_id)


def save_file(store: ArtifactStore, trial: optuna.Trial, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        path.write_bytes(content)
        upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)
