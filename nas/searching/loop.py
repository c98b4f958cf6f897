"""The search: ask -> cost -> train -> tell, until the study has the networks that are wanted.

One `Search` is one worker, which trains a network at a time. Any number of them, in processes of their own, work on a
study: all that they know of each other is in its storage. A study is a folder that resumes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.trial import TrialState

from nas.analysis.accuracy_goal import AccuracyGoal
from nas.analysis.cost_axes import cost_of
from nas.process.errors import Terminated
from nas.records.scores import score_of
from nas.records.settings import Settings
from nas.records.trial import CLASS_COUNTS, WEIGHTS, Period, Trial
from nas.samplers.build import build_sampler
from nas.samplers.early_stopping import Decision, Standing, build_rule
from nas.searching.ask import Asker, Begun, end
from nas.searching.leases import Heartbeat, Leases, lease_seconds
from nas.searching.trial_index import TrialIndex, scores_of
from nas.storage.artifacts import drop_weights, open_store, save_curve, save_file
from nas.storage.reader import Reader
from nas.storage.study_folder import open_study
from nas.training.brief import Verdict
from nas.training.steps import Interrupted
from nas.training.trainer import Failed, Finished, Result, Trainer
from space import Arch, InputError, compact

MAX_FAILURES = 5  # failed trials in a row before the search stops
TICK = 1.0  # seconds between looks at what other workers do, where there is nothing to train


@dataclass(frozen=True, slots=True)
class Watch:
    """What a search tells whoever watches it, and whether it is asked to stop (looked at after each period)."""

    on_begin: Callable[[int, Arch, int], None] = lambda number, arch, done: None  # a trial starts
    on_period: Callable[[int, int], None] = lambda number, period: None  # so many are over
    on_finish: Callable[[Trial, int], None] = lambda trial, done: None  # it is complete, stopped or failed
    on_lost: Callable[[int], None] = lambda number: None  # its worker is gone; its network is trained again
    on_note: Callable[[str], None] = lambda note: None
    stop: Callable[[], bool] = lambda: False


class Search:
    """One worker on a study."""

    def __init__(self, folder: Path, trainer: Trainer, watch: Watch, place: int = 0) -> None:
        """`place`: another one for each worker on the study, so that their samplers draw differently."""
        self.settings = Settings.read(folder)
        self.settings.drawable().check_budget(self.settings.budget, self.settings.task)
        self.recipe = self.settings.build_recipe()
        self.rule = build_rule(self.settings.stop, self.recipe.periods, self.settings.seed)
        self.trainer, self.watch, self.files = trainer, watch, open_store(folder, self.settings.artifacts)
        self.study, self.storage = open_study(folder, watch.on_note)
        self.reader = Reader(folder, self.storage)
        self.index = TrialIndex(self.reader, cost_of(self.settings))
        self.study.sampler = build_sampler(self.settings, len(self.reader.frozen()), place)
        self.lease = lease_seconds()
        self.heartbeat = Heartbeat(self.storage, self.lease)
        self.leases = Leases(self.heartbeat)
        self.asker = Asker(self.study, self.storage, self.index, self.settings, self.heartbeat, watch.on_note)
        self.left: str | None = None  # why it is to end at its next step
        self.abandoned = threading.Event()
        self.failures = 0  # in a row

    def run(self, total: int, repeats: int = 0, accuracy: float | None = None) -> bool:
        """Trains until `total` networks are complete, stopped or failed, then up to `repeats` further seeds of them;
        for an `accuracy` only until what is cheaper than a network that reaches it misses it. What other workers train
        counts. Ends when there is nothing left that could come back from one of them.

        False if it was asked to stop before. Raises InputError when trial after trial fails.
        """
        self.asker.goal = None if accuracy is None else AccuracyGoal(accuracy, self.settings)
        with self.heartbeat:
            try:
                while not self._asked_to_stop():
                    self._take_back()
                    others = self.index.running  # what one of them hands back from now on is queued: look again
                    if begun := self._next(total, repeats):
                        self._tell(begun, *self._train(begun))
                    elif others or self.index.refresh().running:  # others train; two shall not look at once
                        time.sleep(min(TICK, self.lease / 8) * random.uniform(0.1, 0.5))
                    else:
                        self._sweep()
                        return True
                return False
            except BaseException as error:
                try:
                    self._hand_back(_end_of_worker(error))
                except (OSError, OptunaError, InputError) as problem:
                    self.watch.on_note(f"what trained is not handed back, and taken back later: {problem}")
                raise

    def abandon(self, why: str) -> None:
        """Ends the search at its next training step; the trial is handed back. Any thread may call it."""
        self.left = self.left or why
        self.abandoned.set()

    def _asked_to_stop(self) -> bool:
        return self.abandoned.is_set() or self.watch.stop()

    def _next(self, total: int, repeats: int) -> Begun | None:
        """A network to train, its cost known and within the budget."""
        return self.asker.next(total, repeats)

    def _take_back(self) -> None:
        """The trials of workers that died or went silent."""
        frozen = self.reader.frozen()
        others = [frozen[trial.number] for trial in self.index.refresh().running]
        for note in self.leases.take_back(each for each in others if each._trial_id not in self.heartbeat.held):
            self.watch.on_note(note)

    def _train(self, begun: Begun) -> tuple[Result | None, list[Period]]:
        """Result (None: it was asked to stop) and curve."""
        self.watch.on_begin(begun.trial.number, begun.arch, self.index.networks)
        curve: list[Period] = []

        def on_period(period: Period) -> Verdict:
            curve.append(period)
            self.watch.on_period(begun.trial.number, period.period)
            self._take_back()
            return "interrupt" if self._asked_to_stop() else self._judge(begun, curve)

        try:
            seed = begun.trial.user_attrs["seed"]
            return self.trainer(begun.arch, seed, on_period, self.abandoned.is_set), curve
        except Interrupted:
            return None, curve

    def _judge(self, begun: Begun, curve: list[Period]) -> Verdict:
        """Whether a trial goes on, by the study's stopping rule, among all others."""
        trial, period = begun.trial, len(curve)
        try:
            trial.set_user_attr("periods", period)
            if period not in self.rule.rungs or "repeat_of" in trial.user_attrs:
                return "go on"
            cost = self.index.cost.on(self.index.refresh().reader.trials()[trial.number])
            standing = Standing(trial.number, cost, scores_of(curve, self.settings.metric))
            decision = self.rule.judge(standing, period, self.index.rivals(trial.number))
            trial.set_user_attr("accuracies", standing.accuracies)
            trial.set_user_attr("decisions", [*trial.user_attrs.get("decisions", []), asdict(decision)])
        except UpdateFinishedTrialError:  # taken back while this process was held up; `_tell` says so
            return "interrupt"
        return "stop" if decision.stop else "go on"

    def _tell(self, begun: Begun, result: Result | None, curve: list[Period]) -> None:
        """A training has ended: on record, how. A result that comes too late is dropped."""
        trial = begun.trial
        try:
            if self.reader.frozen()[trial.number].state.is_finished():
                raise UpdateFinishedTrialError
            if result is None:
                self._hand_back(self.left or "stopped by the user")
            else:
                self._record(trial, result, curve)
        except UpdateFinishedTrialError:
            note = f"trial {trial.number} was taken back while this worker was held up; its result is dropped"
            self.watch.on_note(note)
        self.heartbeat.held.discard(trial._trial_id)

    def _record(self, trial: optuna.Trial, result: Result, curve: list[Period]) -> None:
        with self.storage.batched():
            trial.set_user_attr("seconds", result.seconds)
            trial.set_user_attr("periods", len(curve))
            save_curve(self.files, trial, curve)
            if isinstance(result, Finished) and result.counts and not result.stopped:
                trial.set_user_attr(CLASS_COUNTS, [result.counts.correct, result.counts.images])
        match result:
            case Failed(reason=reason):
                end(self.study, self.storage, trial, TrialState.FAIL, "failed", reason)
            case Finished(stopped=True):
                why = _why(trial.user_attrs["decisions"][-1], self.recipe.period)
                end(self.study, self.storage, trial, TrialState.PRUNED, "stopped", why)
            case Finished():
                losers = self._keep_weights(trial, result)
                score = score_of(result, self.settings.metric)
                assert score is not None
                self.study.tell(trial, [score, trial.user_attrs[self.settings.minimize]], skip_if_finished=True)
                self._drop_weights(trial, losers)
        self.watch.on_finish(self.reader.trials()[trial.number], self.index.refresh().networks)
        self.failures = self.failures + 1 if isinstance(result, Failed) else 0
        if isinstance(result, Failed) and self.failures == MAX_FAILURES:
            raise InputError(
                f"trials must not fail {MAX_FAILURES} times in a row, got {result.reason}; "
                "change the recipe (a lower lr?) or the space"
            )

    def _keep_weights(self, trial: optuna.Trial, done: Finished) -> set[int]:
        """Weights are kept for the front alone. Returns the trials that leave it for this one."""
        index, attrs = self.index.refresh(), trial.user_attrs
        new = Trial(
            number=trial.number, state="complete", accuracy=done.accuracy, balanced=done.balanced,
            counts=done.counts, metric=self.settings.metric, flops=attrs["flops"], params=attrs["params"],
            activations=attrs["activations"], latency=attrs.get("latency"), key=attrs["key"],
            repeat_of=attrs.get("repeat_of"),
        )  # fmt: skip
        before, after = ({t.number for t in front} for front in (index.front, index.front_with(new)))
        if trial.number in after:
            save_file(self.files, trial, WEIGHTS, done.weights)
        return before - after

    def _drop_weights(self, trial: optuna.Trial, losers: set[int]) -> None:
        """Of trials that this one beats, once it is on record."""
        frozen = self.reader.frozen()
        if frozen[trial.number].state == TrialState.COMPLETE:
            for loser in losers:
                drop_weights(self.files, frozen[loser])

    def _sweep(self) -> None:
        """Weights off the front: two workers may each have kept those of a trial that the other one's beats."""
        known = list(self.reader.frozen())  # before the front: what completes meanwhile is not looked at
        front = {trial.number for trial in self.index.refresh().front}
        for frozen in known:
            if frozen.state == TrialState.COMPLETE and frozen.number not in front:
                drop_weights(self.files, frozen)

    def _hand_back(self, why: str) -> None:
        """What this worker holds, for whoever asks next."""
        for frozen in self.reader.frozen():
            if frozen._trial_id in self.heartbeat.held and not frozen.state.is_finished():
                self.leases.hand_back(frozen, why)
        self.heartbeat.held.clear()


def _why(plain: dict[str, Any], images: int) -> str:
    """The decision that ended a trial, in words; `images`: of a period."""
    decision = Decision(**plain)
    needed = "" if decision.threshold is None else f", {decision.threshold:.2%} needed to go on"
    after = compact(decision.period * images)
    return f"{decision.accuracy:.2%} after {after} images{needed}, compared with {decision.rivals} others"


def _end_of_worker(error: BaseException) -> str:
    """A training was handed back when its worker ended with `error`."""
    if isinstance(error, Terminated):
        return "its worker was terminated"
    asked = isinstance(error, (KeyboardInterrupt, SystemExit))
    return "stopped by the user" if asked else "an error ended its worker"
