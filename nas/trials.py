"""Reading a study: its trials, curves and state, without a lock and without writing anything. Needs no torch.

Optuna is imported only when a journal is read, so that importing this module stays quick.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from nas.settings import ARTIFACTS, FILE, JOURNAL, Server, Settings
from space import Arch, InputError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from nas.files import ArtifactStore
    from nas.journal import Journal

State = Literal["complete", "stopped", "failed", "running", "waiting", "interrupted", "outside", "repeat"]
CURVE, WEIGHTS = "curve.csv", "weights.safetensors"  # names of a trial's artifacts
_ATTRIBUTES = (
    "flops", "params", "activations", "key", "log_density", "seconds", "epochs", "seed", "repeat_of", "arch",
)  # fmt: skip
SILENCE = 60.0  # seconds without a sign of life after which a trial is shown as interrupted, unless its lease is longer
_ARTIFACT = "artifacts:"  # Optuna's prefix of the system attributes that name a trial's files


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One network trained once. None where the trial did not get that far.

    States: complete; stopped (early, by the study's stopping rule); failed (diverged or crashed, `reason` says);
    running; waiting (queued, or drawn while others train); interrupted (by Ctrl-C or a dead process: queued again);
    outside (never trained: its shape cannot meet the budget); repeat (never trained: the network was trained before;
    a network trained again on purpose, with another seed, is an ordinary trial with `repeat_of`).
    """

    number: int
    state: State
    accuracy: float | None = None  # top-1 on the validation split, 0 to 1
    flops: int | None = None  # conv + linear multiply-accumulates, batch 1
    params: int | None = None
    activations: int | None = None
    key: str | None = None
    log_density: float | None = None  # of its settings in one random draw; None where a sampler chose that learns
    seconds: float | None = None  # of training and evaluation
    epochs: int | None = None  # trained; None in studies of version 2 and before, which trained all of them
    seed: int | None = None
    repeat_of: int | None = None  # the first trial of the same network, where this one is another seed of it
    accuracies: tuple[float, ...] = ()  # validation accuracy after each epoch up to the last rung, also while it trains
    decisions: tuple[dict[str, Any], ...] = ()  # of the stopping rule at its rungs: `nas.stopping.Decision`
    arch: dict[str, Any] | None = None
    reason: str | None = None
    owner: str | None = None  # host and process of its worker
    started: datetime | None = None  # UTC
    finished: datetime | None = None

    def network(self) -> Arch:
        """The trial's Arch. Raises InputError where the trial has none."""
        if self.arch is None:
            raise InputError(f"trial must have a network, got trial {self.number} ({self.state}); choose another")
        return Arch.from_dict(self.arch, f"trial {self.number}")

    def to_json(self) -> dict[str, Any]:
        """For `--json`: plain values, times left out."""
        return {key: value for key, value in asdict(self).items() if key not in ("started", "finished")}


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a trial's curve."""

    epoch: int  # from 1
    loss: float  # mean training loss
    accuracy: float  # validation top-1 after this epoch
    seconds: float  # since training began


class Reader:
    """Reads one study; each call reads only what the journal has grown by. Never writes, never locks."""

    def __init__(self, folder: Path, storage: Journal | None = None) -> None:
        """`storage`: where the process has it open already."""
        self.folder = folder
        self.settings = Settings.read(folder)
        self._storage, self._changes = storage, 0
        self._store: ArtifactStore | None = None
        self._forget()

    def _forget(self) -> None:
        self._frozen: list[FrozenTrial] = []
        self._trials: list[Trial] = []
        self._open: list[int] = []  # of them those that can still change

    def trials(self) -> list[Trial]:
        """All trials by number. InputError if the journal is damaged; an empty or missing journal has none."""
        self.frozen()
        return list(self._trials)

    def shown(self) -> list[Trial]:
        """The same for whoever looks: what trained in a process that has ended, or that gave no sign of life for
        SILENCE or its longer lease, was interrupted, though no worker took it back yet. A search goes by `trials`."""
        trials = self.trials()
        for number in self._open:
            if trials[number].state != "running":
                continue
            if why := _lost(self._frozen[number]):
                trials[number] = replace(
                    trials[number], state="interrupted", reason=f"{why}; it is trained again when the study goes on",
                    finished=datetime.fromtimestamp(_sign_of_life(self._frozen[number]), UTC),
                )  # fmt: skip
        return trials

    def frozen(self) -> list[FrozenTrial]:
        """The same as Optuna has them."""
        if self.settings.server:
            self._ask(self.settings.server)
            return self._frozen
        path = self.folder / JOURNAL
        if not path.is_file() or path.stat().st_size == 0:  # gone, or not begun; Optuna would make one
            self._forget()
            return []
        from optuna.exceptions import OptunaError

        try:
            self._read(lambda: open_journal(path))
        except (ValueError, KeyError, TypeError, AssertionError, OptunaError) as error:
            self._storage = None
            self._forget()
            raise InputError(
                f"{path} must be a whole journal, got {damage(path)} ({str(error).splitlines()[0]}); "
                "restore it from a copy, or remove that line"
            ) from error
        return self._frozen

    def changed(self) -> int:
        """How often a trial has begun or changed, as far as this reader has seen: for studies that have no file."""
        self.frozen()
        return self._changes

    def _ask(self, server: Server) -> None:
        from nas.server import connect_to_read

        self._read(lambda: connect_to_read(server))

    def _read(self, connect: Callable[[], Journal | None]) -> None:
        """Asks for the trials that are new or were open: a list of thousands takes Optuna milliseconds."""
        if self._storage is None:
            self._storage = connect()
        if self._storage is None:
            return
        studies = self._storage.get_all_studies()
        if not studies:
            return
        study = self._storage.get_study_id_from_name(studies[0].study_name)
        if self._frozen:
            fresh = [_numbered(self._storage, study, number) for number in self._open]
            fresh += _after(self._storage, study, len(self._frozen))
        else:
            fresh = self._storage.get_all_trials(study, deepcopy=False)
        self._open = [frozen.number for frozen in fresh if not frozen.state.is_finished()]
        for frozen in fresh:
            trial = _trial(frozen)
            if frozen.number == len(self._frozen):
                self._frozen.append(frozen)
                self._trials.append(trial)
                self._changes += 1
            elif trial != self._trials[frozen.number]:
                self._frozen[frozen.number], self._trials[frozen.number] = frozen, trial
                self._changes += 1
            else:
                self._frozen[frozen.number] = frozen

    def is_running(self) -> bool:
        """Whether a process that lives still works on one of its trials."""
        self.frozen()
        return any(
            "owner" in self._frozen[number].user_attrs and not _lost(self._frozen[number]) for number in self._open
        )

    def error(self) -> str | None:
        """What ended the study's last search, in one line; None where it ended well, or is not known to have ended."""
        found = self.study_attributes().get("error")
        return None if found is None else str(found)

    def goal(self) -> tuple[int, int] | None:
        """How far the study shall go, in all: trials and further seeds; None where that is not on record."""
        found = self.study_attributes().get("goal")
        return None if found is None else (int(found["trials"]), int(found["repeats"]))

    def curve(self, number: int) -> list[Epoch]:
        """The epochs of a trial; empty where it has no curve (yet)."""
        content = self.artifact(number, CURVE)
        rows = csv.DictReader(io.StringIO(content.decode())) if content else ()
        return [Epoch(int(r["epoch"]), float(r["loss"]), float(r["accuracy"]), float(r["seconds"])) for r in rows]

    def artifact(self, number: int, name: str) -> bytes | None:
        """A file of a trial, None where it has none."""
        frozen = self.frozen()
        if not 0 <= number < len(frozen):
            raise InputError(f"trial must be from 0 to {len(frozen) - 1}, got {number}; `nas trials` lists them")
        for artifact_id in artifact_ids(frozen[number], name):
            path = self.folder / ARTIFACTS / artifact_id
            if path.is_file():
                return path.read_bytes()
            if self.settings.artifacts and (content := self._fetched(self.settings.artifacts, artifact_id)) is not None:
                return content
        return None

    def _fetched(self, url: str, artifact_id: str) -> bytes | None:
        from optuna.artifacts.exceptions import ArtifactNotFound

        from nas.store import open_to_read

        if self._store is None:
            self._store = open_to_read(self.folder, url)
        try:
            return self._store.open_reader(artifact_id).read()
        except ArtifactNotFound:
            return None

    def study_attributes(self) -> dict[str, Any]:
        """What is on record of the study as a whole."""
        self.frozen()
        studies = self._storage.get_all_studies() if self._storage else []
        return studies[0].user_attrs if studies else {}


def open_journal(path: Path) -> Journal:
    """Optuna's storage on a journal file that exists."""
    import optuna

    from nas.journal import open_file

    optuna.logging.set_verbosity(logging.WARNING)
    return open_file(path)


def _after(storage: Journal, study: int, number: int) -> Iterator[FrozenTrial]:
    """The trials from `number` on."""
    while True:
        try:
            yield _numbered(storage, study, number)
        except KeyError:  # there is none
            return
        number += 1


def _numbered(storage: Journal, study: int, number: int) -> FrozenTrial:
    return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study, number))


def damage(path: Path) -> str:
    """The first line of a journal that is no entry, in words."""
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            whole = json.loads(line)["op_code"] in range(11)  # optuna.storages.journal._storage.JournalOperation
        except (ValueError, TypeError, KeyError):
            whole = False
        if not whole:
            return f"damage in line {number}"
    return "an entry that Optuna refuses"


def artifact_ids(frozen: FrozenTrial, name: str) -> list[str]:
    """Ids of a trial's artifacts of that file name, the latest first."""
    metas = [json.loads(v) for k, v in frozen.system_attrs.items() if k.startswith(_ARTIFACT)]
    found = [str(meta["artifact_id"]) for meta in metas if meta["filename"] == name]
    return [i for i in reversed(found) if i == Path(i).name]  # an id is a plain file name, never a path


def _trial(frozen: FrozenTrial) -> Trial:
    attrs = frozen.user_attrs
    values = frozen.values if frozen.state.name == "COMPLETE" else None
    return Trial(
        number=frozen.number,
        state=_state(frozen),
        accuracy=values[0] if values else None,
        **{name: attrs.get(name) for name in _ATTRIBUTES},
        accuracies=tuple(attrs.get("accuracies", ())),
        decisions=tuple(attrs.get("decisions", ())),
        reason=attrs.get("reason"),
        owner=_owner_words(attrs.get("owner")),
        started=_utc(frozen.datetime_start),
        finished=_utc(frozen.datetime_complete),
    )


def _state(frozen: FrozenTrial) -> State:
    attrs = frozen.user_attrs
    if frozen.state.name == "RUNNING" and ("key" not in attrs or attrs.get("drawn_ahead")):
        return "waiting"
    fallback = {"COMPLETE": "complete", "RUNNING": "running", "WAITING": "waiting", "PRUNED": "outside"}
    outcome = attrs.get("outcome") if frozen.state.is_finished() else None
    return cast(State, outcome or fallback.get(frozen.state.name, "failed"))


def _lost(frozen: FrozenTrial) -> str | None:
    """Why a trial that was left open trains no more; None while it may."""
    whose = frozen.user_attrs.get("owner")
    if whose and not is_alive(whose):
        return "its process ended"
    silence = max(SILENCE, float(frozen.user_attrs.get("lease", 0)))
    if time.time() - _sign_of_life(frozen) > silence:
        return f"its worker gave no sign of life for {silence:.0f} s"
    return None


def _sign_of_life(frozen: FrozenTrial) -> float:
    """The last, as Unix time by the worker's clock: its beat, and before the first one when it was drawn, which Optuna
    writes in local time. Beats of older studies are small numbers, and say nothing."""
    beat = float(frozen.user_attrs.get("beat", 0))
    if beat > 1e9:
        return beat
    return frozen.datetime_start.timestamp() if frozen.datetime_start else 0.0


def _owner_words(owner: Any) -> str | None:
    return f"{owner.get('host')}:{owner.get('pid')}" if isinstance(owner, dict) else None


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)  # Optuna's times are naive local ones


def owner(pid: int | None = None) -> dict[str, Any]:
    """Who runs a trial, by default this process: written into the trial, so that others can see whether it still lives.

    Containers may share a host's name, and even a process id, so that neither says which process is meant: beside them
    stand the start of the system that it runs on, the namespace in which its id is one, and when it began.
    """
    pid = os.getpid() if pid is None else pid
    return {"host": socket.gethostname(), "pid": pid, **_system(), "began": (_process(pid) or ("", None))[1]}


def is_alive(owner: dict[str, Any] | None) -> bool:
    """Whether the owner's process lives. One that cannot be seen from here, on another machine or in another container,
    is taken to live. Owners of earlier studies are a host and a process id alone."""
    if not owner:
        return False
    if owner.get("host") != socket.gethostname() or any(owner.get(k, v) != v for k, v in _system().items()):
        return True
    pid = int(owner["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    found = _process(pid)
    return found is None or (found[0] not in ("Z", "X") and owner.get("began") in (None, found[1]))


@cache
def _system() -> dict[str, str | None]:
    """What tells process ids of one system from those of another; None where the system does not say (not Linux)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"boot": boot, "processes": str(Path("/proc/self/ns/pid").readlink())}
    except OSError:
        return {"boot": None, "processes": None}


def _process(pid: int) -> tuple[str, int | None] | None:
    """A process's state, such as S, or Z once it has ended, and when it began, in ticks since the system's start."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # not Linux, or hidden from this user
        return None
    return fields[0], int(fields[19])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A row of `nas studies`. `problem` says what is wrong with a study that cannot be read, or what ended its last
    search, and what to do."""

    name: str
    folder: Path
    state: Literal["running", "resting", "error", "empty", "broken"]
    problem: str | None = None  # of a search that ended with an error too
    settings: Settings | None = None
    complete: int = 0
    stopped: int = 0
    failed: int = 0
    best: float | None = None  # validation accuracy of the most accurate network: the mean of its seeds
    seeds: int | None = None  # of that network
    updated: datetime | None = None


def summaries(runs: Path) -> list[Summary]:
    """Every study under `runs`, the latest first; a folder without any trace of a study is passed over."""
    folders = [path for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    traces = [path for path in folders if (path / FILE).exists() or (path / JOURNAL).exists()]
    rows = [summarise(folder) for folder in traces]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(rows, key=lambda row: (row.updated or oldest, row.name), reverse=True)


def summarise(folder: Path) -> Summary:
    """One study's row; never raises for a broken one."""
    try:
        reader = Reader(folder)
        trials = reader.shown()
        running, error = reader.is_running(), reader.error()
    except (InputError, OSError) as error:
        return Summary(name=folder.name, folder=folder, state="broken", problem=str(error), updated=_touched(folder))
    from nas.front import top  # which imports this module

    best = top(trials)
    return Summary(
        name=folder.name,
        folder=folder,
        state="running" if running else "error" if error else "resting" if trials else "empty",
        problem=None if running else error,
        settings=reader.settings,
        complete=sum(trial.accuracy is not None for trial in trials),
        stopped=sum(trial.state == "stopped" for trial in trials),
        failed=sum(trial.state == "failed" for trial in trials),
        best=best.trial.accuracy if best else None,
        seeds=best.seeds if best else None,
        updated=(last_change(trials) if reader.settings.server else None) or _touched(folder),
    )


def _touched(folder: Path) -> datetime | None:
    times = [path.stat().st_mtime for path in (folder / JOURNAL, folder / FILE) if path.exists()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def last_change(trials: Sequence[Trial]) -> datetime | None:
    """When the latest trial began or ended."""
    return max((moment for trial in trials for moment in (trial.started, trial.finished) if moment), default=None)
