"""What `nas search --accuracy` finds, beside the default search of which the cheapest network that has it is taken.

    python -m benchmarks.goals [--seeds 20]

Real searches whose trainings are answered by the recorded table of every network of a small space (`exhaustive`): by a
network's mean there, and normal noise as large as that of its seeds. So each network's worth is known, and with it the
cheapest one that truly has the accuracy. Trains nothing.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, geometric_mean, median

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.machine import heading
from nas.analysis.accuracy_goal import AccuracyGoal
from nas.benchmark.exhaustive import Exhaustive
from nas.benchmark.table import RecordedTable
from nas.records.trial import ENDED, Period
from nas.searching.loop import Search, Watch
from nas.searching.plan import SearchPlan
from nas.storage.study_folder import open_folder
from nas.training.brief import Verdict
from nas.training.trainer import Finished, Result
from space import Arch, compact

TABLE = "exhaustive"
TRIALS, REPEATS = 40, 10  # networks at most, and further seeds of the default search
PLACES = (0.5, 0.8, 0.95)  # quantiles of the networks' worth that are asked for


@dataclass(frozen=True, slots=True)
class Found:
    """One search: of the network it takes FLOPs and worth, None where none has the accuracy; trainings in all, and the
    FLOPs of the networks trained."""

    flops: int | None
    worth: float
    trainings: int
    cost: int


def search(job: tuple[float, bool, int]) -> Found:
    """For an accuracy, or as without one and with as many further seeds."""
    least, goal, seed = job
    threadpool_limits(1)
    table = RecordedTable.load(TABLE_PATH)
    truth, noise = Exhaustive.of(table), seed_deviation(table)
    settings = replace(table.settings, name="s", sampler="ehvi", seed=seed, stop="none", space_name="exhaustive")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        open_folder(Path(folder) / "s", settings)
        worker = Search(Path(folder) / "s", answers(truth, noise), Watch())
        plan = SearchPlan(trials=TRIALS, accuracy=str(least)) if goal else SearchPlan(trials=TRIALS, repeats=REPEATS)
        worker.run(*plan.extent(TRIALS))
        trials = worker.reader.trials()
    ended = [trial for trial in trials if trial.state in ENDED]
    found = AccuracyGoal(least, settings).reached(trials)
    cost = sum(trial.flops or 0 for trial in ended)
    if found is None:
        return Found(None, 0.0, len(ended), cost)
    taken = found.point.trial
    return Found(taken.flops, truth.worth[taken.key or ""], len(ended), cost)


def answers(truth: Exhaustive, noise: float) -> Callable[..., Result]:
    """A trainer that looks networks up."""

    def train(arch: Arch, seed: int, on_period: Callable[[Period], Verdict], abandoned: Callable[[], bool]) -> Result:
        accuracy = truth.worth[arch.key] + random.Random(seed).gauss(0, noise)
        on_period(Period(1, truth.table.images, 1.0, accuracy, 0.01))
        return Finished(accuracy, 0.01, False, b"")

    return train


def seed_deviation(table: RecordedTable) -> float:
    """Of one training, pooled over the networks that were trained with several seeds."""
    groups = [[one.accuracy for one in rows] for rows in table.networks.values() if len(rows) > 1]
    return float(np.sqrt(fmean(float(np.var(group, ddof=1)) for group in groups)))


def row(found: Sequence[Found], cheapest: int, least: float) -> str:
    taken = [each for each in found if each.flops is not None]
    has = [each for each in taken if each.worth >= least]
    ratio = geometric_mean([(each.flops or 1) / cheapest for each in has]) if has else float("nan")
    trainings, cost = median(each.trainings for each in found), fmean(each.cost for each in found)
    return f"{len(taken)} | {len(has)} | {ratio:.2f} | {trainings:.0f} | {compact(cost)}"


TABLE_PATH = Path(__file__).parents[1] / "nas" / "benchmark" / "recorded" / f"{TABLE}.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    table = RecordedTable.load(TABLE_PATH)
    truth = Exhaustive.of(table)
    goals = [float(np.quantile(list(truth.worth.values()), place)) for place in PLACES]
    jobs = list(product(goals, (True, False), range(seeds)))
    with ProcessPoolExecutor(1) as pool:
        found = dict(zip(jobs, pool.map(search, jobs), strict=True))
    print(
        f"{heading('optuna', 'numpy')}; {seeds} searches each, {TRIALS} networks at most, none stopped early; "
        f"{REPEATS} further seeds of the default search\n"
    )
    print(
        "| accuracy | search | takes one | truly has it | its FLOPs over the cheapest's | trainings | FLOPs trained |"
    )
    print("|---|---|---|---|---|---|---|")
    for least in goals:
        cheapest = min(rows[0].flops for key, rows in table.networks.items() if truth.worth[key] >= least)
        for goal in (True, False):
            words = "`--accuracy`" if goal else "default"
            every = [found[least, goal, seed] for seed in range(seeds)]
            print(f"| {least:.2%} | {words} | {row(every, cheapest, least)} |", flush=True)


if __name__ == "__main__":
    main()
