"""The networks of a design, each once and in the design's order; and further seeds of them, each in its turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.records.settings import Settings
from nas.records.trial import ENDED, Trial
from space.factorial import Row


class DesignSampler(BaseSampler):
    """Gives each trial the first network of a study's design that no trial has yet; once all are taken, the last. One
    that begins beside others leaves them theirs: as many as have no parameters on record yet."""

    def __init__(self, settings: Settings) -> None:
        self.steps = settings.build_steps()
        self._rows: dict[int, Row] = {}  # by trial

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if trial.number not in self._rows:
            names = self.steps.axes.keys()
            others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
            taken = {self.steps.taken(other.params) for other in others if names <= other.params.keys()}
            rows = [row for row in self.steps.rows if row not in taken] or self.steps.rows[-1:]
            beside = [o for o in others if o.number < trial.number and not o.state.is_finished() and not o.params]
            self._rows[trial.number] = rows[min(len(beside), len(rows) - 1)]
        place = list(self.steps.axes).index(param_name)
        return self.steps.axes[param_name].values[self._rows[trial.number][place]]


def next_in_turn(trials: Sequence[Trial], limit: int) -> int | None:
    """The network that has the fewest seeds, by the number of its first trial; None if `limit` further seeds have
    begun, or where no network was trained to its end."""
    repeats = [
        trial for trial in trials if trial.repeat_of is not None and trial.state in (*ENDED, "running", "waiting")
    ]
    if len(repeats) >= limit:
        return None
    again = Counter(trial.repeat_of for trial in repeats)
    first = [trial.number for trial in trials if trial.state == "complete" and trial.repeat_of is None]
    return min(first, key=lambda number: (again[number], number), default=None)
