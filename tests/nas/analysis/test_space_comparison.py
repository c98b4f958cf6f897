"""Two spaces by random networks: known answers, the rate of false claims, power, ties, and too few networks."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest  # type: ignore[import-untyped]

from nas.analysis import comparison as shared
from nas.analysis import space_comparison
from nas.analysis.comparison import FEWEST, Sample
from nas.analysis.space_comparison import SpaceComparison, compare_samples, p_words
from space import Band, InputError

BAND = Band(2_000_000, 4_000_000)


def drawn(name: str, rng: np.random.Generator, networks: int, shift: float = 0.0, spread: float = 0.02) -> Sample:
    """As random networks are: FLOPs log-uniform in the band, accuracy rising with them, on 5,000 images."""
    flops = np.exp(rng.uniform(math.log(BAND.low), math.log(BAND.high), networks))
    accuracy = 0.5 + 0.03 * np.log2(flops / BAND.low) + shift + spread * rng.normal(size=networks)
    return Sample(name, np.round(accuracy * 5000) / 5000, flops)


def plain(name: str, accuracies: list[float]) -> Sample:
    """All in one part of the FLOPs."""
    return Sample(name, np.array(accuracies), np.full(len(accuracies), 3e6))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PERMUTATIONS", 199)
    monkeypatch.setattr(space_comparison, "RESAMPLES", 300)


def test_the_distance_and_its_p_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 0.1, 60), rng.normal(0.57, 0.1, 40)
    found, known = compare_samples(plain("x", list(x)), plain("y", list(y)), BAND), ks_2samp(x, y)
    assert found.distance.value == pytest.approx(known.statistic)
    assert found.distance.p == pytest.approx(known.pvalue, rel=0.3)
    assert found.other_ahead == found.distance
    assert found.one_ahead.value == pytest.approx(ks_2samp(x, y, alternative="less").statistic)


def test_shares_medians_and_p_worked_out_by_hand() -> None:
    """Of 16 networks the eight best are the one's: of all 12,870 ways to choose them two are as far apart."""
    low, high = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [1.0 + i / 10 for i in range(8)]
    found = compare_samples(plain("high", high), plain("low", low), BAND)
    assert (found.one_ahead.value, found.other_ahead.value) == (1, 0)
    assert found.one_ahead.p == pytest.approx(1 / 5000, abs=8 / 5000)
    assert found.other_ahead.p == 1
    assert (found.one.ahead.value, found.other.ahead.value) == (1, 0)
    assert found.other.median.value == pytest.approx(0.45)
    crossed = compare_samples(plain("a", [*low[:4], *high[4:]]), plain("b", low), BAND)
    assert crossed.one.ahead.value == pytest.approx(0.5), "above .45: the four high ones"
    assert crossed.other.ahead.value == pytest.approx(0), "the median is between .4 and 1.4"


def test_the_best_of_n_is_the_mean_over_all_ways_to_draw_n() -> None:
    values = [0.31, 0.5, 0.42, 0.9, 0.77, 0.6, 0.6, 0.2]
    side = compare_samples(plain("a", values), plain("b", values), BAND).one
    assert len(side.best) == 2, "up to a quarter of the networks"
    for count in (1, 2):
        every = [max(draw) for draw in product(values, repeat=count)]
        best = side.best_of(count)
        assert best
        assert best.value == pytest.approx(np.mean(every))
    assert side.best_of(3) is None
    assert len(side.low) == 1, "an interval up to a tenth"
    many = compare_samples(plain("a", list(np.linspace(0, 1, 801))), plain("b", values), BAND).one
    assert [many.best[n - 1] for n in (1, 3, 9)] == pytest.approx([1 / 2, 3 / 4, 9 / 10], abs=5e-3), "uniform"


def test_networks_are_weighted_to_equal_flops() -> None:
    """Each is as good as its FLOPs; the one draws mostly small ones, which says nothing of its space."""
    rng = np.random.default_rng(1)
    small, even = (np.exp(np.log(2e6) + math.log(2) * rng.uniform(size=96) ** power) for power in (3, 1))
    one, other = Sample("small", small / 1e7, small), Sample("even", even / 1e7, even)
    assert ks_2samp(one.accuracy, other.accuracy).pvalue < 1e-4
    found = compare_samples(one, other, BAND)
    assert found.bins == 8
    assert found.outcome == "open"
    assert found.one.median.value == pytest.approx(found.other.median.value, abs=0.02)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("networks", [(24, 24), (60, 30)])
def test_p_is_uniform_where_spaces_are_alike(networks: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    first, second = networks
    found = [compare_samples(drawn("s", rng, first), drawn("t", rng, second), BAND, seed) for seed in range(200)]
    p = np.array([each.distance.p for each in found])
    assert kstest(p, "uniform").pvalue > 0.01
    assert (p <= 0.05).mean() < 0.09
    assert np.mean([each.outcome != "open" for each in found]) < 0.09
    covered = [(each.one.ahead.low or 0.0) <= 0.5 <= (each.one.ahead.high or 0.0) for each in found]
    assert np.mean(covered) > 0.9


@pytest.mark.usefixtures("quick")
def test_intervals_of_the_best_of_n_hold() -> None:
    rng = np.random.default_rng(3)
    many, counts = drawn("s", rng, 100_000).accuracy, (1, 5)
    truth = [float(many.reshape(-1, count).max(axis=1).mean()) for count in counts]
    covered = []
    for seed in range(120):
        side = compare_samples(drawn("s", rng, 60), drawn("t", rng, 12), BAND, seed).one
        ends = [(side.low[count - 1], side.high[count - 1]) for count in counts]
        covered.append([low <= value <= high for (low, high), value in zip(ends, truth, strict=True)])
    assert np.mean(covered, axis=0) == pytest.approx(0.92, abs=0.07)


@pytest.mark.usefixtures("quick")
def test_a_better_space_is_told_and_the_right_one() -> None:
    rng = np.random.default_rng(4)
    found = [compare_samples(drawn("a", rng, 60), drawn("b", rng, 60, 0.02), BAND, i).outcome for i in range(30)]
    assert found.count("other") >= 28
    assert found.count("one") == 0
    turned = [compare_samples(drawn("a", rng, 60, 0.02), drawn("b", rng, 60), BAND, i).outcome for i in range(30)]
    assert turned.count("one") >= 28


@pytest.mark.usefixtures("quick")
def test_a_space_of_better_and_of_worse_networks_is_not_better() -> None:
    rng = np.random.default_rng(5)
    found = [compare_samples(drawn("a", rng, 150), drawn("b", rng, 150, spread=0.1), BAND, i) for i in range(10)]
    assert [each.outcome for each in found].count("mixed") >= 8
    assert "neither is better throughout" in found[0].verdict()


def test_equal_networks_are_equal() -> None:
    same = [0.5] * 10
    found = compare_samples(plain("a", same), plain("b", [*same, 0.5]), BAND)
    assert (round(found.distance.value, 9), found.distance.p) == (0, 1)
    assert [found.one.ahead.value, found.other.ahead.value] == pytest.approx([0.5, 0.5])
    again = compare_samples(plain("a", [0.1 * i for i in range(9)]), plain("b", [0.1 * i for i in range(9)]), BAND)
    assert (again.distance.p, again.outcome) == (1, "open")


def test_the_same_seed_says_the_same() -> None:
    rng = np.random.default_rng(6)
    one, other = drawn("a", rng, 40), drawn("b", rng, 40, 0.01)
    first, second = compare_samples(one, other, BAND, 7), compare_samples(one, other, BAND, 7)
    assert (first.distance, first.one.ahead, list(first.one.low)) == (
        second.distance, second.one.ahead, list(second.one.low),
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, FEWEST - 1])
def test_too_few_networks_are_refused(count: int) -> None:
    many = plain("many", [0.1 * i for i in range(20)])
    with pytest.raises(InputError, match=rf"networks must be 8 of each space at least in 2M\.\.4M FLOPs, got {count}"):
        compare_samples(many, plain("few", [0.5] * count), BAND)


def test_networks_outside_the_flops_that_both_reach_are_left_out() -> None:
    inside = [0.1 * i for i in range(10)]
    far = Sample("far", np.array([*inside, 9.0]), np.array([3e6] * 10 + [9e6]))
    found = compare_samples(far, plain("near", inside), BAND)
    assert (found.one.edf.networks, found.one.trained) == (10, 11)
    assert found.distance.value == pytest.approx(0)


def comparison(shift: float, networks: int = 40) -> SpaceComparison:
    rng = np.random.default_rng(8)
    return compare_samples(drawn("whole", rng, networks), drawn("narrowed", rng, networks, shift), BAND)


def test_the_verdict_is_a_sentence_with_p() -> None:
    better, worse, alike = comparison(0.05), comparison(-0.05), comparison(0)
    assert better.verdict().startswith("narrowed is better than whole at equal FLOPs (Kolmogorov-Smirnov distance 0.")
    assert better.ruling() == "The narrowing is accepted: its networks are better, p < 0.001."
    assert worse.verdict().startswith("whole is better than narrowed")
    assert "refused: its networks are worse" in worse.ruling()
    assert "are not told apart" in alike.verdict()
    assert alike.needed
    assert f"a distance of {math.ceil(100 * alike.needed) / 100:.2f} would be" in alike.verdict()
    assert "Failed" not in alike.verdict()
    assert "refused: that its networks are better is not shown" in alike.ruling()


def exact_p(one: int, other: int, gap: float) -> float:
    """Of all ways to rank `one` and `other` networks, the part in which the distance is `gap` or more: lattice paths
    that leave the strip around the diagonal."""
    paths = {(0, 0): 1}
    for i, j in product(range(one + 1), range(other + 1)):
        if (i, j) != (0, 0):
            inside = abs(i / one - j / other) < gap - 1e-9
            paths[i, j] = (paths.get((i - 1, j), 0) + paths.get((i, j - 1), 0)) * inside
    return 1 - paths[one, other] / math.comb(one + other, one)


@pytest.mark.parametrize(
    ("one", "other", "below", "needed"), [(16, 10, 0.5125, 0.525), (24, 24, 9 / 24, 10 / 24), (10, 10, 0.6, 0.7)]
)
def test_the_gap_that_would_be_told_is_the_smallest_with_a_p_of_five_percent(
    one: int, other: int, below: float, needed: float
) -> None:
    rng = np.random.default_rng(11)
    found = compare_samples(plain("a", list(rng.normal(size=one))), plain("b", list(rng.normal(size=other))), BAND)
    assert exact_p(one, other, needed) <= 0.05 < exact_p(one, other, below)
    assert found.needed == pytest.approx(needed)


def test_a_gap_as_large_as_needed_is_told_and_the_one_below_is_not() -> None:
    """Ten networks each, of which so many of the one are above all of the other."""

    def ahead(by: int) -> SpaceComparison:
        low, rest = [i / 100 for i in range(10)], [i / 100 - 0.001 for i in range(by, 10)]
        return compare_samples(plain("a", [*rest, *[0.5 + i / 100 for i in range(by)]]), plain("b", low), BAND)

    assert (ahead(7).outcome, ahead(6).outcome) == ("one", "open")
    assert ahead(6).needed == pytest.approx(0.7)
    assert ahead(7).one_ahead.p <= 0.05 < ahead(6).one_ahead.p


def test_of_networks_that_are_all_equal_no_distance_would_be_told() -> None:
    found = compare_samples(plain("a", [0.5] * 9), plain("b", [0.5] * 9), BAND)
    assert found.needed is None
    assert "of so few networks no distance would be" in found.verdict()


def losing(sample: Sample, share: float) -> Sample:
    """The worst of its networks fail to train."""
    lost = sample.accuracy < np.quantile(sample.accuracy, share)
    return Sample(sample.name, np.where(lost, -np.inf, sample.accuracy), sample.cost)


@pytest.mark.usefixtures("quick")
def test_a_space_whose_worst_networks_fail_is_not_better() -> None:
    rng = np.random.default_rng(12)
    found = [compare_samples(drawn("a", rng, 60), losing(drawn("b", rng, 60), 0.4), BAND, i) for i in range(30)]
    assert [each.outcome for each in found].count("other") <= 2
    assert [each.outcome for each in found].count("one") >= 5, "so many failures are a fault of their own"
    assert (found[0].one.failed, found[0].other.failed) == (0, 24)
    assert (
        found[0]
        .verdict()
        .endswith(" Failed to train, and ranked below all others: 0 of 60 networks of a, 24 of 60 networks of b.")
    )


def test_what_failed_to_train_is_below_all_others_and_counts_as_nothing() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    lost = [-np.inf, -np.inf, *values[2:]]
    found = compare_samples(plain("whole", values), plain("lost", lost), BAND)
    assert (found.one_ahead.value, found.other_ahead.value) == pytest.approx((2 / 8, 0))
    best = [found.other.best_of(count) for count in (1, 2)]
    counted = [0.0, 0.0, *values[2:]]
    assert [each and each.value for each in best] == pytest.approx(
        [np.mean(counted), np.mean([max(pair) for pair in product(counted, repeat=2)])]
    )
    most = compare_samples(plain("whole", values), plain("lost", [-np.inf] * 6 + [0.9, 0.95]), BAND)
    assert [most.other.median.value, most.other.ahead.value] == pytest.approx([0, 2 / 8])
    assert (most.one_ahead.value, most.other_ahead.value) == pytest.approx((6 / 8, 2 / 8))
    assert all(np.isfinite(side.best).all() for side in (most.one, most.other))


def test_p_in_words() -> None:
    assert [p_words(p) for p in (0.0002, 0.0041, 0.0496, 0.31)] == ["< 0.001", "0.004", "0.050", "0.31"]
