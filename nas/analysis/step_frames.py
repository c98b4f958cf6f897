"""What steps do as pandas data frames, for notebooks and scripts. Accuracies are from 0 to 1."""

from __future__ import annotations

import pandas as pd

from nas.analysis.step_effects import StepAnswers


def steps_data(answers: StepAnswers) -> pd.DataFrame:
    """A row per step, in the order of the walk, indexed by its name.

    before, after; gain (mean over all contexts), half (of its 95% interval, which holds for all effects and pairs
    together), told (from nothing); low and high (5% and 95% of its gains over contexts, their noise included), helps
    (share of contexts in which it gains), shapley (mean over all orders), on_path (where the walk takes it).
    """
    answers.require()
    return pd.DataFrame(
        [
            {
                "step": step.name, "before": step.before, "after": step.after, "gain": step.gain.value,
                "half": step.gain.half, "told": step.gain.told, "low": step.range[0], "high": step.range[1],
                "helps": step.helps, "shapley": step.shapley,
                "on_path": step.on_path,
            }
            for step in answers.effects
        ]
    ).set_index("step")  # fmt: skip


def step_pairs_data(answers: StepAnswers) -> pd.DataFrame:
    """A row per pair of steps, the largest first: first, second; change (how much more the one gains where the other is
    taken), half and told as in `steps_data`."""
    answers.require()
    return pd.DataFrame(
        [
            {
                "first": pair.first, "second": pair.second, "change": pair.change.value, "half": pair.change.half,
                "told": pair.change.told,
            }
            for pair in answers.interactions
        ],
        columns=["first", "second", "change", "half", "told"],
    )  # fmt: skip


def step_networks_data(answers: StepAnswers) -> pd.DataFrame:
    """A row per set of steps whose network is trained, in the design's order: a column per step (whether it is taken),
    accuracy (mean of its seeds), seeds, flops, trial (its first)."""
    rows = [
        {**dict(zip(answers.names, each.row, strict=True)), "accuracy": each.accuracy, "seeds": each.seeds,
         "flops": each.flops, "trial": each.trial}
        for each in answers.trained
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[*answers.names, "accuracy", "seeds", "flops", "trial"])
