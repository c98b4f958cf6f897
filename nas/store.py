"""Writing a study's folder: its journal and its trials' files, so that nothing half-written keeps a final name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, cast

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from nas.lock import JournalLock
from nas.settings import ARTIFACTS, JOURNAL
from nas.trials import CURVE, WEIGHTS, Epoch, artifact_ids


class AtomicStore(FileSystemArtifactStore):
    """Optuna's artifacts as files, each written aside, synced and renamed."""

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        path = self._get_filepath(artifact_id)
        aside = path.with_name(f".{path.name}.tmp")
        try:
            with aside.open("wb") as file:
                file.write(content_body.read())
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def open_store(folder: Path) -> AtomicStore:
    """The artifact store in a study's folder."""
    (folder / ARTIFACTS).mkdir(parents=True, exist_ok=True)
    return AtomicStore(folder / ARTIFACTS)


def open_for_writing(folder: Path, on_note: Callable[[str], None]) -> JournalStorage:
    """The study's journal; a torn tail is cut off first, then and before each line."""
    path = folder / JOURNAL
    lock = JournalLock(path, on_note)
    lock.acquire()
    lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(JournalFileOpenLock, lock)))


def save_curve(store: AtomicStore, trial: optuna.Trial, curve: Iterable[Epoch]) -> None:
    """The trial's curve.csv."""
    lines = ["epoch,loss,accuracy,seconds"]
    lines += [f"{e.epoch},{e.loss:.6g},{e.accuracy:.6g},{e.seconds:.3f}" for e in curve]
    _upload(store, trial, CURVE, ("\n".join(lines) + "\n").encode())


def save_weights(store: AtomicStore, trial: optuna.Trial, content: bytes) -> None:
    """The trial's weights.safetensors."""
    _upload(store, trial, WEIGHTS, content)


def drop_weights(store: AtomicStore, frozen: FrozenTrial) -> None:
    """Removes the weights of a trial that has left the front."""
    for artifact_id in artifact_ids(frozen, WEIGHTS):
        try:
            store.remove(artifact_id)
        except ArtifactNotFound:
            continue  # another worker was quicker


def _upload(store: AtomicStore, trial: optuna.Trial, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        path.write_bytes(content)
        upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)
