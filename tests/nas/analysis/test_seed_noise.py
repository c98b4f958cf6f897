"""Intervals, probabilities and repeats: against scipy, brute force, and simulated studies whose truth is known."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas.analysis.cost_axes import PARAMETERS
from nas.analysis.pareto import by_network, pareto_front
from nas.analysis.seed_noise import (
    MOST_SEEDS,
    Floats,
    NetworkResults,
    Noise,
    networks,
    next_repeat,
    on_front,
    pooled_noise,
    student_t,
)
from nas.records.trial import State, Trial

SIGMA = 0.0107  # of a training, as a first look at CIFAR-10 found


def trial(number: int, key: str | None, flops: int, accuracy: float | None, state: State = "complete") -> Trial:
    return Trial(number=number, state=state, key=key, flops=flops, accuracy=accuracy)


def study(*rows: tuple[str, int, float]) -> list[Trial]:
    """Finished trials of (key, FLOPs, accuracy)."""
    return [trial(number, *row) for number, row in enumerate(rows)]


@dataclass
class World:
    """A made-up study: networks whose true accuracies are known, trained with noise."""

    flops: NDArray[np.int64]
    truth: NDArray[np.float64]
    rng: np.random.Generator

    @staticmethod
    def make(kind: str, count: int, seed: int) -> World:
        """`normal`: symmetric about a line in log FLOPs; `skewed`: a saturating ceiling that some fall short of."""
        rng = np.random.default_rng(seed)
        x = np.sort(rng.uniform(np.log(3e6), np.log(3e7), count))
        if kind == "normal":
            truth = 0.03 * (x - x[0]) + 0.5 + 0.0164 * rng.standard_normal(count)
        else:
            truth = 0.7 - 0.15 * np.exp(x[0] - x) - rng.exponential(0.018, count)
        return World(np.exp(x).astype(np.int64), truth, rng)

    def train(self, number: int, which: int) -> Trial:
        accuracy = float(self.truth[which] + SIGMA * self.rng.standard_normal())
        return trial(number, f"net{which}", int(self.flops[which]), accuracy)

    def search(self, repeats: int) -> list[Trial]:
        """Every network once, then repeats where `next_repeat` wants them."""
        trials = [self.train(which, which) for which in range(len(self.truth))]
        while (number := next_repeat(trials, repeats, 0)) is not None:
            trials.append(self.train(len(trials), number))
        return trials

    def is_on_front(self) -> list[bool]:
        return [bool(value) for value in self.truth == np.maximum.accumulate(self.truth)]


def accuracies(trials: list[Trial]) -> list[list[float]]:
    """By network."""
    return [[trial.accuracy or 0.0 for trial in group] for group in by_network(trials)]


def foretold(kind: str, count: int, repeats: int, studies: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Probabilities of many networks of many studies, and whether they are on the true front."""
    chances: list[float] = []
    truth: list[bool] = []
    for seed in range(studies):
        world = World.make(kind, count, seed)
        found = networks(world.search(repeats))
        chances += [found.rows[which].probability or 0.0 for which in range(count)]
        truth += world.is_on_front()
    return np.array(chances), np.array(truth)


def calibration_error(chances: Floats, truth: NDArray[np.bool_]) -> float:
    """Mean difference between what was foretold and what came, over seven bins, weighed by their size."""
    bins = np.digitize(chances, [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
    groups = [bins == i for i in range(7) if (bins == i).any()]
    return float(sum(group.mean() * abs(chances[group].mean() - truth[group].mean()) for group in groups))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 500])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_student_t_is_scipys(freedom: int, level: float) -> None:
    assert student_t(freedom, level) == pytest.approx(scipy.stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)


def test_student_t_is_that_of_printed_tables() -> None:
    assert [round(student_t(freedom, 0.95), 3) for freedom in (1, 2, 4, 10, 120)] == [12.706, 4.303, 2.776, 2.228, 1.98]


def test_noise_is_pooled_over_repeated_networks_by_hand() -> None:
    trials = study(("a", 1, 0.50), ("b", 2, 0.60), ("a", 1, 0.52), ("a", 1, 0.54), ("b", 2, 0.66), ("c", 3, 0.9))
    trials.append(trial(6, "c", 3, 0.92))
    noise = pooled_noise(accuracies(trials))
    assert noise is not None
    assert noise.freedom == 4
    assert noise.sd**2 == pytest.approx((0.0004 + 0.0004 + 2 * 0.0009 + 2 * 0.0001) / 4)
    row = networks(trials).rows[0]
    half = scipy.stats.t.ppf(0.975, 4) * noise.sd / 3**0.5
    assert row.seeds == 3
    assert row.trial.accuracy == pytest.approx(0.52)
    assert row.interval == pytest.approx((0.52 - half, 0.52 + half))


def test_a_single_seed_shares_the_pooled_noise_and_without_a_repeat_there_is_none() -> None:
    once = study(("a", 1, 0.5), ("b", 2, 0.6))
    for row in networks(once).rows.values():
        assert (row.seeds, row.interval, row.probability, row.expected, row.tie) == (1, None, None, None, None)
    assert networks(once).flattery is None
    again = networks([*once, *(trial(2 + i, "a", 1, 0.52) for i in range(4))])
    assert again.noise is not None
    low, high = again.rows[1].interval or (0, 0)
    assert high - low == pytest.approx(2 * scipy.stats.t.ppf(0.975, 4) * again.noise.sd)


@pytest.mark.parametrize("further", range(1, 6))
def test_an_interval_and_a_tie_rest_on_four_further_seeds(further: int) -> None:
    trials = study(("a", 1, 0.5), ("b", 2, 0.501), *(("a", 1, 0.49 + 0.02 * (i % 2)) for i in range(further)))
    found = networks(trials)
    known = further >= 4
    assert [row.half is not None for row in found.rows.values()] == [known, known]
    assert [row.tie for row in found.front] == [None, 0 if known else None]
    assert all(row.probability is not None for row in found.rows.values()), "which takes the noise for little known"


def test_an_interval_ends_where_accuracy_does() -> None:
    trials = study(*(("a", 1, value) for value in (0.99, 1.0, 0.97, 1.0, 0.98)), ("b", 2, 0.999))
    low, high = networks(trials).rows[5].interval or (0, 0)
    assert 0.9 < low < 0.99
    assert high == 1


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    covered, rng = [], np.random.default_rng(0)
    for _ in range(400):
        truth = rng.uniform(0.5, 0.6, 6)
        which = [0, 0, 0, 1, 1, 2, 2, 3, 4, 5]
        accuracies = truth[which] + SIGMA * rng.standard_normal(10)
        rows = study(*((f"n{k}", 10 + k, a) for k, a in zip(which, accuracies, strict=True)))
        intervals = [row.interval or (0, 0) for row in networks(rows).rows.values()]
        covered += [low <= value <= high for value, (low, high) in zip(truth, intervals, strict=True)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_equal_accuracies_of_two_seeds_do_not_mean_no_noise() -> None:
    noise = pooled_noise(accuracies(study(("a", 1, 0.5), ("a", 1, 0.5), ("b", 2, 0.5 + 1 / 360))))
    assert noise is not None
    assert noise.sd == pytest.approx(1 / 360 / 12**0.5)


@pytest.mark.parametrize(
    ("kind", "count", "repeats", "studies", "error"),
    [("normal", 40, 12, 30, 0.03), ("normal", 80, 25, 15, 0.025), ("skewed", 40, 12, 30, 0.12)],
)
def test_probabilities_come_true(kind: str, count: int, repeats: int, studies: int, error: float) -> None:
    """Among networks foretold p, about a share p is on the true front; a front of the means alone misses by more."""
    chances, truth = foretold(kind, count, repeats, studies)
    assert calibration_error(chances, truth) < error
    assert ((chances - truth) ** 2).mean() < 0.75 * truth.mean() * (1 - truth.mean()), "and they say something"


def test_what_is_expected_does_not_flatter_as_the_mean_does() -> None:
    raw, shrunk = [], []
    for seed in range(30):
        world = World.make("normal", 40, seed)
        found = networks(world.search(8))
        for row in found.front:
            truth = world.truth[row.trial.number]
            raw.append((row.trial.accuracy or 0) - truth)
            shrunk.append((row.expected or 0) - truth)
    assert np.mean(raw) > 0.003
    assert abs(np.mean(shrunk)) < 0.4 * np.mean(raw)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=8))
def test_being_on_the_front_is_what_brute_force_says(points: list[tuple[int, int]]) -> None:
    points = sorted(points)
    costs, values = np.array([float(f) for f, _ in points]), np.array([[a / 3 for _, a in points]], np.float32)
    expected = [all(b <= a for g, b in points if g <= f) for f, a in points]
    assert on_front(costs, values)[0].tolist() == expected


def test_a_repeat_counts_as_one_network_at_its_mean_and_a_lucky_seed_flatters_none() -> None:
    trials = study(("a", 10, 0.50), ("b", 20, 0.56), ("c", 20, 0.54), ("b", 20, 0.50))
    assert [(t.number, t.accuracy) for t in pareto_front(trials)] == [(0, 0.50), (2, 0.54)]
    found = networks(trials)
    assert [row.trial.number for row in found.front] == [0, 2]
    assert found.rows[1].trial.accuracy == pytest.approx(0.53)
    assert found.of(trials[3]) == found.of(trials[1]) == found.rows[1]
    assert found.of(trial(9, "z", 1, 0.1)) is None
    assert {row.trial.number for row in found.rivals} <= {1}


def test_stopped_and_failed_trials_are_no_networks() -> None:
    trials = [trial(0, "a", 10, 0.5), trial(1, "b", 10, None, "stopped"), trial(2, "c", 5, 0.9, "failed")]
    assert list(networks(trials).rows) == [0]


def test_members_told_from_one_another_by_hand() -> None:
    a, c = [("a", 10, value) for value in (0.50, 0.52, 0.51)], [("c", 40, value) for value in (0.90, 0.92, 0.91)]
    near = networks(study(*a, ("b", 20, 0.555), *c))
    # the difference of 3 seeds and 1 is known to .0457 where three pairs hold together (t = 3.96)
    assert [row.trial.number for row in near.apart] == [0, 4]
    assert [row.trial.number for row in networks(study(*a, ("b", 20, 0.557), *c)).apart] == [0, 3, 4]
    assert networks(study(*a[:2], ("b", 20, 0.9))).apart == [], "too few seeds to know the noise"


def test_neighbours_within_noise_are_ties_by_hand() -> None:
    a, c = [("a", 10, value) for value in (0.50, 0.52, 0.51)], [("c", 40, value) for value in (0.90, 0.92, 0.91)]
    ties = {number: row.tie for number, row in networks(study(*a, ("b", 20, 0.545), *c)).rows.items()}
    # s = .01 with 4 degrees of freedom: the difference of 3 seeds and 1 is known to .0321 by itself (t = 2.78), and to
    # .0404 where the two of this front hold together (t = 3.50)
    assert ties == {0: None, 3: 0, 4: None}


def test_over_another_cost_front_ties_and_probabilities_are_of_that_cost() -> None:
    a, c = [("a", 10, value) for value in (0.50, 0.52, 0.51)], [("c", 40, value) for value in (0.90, 0.92, 0.91)]
    weights = {"a": 300, "b": 200, "c": 100, "d": None}
    trials = [replace(t, params=weights[t.key or ""]) for t in study(*a, ("b", 20, 0.545), *c, ("d", 50, 0.99))]
    found = networks(trials, cost=PARAMETERS)
    assert list(found.rows) == [4, 3, 0], "the one whose parameters are not known is left out"
    assert [row.trial.number for row in found.front] == [4]
    assert found.rows[4].probability == 1, "it has the fewest"
    assert (found.rows[0].probability or 0) < 0.01
    assert found.noise == networks(trials).noise, "of all seeds"
    # with parameters as FLOPs are, all is as over FLOPs
    same = [replace(t, params=t.flops) for t in trials]
    assert networks(same, cost=PARAMETERS).rows == networks(same).rows
    assert networks([replace(t, params=None) for t in trials], cost=PARAMETERS).rows == {}


def test_repeats_begin_with_the_best_then_follow_what_is_open() -> None:
    trials = study(*((f"n{i}", 10 + i, 0.5 + 0.01 * i) for i in range(6)), ("low", 12, 0.1))
    assert next_repeat(trials, 3, 0) == 5
    trials.append(trial(7, "n5", 15, 0.54))
    chosen = next_repeat(trials, 3, 0)
    assert chosen is not None
    assert chosen != 6, "a network far below is not worth it"
    assert next_repeat(trials, 3, 0) == chosen
    assert next_repeat(trials, 1, 0) is None
    assert next_repeat(trials, 0, 0) is None
    assert next_repeat([], 3, 0) is None


def test_fewer_seeds_outweigh_a_probability_that_is_somewhat_nearer_to_one_half() -> None:
    many, rival = [("a", 10, 0.50), ("a", 10, 0.52), ("a", 10, 0.51)], [("c", 21, a) for a in (0.525, 0.53, 0.535)]
    trials = study(*many, *rival, ("b", 20, 0.525))
    rows = networks(trials).rows
    p, q = rows[6].probability or 0, rows[3].probability or 0
    assert q * (1 - q) > 2 * p * (1 - p)
    assert next_repeat(trials, 9, 0) == 6, "2 from 1 seed, against 4 from 3"


def test_repeats_go_by_the_front_over_what_is_minimised() -> None:
    """Over FLOPs b rivals a; it has more parameters than c, which is far more accurate: there it is not worth it."""
    trials = study(
        *[("c", 30, value) for value in (0.60, 0.62, 0.61)], ("a", 10, 0.5), ("b", 20, 0.505), ("d", 40, 0.7)
    )
    weights = {"c": 20, "a": 10, "b": 30, "d": 40}
    trials = [replace(t, params=weights[t.key or ""]) for t in trials]
    assert next_repeat(trials, 9, 0) == 4
    assert next_repeat(trials, 9, 0, PARAMETERS) == 5


def test_a_repeat_that_runs_or_failed_is_counted() -> None:
    trials = study(("a", 10, 0.5), ("b", 20, 0.6))
    running = [*trials, trial(2, "b", 20, None, "running")]
    assert next_repeat(running, 1, 0) is None
    assert next_repeat(running, 2, 0) == 0, "the best is being repeated"
    assert next_repeat([*running, trial(3, "a", 10, None, "failed")], 9, 0) is None
    queued = [*trials, Trial(number=2, state="waiting", repeat_of=1)]
    assert next_repeat(queued, 1, 0) is None, "it has no key yet"
    assert next_repeat(queued, 2, 0) == 0


def test_no_network_gets_more_than_its_share_and_the_limit_is_kept() -> None:
    world = World.make("normal", 12, 3)
    times = Counter(t.key for t in world.search(25))
    assert max(times.values()) <= MOST_SEEDS
    assert sum(times.values()) - len(times) <= 25
    many = Counter(t.key for t in World.make("normal", 3, 0).search(10**6))
    assert max(many.values()) <= MOST_SEEDS


def test_repeats_go_to_the_front_and_its_rivals() -> None:
    first = later = 0.0
    for seed in range(10):
        world = World.make("normal", 40, seed)
        trials = world.search(10)
        near = np.maximum.accumulate(world.truth) - world.truth
        first += float(np.median(near))
        later += float(np.median([near[int((t.key or "")[3:])] for t in trials[40:]]))
    assert later < 0.5 * first


def test_draws_repeat_and_are_quick() -> None:
    trials = World.make("normal", 500, 0).search(0)
    trials += [trial(500, trials[7].key, trials[7].flops or 0, 0.6)]
    one: NetworkResults = networks(trials)
    started = time.process_time()
    assert networks(trials) == one
    assert time.process_time() - started < 0.2, "about .035 s, with room for a busy machine"


@pytest.mark.parametrize("count", range(1, 9))
def test_few_networks_and_equal_flops_are_taken(count: int) -> None:
    for spread in (0, 1):
        trials = study(("n0", 10, 0.5), *((f"n{i}", 10 + spread * i, 0.5 + 0.01 * i) for i in range(count)))
        found = networks(trials)
        assert all(0 <= (row.probability or 0) <= 1 for row in found.rows.values())
        total = sum(row.probability or 0 for row in found.rows.values())
        assert total >= 1 - 1e-9 if spread else total == pytest.approx(1, abs=0.01)


def test_half_width_shrinks_with_seeds() -> None:
    noise = Noise(0.01, 10)
    assert noise.half_width(4) == pytest.approx((noise.half_width(1) or 0) / 2)
    assert Noise(0.01, 3).half_width(1) is None
