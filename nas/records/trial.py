"""Trial: one network trained once, and its periods. Plain data: needs neither torch nor Optuna."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from nas.records.scores import ClassCounts, Metric, score_of
from space import Arch, InputError

State = Literal["complete", "stopped", "failed", "running", "waiting", "interrupted", "outside", "repeat"]
ENDED = ("complete", "stopped", "failed")  # trained, or tried to be: such a trial counts
_ARTIFACT = "artifacts:"  # Optuna's prefix of the system attributes that name a trial's files
CLASS_COUNTS = "counts"  # the attribute of a trial's ClassCounts: [correct, images]
CURVE, WEIGHTS = "curve.csv", "weights.safetensors"  # names of a trial's artifacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One network trained once. None where the trial did not get that far.

    States: complete; stopped (early, by the study's stopping rule); failed (diverged or crashed, `reason` says);
    running (drawn, or training); waiting (queued); interrupted (by Ctrl-C or a dead process: its network comes next);
    outside (never trained: its shape cannot meet the budget); repeat (never trained: the network was trained before;
    a network trained again on purpose, with another seed, is an ordinary trial with `repeat_of`).
    """

    number: int
    state: State
    accuracy: float | None = None  # top-1 on the validation split, 0 to 1
    balanced: float | None = None  # balanced accuracy there; None too in studies of earlier releases
    counts: ClassCounts | None = None  # of which both are made, likewise
    metric: Metric = "accuracy"  # which of the two the study maximises
    flops: int | None = None  # conv + linear multiply-accumulates, batch 1
    params: int | None = None
    activations: int | None = None
    latency: int | None = None  # nanoseconds, as the study's model forecasts them; None without one
    key: str | None = None
    log_density: float | None = None  # of its settings in one random draw; None where a sampler chose that learns
    seconds: float | None = None  # of training and evaluation
    periods: int | None = None  # that were trained; None in studies of version 2 and before, which trained all of them
    images: int | None = None  # that it was trained on, each as often as it came
    below: int | None = None  # cost, of what the study minimises, under which it was drawn: a search for an accuracy
    seed: int | None = None
    repeat_of: int | None = None  # the first trial of the same network, where this one is another seed of it
    retry_of: int | None = None  # the interrupted trial whose network this one trains again
    begun: int | None = None  # its place among all that began to train, the same for every reader
    accuracies: tuple[float, ...] = ()  # the score after each period up to the last rung, also while it trains
    decisions: tuple[
        dict[str, Any], ...
    ] = ()  # of the stopping rule at its rungs: `early_stopping.Decision`, and images
    arch: dict[str, Any] | None = None
    reason: str | None = None
    owner: str | None = None  # host and process of its worker
    started: datetime | None = None  # UTC
    finished: datetime | None = None
    curve: tuple[Period, ...] = ()  # as `on_trial` is told it; else empty: it is a file, which `Reader.curve` reads

    @property
    def score(self) -> float | None:
        """The number that the study maximises; None until the trial is complete."""
        return score_of(self, self.metric)

    def to_arch(self) -> Arch:
        """The trial's Arch. Raises InputError where the trial has none."""
        if self.arch is None:
            raise InputError(f"trial must have a network, got trial {self.number} ({self.state}); choose another")
        return Arch.from_dict(self.arch, f"trial {self.number}")

    def to_json(self) -> dict[str, Any]:
        """For `--json`: plain values, times left out; `forecast_latency` in ms."""
        left = ("number", "begun", "started", "finished", "balanced", "counts", "curve", "latency")
        plain = {key: value for key, value in asdict(self).items() if key not in left}
        forecast = None if self.latency is None else self.latency / 1e6
        return {"trial": self.number, **plain, "forecast_latency": forecast, **self.scores()}

    def scores(self) -> dict[str, Any]:
        """For `--json`, beside `accuracy`: which is maximised, and by class, in the order of study.yaml."""
        counts = self.counts
        return {
            "metric": self.metric, "balanced_accuracy": self.balanced,
            "class_accuracies": counts and counts.by_class, "class_images": counts and counts.images,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """One row of a trial's curve: a part of a training, as long as the others, and the evaluation at its end."""

    period: int  # from 1
    images: int  # trained on so far
    loss: float  # mean training loss of the period
    accuracy: float  # validation top-1 after this period
    seconds: float  # since training began
    balanced: float | None = None  # validation balanced accuracy; None in curves of earlier releases

    def score(self, metric: Metric) -> float:
        found = score_of(self, metric)
        assert found is not None, "only a study of this release has another metric than accuracy"
        return found


def period_of(decision: Mapping[str, Any]) -> int:
    """The period after which a rule decided; earlier releases called it an epoch."""
    return int(decision["period"] if "period" in decision else decision["epoch"])


def artifact_ids(attributes: Mapping[str, Any], name: str) -> list[str]:
    """Ids of a trial's artifacts of that file name, the latest first, from its Optuna system attributes."""
    metas = [json.loads(value) for key, value in attributes.items() if key.startswith(_ARTIFACT)]
    found = [str(meta["artifact_id"]) for meta in metas if meta["filename"] == name]
    return [i for i in reversed(found) if i == Path(i).name]  # an id is a plain file name, never a path
