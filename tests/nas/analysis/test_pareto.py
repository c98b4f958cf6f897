"""The front: against brute force, numeric integration, and by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.analysis.cost_axes import PARAMETERS
from nas.analysis.data_frames import reached
from nas.analysis.history import hypervolume_history
from nas.analysis.pareto import best, hypervolume, knee, merged, outcome, pareto_front, scored
from nas.records.trial import Trial
from space import Band, InputError, Space
from tests.dashboard.studies import make_settings
from tests.space.test_latency_model import model_of

BAND = Band(100, 10_000)
EMPTY = "front must have a finished trial, got none; run `nas search` first, or for longer"


def trials(*points: tuple[int, float]) -> list[Trial]:
    """Finished trials of (FLOPs, accuracy)."""
    return [Trial(number=i, state="complete", flops=f, accuracy=a) for i, (f, a) in enumerate(points)]


# Few values, so that ties are common; FLOPs also outside the band.
POINTS = st.lists(st.tuples(st.integers(1, 12).map(lambda f: 1000 * f), st.integers(0, 6).map(lambda a: a / 6)))


@given(POINTS)
def test_front_is_what_no_other_trial_beats(points: list[tuple[int, float]]) -> None:
    def beats(one: tuple[int, float], two: tuple[int, float]) -> bool:
        return one[0] <= two[0] and one[1] >= two[1] and one != two

    unbeaten = {point for point in points if not any(beats(other, point) for other in points)}
    front = pareto_front(trials(*points))
    assert [(trial.flops, trial.accuracy) for trial in front] == sorted(unbeaten)
    for trial in front:
        assert trial.number == points.index((trial.flops or 0, trial.accuracy or 0.0)), "of equals, the first stands"


def test_only_finished_trials_are_scored() -> None:
    rows = [
        Trial(number=0, state="complete", flops=100, accuracy=0.5),
        Trial(number=1, state="failed", flops=50, accuracy=0.9),
        Trial(number=2, state="complete", flops=50),
        Trial(number=3, state="complete", accuracy=0.9),
        Trial(number=4, state="running", flops=50),
        Trial(number=5, state="repeat", flops=50, accuracy=0.9),
    ]
    assert scored(rows) == pareto_front(rows) == rows[:1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=12))
def test_a_network_stands_once_at_its_mean(rows: list[tuple[int, int]]) -> None:
    plain = [
        Trial(number=i, state="complete", key=f"k{k}", flops=1000 + k, accuracy=a / 6) for i, (k, a) in enumerate(rows)
    ]
    points = merged(plain)
    assert [t.key for t in points] == list(dict.fromkeys(t.key for t in plain))
    for point in points:
        same = [t for t in plain if t.key == point.key]
        assert point.number == min(t.number for t in same)
        assert point.accuracy == pytest.approx(np.mean([t.accuracy for t in same]))
        assert len(same) > 1 or point is same[0]
    assert merged(points) == points
    assert pareto_front(plain) == pareto_front(points)


def test_an_outcome_counts_every_training() -> None:
    rows = [
        Trial(number=0, state="complete", key="a", flops=2_000_000, accuracy=0.5, seconds=3.0, images=10_000),
        Trial(number=1, state="complete", key="a", flops=2_000_000, accuracy=0.7, seconds=3.0, images=10_000),
        Trial(number=2, state="complete", key="b", flops=3_000_000, accuracy=0.5, seconds=4.0, images=10_000),
        Trial(number=3, state="failed", key="c", flops=3_000_000, seconds=1.0),
        Trial(number=4, state="running", key="d", flops=3_000_000),
        Trial(number=5, state="stopped", key="e", flops=3_000_000, seconds=0.5, images=2000),
    ]
    settings = make_settings("mine")
    found = outcome(rows, settings)
    assert (found.networks, found.front, found.trainings, found.seconds) == (2, 1, 5, 11.5)
    assert found.images == 3 * 10_000 + 2000
    assert found.hypervolume == pytest.approx(0.6 * math.log(2) / math.log(4))


@pytest.mark.parametrize("cost", ["params", "activations", "latency"])
def test_an_outcome_is_over_what_the_study_minimises(cost: str) -> None:
    """0.4 up to the middle of the band in log, 0.6 from there on; in FLOPs the better one is the cheaper."""
    model = model_of(Space.load("digits"), image_size=8, channels=1).to_dict()
    settings = make_settings("mine", minimize=cost, latency_model=model, **{cost: (10_000, 40_000)})
    counts: list[dict[str, Any]] = [{cost: 10_000}, {cost: 20_000}]
    rows = [replace(t, **own) for t, own in zip(trials((2_000, 0.4), (1_000, 0.6)), counts, strict=True)]
    found = outcome(rows, settings)
    assert found.front == 2
    assert found.hypervolume == pytest.approx(0.5)
    assert [step.hypervolume for step in hypervolume_history(rows, settings)] == pytest.approx([0.4, 0.5])
    assert outcome(rows, make_settings("mine", flops_low=1000, flops_high=4000)).front == 1


@given(POINTS.filter(bool))
def test_best_is_the_most_accurate_and_the_cheapest_of_those(points: list[tuple[int, float]]) -> None:
    top = max(accuracy for _, accuracy in points)
    cheapest = min(flops for flops, accuracy in points if accuracy == top)
    for rows in (trials(*points), pareto_front(trials(*points))):
        assert (best(rows).accuracy, best(rows).flops) == (top, cheapest)


@given(POINTS.filter(bool), st.integers(1, 13).map(lambda f: 1000 * f))
def test_a_front_has_reached_the_best_that_is_cheap_enough(points: list[tuple[int, float]], limit: int) -> None:
    cheap = [accuracy for flops, accuracy in points if flops <= limit]
    assert reached(pareto_front(trials(*points)), limit) == max(cheap, default=None)


def test_a_network_without_the_cost_is_on_no_front_over_it() -> None:
    rows = [replace(t, params=p) for t, p in zip(trials((1, 0.5), (2, 0.9), (3, 0.6)), (9, None, 4), strict=True)]
    assert [t.number for t in pareto_front(rows, PARAMETERS.of)] == [2]
    assert [t.number for t in pareto_front(rows)] == [0, 1]


def test_knee_by_hand() -> None:
    # The line from (100, .5) to (10000, .9) is at .7 at 1000; 316 and 3162 are a quarter and three quarters of the way.
    front = trials((100, 0.5), (316, 0.65), (1000, 0.84), (3162, 0.88), (10_000, 0.9))
    assert knee(front).flops == 1000
    early = trials((100, 0.5), (316, 0.8), (1000, 0.84), (3162, 0.88), (10_000, 0.9))
    assert knee(early).flops == 316


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 1)), min_size=3))
def test_knee_is_farthest_from_the_line(points: list[tuple[int, float]]) -> None:
    front = pareto_front(trials(*points))
    if len(front) < 3:
        assert knee(front) is front[-1]
        return
    xs = np.log([float(trial.flops or 0) for trial in front])
    ys = np.array([trial.accuracy or 0.0 for trial in front])
    x, y = (xs - xs[0]) / (xs[-1] - xs[0]), (ys - ys[0]) / (ys[-1] - ys[0])
    distance = (y - x) / math.sqrt(2)  # of a point from the diagonal, positive above it
    assert distance[front.index(knee(front))] == pytest.approx(distance.max(), abs=1e-9)


@given(POINTS)
def test_hypervolume_is_the_area_under_the_best_so_far(points: list[tuple[int, float]]) -> None:
    band, cells = Band(1500, 9500), 4000
    edges = np.linspace(math.log(band.low), math.log(band.high), cells + 1)
    height = [max((a for f, a in points if math.log(f) <= x), default=0.0) for x in (edges[:-1] + edges[1:]) / 2]
    assert hypervolume(trials(*points), band) == pytest.approx(np.mean(height), abs=12 / cells)


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([], 0),
        ([(100, 1.0)], 1),
        ([(10_000, 1.0)], 0),
        ([(1000, 0.8)], 0.4),  # half of the band in log FLOPs
        ([(100, 0.5), (1000, 0.9)], 0.7),
        ([(100, 0.5), (1000, 0.9), (2000, 0.8)], 0.7),  # a beaten trial changes nothing
        ([(10, 0.5), (50, 0.6)], 0.6),  # cheaper than the band
        ([(100, 0.5), (20_000, 0.9)], 0.5),  # dearer than the band
    ],
)
def test_hypervolume_by_hand(points: list[tuple[int, float]], area: float) -> None:
    assert hypervolume(trials(*points), BAND) == pytest.approx(area)


def test_hypervolume_of_a_band_without_width() -> None:
    assert hypervolume(trials((100, 0.7), (200, 0.8)), Band(100, 100)) == 0.7
    assert hypervolume([], Band(100, 100)) == 0


@given(POINTS)
def test_a_further_trial_never_lowers_the_hypervolume(points: list[tuple[int, float]]) -> None:
    areas = [hypervolume(trials(*points[:count]), Band(1500, 9500)) for count in range(len(points) + 1)]
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(areas))


def test_an_empty_front_is_refused() -> None:
    for pick in (best, knee):
        with pytest.raises(InputError) as refusal:
            pick([])
        assert str(refusal.value) == EMPTY
