"""Replays on a table that holds every network of its space: nothing modelled, gaps counted as by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nas.benchmark.exhaustive import LIMITS, Exhaustive, Gaps, is_exhaustive
from nas.benchmark.replay import Bench, SamplerSource, Step, budget, plans, replay
from nas.benchmark.replay_summary import STEPS, gaps_of
from nas.benchmark.table import RecordedTable, Recording
from nas.benchmark.table_card import save_table
from nas.records.trial import Period
from nas.samplers.ehvi import van_der_corput
from space import Space, Task, cost
from space.count_networks import every
from tests.nas.conftest import Run as Command
from tests.nas.made_up import make_settings

TASK, PERIODS = Task(32, 3, 10), 6
SPACE = Space.load(Path(__file__).parents[3] / "benchmarks" / "exhaustive.yaml").narrow(kernel=7, norm="ln")


@cache
def table() -> RecordedTable:
    """All 64 networks of a space, of two trainings each; accuracy rises with FLOPs, and modulation is worth a point."""
    rng, rows = np.random.default_rng(0), []
    for arch in {arch.key: arch for arch in every(SPACE)}.values():
        counts = cost(arch, TASK)
        worth = (
            0.4 + 0.03 * math.log(counts.flops / 3e5) + 0.01 * sum(s.block.name == "modulation" for s in arch.stages)
        )
        for seed in range(2):
            curve = worth - 0.2 / np.arange(1, PERIODS + 1) + rng.normal(0, 0.01, PERIODS)
            periods = tuple(Period(i, 5000 * i, 1.0, float(a), float(i)) for i, a in enumerate(curve, 1))
            rows.append(
                Recording(
                    key=arch.key, arch=arch.to_dict(), flops=counts.flops, params=counts.params,
                    activations=counts.activations, seed=seed, log_density=None, accuracy=periods[-1].accuracy,
                    seconds=float(PERIODS), curve=periods,
                )
            )  # fmt: skip
    settings = replace(make_settings(PERIODS), space=SPACE.to_dict(), flops_low=200_000, flops_high=5_000_000)
    return RecordedTable(tuple(rows), settings, {"studies": [], "recorded": "today", "machine": "none"})


def test_it_is_told_from_a_part_of_a_space() -> None:
    whole = table()
    assert len(whole.networks) == 64
    assert is_exhaustive(whole)
    first = whole.recordings[0].key
    part = RecordedTable(tuple(one for one in whole.recordings if one.key != first), whole.settings, whole.made)
    assert not is_exhaustive(part)
    flops = sorted(one.flops for one in whole.recordings)
    cheap = tuple(one for one in whole.recordings if one.flops <= flops[40])
    assert is_exhaustive(RecordedTable(cheap, replace(whole.settings, flops_high=flops[40]), whole.made))
    assert not is_exhaustive(RecordedTable(cheap, whole.settings, whole.made))


def test_the_best_within_a_limit_is_by_the_mean_of_trainings() -> None:
    truth, whole = Exhaustive.of(table()), table()
    for place in (0, 7, 20, LIMITS - 1):
        within = [rows for rows in whole.networks.values() if rows[0].flops <= truth.limits[place]]
        assert truth.best[place] == pytest.approx(max((rows[0].accuracy + rows[1].accuracy) / 2 for rows in within))
    flops = [one.flops for one in whole.recordings]
    assert (truth.limits[0], truth.limits[-1]) == (min(flops), max(flops))
    assert (np.diff(truth.best) >= 0).all()


def test_gaps_are_those_of_what_a_search_would_take() -> None:
    """By what it saw, not by what is true; where it has nothing, of the cheapest network."""
    truth, whole = Exhaustive.of(table()), table()
    gaps = Gaps(truth)
    assert gaps.summary()[0] == pytest.approx(float(np.mean(truth.best - truth.cheapest)))
    keys = sorted(whole.networks, key=lambda key: whole.networks[key][0].flops)
    small, large = keys[10], keys[50]
    gaps.add(large, whole.networks[large][0].flops, 0.3)
    gaps.add(small, whole.networks[small][0].flops, 0.25)
    gaps.add(keys[40], whole.networks[keys[40]][0].flops, 0.2)
    found = []
    for limit, best in zip(truth.limits, truth.best, strict=True):
        taken = next((key for key in (large, small) if whole.networks[key][0].flops <= limit), None)
        found.append(best - (truth.cheapest if taken is None else truth.worth[taken]))
    assert gaps.gaps == pytest.approx(found)
    mean, quarter, half, end = gaps.summary()
    assert (mean, quarter, half, end) == pytest.approx((np.mean(found), found[8], found[16], found[32]))
    assert end > 0


def test_samplers_get_curves_that_were_recorded() -> None:
    whole, known = table(), {one.accuracies for one in table().recordings}
    source = SamplerSource(whole, Exhaustive.of(whole), "ehvi", 0, "flops")
    keys = []
    while candidate := source.ask():
        assert candidate.accuracies in known
        keys.append(candidate.key)
        source.tell(candidate.accuracies[-1], {})
    assert sorted(keys) == sorted(whole.networks), "every network once, until none is left"


def test_spread_random_search_goes_through_the_band_as_the_default_begins() -> None:
    whole = table()
    source = SamplerSource(whole, Exhaustive.of(whole), "spread", 3, "flops")
    for number in range(8):
        trial = source.study.ask()
        flops = trial.suggest_float("flops", 2e5, 5e6, log=True)
        assert flops == pytest.approx(2e5 * 25 ** van_der_corput(number))
    other = SamplerSource(whole, Exhaustive.of(whole), "spread", 4, "flops")
    asked = [[each.ask() for _ in range(6)] for each in (source, other)]
    assert asked[0] != asked[1], "all else is drawn"


def test_the_gap_shrinks_to_what_seeing_one_training_leaves() -> None:
    whole = table()
    bench = Bench(whole, Exhaustive.of(whole), "flops", budget(whole, 32, "flops"))
    runs = replay(bench, plans([], [], exhaustive=True), 3, 1)
    curves = gaps_of(runs, bench)
    assert {str(plan) for plan in curves} == {
        "random/none", "spread/none", "tpe/none", "nsga2/none", "ehvi/none", "random/moasha", "ehvi/quantile",
    }  # fmt: skip
    for plan, each in curves.items():
        assert each.shape == (3, STEPS + 1)
        assert (each >= 0).all()
        assert each[:, -1].mean() < each[:, 0].mean() / 4, plan
    assert all(
        isinstance(step, Step) and len(step.gaps) == 4 for run in next(iter(runs.values())) for step in run.steps
    )


def test_plans_of_an_exhaustive_table_have_both_random_searches() -> None:
    found = [(p.world, str(p)) for p in plans(["tpe"], ["quantile"], exhaustive=True)]
    assert found == [
        ("table", "random/none"), ("table", "random/quantile"), ("exhaustive", "random/none"),
        ("exhaustive", "spread/none"), ("exhaustive", "tpe/none"), ("exhaustive", "tpe/quantile"),
    ]  # fmt: skip


def test_the_command(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    save_table(table(), path)
    words = ("replay", path, "--seeds", 5, "--trials", 10, "--processes", 1)
    code, out, err = run(*words)
    assert code == 0, err
    assert all(line.startswith("replaying: ") for line in err.splitlines()), "a line of progress where it takes long"
    text = " ".join(out.split())
    assert "exhaustive: mean gap to the best networks at parts of the budget" in text
    assert "exhaustive: gap at the end, in points, within the FLOPs of a part of the band" in text
    assert "percent of the budget after which a row has the final mean gap of a column" in text
    assert "Real trainings, recorded for every network of the space; 5 seeds." in text
    assert "nothing is modelled. A network is worth the mean of its trainings (64 of them have several)" in text
    assert "surrogate" not in text
    plain = json.loads(run(*words, "--sampler", "spread", "--json")[1])
    assert plain["surrogate"] is None
    spread = next(p for p in plain["rows"] if p["plan"]["sampler"] == "spread")
    assert len(spread["gaps"]) == 5
    assert len(spread["regrets"]) == 3
    assert [each["reference"] for each in spread["closes"]] == ["random/none", "spread/none"]
