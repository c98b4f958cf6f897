"""A study as it was when read, and what is worked out of it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, wraps
from pathlib import Path
from threading import RLock
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from nas.analysis.pareto import Point, minimised, pareto_front, scored, top
from nas.records.extent import Extent
from nas.records.reference import Reference
from nas.records.settings import Settings
from nas.records.trial import State, Trial

Mode = Literal["running", "idle", "error", "empty", "away", "gone", "broken", "missing"]
COUNTED_STATES: tuple[State, ...] = ("complete", "stopped", "failed", "interrupted", "running")
P = ParamSpec("P")
T = TypeVar("T")
_COMPUTING = RLock()  # one session at a time: threads of Python compute no faster side by side, but twice


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A study as it was when read. The same object is returned until its files change, so it may key a cache.

    `problem` says what is wrong where the mode is `away` (cannot be reached now) or `gone` (its folder was moved or
    removed), in both of which this is what was last read, `broken` or `missing` (gone, and never read), and what ended
    the last search where it is `error`.
    """

    folder: Path
    mode: Mode
    settings: Settings | None = None
    trials: tuple[Trial, ...] = ()
    extent: Extent | None = None  # how far it shall go, where that is on record
    problem: str | None = None
    updated: datetime | None = None
    read: datetime | None = None  # when, where the study is away or gone; else now
    measured: Mapping[str, Any] = field(default_factory=dict)  # latencies: `nas.latency.measurements`
    unmeasured: str | None = None  # why they cannot be read
    references: tuple[Reference, ...] = ()
    no_references: str | None = None  # why they cannot be read
    whole: Snapshot | None = None  # of a part of a study's trials: all of it
    found: dict[Any, dict[Any, Any]] = field(default_factory=dict, init=False, repr=False)  # by `once` functions

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def read_settings(self) -> Settings:
        """Of a study that can be read."""
        assert self.settings is not None
        return self.settings

    @property
    def _cost(self) -> Callable[[Trial], Any] | None:
        return minimised(self.settings) if self.settings else None

    @cached_property
    def front(self) -> tuple[Trial, ...]:
        """Trials that none beats in both accuracy and what the study minimises, FLOPs as a rule, by rising cost."""
        return tuple(pareto_front(self.trials, self._cost))

    @cached_property
    def best(self) -> Point | None:
        """The most accurate network, at the mean of its seeds."""
        return top(self.trials, self._cost)

    @cached_property
    def scored(self) -> tuple[Trial, ...]:
        return tuple(scored(self.trials))

    def same(self, other: Snapshot) -> bool:
        """Whether a page of this one would also be one of the other."""
        mine, others = ((s.mode, s.problem, s.unmeasured, s.no_references) for s in (self, other))
        alike = self.measured is other.measured and self.references is other.references
        return self.trials is other.trials and alike and mine == others

    @property
    def running(self) -> tuple[Trial, ...]:
        """Trials in training; those of a process that has ended are not."""
        return tuple(t for t in self.trials if t.state == "running")

    @cached_property
    def _states(self) -> Counter[State]:
        return Counter(trial.state for trial in self.trials)

    def number_in(self, state: State) -> int:
        return self._states[state]

    @property
    def counts(self) -> str:
        """`30 complete, 2 failed`."""
        numbers = ((self.number_in(state), state) for state in COUNTED_STATES)
        return ", ".join(f"{number:,} {state}" for number, state in numbers if number)

    def trial(self, number: int | None) -> Trial | None:
        """The trial of that number, if the study has one."""
        trials = (self.whole or self).trials
        return trials[number] if number is not None and 0 <= number < len(trials) else None


def once(function: Callable[Concatenate[Snapshot, P], T]) -> Callable[Concatenate[Snapshot, P], T]:
    """Keeps what a function of a snapshot returned for as long as the snapshot lives: for the latest 16 of its other
    arguments, which must be hashable and positional."""

    @wraps(function)
    def kept(snapshot: Snapshot, /, *args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs
        found: dict[Any, T] = snapshot.found.setdefault(function, {})
        with suppress(KeyError):
            return found[args]
        with _COMPUTING:
            if args in found:  # another session has meanwhile
                return found[args]
            if len(found) >= 16:
                found.pop(next(iter(found)))
            answer = found[args] = function(snapshot, *args, **kwargs)
            return answer

    return kept
