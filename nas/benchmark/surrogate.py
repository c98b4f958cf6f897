"""A surrogate of a recorded table: the accuracies that a network which the table does not hold would have had.

As in NAS-Bench-301 (arXiv 2008.09777) a model fitted to trainings stands in for training, so that samplers can propose
any network of the space; how well it ranks networks that it has not seen is part of every result. Needs no torch.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.benchmark.table import RecordedTable, Recording, accuracy_matrix, at_equal_flops, log_flops
from nas.samplers.features import Features, Floats, network_features
from space import Arch, Cost, InputError

FOLDS = 5
NEIGHBOURS = 40  # trainings of about its FLOPs of which one lends a network its residuals
LEAST = 20  # networks that a surrogate is fitted to at least


def _model() -> Any:
    """The mean of a ridge regression and of boosted trees: the one for sums of parts, the others for interactions."""
    from sklearn.ensemble import GradientBoostingRegressor, VotingRegressor  # type: ignore[import-untyped]
    from sklearn.linear_model import RidgeCV  # type: ignore[import-untyped]

    trees = GradientBoostingRegressor(
        n_estimators=200, max_depth=3, learning_rate=0.05, subsample=0.5, max_features=0.3, random_state=0
    )
    return VotingRegressor([("ridge", RidgeCV(np.logspace(-1, 3, 9))), ("trees", trees)])


@dataclass(frozen=True)
class Surrogate:
    """Predicts a network's final accuracy, and lends it a recorded training's residuals at every period.

    `tau`: Kendall's, of final accuracies predicted in cross-validation over networks with the recorded ones;
    `tau_within`: the same, both less what FLOPs explain; `tau_flops`: of FLOPs alone.
    """

    features: Features
    model: Any  # scikit-learn's, fitted
    weights: Floats  # (3, periods): accuracy at each period from 1, log FLOPs and predicted final accuracy
    log_flops: Floats  # (trainings,)
    residuals: Floats  # (trainings, periods): of trainings, about what cross-validation predicted
    tau: float
    tau_within: float
    tau_flops: float

    @staticmethod
    def fit(table: RecordedTable) -> Surrogate:
        """Takes about two seconds for 400 networks. Raises InputError for a table that is too small."""
        from scipy.stats import kendalltau  # type: ignore[import-untyped]

        firsts = [rows[0] for rows in table.networks.values()]
        if len(firsts) < LEAST:
            raise InputError(
                f"table must hold {LEAST} networks for a surrogate, got {len(firsts)}; record a study with more "
                "networks, or replay stopping rules alone: nas replay FILE --sampler random"
            )
        described = [one.features() for one in firsts]
        features = Features.of(described)
        x = features.matrix(described)
        y = np.array([np.mean([one.accuracy for one in rows]) for rows in table.networks.values()])
        with warnings.catch_warnings(action="ignore"):
            model, held_out = _model().fit(x, y), _held_out(x, y)
        logs = log_flops(firsts)
        place = {one.key: i for i, one in enumerate(firsts)}
        every = [place[one.key] for one in table.recordings]
        curves = accuracy_matrix(table.recordings)
        basis = np.column_stack([np.ones(len(every)), logs[every], held_out[every]])
        weights = np.asarray(np.linalg.lstsq(basis, curves, rcond=None)[0], dtype=np.float64)
        return Surrogate(
            features, model, weights, logs[every], curves - basis @ weights,
            tau=float(kendalltau(held_out, y).statistic),
            tau_within=float(kendalltau(at_equal_flops(held_out, logs), at_equal_flops(y, logs)).statistic),
            tau_flops=float(kendalltau(logs, y).statistic),
        )  # fmt: skip

    def curve(self, arch: Arch, cost: Cost, seed: int) -> tuple[float, ...]:
        """Accuracies after each period. The same network with the same seed has the same curve; its noise is that of a
        recorded training of about its FLOPs, the model's own error included."""
        final = float(self.model.predict(self.features.matrix([network_features(arch, cost)]))[0])
        place = math.log(cost.flops)
        near = np.argsort(np.abs(self.log_flops - place))[:NEIGHBOURS]
        digest = hashlib.sha256(f"{seed}/{arch.key}".encode()).digest()
        lender = near[int.from_bytes(digest[:4], "big") % len(near)]
        values = np.array([1.0, place, final]) @ self.weights + self.residuals[lender]
        return tuple(float(value) for value in values.clip(0, 1))


def _held_out(x: Floats, y: Floats) -> Floats:
    """(networks,) each predicted by a model that has not seen it."""
    from sklearn.model_selection import PredefinedSplit, cross_val_predict  # type: ignore[import-untyped]

    folds = np.empty(len(y), dtype=int)
    folds[np.random.default_rng(0).permutation(len(y))] = np.arange(len(y)) % FOLDS
    found: Floats = cross_val_predict(_model(), x, y, cv=PredefinedSplit(folds))
    return found


def mean_period_seconds(recordings: Sequence[Recording]) -> float:
    """Seconds a period takes, per FLOP of the network: for networks that were never timed."""
    seconds = sum(one.seconds / len(one.curve) for one in recordings)
    return seconds / sum(one.flops for one in recordings)
