"""Study: ask -> cost -> train -> tell, until the total is reached. A study is a folder that resumes.

One search is one worker: it trains a network at a time (`nas.trainer`) and draws the next one meanwhile. Any number of
them, in processes of their own, share a study: all that they know of each other is in its storage.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.certainty import next_repeat
from nas.folder import open_study
from nas.leases import Handover, Pulse, lease_seconds
from nas.ledger import Ledger, accuracies_of
from nas.propose import TrialChooser, ask, build_sampler, record_network, unseen_params
from nas.settings import Settings
from nas.stopping import Decision, Standing, build_rule
from nas.store import drop_weights, open_store, save_curve, save_weights
from nas.train import Verdict
from nas.trainer import Failed, Finished, Job, Left, Result, Trainer
from nas.trials import SILENCE, Epoch, Reader, Trial, owner
from space import Arch, InputError
from space.draw import Proposal

MAX_FAILURES = 5  # failed trials in a row before the search stops
TICK = 1.0  # seconds between looks at what other workers do, while one trains or there is nothing to train


@dataclass(frozen=True, slots=True)
class Watch:
    """What a search tells whoever watches it, and whether it is asked to stop (looked at after each epoch)."""

    on_trial: Callable[[int, Arch, int], None] = lambda number, arch, done: None  # a trial starts
    on_epoch: Callable[[int, int], None] = lambda number, epoch: None  # so many are over
    on_finish: Callable[[Trial, int], None] = lambda trial, done: None  # it is complete, stopped or failed
    on_note: Callable[[str], None] = lambda note: None
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A network that waits or trains here."""

    trial: optuna.Trial
    arch: Arch


class Search:
    """One worker on a study. The trainer holds its data and recipe."""

    def __init__(self, folder: Path, trainer: Trainer, watch: Watch, place: int = 0) -> None:
        """`place`: another one for each worker on the study, so that their samplers draw differently."""
        self.settings = Settings.read(folder)
        self.space = self.settings.build_space()
        self.space.check_budget(self.settings.budget, self.settings.task)
        self.rule = build_rule(self.settings.stop, self.settings.build_recipe().epochs, self.settings.seed)
        self.trainer, self.watch, self.store = trainer, watch, open_store(folder)
        self.study, storage = open_study(folder, watch.on_note)
        self.storage = storage
        self.reader = Reader(folder, storage)
        self.ledger = Ledger(self.reader)
        self.study.sampler = build_sampler(self.settings, len(self._frozen()), place)
        self.lease = lease_seconds()
        self.handover = Handover(self.study, storage, self.reader, self.lease)
        self.tick = min(TICK, self.lease / 8)
        self.looked = -TICK  # when trials of others were last looked at
        self.pulse: Pulse  # while it runs
        self.training: Drawn | None = None
        self.curve: list[Epoch] = []  # of it
        self.ahead: Drawn | None = None  # drawn while another trains
        self.exhausted = False  # the space holds no further network
        self.failures = 0  # in a row
        self.lock = threading.Lock()  # for all that begins, ends or hands back a trial
        self.gone = False  # nothing is to begin any more

    def run(self, total: int, repeats: int = 0) -> bool:
        """Trains until `total` networks are complete, stopped or failed, then up to `repeats` further seeds of them;
        what other workers train counts. Ends when there is nothing left that could come back from one of them.

        False if it was asked to stop before. Raises InputError when trial after trial fails.
        """
        stopped = self.gone = False
        self.pulse = Pulse(self.storage, self.lease)
        try:
            while True:
                with self.lock:
                    stopped = stopped or self.gone or self.watch.stop()
                    self._take_back()
                    if not stopped:
                        self._draw_what_is_wanted(total, repeats)
                if self.training is None:
                    if stopped or not self.ledger.refresh().running:
                        break
                    time.sleep(self.tick * random.uniform(0.1, 0.5))  # others train; two shall not wake at once
                    continue
                if result := self.trainer.listen(self._answer, self.tick):
                    with self.lock:
                        if self.training:
                            self._hear(result)
            self.leave("stopped by the user" if stopped else "as many as wanted were trained without it")
            self._sweep()
            return not stopped
        except BaseException as error:
            asked = isinstance(error, (KeyboardInterrupt, SystemExit))
            self.leave("stopped by the user" if asked else "an error ended its worker")
            raise
        finally:
            self.pulse.close()

    def _draw_what_is_wanted(self, total: int, repeats: int) -> None:
        """A network to train where none trains here, and one to wait where none does."""
        try:
            if self.training is None and (following := self._next(total, repeats)):
                self._begin(following)
            if self.training and self.ahead is None and self._wants_more(total, ahead=True):
                self.ahead = self._draw()
        except UpdateFinishedTrialError:
            self.ahead = None
            self.watch.on_note("a network that waited was taken back while this worker was held up")
            self._draw_what_is_wanted(total, repeats)

    def leave(self, why: str) -> None:
        """Hands the networks that wait or train here back to the study. Any thread may call it."""
        with self.lock:
            self.gone = True
            held, self.training, self.ahead = (self.training, self.ahead), None, None
            for drawn in held:
                if drawn:
                    self._hand_back(drawn.trial, why)

    def _take_back(self) -> None:
        """Once in a while: the trials of workers that died or went silent."""
        if time.monotonic() - self.looked >= self.tick:
            self.looked = time.monotonic()
            own = {drawn.trial.number for drawn in (self.training, self.ahead) if drawn}
            for note in self.handover.take_back([frozen for frozen in self._open() if frozen.number not in own]):
                self.watch.on_note(note)

    def _frozen(self) -> list[FrozenTrial]:
        return self.reader.frozen()

    def _wants_more(self, total: int, ahead: bool = False) -> bool:
        """Whether fewer than `total` networks train, here or in another living process, or did (`ahead`: or are drawn),
        and there are more."""
        ledger = self.ledger.refresh()
        if ledger.begun() + (ledger.ahead() if ahead else 0) >= total:
            return False
        return not self.exhausted or any(frozen.state == TrialState.WAITING for frozen in self._open())

    def _next(self, total: int, repeats: int) -> Drawn | None:
        """A network to train now: a new one while there are fewer than `total`, then another seed of one. It is
        claimed, so that all workers together train no more than they shall."""
        if self._wants_more(total) and (drawn := self.ahead or self._draw()):
            self.ahead = None
            if not self._claim(drawn, lambda: self.ledger.begun() <= total):
                self.ahead = drawn
            elif (first := self._other(drawn.arch, drawn.trial, claimed=True)) is None:
                return drawn
            else:
                self._end(drawn.trial, TrialState.FAIL, "repeat", f"same network as trial {first}")
                return self._next(total, repeats)
        elif repeats and self.ledger.repeats_begun() < repeats and (drawn := self._draw_repeat(repeats)):
            if self._claim(drawn, lambda: self.ledger.repeats_begun() <= repeats):
                return drawn
            self._hand_back(drawn.trial, "another worker trains the last further seed")
        return None

    def _claim(self, drawn: Drawn, fits: Callable[[], bool]) -> bool:
        """Counts a network that was drawn as one that trains. Where several workers claim the last place at once, the
        last to do so sees too many, and steps back; others may then too, and try again."""
        drawn.trial.set_user_attr("drawn_ahead", False)
        self.ledger.refresh()
        if fits():
            return True
        drawn.trial.set_user_attr("drawn_ahead", True)
        return False

    def _begin(self, drawn: Drawn) -> None:
        trial = drawn.trial
        self.watch.on_trial(trial.number, drawn.arch, self.ledger.refresh().networks)
        self.training, self.curve = drawn, []
        self.trainer.start(Job(trial.number, drawn.arch, trial.user_attrs["seed"]))

    def _draw(self) -> Drawn | None:
        """A new network in the budget, with its cost and seed recorded; None when there is none."""
        asked = ask(self.study, self._propose, self._unseen)
        if asked is None:
            self.watch.on_note(f"space {self.space.name} holds no further network in {self.settings.band}")
            self.exhausted = True
            return None
        return Drawn(asked[0], asked[1].arch)

    def _unseen(self, asks: int) -> dict[str, Any] | None:
        """Parameters of a random network that the study does not have."""
        seed = trial_seed(self.settings.seed, len(self._frozen()) + asks)
        return unseen_params(self.space, self.settings, self.ledger.refresh().seen(), seed)

    def _draw_repeat(self, repeats: int) -> Drawn | None:
        """A network with another seed: one that is queued, else the one that is most worth it. None: there is none."""
        if not any(f.state == TrialState.WAITING and "repeat_of" in f.user_attrs for f in self._open()):
            number = next_repeat(self.reader.trials(), repeats, self.settings.seed)
            if number is None:
                return None
            self.study.enqueue_trial(self._frozen()[number].params, user_attrs={"repeat_of": number})
        trial = self.study.ask()
        proposal = self._propose(trial)
        return Drawn(trial, proposal.arch) if proposal else None

    def _open(self) -> list[FrozenTrial]:
        """Trials that wait or train."""
        return [self._frozen()[trial.number] for trial in self.ledger.refresh().open]

    def _propose(self, trial: optuna.Trial) -> Proposal | None:
        """The trial's network, with what is known before training on record. None where there is nothing to train,
        of which Optuna is told at once."""
        trial.set_user_attr("owner", owner())
        self.pulse.hold(trial._trial_id)
        drawn = self.settings.sampler == "random" and not {"stand_in", "repeat_of"} & trial.user_attrs.keys()
        chooser = TrialChooser(trial, 0.0 if drawn else None)
        with self.storage.together():
            trial.set_user_attr("drawn_ahead", True)
            if self.lease > SILENCE:  # views wait as long
                trial.set_user_attr("lease", self.lease)
            proposal = self.space.compose(chooser, self.settings.task, self.settings.budget)
            arch, violation = proposal.arch, self.settings.band.violation(proposal.cost.flops)
            trial.set_constraint("budget", violation)
            record_network(trial, proposal)
            if proposal.inside and proposal.log_density is not None:
                trial.set_user_attr("log_density", proposal.log_density)
        first = None if "repeat_of" in trial.user_attrs else self._other(arch, trial)
        if violation > 0:
            self._end(trial, TrialState.PRUNED, "outside", f"no width brings this shape into {self.settings.band}")
        elif first is not None:
            self._end(trial, TrialState.FAIL, "repeat", f"same network as trial {first}")
        else:
            trial.set_user_attr("seed", trial.user_attrs.get("seed", trial_seed(self.settings.seed, trial.number)))
            return proposal
        return None

    def _other(self, arch: Arch, trial: optuna.Trial, *, claimed: bool = False) -> int | None:
        """The trial of the same network that this one would repeat."""
        return self.ledger.refresh().first(arch.key, trial.number, trial.user_attrs.get("retry_of"), claimed=claimed)

    def _answer(self, job: Job, epoch: Epoch) -> Verdict:
        """After each epoch: whether to go on."""
        if (drawn := self.training) is None:  # handed back meanwhile
            return "interrupt"
        trial = drawn.trial
        self.curve.append(epoch)
        self.watch.on_epoch(job.number, epoch.epoch)
        if self.watch.stop():
            return "interrupt"
        try:
            trial.set_user_attr("epochs", epoch.epoch)
            if epoch.epoch not in self.rule.rungs or "repeat_of" in trial.user_attrs:
                return "go on"
            standing = Standing(job.number, trial.user_attrs["flops"], accuracies_of(self.curve))
            rivals = self.ledger.refresh().rivals(job.number)
            decision = self.rule.judge(standing, epoch.epoch, rivals)
            trial.set_user_attr("accuracies", standing.accuracies)
            trial.set_user_attr("decisions", [*trial.user_attrs.get("decisions", []), decision.to_dict()])
        except UpdateFinishedTrialError:  # taken back while this process was held up; `_hear` says so
            return "interrupt"
        return "stop" if decision.stop else "go on"

    def _hear(self, result: Result) -> None:
        """A training has ended: records and tells how. A result that comes too late is dropped."""
        assert self.training is not None
        trial, self.training = self.training.trial, None
        try:
            if self._frozen()[trial.number].state.is_finished():
                raise UpdateFinishedTrialError
            if isinstance(result, Left):
                self._hand_back(trial, "stopped by the user")
            else:
                self._tell(trial, result)
        except UpdateFinishedTrialError:
            self.watch.on_note(
                f"trial {trial.number} was taken back while this worker was held up; its result is dropped"
            )
        finally:
            self.pulse.drop(trial._trial_id)

    def _tell(self, trial: optuna.Trial, result: Finished | Failed) -> None:
        with self.storage.together():
            trial.set_user_attr("seconds", result.seconds)
            trial.set_user_attr("epochs", len(self.curve))
            save_curve(self.store, trial, self.curve)
        match result:
            case Failed(reason=reason):
                self._end(trial, TrialState.FAIL, "failed", reason)
            case Finished(stopped=True):
                self._end(trial, TrialState.PRUNED, "stopped", _why(trial.user_attrs["decisions"][-1]))
            case Finished():
                self._keep_weights(trial, result)
                self.study.tell(trial, [result.accuracy, trial.user_attrs["flops"]], skip_if_finished=True)
        self.watch.on_finish(self.reader.trials()[trial.number], self.ledger.refresh().networks)
        self.failures = self.failures + 1 if isinstance(result, Failed) else 0
        if isinstance(result, Failed) and self.failures == MAX_FAILURES:
            raise InputError(
                f"trials must not fail {MAX_FAILURES} times in a row, got {result.reason}; "
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

    def _sweep(self) -> None:
        """Weights off the front: two workers may each have kept those of a trial that the other one's beats."""
        front = {trial.number for trial in self.ledger.refresh().front}
        for frozen in self._frozen():
            if frozen.state == TrialState.COMPLETE and frozen.number not in front:
                drop_weights(self.store, frozen)

    def _end(self, trial: optuna.Trial, state: TrialState, outcome: str, reason: str) -> None:
        self.pulse.drop(trial._trial_id)
        with self.storage.together():
            trial.set_user_attr("outcome", outcome)
            trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=state, skip_if_finished=True)

    def _hand_back(self, trial: optuna.Trial, why: str) -> None:
        self.pulse.drop(trial._trial_id)
        self.handover.requeue(self._frozen()[trial.number], why)


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial, from the study's and its number."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big") >> 1


def _why(plain: dict[str, Any]) -> str:
    """The decision that ended a trial, in words."""
    decision = Decision.from_dict(plain)
    wanted = "" if decision.threshold is None else f" of the {decision.threshold:.2%} wanted"
    return f"{decision.accuracy:.2%}{wanted} after epoch {decision.epoch}, among {decision.rivals} of about its FLOPs"
