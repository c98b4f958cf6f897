"""Study: ask -> cost -> train -> tell, until the total is reached. A study is a folder that resumes.

The loop asks and tells in this process, trainers (`nas.crew`) train; while they do, the next network is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.certainty import next_repeat
from nas.crew import Crew, Event, Failed, Finished, Job, Left, Passed
from nas.ledger import Ledger, accuracies_of
from nas.propose import TrialChooser, ask, build_sampler, record_network, unseen_params
from nas.settings import FILE, JOURNAL, Settings
from nas.stopping import Decision, Standing, build_rule
from nas.store import drop_weights, open_for_writing, open_store, save_curve, save_weights
from nas.train import Verdict
from nas.trials import Epoch, Reader, Trial, is_alive, owner
from space import Arch, InputError
from space.draw import Proposal

DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)  # validation accuracy, FLOPs
MAX_FAILURES = 5  # failed trials in a row before the search stops
REQUEUED = ("seed", "stand_in", "repeat_of")  # what a queued trial keeps of the one it stands for
PACKAGES = ("nas", "torch", "optuna", "numpy", "datasets", "scikit-learn")

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, slots=True)
class Watch:
    """What a search tells whoever watches it, and whether it is asked to stop (looked at after each epoch)."""

    on_trial: Callable[[int, Arch, int], None] = lambda number, arch, done: None  # a trial starts
    on_epoch: Callable[[int, Epoch], None] = lambda number, epoch: None
    on_finish: Callable[[Trial, int], None] = lambda trial, done: None  # it is complete, stopped or failed
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
    began = Settings.read(folder)
    old, new = asdict(began) | {"recipe": began.build_recipe().to_dict()}, asdict(settings)
    for key in ("flops_low", "flops_high", "sampler", "stop", "seed", "space", "recipe", "data"):
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
    """A study's storage and space, and the loop. The crew's trainers hold its data and recipe."""

    def __init__(self, folder: Path, crew: Crew, watch: Watch) -> None:
        self.settings = Settings.read(folder)
        self.space = self.settings.build_space()
        self.space.check_budget(self.settings.budget, self.settings.task)
        self.rule = build_rule(self.settings.stop, self.settings.build_recipe().epochs, self.settings.seed)
        self.crew, self.watch, self.store = crew, watch, open_store(folder)
        storage, note = open_for_writing(folder)
        if note:
            watch.on_note(note)
        self.storage: BaseStorage = storage
        self.reader = Reader(folder, storage)
        self.ledger = Ledger(self.reader)
        self.study = optuna.create_study(study_name="nas", storage=storage, directions=DIRECTIONS, load_if_exists=True)
        self.study.sampler = build_sampler(self.settings, len(self._frozen()))
        self.training: dict[int, optuna.Trial] = {}  # here, by number
        self.ahead: tuple[optuna.Trial, Arch] | None = None  # drawn while others train
        self.curves: dict[int, list[Epoch]] = {}  # of trials that train here
        self.exhausted = False  # the space holds no further network
        self.failures = 0  # in a row

    def run(self, total: int, repeats: int = 0) -> bool:
        """Trains until `total` networks are complete, stopped or failed, then up to `repeats` further seeds of them.

        False if it was asked to stop before. Raises InputError when trial after trial fails.
        """
        self._reap()
        stopped = False
        try:
            while True:
                stopped = stopped or self.watch.stop()
                while self.crew.idle and not stopped and (following := self._next(total, repeats)):
                    self._begin(*following)
                if not self.training:
                    return not stopped
                if self.ahead is None and not stopped and self._wants_more(total):
                    self.ahead = self._draw(ahead=True)
                for event in self.crew.listen(self._answer):
                    self._hear(event)
        finally:
            waiting = [self.ahead[0]] if self.ahead else []
            for trial in [*self.training.values(), *waiting]:
                self._interrupt(trial)
            self.training, self.ahead = {}, None

    def _frozen(self) -> list[FrozenTrial]:
        return self.reader.frozen()

    def _wants_more(self, total: int) -> bool:
        """Whether fewer than `total` networks train, here or in another living process, or did, and there are more."""
        return not self.exhausted and self.ledger.refresh().begun() < total

    def _next(self, total: int, repeats: int) -> tuple[optuna.Trial, Arch] | None:
        """A network to train now: a new one while there are fewer than `total`, then another seed of one."""
        if self.ahead:
            following, self.ahead = self.ahead, None
            return following
        if self._wants_more(total) and (drawn := self._draw()):
            return drawn
        number = next_repeat(self.reader.trials(), repeats, self.settings.seed) if repeats else None
        return None if number is None else self._repeat(number)

    def _begin(self, trial: optuna.Trial, arch: Arch) -> None:
        trial.set_user_attr("drawn_ahead", False)
        self.watch.on_trial(trial.number, arch, self.ledger.refresh().networks)
        self.training[trial.number], self.curves[trial.number] = trial, []
        self.crew.start(Job(trial.number, arch, trial.user_attrs["seed"]))

    def _draw(self, ahead: bool = False) -> tuple[optuna.Trial, Arch] | None:
        """A new network in the budget, with its cost and seed recorded; None when there is none."""
        asked = ask(self.study, lambda trial: self._propose(trial, ahead), self._unseen)
        if asked is None:
            self.watch.on_note(f"space {self.space.name} holds no further network in {self.settings.band}")
            self.exhausted = True
            return None
        trial, proposal = asked
        return trial, proposal.arch

    def _unseen(self, asks: int) -> dict[str, Any] | None:
        """Parameters of a random network that the study does not have."""
        seed = trial_seed(self.settings.seed, len(self._frozen()) + asks)
        return unseen_params(self.space, self.settings, set(self.ledger.refresh().seen()), seed)

    def _repeat(self, number: int) -> tuple[optuna.Trial, Arch] | None:
        """The network of trial `number` with another seed."""
        self.study.enqueue_trial(self._frozen()[number].params, user_attrs={"repeat_of": number})
        trial = self.study.ask()
        proposal = self._propose(trial)
        return (trial, proposal.arch) if proposal else None

    def _propose(self, trial: optuna.Trial, ahead: bool = False) -> Proposal | None:
        """The trial's network, with what is known before training on record. None where there is nothing to train,
        of which Optuna is told at once."""
        trial.set_user_attr("owner", owner())
        if ahead:
            trial.set_user_attr("drawn_ahead", True)
        drawn = self.settings.sampler == "random" and not {"stand_in", "repeat_of"} & trial.user_attrs.keys()
        chooser = TrialChooser(trial, 0.0 if drawn else None)
        proposal = self.space.compose(chooser, self.settings.task, self.settings.budget)
        arch, violation = proposal.arch, self.settings.band.violation(proposal.cost.flops)
        trial.set_constraint("budget", violation)
        record_network(trial, proposal)
        if proposal.inside and proposal.log_density is not None:
            trial.set_user_attr("log_density", proposal.log_density)
        first = None if "repeat_of" in trial.user_attrs else self._other(arch, trial.number)
        if violation > 0:
            self._end(trial, TrialState.PRUNED, "outside", f"no width brings this shape into {self.settings.band}")
        elif first is not None:
            self._end(trial, TrialState.FAIL, "repeat", f"same network as trial {first}")
        else:
            trial.set_user_attr("seed", trial.user_attrs.get("seed", trial_seed(self.settings.seed, trial.number)))
            return proposal
        return None

    def _other(self, arch: Arch, number: int) -> int | None:
        """The first other trial of the same network."""
        return self.ledger.refresh().seen(beside=number).get(arch.key)

    def _answer(self, passed: Passed) -> Verdict:
        """After each epoch: whether to go on."""
        number, epoch = passed.job.number, passed.epoch
        self.curves[number].append(epoch)
        self.watch.on_epoch(number, epoch)
        if self.watch.stop():
            return "interrupt"
        trial = self.training[number]
        if epoch.epoch not in self.rule.rungs or "repeat_of" in trial.user_attrs:
            return "go on"
        standing = Standing(number, trial.user_attrs["flops"], accuracies_of(self.curves[number]))
        rivals = self.ledger.refresh().rivals(number, self.curves)
        decision = self.rule.judge(standing, epoch.epoch, rivals)
        trial.set_user_attr("decisions", [*trial.user_attrs.get("decisions", []), decision.to_dict()])
        return "stop" if decision.stop else "go on"

    def _hear(self, event: Event) -> None:
        """A training has ended: records and tells how."""
        if isinstance(event, Passed):
            return
        trial, curve = self.training.pop(event.job.number), self.curves.pop(event.job.number)
        if isinstance(event, Left):
            self._interrupt(trial)
            return
        trial.set_user_attr("seconds", event.seconds)
        trial.set_user_attr("epochs", len(curve))
        save_curve(self.store, trial, curve)
        match event:
            case Failed(reason=reason):
                self._end(trial, TrialState.FAIL, "failed", reason)
            case Finished(stopped=True):
                self._end(trial, TrialState.PRUNED, "stopped", _why(trial.user_attrs["decisions"][-1]))
            case Finished():
                self._keep_weights(trial, event)
                self.study.tell(trial, [event.accuracy, trial.user_attrs["flops"]])
        self.watch.on_finish(self.reader.trials()[trial.number], self.ledger.refresh().networks)
        self.failures = self.failures + 1 if isinstance(event, Failed) else 0
        if isinstance(event, Failed) and self.failures == MAX_FAILURES:
            raise InputError(
                f"trials must not fail {MAX_FAILURES} times in a row, got {event.reason}; "
                "change the recipe (a lower lr?) or the space"
            )

    def _keep_weights(self, trial: optuna.Trial, done: Finished) -> None:
        """Weights are kept for the front alone: a trial that others beat loses its own."""
        ledger, attrs = self.ledger.refresh(), trial.user_attrs
        new = Trial(
            number=trial.number, state="complete", accuracy=done.accuracy, flops=attrs["flops"], key=attrs["key"],
            repeat_of=attrs.get("repeat_of"),
        )  # fmt: skip
        before, after = ({t.number for t in front} for front in (ledger.front, ledger.front_with(new)))
        if trial.number in after:
            save_weights(self.store, trial, done.weights)
        frozen = self._frozen()
        for loser in before - after:
            drop_weights(self.store, frozen[loser])

    def _end(self, trial: optuna.Trial, state: TrialState, outcome: str, reason: str) -> None:
        trial.set_user_attr("outcome", outcome)
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=state)

    def _interrupt(self, trial: optuna.Trial) -> None:
        self._end(trial, TrialState.FAIL, "interrupted", "stopped by the user; queued again")
        self._requeue(trial.number)

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
            kept = {name: frozen.user_attrs[name] for name in REQUEUED if name in frozen.user_attrs}
            self.study.enqueue_trial(frozen.params, user_attrs={**kept, "retry_of": frozen.number})


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial, from the study's and its number."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big") >> 1


def _why(plain: dict[str, Any]) -> str:
    """The decision that ended a trial, in words."""
    decision = Decision.from_dict(plain)
    wanted = "" if decision.threshold is None else f" of the {decision.threshold:.2%} wanted"
    return f"{decision.accuracy:.2%}{wanted} after epoch {decision.epoch}, among {decision.rivals} of about its FLOPs"
