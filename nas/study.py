"""Study: ask -> cost -> train -> tell, until the total is reached. A study is a folder that resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from safetensors.torch import save

from nas.front import pareto_front
from nas.propose import TrialChooser, build_sampler, unseen_params
from nas.settings import FILE, JOURNAL, Settings
from nas.store import drop_weights, open_for_writing, open_store, save_curve, save_weights
from nas.train import DeviceData, Diverged, Interrupted, train
from nas.trials import Epoch, Reader, Trial, is_alive, owner
from space import Arch, InputError
from space.cost import cost
from space.draw import Proposal

DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)  # validation accuracy, FLOPs
PATIENCE = 10  # asks in a row without a new network in the budget before a random one is queued
MAX_FAILURES = 5  # failed trials in a row before the search stops
PACKAGES = ("nas", "torch", "optuna", "numpy", "datasets", "scikit-learn")

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, slots=True)
class Watch:
    """What a search tells whoever watches it, and whether it is asked to stop (looked at after each epoch)."""

    on_trial: Callable[[int, Arch, int], None] = lambda number, arch, done: None  # a trial starts
    on_epoch: Callable[[int, Epoch], None] = lambda number, epoch: None
    on_finish: Callable[[Trial, int], None] = lambda trial, done: None  # a trial is complete or failed
    on_note: Callable[[str], None] = lambda note: None
    stop: Callable[[], bool] = lambda: False


def package_versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    return {name: version(name) for name in PACKAGES}


def open_folder(folder: Path, settings: Settings) -> list[str]:
    """Makes the study's folder, or checks that the one there was started with the same settings.

    Returns notes (other versions or device). Raises InputError with the first difference otherwise.
    """
    if not (folder / FILE).exists():
        if (folder / JOURNAL).exists():
            raise InputError(f"study must have its {FILE}, got a folder {folder} without it; restore it or use --study")
        folder.mkdir(parents=True, exist_ok=True)
        settings.write(folder)
        return []
    old, new = asdict(Settings.read(folder)), asdict(settings)
    for key in ("flops_low", "flops_high", "sampler", "seed", "space", "recipe", "data"):
        _same(key, old[key], new[key], folder)
    was = {"device": old["device"], **old["versions"]}
    now = {"device": new["device"], **new["versions"]}
    return [
        f"{key} was {was[key]} when the study began, is now {now.get(key)}" for key in was if was[key] != now.get(key)
    ]


def _same(field: str, old: Any, new: Any, folder: Path) -> None:
    """Raises InputError at the first place where two settings differ. A data source may move; its images may not."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old | new:
            if (field, key) not in (("data", "source"), ("data", "name")):
                _same(f"{field}.{key}", old.get(key), new.get(key), folder)
    elif old != new:
        raise InputError(
            f"{field} must be {old} to resume {folder.name}, got {new}; start another study with --study NAME"
        )


class Search:
    """One worker of a study: its storage, data and space, and the loop."""

    def __init__(self, folder: Path, data: DeviceData, watch: Watch) -> None:
        self.reader = Reader(folder)
        self.settings = self.reader.settings
        self.space, self.recipe = self.settings.build_space(), self.settings.build_recipe()
        self.space.check_budget(self.settings.budget, self.settings.task)
        self.data, self.watch, self.store = data, watch, open_store(folder)
        storage, note = open_for_writing(folder)
        if note:
            watch.on_note(note)
        self.storage: BaseStorage = storage
        self.study = optuna.create_study(study_name="nas", storage=storage, directions=DIRECTIONS, load_if_exists=True)
        self.study.sampler = build_sampler(self.settings, len(self._frozen()))

    def run(self, total: int) -> bool:
        """Trains until `total` trials are complete or failed. False if it was asked to stop before."""
        self._reap()
        failures = 0
        while (done := self._done()) < total:
            if self.watch.stop():
                return False
            trial, arch = self._next()
            if trial is None or arch is None:
                self.watch.on_note(f"space {self.space.name} holds no further network in {self.settings.band}")
                return True
            self.watch.on_trial(trial.number, arch, done)
            if not self._train(trial, arch):
                return False
            finished = self.reader.trials()[trial.number]
            self.watch.on_finish(finished, done + 1)
            failures = failures + 1 if finished.state == "failed" else 0
            if failures == MAX_FAILURES:
                raise InputError(
                    f"trials must not fail {MAX_FAILURES} times in a row, got {finished.reason}; "
                    "change the recipe (a lower lr?) or the space"
                )
        return True

    def _frozen(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _done(self) -> int:
        """Trials that count: complete, failed, or running in another living process."""
        trials = self.reader.trials()
        ours = owner()
        elsewhere = [f for f in self._frozen() if f.state == TrialState.RUNNING and f.user_attrs.get("owner") != ours]
        return sum(t.state in ("complete", "failed") for t in trials) + len(elsewhere)

    def _next(self) -> tuple[optuna.Trial | None, Arch | None]:
        """Asks until there is a new network in the budget, with its cost and seed recorded; None when there is none."""
        for asks in range(2 * PATIENCE):
            if asks >= PATIENCE and not self._enqueue_unseen(asks):
                return None, None
            trial = self.study.ask()
            trial.set_user_attr("owner", owner())
            at_random = self.settings.sampler == "random" and "stand_in" not in trial.user_attrs
            chooser = TrialChooser(trial, 0.0 if at_random else None)
            proposal = self.space.compose(chooser, self.settings.task, self.settings.budget)
            if self._accept(trial, proposal):
                return trial, proposal.arch
        return None, None

    def _accept(self, trial: optuna.Trial, proposal: Proposal) -> bool:
        """Records what is known before training; tells Optuna at once where there is nothing to train."""
        arch, counted = proposal.arch, proposal.cost
        violation = self.settings.band.violation(counted.flops)
        trial.set_constraint("budget", violation)
        seen = {f.user_attrs["key"]: f.number for f in self._frozen() if _stands(f) and f.number != trial.number}
        for name, value in asdict(counted).items():
            trial.set_user_attr(name, value)
        trial.set_user_attr("arch", arch.to_dict())
        trial.set_user_attr("key", arch.key)
        if proposal.inside and proposal.log_density is not None:
            trial.set_user_attr("log_density", proposal.log_density)
        if violation > 0:
            self._end(trial, TrialState.PRUNED, "outside", f"no width brings this shape into {self.settings.band}")
        elif arch.key in seen:
            self._end(trial, TrialState.FAIL, "repeat", f"same network as trial {seen[arch.key]}")
        else:
            trial.set_user_attr("seed", trial.user_attrs.get("seed", trial_seed(self.settings.seed, trial.number)))
            return True
        return False

    def _enqueue_unseen(self, asks: int) -> bool:
        seen = {f.user_attrs["key"] for f in self._frozen() if _stands(f)}
        seed = trial_seed(self.settings.seed, len(self._frozen()) + asks)
        params = unseen_params(self.space, self.settings, seen, seed)
        if params is not None:
            self.study.enqueue_trial(params, user_attrs={"stand_in": True})  # its density is another one
        return params is not None

    def _train(self, trial: optuna.Trial, arch: Arch) -> bool:
        """Trains and tells. False if training was interrupted; the network is then queued again."""
        started = time.perf_counter()
        curve: list[Epoch] = []

        def on_epoch(epoch: Epoch) -> None:
            curve.append(epoch)
            self.watch.on_epoch(trial.number, epoch)

        try:
            trained = train(
                arch, self.settings.task, self.data, self.recipe,
                seed=trial.user_attrs["seed"], on_epoch=on_epoch, interrupted=self.watch.stop,
            )  # fmt: skip
        except (Interrupted, KeyboardInterrupt) as error:
            self._end(trial, TrialState.FAIL, "interrupted", "stopped by the user; queued again")
            self._requeue(trial.number)
            if isinstance(error, KeyboardInterrupt):
                raise
            return False
        except (Diverged, RuntimeError, MemoryError) as error:  # RuntimeError: torch's, out of memory included
            trial.set_user_attr("seconds", time.perf_counter() - started)
            save_curve(self.store, trial, curve)
            self._end(trial, TrialState.FAIL, "failed", _reason(error, arch))
            return True
        trial.set_user_attr("seconds", trained.seconds)
        save_curve(self.store, trial, trained.curve)
        self._keep_weights(trial, arch, trained.accuracy, trained.network)
        self.study.tell(trial, [trained.accuracy, cost(arch, self.settings.task).flops])
        return True

    def _keep_weights(self, trial: optuna.Trial, arch: Arch, accuracy: float, network: torch.nn.Module) -> None:
        """Weights are kept for the front alone: a trial that others beat loses its own."""
        flops = cost(arch, self.settings.task).flops
        before = pareto_front(self.reader.trials())
        new = Trial(number=trial.number, state="complete", accuracy=accuracy, flops=flops)
        after = {t.number for t in pareto_front([*before, new])}
        if trial.number in after:
            weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
            save_weights(self.store, trial, save(weights))
        frozen = self._frozen()
        for loser in before:
            if loser.number not in after:
                drop_weights(self.store, frozen[loser.number])

    def _end(self, trial: optuna.Trial, state: TrialState, outcome: str, reason: str) -> None:
        trial.set_user_attr("outcome", outcome)
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=state)

    def _reap(self) -> None:
        """Trials left RUNNING by processes that died are ended, and their networks queued again."""
        ours = owner()
        for frozen in self._frozen():
            whose = frozen.user_attrs.get("owner")
            if frozen.state != TrialState.RUNNING or (whose != ours and is_alive(whose)):
                continue
            self.storage.set_trial_user_attr(frozen._trial_id, "outcome", "interrupted")
            self.storage.set_trial_user_attr(frozen._trial_id, "reason", "its process ended; queued again")
            self.study.tell(frozen.number, state=TrialState.FAIL, skip_if_finished=True)
            self._requeue(frozen.number)
            self.watch.on_note(f"trial {frozen.number} was left by a process that ended; its network is queued again")

    def _requeue(self, number: int) -> None:
        """The same network with the same seed, next."""
        frozen = self._frozen()[number]
        if "seed" in frozen.user_attrs:
            self.study.enqueue_trial(
                frozen.params, user_attrs={"seed": frozen.user_attrs["seed"], "retry_of": frozen.number}
            )


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial, from the study's and its number."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big") >> 1


def _stands(frozen: FrozenTrial) -> bool:
    """Whether a trial's network is settled or being trained, so that it need not be trained again."""
    return "key" in frozen.user_attrs and (
        frozen.user_attrs.get("outcome") == "failed" or frozen.state in (TrialState.COMPLETE, TrialState.RUNNING)
    )


def _reason(error: BaseException, arch: Arch) -> str:
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, Diverged) else f"{type(error).__name__}: {first} (network {arch.key})"
