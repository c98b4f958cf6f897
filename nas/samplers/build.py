"""The sampler of a study, by its name."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas.records.settings import Settings
from nas.samplers.design import DesignSampler
from nas.samplers.ehvi import EhviSampler
from nas.samplers.spread import SpreadSampler


def build_sampler(settings: Settings, trials: int, place: int = 0) -> BaseSampler:
    """The study's sampler. Its seed moves with the number of trials, as a resumed study must not repeat its draws, and
    with the worker's place, as workers must not draw the same."""
    seed = (settings.seed * 1_000_003 + trials + place * 7_368_787) % 2**32
    match settings.sampler:
        case "ehvi":
            return EhviSampler(settings)  # its draws move with the trial's number
        case "tpe":
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):  # of multivariate and group
                return TPESampler(multivariate=True, group=True, seed=seed)
        case "nsga2":
            return NSGAIISampler(population_size=20, seed=seed)
        case "random":
            return RandomSampler(seed=seed)
        case "spread":
            return SpreadSampler(seed=seed)
        case "design":
            return DesignSampler(settings)
