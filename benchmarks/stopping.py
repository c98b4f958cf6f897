"""What the stopping rule's allowance buys and costs beside a sampler that learns, and how well early periods forecast.

    python -m benchmarks.stopping

First searches are replayed on the recorded table (40 average networks' budget) with several allowances of wrong stops:
random search on its real curves, and the default sampler in world `surrogate`. Then finished networks of the table
forecast the others' final accuracy at each period: from the curve alone, from the network's parts alone, and from both.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import mean

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.machine import heading
from nas.benchmark.replay import Run, SamplerSource, Source, TableSource, budget, simulate
from nas.benchmark.surrogate import Surrogate
from nas.benchmark.table import RecordedTable, accuracy_matrix, log_flops
from nas.samplers.bayesian_ridge import Ridge
from nas.samplers.early_stopping import MISSES, QuantileRule
from nas.samplers.features import Features, Floats

TRIALS, SEEDS = 40, 60  # average networks of the budget; searches with each allowance
ALLOWANCES = {"random": (0.03, 0.05, MISSES, 0.1, 0.15), "ehvi": (MISSES, 0.12)}
COUNTS, DRAWS = (20, 40, 80, 160, 300), 12  # of finished networks that forecast the others
FREE = (1e-6, 1e-3, 1e-3)  # prior strengths of 1, log FLOPs and their square


def one(sampler: str, misses: float, seed: int) -> Run:
    """A search with that allowance."""
    threadpool_limits(1)
    table = RecordedTable.load()
    source: Source = TableSource(table, seed, "flops")
    if sampler == "ehvi":
        source = SamplerSource(table, Surrogate.fit(table), "ehvi", seed, "flops")
    rule = QuantileRule(table.periods, seed, misses)
    return simulate(source, rule, table.periods, table.band, budget(table, TRIALS, "flops"))


def allowances() -> None:
    print(f"sampler, allowance, hypervolume x 100, trials, cost of the same trials, wrong stops; {SEEDS} seeds")
    with ProcessPoolExecutor() as pool:
        for sampler, misses in ((sampler, each) for sampler, all_of in ALLOWANCES.items() for each in all_of):
            runs = list(pool.map(partial(one, sampler, misses), range(SEEDS)))
            front, missed = sum(run.front for run in runs), sum(run.missed for run in runs)
            print(
                f"{sampler:6s} {misses:6.0%}  {100 * mean(run.steps[-1][1] for run in runs):.2f}"
                f"  {mean(run.trials for run in runs):5.0f}  {mean(run.cost / run.full_cost for run in runs):.0%}"
                f"  {missed} of {front}, {missed / front:.1%}",
                flush=True,
            )


def forecasts() -> None:
    """Root mean squared error in points; parts are forecast by a ridge, of finished ones without themselves."""
    table = RecordedTable.load()
    rows = [each[0] for each in table.networks.values()]
    described = [one.features() for one in rows]
    logs = log_flops(rows)
    logs = (logs - logs.mean()) / logs.std()
    parts = np.column_stack([np.ones_like(logs), logs, logs**2, Features.of(described).matrix(described)])
    curves = accuracy_matrix(rows)
    print(f"error of the forecast final accuracy in points, curve / parts / both, by period; {DRAWS} draws")
    for count in COUNTS:
        cells = []
        for period in range(1, table.periods):
            found = np.mean([_errors(parts, logs, curves, period, count, seed) for seed in range(DRAWS)], axis=0)
            cells.append(" / ".join(f"{100 * error:.2f}" for error in found))
        print(f"{count:4d} finished: " + ", ".join(cells), flush=True)


def _errors(parts: Floats, logs: Floats, curves: Floats, period: int, count: int, seed: int) -> list[float]:
    """By curve, by parts, by both: of the networks that are not among `count` finished ones."""
    order = np.random.default_rng(seed).permutation(len(logs))
    known, other, finals = order[:count], order[count:], curves[:, -1]
    ridge = Ridge(FREE, parts.shape[1])
    ridge.add(parts[known], finals[known])
    fit = ridge.fit()
    leverage = np.einsum("ij,jk,ik->i", parts[known], fit.covariance, parts[known])
    own = finals[known] - (finals[known] - parts[known] @ fit.weights) / (1 - leverage)  # each without itself
    base = np.column_stack([np.ones_like(logs), logs])
    curve = curves[:, max(0, period - 2) : period]
    forecast = np.zeros((len(logs), 1))
    forecast[known, 0], forecast[other, 0] = own, parts[other] @ fit.weights
    errors = []
    for columns in ([base, curve], [base, forecast], [base, curve, forecast]):
        x = np.column_stack(columns)
        weights = np.linalg.lstsq(x[known], finals[known], rcond=None)[0]
        errors.append(float(np.sqrt(np.mean((finals[other] - x[other] @ weights) ** 2))))
    return errors


def main() -> None:
    print(heading("optuna"))
    forecasts()
    allowances()


if __name__ == "__main__":
    main()
