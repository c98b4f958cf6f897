"""Random search whose FLOPs are spread over the band as those of `ehvi`'s first trials are: from the low end on, where
hypervolume is won at once. What a sampler that learns is worth beyond that is seen beside it."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.samplers.candidates import aim
from nas.samplers.ehvi import van_der_corput


class SpreadSampler(RandomSampler):
    """Every choice at random but the cost, which goes through a van der Corput sequence in log."""

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if isinstance(param_distribution, FloatDistribution) and param_distribution.log:
            return aim(param_distribution.low, param_distribution.high, van_der_corput(trial.number))
        return super().sample_independent(study, trial, param_name, param_distribution)
