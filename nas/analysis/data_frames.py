"""Trials and fronts as pandas data frames, for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nas.analysis.against_front import against_front, reference_results
from nas.analysis.cost_axes import COUNTED, FLOPS, FORECAST, CostAxis
from nas.analysis.pareto import pareto_front, score
from nas.analysis.seed_noise import networks
from nas.analysis.wording import describe
from nas.records.reference import read_references
from nas.records.trial import Trial
from space import Band

WHOLE = ("flops", "params", "activations", "images", "seed", "repeat_of")  # whole numbers, of which some may miss


def trials_data(trials: Sequence[Trial]) -> pd.DataFrame:
    """A row per trial, indexed by its number.

    state; accuracy (validation top-1, 0 to 1, of the trial's own seed; missing until it is complete), balanced_accuracy
    (mean of class_accuracies), class_accuracies (each class's share of images told right, in the order of the settings'
    classes); flops (conv + linear multiply-accumulates, batch 1), params, activations; seconds (training and
    evaluation); forecast_latency (ms, of a study with a budget in latency); images (trained on); seed; repeat_of (the
    first trial of the same network, where this is another seed of it); key (equal for equal networks); network (in one
    line); reason (why it ended as it did).
    """
    columns = (
        "state", "accuracy", "flops", "params", "activations", "seconds", "images", "seed", "repeat_of", "key",
    )  # fmt: skip
    data: dict[str, Any] = {name: [getattr(trial, name) for trial in trials] for name in columns}
    data = _with_classes(data | _forecasts(trials), trials)
    data["network"] = [_line(trial) for trial in trials]
    data["reason"] = [trial.reason for trial in trials]
    frame = pd.DataFrame(data, index=pd.Index([trial.number for trial in trials], name="trial"))
    return frame.astype(
        dict.fromkeys(("accuracy", "balanced_accuracy", "seconds"), float) | dict.fromkeys(WHOLE, "Int64")
    )


def _forecasts(trials: Sequence[Trial]) -> dict[str, Any]:
    """A column with the latency that a study's model forecasts, in ms, where it has one."""
    found = [FORECAST.of(trial) for trial in trials]
    return {} if set(found) <= {None} else {"forecast_latency": found}


def _with_classes(data: dict[str, Any], trials: Sequence[Trial]) -> dict[str, Any]:
    """Columns with balanced and class accuracies behind `accuracy`."""
    shares = [trial.counts.by_class if trial.counts else None for trial in trials]
    scores = {"balanced_accuracy": [trial.balanced for trial in trials], "class_accuracies": shares}
    before = list(data)[: list(data).index("accuracy") + 1]
    return {name: data[name] for name in before} | scores | data


def front_data(trials: Sequence[Trial], baseline: Sequence[Trial] = (), cost: CostAxis = FLOPS) -> pd.DataFrame:
    """A row per network of the Pareto front over `cost`, by rising cost, indexed by its first trial.

    accuracy (validation top-1, 0 to 1, the mean of its seeds), balanced_accuracy, class_accuracies; metric (which of
    the first two the study maximises; the following are of that one); seeds; low and high (95% interval of that mean),
    expected (accuracy shrunk for selection) and probability (of being on the front): missing where no network was
    repeated; tie (the next cheaper member, where the difference is within noise); baseline_accuracy (what random
    search's front reaches at no more of the cost, where there is one); flops, params, activations;
    forecast_latency (ms, of a study with a budget in latency); latency (ms, measured, of a front over it); key; network
    (in one line).
    """
    base, rows = pareto_front(baseline, cost.of), networks(trials, cost=cost).front
    means = [row.trial for row in rows]
    latency = {} if cost in (*COUNTED.values(), FORECAST) else {"latency": [cost.on(trial) for trial in means]}
    frame = pd.DataFrame({
        **_with_classes({"accuracy": [trial.accuracy for trial in means]}, means),
        "metric": [trial.metric for trial in means],
        "seeds": [row.seeds for row in rows],
        "low": [row.interval[0] if row.interval else None for row in rows],
        "high": [row.interval[1] if row.interval else None for row in rows],
        **{name: [getattr(row, name) for row in rows] for name in ("expected", "probability", "tie")},
        "baseline_accuracy": [reached(base, cost.on(trial), cost) for trial in means],
        **{name: [getattr(trial, name) for trial in means] for name in COUNTED},
        **_forecasts(means),
        **latency,
        "key": [trial.key for trial in means],
        "network": [_line(row.trial) for row in rows],
    }, index=pd.Index([row.trial.number for row in rows], name="trial"))  # fmt: skip
    numbers = ("accuracy", "balanced_accuracy", "low", "high", "expected", "probability", "baseline_accuracy")
    return frame.astype(dict.fromkeys(numbers, float) | dict.fromkeys(("tie", *COUNTED), "Int64"))


def references_data(folder: Path, trials: Sequence[Trial], band: Band) -> pd.DataFrame:
    """A row per reference of a study's folder by rising FLOPs, indexed by its name.

    accuracy (validation top-1, 0 to 1, the mean of its seeds; missing where it came to nothing), balanced_accuracy;
    metric (which of the two the study maximises; the following are of that one); seeds; low and high (95% interval of
    that mean, with the seed noise of the study's networks); flops, products (multiply-accumulates of attention, no part
    of flops), params; in_band; front (the trial of the front's best network at no more FLOPs), difference (of what is
    expected of that network from the reference; of its mean without repeats), flops_share (of the reference's),
    told_apart (whether seeds tell them apart); seconds; scale, built, source, origin; reason.
    """
    found = networks(trials)
    results = reference_results(read_references(folder), found, band)
    apart = [against_front(result, found, len(results)) for result in results]
    intervals = [result.interval or (None, None) for result in results]
    each = [result.reference for result in results]
    frame = pd.DataFrame({
        "accuracy": [one.accuracy for one in each],
        "balanced_accuracy": [one.balanced for one in each],
        "metric": [result.metric for result in results],
        "seeds": [result.seeds for result in results],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        **{name: [getattr(one, name) for one in each] for name in ("flops", "products", "params")},
        "in_band": [result.inside for result in results],
        "front": [one and one.row.trial.number for one in apart],
        "difference": [one and one.points for one in apart],
        "flops_share": [one and one.share for one in apart],
        "told_apart": [one and one.told for one in apart],
        **{name: [getattr(one, name) for one in each] for name in (
            "seconds", "scale", "built", "source", "origin", "reason",
        )},
    }, index=pd.Index([one.name for one in each], name="reference"))  # fmt: skip
    numbers = ("accuracy", "balanced_accuracy", "low", "high", "difference", "flops_share", "seconds", "scale")
    whole = ("seeds", "flops", "products", "params", "front")
    return frame.astype(dict.fromkeys(numbers, float) | dict.fromkeys(whole, "Int64") | {"told_apart": "boolean"})


def front_records(
    trials: Sequence[Trial], beside: Sequence[Trial] = (), cost: CostAxis = FLOPS
) -> list[dict[str, Any]]:
    """The front over `cost` for `--json`: each member at its mean `accuracy` and `balanced_accuracy` over `seeds`. Of
    the one that is the study's `metric` its 95% `interval`, the `expected` one (shrunk) and the `probability` of being
    on the front (null without any repeat, the interval also for too few), the cheaper member that it ties with, and
    what the baseline's front reaches at no more of the cost."""
    base = pareto_front(beside, cost.of)
    return [
        {
            **row.trial.to_json(),
            **{name: getattr(row, name) for name in ("seeds", "interval", "expected", "probability", "tie")},
            "baseline_accuracy": reached(base, cost.on(row.trial), cost),
        }
        for row in networks(trials, cost=cost).front
    ]


def reached(front: Sequence[Trial], limit: float, cost: CostAxis = FLOPS) -> float | None:
    """The score of a front at no more cost than `limit`; None below its cheapest member."""
    return max((score(trial) for trial in front if cost.on(trial) <= limit), default=None)


def _line(trial: Trial) -> str | None:
    return None if trial.arch is None else describe(trial.to_arch())
