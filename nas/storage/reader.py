"""Reading a study: its trials, curves and state, without a lock and without writing anything. Needs no torch.

Optuna is imported only when a journal is read, so that importing this module stays quick.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nas.process.errors import first_line
from nas.records.extent import Extent
from nas.records.recipe import Recipe
from nas.records.scores import ClassCounts, Metric
from nas.records.settings import JOURNAL, Settings
from nas.records.trial import CLASS_COUNTS, CURVE, Period, State, Trial, artifact_ids, period_of
from nas.storage.owners import is_alive
from space import InputError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from nas.storage.artifacts import ArtifactStore
    from nas.storage.journal import Journal

_ATTRIBUTES = (
    "flops", "params", "activations", "latency", "key", "log_density", "below", "seconds", "seed", "repeat_of",
    "retry_of", "arch",
)  # fmt: skip
SILENCE = 60.0  # seconds without a sign of life after which a trial is shown as interrupted, unless its lease is longer


class Reader:
    """Reads one study; each call reads only what the journal has grown by. Never writes, never locks."""

    def __init__(self, folder: Path, storage: Journal | None = None) -> None:
        """`storage`: where the process has it open already."""
        self.folder = folder
        self.settings = Settings.read(folder)
        self._recipe = self.settings.build_recipe()
        self._storage, self._given, self._changes = storage, storage, 0
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
            from nas.storage.postgres import connect_to_read

            self._read(partial(connect_to_read, self.settings.server))
            return self._frozen
        path = self.folder / JOURNAL
        if not path.is_file() or path.stat().st_size == 0:  # gone, or not begun; Optuna would make one
            if self._given and self._trials:
                raise InputError(
                    f"journal must stay where it is while its study is trained, got none at {path}; put it back: what "
                    "was trained is in it"
                )
            self._storage = self._given  # another journal may come into its place
            self._forget()
            return []
        from optuna.exceptions import OptunaError

        from nas.storage.journal import open_file

        try:
            self._read(partial(open_file, path))
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError, OptunaError) as error:
            self._storage = None
            self._forget()
            raise InputError(
                f"{path} must be a whole journal, got {damage(path)} ({first_line(error)}); "
                "restore it from a copy, or remove that line"
            ) from error
        return self._frozen

    def changed(self) -> int:
        """How often a trial has begun or changed, as far as this reader has seen: for studies that have no file."""
        self.frozen()
        return self._changes

    def _read(self, connect: Callable[[], Journal | None]) -> None:
        """Takes in the trials that are new or were open."""
        if self._storage is None:
            self._storage = connect()
        if self._storage is None:
            return
        studies = self._storage.get_all_studies()
        if not studies:
            return
        study = self._storage.get_study_id_from_name(studies[0].study_name)
        self._frozen[:] = self._storage.get_all_trials(study, deepcopy=False)  # whoever asked before sees it grow
        fresh = [*self._open, *range(len(self._trials), len(self._frozen))]
        self._open = [number for number in fresh if not self._frozen[number].state.is_finished()]
        for number in fresh:
            frozen = self._frozen[number]
            trial = _trial(frozen, self._storage.begun(frozen._trial_id), self.settings.metric, self._recipe)
            self._changes += self._trials[number : number + 1] != [trial]
            self._trials[number : number + 1] = [trial]

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

    def extent(self) -> Extent | None:
        """How far the study shall go; None where that is not on record."""
        found = self.study_attributes().get("goal")
        return None if found is None else Extent(int(found["trials"]), int(found["repeats"]), found.get("accuracy"))

    def curve(self, number: int) -> list[Period]:
        """The periods of a trial; empty where it has no curve (yet)."""
        content = self.artifact(number, CURVE)
        rows = csv.DictReader(io.StringIO(content.decode())) if content else ()
        return [_period(row, self._recipe.period) for row in rows]

    def artifact(self, number: int, name: str) -> bytes | None:
        """A file of a trial, None where it has none."""
        frozen = self.frozen()
        if not 0 <= number < len(frozen):
            raise InputError(f"trial must be from 0 to {len(frozen) - 1}, got {number}; `nas trials` lists them")
        from optuna.artifacts.exceptions import ArtifactNotFound

        from nas.storage.artifacts import open_store

        if self._store is None:
            self._store = open_store(self.folder, self.settings.artifacts)
        for artifact_id in artifact_ids(frozen[number].system_attrs, name):
            with suppress(ArtifactNotFound), self._store.open_reader(artifact_id) as file:
                return file.read()
        return None

    def study_attributes(self) -> dict[str, Any]:
        """What is on record of the study as a whole."""
        self.frozen()
        studies = self._storage.get_all_studies() if self._storage else []
        return studies[0].user_attrs if studies else {}


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


def _period(row: dict[str, str], images: int) -> Period:
    """`images`: of a period. Earlier releases called it an epoch."""
    number = int(row["period"] if "period" in row else row["epoch"])
    balanced = float(row["balanced"]) if row.get("balanced") else None
    return Period(number, number * images, float(row["loss"]), float(row["accuracy"]), float(row["seconds"]), balanced)


def _trial(frozen: FrozenTrial, begun: int | None, metric: Metric, recipe: Recipe) -> Trial:
    attrs = frozen.user_attrs
    periods = attrs.get("periods", attrs.get("epochs"))  # as earlier releases called them
    trained = recipe.periods if periods is None and frozen.state.name == "COMPLETE" else periods
    values = frozen.values if frozen.state.name == "COMPLETE" else None
    counts = ClassCounts(*map(tuple, attrs[CLASS_COUNTS])) if values and CLASS_COUNTS in attrs else None
    own: dict[str, Any] = {name: attrs.get(name) for name in _ATTRIBUTES}
    return Trial(
        number=frozen.number,
        state=_state(frozen),
        accuracy=values[0] if values and metric == "accuracy" else counts.accuracy if counts else None,
        balanced=counts.balanced if counts else None,
        counts=counts,
        metric=metric,
        **own,
        periods=periods,
        images=trained and trained * recipe.period,
        begun=begun,
        accuracies=tuple(attrs.get("accuracies", ())),
        decisions=tuple(_decision(each, recipe.period) for each in attrs.get("decisions", ())),
        reason=attrs.get("reason"),
        owner=_owner_words(attrs.get("owner")),
        started=_utc(frozen.datetime_start),
        finished=_utc(frozen.datetime_complete),
    )


def _decision(plain: dict[str, Any], images: int) -> dict[str, Any]:
    """With the `images` trained on before it; `images`: of a period."""
    rest = {key: value for key, value in plain.items() if key not in ("period", "epoch")}
    return {"period": period_of(plain), "images": period_of(plain) * images} | rest


def _state(frozen: FrozenTrial) -> State:
    fallback = {"COMPLETE": "complete", "RUNNING": "running", "WAITING": "waiting", "PRUNED": "outside"}
    ended_otherwise = frozen.state.is_finished() and frozen.state.name != "COMPLETE"
    outcome = frozen.user_attrs.get("outcome") if ended_otherwise else None
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
