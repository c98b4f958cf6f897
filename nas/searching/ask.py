"""Which network a worker trains next: asked of the sampler, counted, and begun or refused."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from nas.analysis.accuracy_goal import AccuracyGoal, Reached
from nas.analysis.cost_axes import cost_of
from nas.analysis.seed_noise import next_repeat
from nas.records.settings import DESIGN, Settings
from nas.records.trial import Trial
from nas.samplers.design import next_in_turn
from nas.samplers.ehvi import EhviSampler
from nas.samplers.parameters import PATIENCE, TrialChooser, record_network, unseen_params
from nas.searching.leases import Heartbeat
from nas.searching.trial_index import TrialIndex
from nas.storage.journal import BEGUN, Journal
from nas.storage.reader import SILENCE
from space import Arch
from space.draw import Proposal

KEPT = ("seed", "stand_in", "repeat_of", "deaths")  # attributes of an interrupted trial that its retry keeps


@dataclass(frozen=True, slots=True)
class Begun:
    """A trial of this worker, and its network."""

    trial: optuna.Trial
    arch: Arch


class Asker:
    """Asks for one worker. A trial that nothing is to be trained for is ended at once, with its reason.

    A worker first writes that its trial begins, then looks: in the journal all beginnings have one order, so that every
    worker knows which of them are among the wanted ones, and of two equal networks which one trains.
    """

    def __init__(
        self, study: optuna.Study, storage: Journal, index: TrialIndex, settings: Settings, heartbeat: Heartbeat,
        on_note: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.study, self.storage, self.index, self.settings = study, storage, index, settings
        self.heartbeat, self.on_note = heartbeat, on_note
        self.space = settings.drawable()
        self.goal: AccuracyGoal | None = None
        self.exhausted = 0.0  # a cost below which the space holds no further network

    def next(self, total: int, repeats: int) -> Begun | None:
        """A new network while fewer than `total` have begun, then further seeds of the study's, up to `repeats`. None
        where there is nothing to train, unless another worker hands something back."""
        ways = [self._network, self._repeat, self._queued]
        if self.goal:  # what seems to reach it is made sure of first
            ways = [self._repeat, self._network, self._queued]
        try:
            return next(filter(None, (way(total, repeats) for way in ways)), None)
        except UpdateFinishedTrialError:
            self.heartbeat.held.clear()
            self.on_note("a network was taken back while this worker was held up")
            return self.next(total, repeats)

    def _network(self, total: int, repeats: int) -> Begun | None:
        """One that was interrupted, else one of the sampler's, else, where that finds none that is new and in the
        budget, a random one."""
        asks = 0
        while self.index.refresh().begun() < total and asks < 2 * PATIENCE:
            found = self._reached()
            if found and found.is_over:
                return None
            queued = self._queue_interrupted(repeats=False) or self.index.waiting(repeats=False)
            exhausted = self.exhausted >= (found.below if found else math.inf)
            if not queued and (exhausted or (asks >= PATIENCE and not self._queue_unseen(asks, found))):
                return None
            if begun := self._begin(total, repeats):
                return begun
            asks += not queued
        if asks == 2 * PATIENCE:
            self._give_up(self._reached())
        return None

    def _repeat(self, total: int, repeats: int) -> Begun | None:
        """Another seed of a network: one that is queued, else of the network that is most worth it."""
        while self.index.refresh().repeats_begun() < repeats:
            if not (self._queue_interrupted(repeats=True) or self.index.waiting(repeats=True)):
                number = self._next_repeat(repeats)
                if number is None:
                    return None
                self._queue(number, {"repeat_of": number})
            if begun := self._begin(total, repeats):
                return begun
        return None

    def _next_repeat(self, repeats: int) -> int | None:
        """The network to train with another seed: the one that reaches an accuracy, of a design each in its turn, else
        where it is most worth it."""
        if self.goal:
            found = self._reached()
            return found.point.trial.number if found and found.is_unsure else None
        trials = self.index.reader.trials()
        if self.settings.sampler == DESIGN:
            return next_in_turn(trials, repeats)
        return next_repeat(trials, repeats, self.settings.seed, cost_of(self.settings))

    def _queued(self, total: int, repeats: int) -> Begun | None:
        """What is queued though all that were wanted have begun: two workers may each have queued one for the last
        place, and one of them drew instead. None stays queued when a search ends."""
        while self.index.refresh().waiting(repeats=False) or self.index.waiting(repeats=True):
            if begun := self._begin(total, repeats):
                return begun
        return None

    def _queue_interrupted(self, *, repeats: bool) -> bool:
        """Whether there was a trial whose network is to be trained again. Two workers may queue the same at once: then
        the later one is a repeat."""
        if (left := self.index.interrupted(repeats=repeats)) is None:
            return False
        attrs = self.index.reader.frozen()[left.number].user_attrs
        self._queue(left.number, {name: attrs[name] for name in KEPT if name in attrs} | {"retry_of": left.number})
        return True

    def _queue(self, number: int, attrs: dict[str, Any]) -> None:
        """Queues the network of a trial. A retry may have died before all of its parameters were on record again."""
        frozen = self.index.reader.frozen()[number]
        params = {**frozen.system_attrs.get("fixed_params", {}), **frozen.params}
        if "below" in frozen.user_attrs:  # the same parameters mean another network in another budget
            attrs = attrs | {"below": frozen.user_attrs["below"]}
        self.study.enqueue_trial(params, user_attrs=attrs)

    def _queue_unseen(self, asks: int, found: Reached | None) -> bool:
        """A random network that is wanted and that the study does not have; False where there is none. A design has its
        own."""
        if self.settings.sampler == DESIGN:
            return True
        seed = trial_seed(self.settings.seed, len(self.index.reader.frozen()) + asks)
        wanted = self.settings.cheaper_than(found.below if found else None)
        assert wanted, "else it is over"
        params = unseen_params(self.settings.build_space(), wanted, self.index.seen(), seed)
        if params is None:
            self._give_up(found)
            return False
        attrs = {"stand_in": True, "below": found.below} if found else {"stand_in": True}
        self.study.enqueue_trial(params, user_attrs=attrs)  # its density is another one
        return True

    def _give_up(self, found: Reached | None) -> None:
        self.exhausted = found.below if found else math.inf
        wanted = self.settings.cheaper_than(found.below if found else None) or self.settings
        self.on_note(f"space {self.space.name} holds no further network in {wanted.budget}")

    def _begin(self, total: int, repeats: int) -> Begun | None:
        """Asks for one trial and draws its network; begins it where it is to be trained, else ends it."""
        found, sampler = self._reached(), self.study.sampler
        below = found.below if found else None
        if isinstance(sampler, EhviSampler):
            sampler.seek(None if self.goal is None else self.goal.least, below)
        trial = self.study.ask()
        self.heartbeat.held.add(trial._trial_id)
        trial.set_user_attr("owner", self.heartbeat.owner)
        proposal = self._draw(trial, below)
        if not proposal.inside:
            why = f"no width brings this shape into {self._drawn_in(trial).budget}"
            self._end(trial, TrialState.PRUNED, "outside", why)
            return None
        trial.set_user_attr(BEGUN, True)
        known = self.index.refresh().reader.trials()[trial.number]
        if (first := self.index.first(known)) is not None:
            self._end(trial, TrialState.FAIL, "repeat", f"same network as trial {first}")
        elif not self._fits(known, total, repeats):
            why = "surplus: as many as wanted had begun before it; its network is trained first when the search goes on"
            self._end(trial, TrialState.FAIL, "interrupted", why)
        else:
            return Begun(trial, proposal.arch)
        return None

    def _fits(self, trial: Trial, total: int, repeats: int) -> bool:
        """Whether a trial that begins is among those that are wanted."""
        if trial.repeat_of is None:
            return self.index.begun(before=trial) < total
        return self.index.repeats_begun(before=trial) < repeats

    def _draw(self, trial: optuna.Trial, below: int | None = None) -> Proposal:
        """The trial's network, and what is known before training, on record. `below`: what it is to cost less
        than, unless it was drawn before."""
        if below is not None and not {"retry_of", "repeat_of", "below"} & trial.user_attrs.keys():
            trial.set_user_attr("below", below)
        drawn_in = self._drawn_in(trial)
        random = self.settings.sampler == "random" and not {"stand_in", "repeat_of"} & trial.user_attrs.keys()
        chooser = TrialChooser(trial, 0.0 if random else None)
        with self.storage.batched():
            if self.heartbeat.lease > SILENCE:  # views wait as long
                trial.set_user_attr("lease", self.heartbeat.lease)
            budget = drawn_in.budget
            proposal = self.space.compose(chooser, self.settings.task, budget)
            trial.set_constraint("budget", budget.violation(proposal.counts))
            record_network(trial, proposal)
            trial.set_user_attr("seed", trial.user_attrs.get("seed", trial_seed(self.settings.seed, trial.number)))
            if proposal.inside and proposal.log_density is not None and drawn_in is self.settings:
                trial.set_user_attr("log_density", proposal.log_density)
        return proposal

    def _reached(self) -> Reached | None:
        """In a search for an accuracy, the network that has it."""
        return self.goal.reached(self.index.reader.trials()) if self.goal else None

    def _drawn_in(self, trial: optuna.Trial) -> Settings:
        """The settings whose budget holds for a trial: narrower where an accuracy was reached before it."""
        return self.settings.cheaper_than(trial.user_attrs.get("below")) or self.settings

    def _end(self, trial: optuna.Trial, state: TrialState, outcome: str, reason: str) -> None:
        end(self.study, self.storage, trial, state, outcome, reason)
        self.heartbeat.held.discard(trial._trial_id)


def end(
    study: optuna.Study, storage: Journal, trial: optuna.Trial, state: TrialState, outcome: str, reason: str
) -> None:  # fmt: skip
    """Ends a trial that was not trained to its end, with its outcome and the reason for it."""
    with storage.batched():
        trial.set_user_attr("outcome", outcome)
        trial.set_user_attr("reason", reason)
    study.tell(trial, state=state, skip_if_finished=True)


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial, from the study's and its number."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big") >> 1
