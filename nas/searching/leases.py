"""Leases: a trial belongs to the worker that trains it for as long as that gives signs of life. Needs no torch.

A worker writes a beat, the time by its clock, into its trials every few seconds. Another one that has seen no new beat
for LEASE seconds by its own clock takes the trial back, so that clocks of machines need not agree; a process of the
same machine that has ended is known at once.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Self
from uuid import uuid4

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.storage.journal import Journal
from nas.storage.owners import is_alive, owner
from space import InputError

DEFAULT = 60.0  # seconds
VARIABLE = "NAS_LEASE"  # the environment's, in seconds
OWNERLESS = 10.0  # seconds that a trial may have no owner: it gets one once its network is proposed
MAX_DEATHS = 5  # workers that may die of a network before it counts as failed


def lease_seconds() -> float:
    """How long a worker may be silent. Raises InputError for what is no such time."""
    text = os.environ.get(VARIABLE, str(DEFAULT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:
        raise InputError(f"{VARIABLE} must be 1 to 86400 seconds, got {text}; unset it for {DEFAULT:.0f}")
    return seconds


class Heartbeat:
    """Beats for the trials that a worker holds, from a thread of its own: a training step may be long. A context, in
    which the worker counts as one of those that live in this process."""

    def __init__(self, storage: Journal, lease: float) -> None:
        self.storage, self.lease = storage, lease
        self.held: set[int] = set()  # Optuna's ids
        self.owner = owner() | {"search": uuid4().hex}
        self.ended = threading.Event()
        self.ticked = self.woke = time.monotonic()  # the last tick, and the end of the last standstill

    def __enter__(self) -> Self:
        self.ended.clear()
        _LIVE.add(self.owner["search"])
        self.ticked = time.monotonic()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        _LIVE.discard(self.owner["search"])

    def stood_still(self, since: float) -> bool:
        """Whether this process was held up (frozen, swapped out) for half a lease after that moment."""
        return time.monotonic() - self.ticked > self.lease / 2 or self.woke > since

    def tick(self) -> None:
        now = time.monotonic()
        if now - self.ticked > self.lease / 2:
            self.woke = now
        self.ticked = now

    def _beat(self) -> None:
        while not self.ended.wait(self.lease / 4):
            self.tick()
            for trial_id in tuple(self.held):
                try:
                    self.storage.set_trial_user_attr(trial_id, "beat", round(time.time(), 1))
                except Exception:  # lost, or not to be written: the search meets the same, and says so
                    continue


_LIVE: set[str] = set()  # searches of this process that run


class Leases:
    """What a worker has seen of the others' beats, and what it does with the trials of those that are silent."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.heartbeat, self.storage, self.lease = heartbeat, heartbeat.storage, heartbeat.lease
        self.seen: dict[int, tuple[float, float]] = {}  # by trial: its last beat, and when that was new
        self.looked = -math.inf  # when, last

    def lapsed(self, frozen: FrozenTrial) -> str | None:
        """Why a running trial of another worker, or of an earlier search in this process, is to be taken back; None
        while it may be alive."""
        whose, beat, now = frozen.user_attrs.get("owner"), frozen.user_attrs.get("beat", 0), time.monotonic()
        if whose and (not is_alive(whose) or (_is_here(whose) and whose.get("search") not in _LIVE)):
            return "its process ended"
        if self.heartbeat.stood_still(self.looked):  # with all others perhaps: it does not know who else lives
            self.seen.clear()
        self.looked = now
        last, since = self.seen.get(frozen.number, (None, now))
        silence = self.lease if whose else min(self.lease, OWNERLESS)
        if beat != last:
            self.seen[frozen.number] = (beat, now)
        elif now - since > silence:
            return f"its worker gave no sign of life for {silence:.0f} s"
        return None

    def take_back(self, others: Iterable[FrozenTrial]) -> Iterator[str]:
        """Of the trials that are not the worker's own, those whose worker has died or is silent; a note on each."""
        for frozen in others:
            if frozen.state == TrialState.RUNNING and (why := self.lapsed(frozen)):
                again = self.hand_back(frozen, why, died=True)
                yield f"trial {frozen.number}: {why}; {again or 'another worker was quicker'}"

    def hand_back(self, frozen: FrozenTrial, why: str, died: bool = False) -> str | None:
        """Ends a trial that runs. Where it has a network, whoever asks next trains that, with the same seed: the trials
        that were interrupted are the queue. What was done, in words; None where the trial has ended, or its worker
        given a sign of life, meanwhile."""
        attrs, trial_id = frozen.user_attrs, frozen._trial_id
        deaths = attrs.get("deaths", 0) + died
        outcome, again = "interrupted", "its network is queued again" if "seed" in attrs else "it had no network yet"
        if deaths > MAX_DEATHS:
            outcome, again = "failed", f"{deaths} workers died of this network, which has failed"
        try:
            # changes nothing, and may wait for the journal's lock: what others wrote meanwhile is known then
            self.storage.set_trial_user_attr(trial_id, "deaths", attrs.get("deaths", 0))
            if died and self.storage.get_trial(trial_id).user_attrs.get("beat") != attrs.get("beat"):
                return None
            with self.storage.batched():
                self.storage.set_trial_user_attr(trial_id, "reason", f"{why}; {again}")
                self.storage.set_trial_user_attr(trial_id, "deaths", deaths)
                self.storage.set_trial_user_attr(trial_id, "outcome", outcome)
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return None
        return again


def _is_here(whose: dict[str, Any]) -> bool:
    """Whether an owner is this process."""
    return all(whose.get(name) == value for name, value in owner().items())
