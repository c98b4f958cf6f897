"""Replays: costs and wrong stops counted as by hand, seeds reproduced, samplers' real code, an honest surrogate."""

from __future__ import annotations

import io
import json
import math
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console
from scipy.stats import kendalltau  # type: ignore[import-untyped]
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from nas.analysis.pareto import hypervolume, pareto_front
from nas.benchmark.replay import (
    BACKWARD,
    Bench,
    Candidate,
    Run,
    SamplerSource,
    Step,
    TableSource,
    _share,
    budget,
    plans,
    replay,
    simulate,
)
from nas.benchmark.replay_report import Report, plot, run_replay
from nas.benchmark.replay_summary import STEPS, along, estimate, share_needed
from nas.benchmark.surrogate import Surrogate
from nas.benchmark.table import RecordedTable
from nas.benchmark.table_card import save_table
from nas.records.settings import Stop
from nas.records.trial import Trial
from nas.samplers.early_stopping import Decision, NoRule, Standing, build_rule
from space import Arch, Cost, InputError
from space.draw import Proposal
from tests.nas.conftest import Run as Command
from tests.nas.made_up import BAND, NOISE, SPREAD, make_table

PERIODS = 8


@cache
def table(count: int = 120) -> RecordedTable:
    return make_table(count, twice=10)


@cache
def surrogate() -> Surrogate:
    return Surrogate.fit(table())


class Worst:
    """Stops every third trial after period 2."""

    name: Stop = "quantile"
    rungs = (2,)

    def judge(self, trial: Standing, period: int, others: object) -> Decision:
        return Decision(period, trial.at(period), trial.number % 3 == 0, "below", None, 0)

    def describe(self, images: int) -> str:
        return ""


def drawn(source: TableSource) -> list[Candidate]:
    found = []
    while (candidate := source.ask()) is not None:
        found.append(candidate)
    return found


def test_without_stopping_the_whole_table_is_trained_at_its_cost() -> None:
    run = simulate(TableSource(table(), 3, "flops"), NoRule(), PERIODS, BAND, math.inf)
    chosen = drawn(TableSource(table(), 3, "flops"))
    assert run.trials == len(chosen) == len(table().networks)
    assert run.cost == run.full_cost == BACKWARD * 12_000 * PERIODS * sum(c.flops for c in chosen)
    assert (run.stopped, run.missed, run.kept, run.exhausted) == (0, 0, 1.0, True)
    trials = [Trial(number=i, state="complete", accuracy=c.accuracies[-1], flops=c.flops) for i, c in enumerate(chosen)]
    assert run.steps[-1][0] == run.cost
    assert run.steps[-1][1] == pytest.approx(hypervolume(trials, BAND))
    assert run.steps[9][1] == pytest.approx(hypervolume(trials[:10], BAND))
    assert run.front == len(pareto_front(trials))


def test_stopped_trials_cost_less_and_wrong_stops_are_counted() -> None:
    run = simulate(TableSource(table(), 3, "flops"), Worst(), PERIODS, BAND, math.inf)
    chosen = drawn(TableSource(table(), 3, "flops"))
    assert run.stopped == len(chosen[::3])
    spent = sum(c.period_cost * (2 if i % 3 == 0 else PERIODS) for i, c in enumerate(chosen))
    assert run.cost == pytest.approx(spent)
    assert run.full_cost == pytest.approx(sum(PERIODS * c.period_cost for c in chosen))
    members, best = [], 0.0
    for i, c in sorted(enumerate(chosen), key=lambda pair: pair[1].flops):
        if c.accuracies[-1] > best:
            best = c.accuracies[-1]
            members.append(i)
    assert (run.front, run.missed) == (len(members), sum(i % 3 == 0 for i in members))
    assert run.missed > 0
    assert run.kept < 1


def test_a_run_ends_where_its_budget_is_spent() -> None:
    limit = budget(table(), 20, "flops")
    mean = np.mean([rows[0].flops for rows in table().networks.values()])
    assert limit == pytest.approx(20 * BACKWARD * 12_000 * PERIODS * mean)
    run = simulate(TableSource(table(), 0, "flops"), NoRule(), PERIODS, BAND, limit)
    assert limit <= run.cost < limit + BACKWARD * 12_000 * PERIODS * BAND.high
    assert not run.exhausted
    assert budget(table(), 20, "seconds") == pytest.approx(20 * PERIODS * mean / 1e6)


def test_orders_differ_by_seed_and_repeats_are_one_network() -> None:
    orders = [[c.flops for c in drawn(TableSource(table(), seed, "flops"))] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    finals = {tuple(sorted(c.accuracies[-1] for c in drawn(TableSource(table(), seed, "flops")))) for seed in range(5)}
    assert len(finals) == 5  # which of the trainings of a network comes is drawn too


@pytest.mark.parametrize("sampler", ["random", "spread", "ehvi", "tpe", "nsga2"])
def test_samplers_propose_new_networks_inside_the_budget_and_listen(sampler: str) -> None:
    def ask(accuracy: float | None) -> list[Candidate]:
        source = SamplerSource(table(), surrogate(), sampler, 1, "flops")  # type: ignore[arg-type]
        found = []
        for _ in range(45):
            candidate = source.ask()
            assert candidate is not None
            found.append(candidate)
            source.tell(candidate.accuracies[-1] if accuracy is None else accuracy, {})
        assert len(source.seen) == 45
        return found

    first, again, misled = ask(None), ask(None), ask(0.5)
    assert first == again
    assert all(candidate.flops in BAND for candidate in first)
    assert (first == misled) is (sampler in ("random", "spread"))


def test_networks_that_stand_in_differ_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    propose = SamplerSource._propose

    def nothing_of_its_own(source: SamplerSource, trial: optuna.Trial) -> Proposal | None:
        if trial.user_attrs.get("stand_in"):
            return propose(source, trial)
        source.study.tell(trial, state=TrialState.PRUNED)
        return None

    def ask(seed: int) -> list[Candidate | None]:
        source = SamplerSource(table(), surrogate(), "random", seed, "flops")
        return [source.ask() for _ in range(3)]

    monkeypatch.setattr(SamplerSource, "_propose", nothing_of_its_own)
    monkeypatch.setattr("nas.benchmark.replay.PATIENCE", 1)
    assert ask(1) == ask(1)
    assert not {each.flops for each in ask(1) if each} & {each.flops for each in ask(2) if each}


def test_a_space_without_further_networks_ends_the_run() -> None:
    settings = table().settings
    axes = settings.space["axes"] | {
        "width": [16], "depth": [4], "block": ["convnext"], "kernel": [3], "expansion": [2], "norm": ["ln", "bn"],
        "act": ["gelu"], "stages": [3], "ratio": ["1-1-1"], "growth": [1.5], "stem.stride": [2],
    }  # fmt: skip
    narrow = replace(settings, space={"image_size": 32, "axes": axes}, flops_low=1, flops_high=30_000_000)
    small = RecordedTable(table().recordings, narrow, table().made)
    source = SamplerSource(small, surrogate(), "tpe", 0, "flops")
    run = simulate(source, NoRule(), PERIODS, BAND, math.inf)
    assert run.trials == len(source.seen) == 2
    assert run.exhausted


def test_processes_do_not_change_a_replay() -> None:
    bench = Bench(table(), None, "flops", budget(table(), 10, "flops"))
    chosen = plans(["random"], ["quantile"])
    heard: list[tuple[float, float | None]] = []
    assert replay(bench, chosen, 4, 1) == replay(
        bench, chosen, 4, 2, lambda done, total=None: heard.append((done, total))
    )
    assert heard == [(done, 4 * len(chosen)) for done in range(1, 4 * len(chosen) + 1)]


def test_plans_hold_what_is_compared() -> None:
    assert [(p.world, str(p)) for p in plans([], [])] == [
        ("table", "random/none"), ("table", "random/quantile"), ("table", "random/moasha"),
        ("surrogate", "random/none"), ("surrogate", "tpe/none"), ("surrogate", "nsga2/none"),
        ("surrogate", "random/moasha"), ("surrogate", "ehvi/quantile"),
    ]  # fmt: skip
    assert plans(["random"], []) == plans([], [])[:3]
    assert [(p.world, str(p)) for p in plans(["tpe", "random"], ["quantile"])] == [
        ("table", "random/none"), ("table", "random/quantile"),
        ("surrogate", "random/none"), ("surrogate", "tpe/none"), ("surrogate", "tpe/quantile"),
    ]  # fmt: skip


def test_the_surrogate_ranks_what_it_has_not_seen() -> None:
    assert surrogate().tau > surrogate().tau_flops + 0.1
    assert 0.35 < surrogate().tau_within < 0.66  # .63 is what seed noise leaves


def test_the_surrogate_finds_nothing_where_there_is_nothing() -> None:
    """Accuracies dealt out anew among networks: a tau above noise would come of a leak."""
    rows = list(table().recordings)
    order = np.random.default_rng(0).permutation(len(rows))
    dealt = tuple(
        replace(one, accuracy=rows[i].accuracy, curve=rows[i].curve) for one, i in zip(rows, order, strict=True)
    )
    found = Surrogate.fit(RecordedTable(dealt, table().settings, table().made))
    assert abs(found.tau) < 0.15
    assert abs(found.tau_within) < 0.15


def test_the_surrogate_is_as_noisy_as_the_trainings() -> None:
    """Networks of another draw: the spread at equal FLOPs is the table's, and what is not predicted is no less than
    seed noise; early periods foretell the final one as they do in the table."""
    fresh = make_table(200, seed=9)
    curves = np.array(
        [
            surrogate().curve(Arch.from_dict(dict(one.arch)), Cost(one.flops, one.params, one.activations), 0)
            for one in fresh.recordings
        ]
    )
    logs = np.log([one.flops for one in fresh.recordings])
    left = curves - np.polynomial.polynomial.polyval(logs, np.polyfit(logs, curves[:, -1], 1)[::-1])[:, None]
    assert left[:, -1].std() == pytest.approx(SPREAD, rel=0.25)
    truth = np.array([one.accuracy for one in fresh.recordings])
    assert (curves[:, -1] - truth).std() > 1.3 * NOISE  # both are noisy
    taus = [kendalltau(left[:, period], left[:, -1]).statistic for period in (1, 5)]
    assert taus == pytest.approx([0.5, 0.88], abs=0.12)


def test_the_same_network_has_the_same_curve_within_a_seed() -> None:
    one = table().recordings[0]
    arch, cost = Arch.from_dict(dict(one.arch)), Cost(one.flops, one.params, one.activations)
    curves = [surrogate().curve(arch, cost, seed) for seed in (0, 0, 1, 2, 3)]
    assert curves[0] == curves[1]
    assert len(set(curves)) >= 3
    assert len(curves[0]) == PERIODS


def test_a_small_table_has_no_surrogate() -> None:
    with pytest.raises(InputError) as refused:
        Surrogate.fit(make_table(19))
    assert str(refused.value) == (
        "table must hold 20 networks for a surrogate, got 19; record a study with more networks, or replay stopping rules "
        "alone: nas replay FILE --sampler random"
    )


def a_run(*steps: tuple[float, float]) -> Run:
    return Run(
        steps=tuple(Step(*each) for each in steps), cost=steps[-1][0], full_cost=steps[-1][0], trials=1, stopped=0, front=1, missed=0, kept=1.0,
        exhausted=False,
    )  # fmt: skip


def test_growth_is_a_staircase_over_cost() -> None:
    curve = along(a_run((10.0, 0.2), (50.0, 0.6)), 100.0, [0.0, 0.2, 0.6])
    assert len(curve) == STEPS + 1
    for share, value in ((0, 0), (0.098, 0), (0.1, 0.2), (0.498, 0.2), (0.5, 0.6), (1, 0.6)):
        assert curve[round(share * STEPS)] == value


def test_reach_is_where_the_mean_crosses() -> None:
    slow = np.array([np.linspace(0, 1, STEPS + 1)] * 20)
    fast = np.minimum(2 * slow, 1)
    found = share_needed("slow", fast, slow[:, -1], 0.95)
    assert (found.share, found.interval) == (0.5, (0.5, 0.5))
    assert str(found) == "50"
    never = share_needed("fast", slow / 2, fast[:, -1], 0.95)
    assert (never.share, never.interval) == (None, (None, None))
    assert str(never) == "-"
    mixed = np.concatenate([fast, slow])  # the interval holds the mean's crossing
    some = share_needed("x", mixed, np.full(5, 0.7), 0.95)
    wide = share_needed("x", mixed, np.full(5, 0.7), 0.995)
    low, high = some.interval or (None, None)
    assert some.share is not None
    assert low is not None
    assert high is not None
    assert 0.35 < low < some.share < high < 0.7
    assert wide.interval is not None
    assert wide.interval[0] is not None
    assert wide.interval[0] < low
    few = share_needed("slow", fast[:4], slow[:, -1], 0.95)
    assert (few.share, few.interval, str(few)) == (0.5, None, "50")


def test_intervals_are_students() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    found, half = estimate(values, 0.95), 2.7764 * values.std(ddof=1) / 5**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=1e-4)
    assert str(found) == f"30.00 ±{100 * half:.2f}"
    assert str(estimate(values[:4], 0.95)) == "25.00", "four seeds are too few"
    assert estimate(values, 0.9995).low is None, "wider than hypervolume itself"


def shown(report: Report) -> str:
    console = Console(width=150, record=True, file=io.StringIO())
    for each in report.tables():
        console.print(each)
    return console.export_text()


def test_the_intervals_of_a_table_hold_together_and_say_so() -> None:
    bench = Bench(table(), None, "flops", budget(table(), 10, "flops"))
    report = Report(replay(bench, plans(["random"], ["quantile"]), 5, 1), bench, 5)
    text = " ".join(shown(report).split())
    assert "±: 95% for all 10 intervals together (Bonferroni)." in text
    assert "[ ]: 95% for all 2 intervals together (Bonferroni)." in text
    for summary in report.summaries:
        finals = np.array(
            [
                along(run, bench.limit, [0.0, *(step.hypervolume for step in run.steps)])[-1]
                for run in report.runs[summary.plan]
            ]
        )
        assert summary.volumes[-1] == estimate(finals, 1 - 0.05 / 10)


def test_stopping_saves_and_the_report_says_so(tmp_path: Path) -> None:
    bench = Bench(table(), None, "flops", budget(table(), 25, "flops"))
    report = Report(replay(bench, plans(["random"], []), 3, 1), bench, 3)
    none, quantile, moasha = report.summaries
    assert none.reaches[0].share == pytest.approx(1.0, abs=0.15)
    assert (none.spent, none.stopped, none.kept, none.missed.mean) == (1.0, 0.0, 1.0, 0.0)
    assert none.trials < quantile.trials < moasha.trials
    assert moasha.spent < quantile.spent < 1
    assert (none.volumes[-1].low, none.reaches[0].interval) == (None, None)
    assert "Too few for an interval: 3 seeds, and 5 are needed." in report.notes()
    assert "±" not in shown(report)
    page = tmp_path / "r.html"
    plot(report.curves, report.notes(), page)
    text = page.read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text.partition("plotly.js")[0] + text[-5000:])
    assert "random\\u002fquantile" in text  # plotly's JSON


@pytest.mark.parametrize("name", ["none", "quantile", "moasha"])
def test_every_rule_can_be_replayed(name: Stop) -> None:
    run = simulate(TableSource(table(), 0, "seconds"), build_rule(name, PERIODS, 0), PERIODS, BAND, math.inf)
    assert run.trials == 120
    assert (run.stopped > 0) is (name != "none")


def test_the_command(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    save_table(make_table(40), path)
    words = ("replay", path, "--sampler", "nsga2", "--stop", "moasha", "--seeds", 2, "--trials", 5, "--processes", 1)
    code, out, err = run(*words, "--json", "--plot", tmp_path / "r.html")
    assert code == 0, err
    assert all(line.startswith("replaying: ") for line in err.splitlines()), "a line of progress where it takes long"
    plain = json.loads(out)
    assert [(p["plan"]["world"], p["plan"]["sampler"], p["plan"]["stop"]) for p in plain["rows"]] == [
        ("table", "random", "none"), ("table", "random", "moasha"),
        ("surrogate", "random", "none"), ("surrogate", "nsga2", "none"), ("surrogate", "nsga2", "moasha"),
    ]  # fmt: skip
    assert set(plain["surrogate"]) == {"tau", "tau_within", "tau_flops"}
    assert [len(p["growth"]) for p in plain["rows"]] == [STEPS // 5 + 1] * 5
    assert (tmp_path / "r.html").stat().st_size > 10**6
    code, out, _ = run(*words)
    out = " ".join(out.split())  # without intervals the tables are narrow
    assert "surrogate: hypervolume (x 100) at parts of the budget" in out
    assert "Kendall's tau with held-out trainings" in out
    assert "nsga2/moasha" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sampler", "gp"), "sampler must be one of "),
        (("--stop", "asha"), "stop must be one of none, quantile, moasha, got asha; choose one"),
    ],
)
def test_unknown_words_are_refused(run: Command, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    save_table(make_table(5), tmp_path / "t.parquet")
    code, out, err = run("replay", tmp_path / "t.parquet", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    with pytest.raises(InputError, match="table must be a parquet file"):
        run_replay(tmp_path / "no.parquet", [], [], 1, 1, "flops", 1, None)


def test_a_process_of_a_replay_computes_in_one_thread() -> None:
    """With two on each of two cores a replay took ten times as long."""
    with ProcessPoolExecutor(1, initializer=_share, initargs=(Bench(table(), None, "flops", 1.0),)) as pool:
        found = pool.submit(threadpool_info).result()
    assert {each["num_threads"] for each in found if each["user_api"] == "blas"} == {1}


def test_the_recorded_table_of_the_package_is_replayed() -> None:
    report = run_replay(None, ["random"], ["quantile"], 2, 10, "flops", 1, None)
    assert len(report.bench.table.networks) >= 400
    assert {str(one.plan) for one in report.summaries} == {"random/none", "random/quantile"}
