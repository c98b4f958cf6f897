"""The course of a study: hypervolume after every trial, its rate, its workers."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dashboard.charts.progress import timeline_caption
from nas.analysis.history import Crew, Span, crew, hypervolume_history, pace, spans
from nas.analysis.pareto import hypervolume, outcome
from nas.records.extent import Extent
from nas.records.trial import Trial
from tests.dashboard.studies import BAND, make_settings

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = make_settings("course")


def trial(number: int, accuracy: float | None, flops: int = 1_000_000, minutes: float = 0, **rest: Any) -> Trial:
    plain: dict[str, Any] = {
        "state": "complete" if accuracy is not None else "stopped", "seconds": 30.0, "images": 10_000,
        "started": BEGUN, "finished": BEGUN + timedelta(minutes=minutes or number + 1), "owner": "host:1",
    }  # fmt: skip
    return Trial(number=number, accuracy=accuracy, flops=flops, **(plain | rest))


def test_every_step_is_the_hypervolume_of_what_has_ended() -> None:
    """Against the plain formula on every prefix, with repeats that lower and raise means."""
    rng = random.Random(3)
    trials = [
        trial(i, None if i % 9 == 5 else rng.uniform(0.5, 0.9), rng.randint(900_000, 4_200_000), key=f"k{i}")
        for i in range(60)
    ]
    trials += [trial(60 + i, rng.uniform(0.5, 0.9), trials[i * 3].flops or 0, key=f"k{i * 3}") for i in range(12)]
    steps = hypervolume_history(trials, SETTINGS)
    assert [step.number for step in steps] == list(range(72))
    for at, step in enumerate(steps, 1):
        assert step.hypervolume == pytest.approx(hypervolume(trials[:at], BAND), abs=1e-12)
    last = outcome(trials, SETTINGS)
    assert (steps[-1].images, steps[-1].seconds) == (last.images, last.seconds)
    assert steps[9].clock == pytest.approx(10 / 60)


def test_trials_count_in_the_order_of_their_ends() -> None:
    steps = hypervolume_history(
        [trial(0, 0.9, minutes=9), trial(1, 0.8, minutes=2), Trial(number=2, state="running")], SETTINGS
    )
    assert [step.number for step in steps] == [1, 0]
    assert hypervolume_history([], SETTINGS) == []


def test_equal_flops_keep_the_better() -> None:
    steps = hypervolume_history([trial(0, 0.5), trial(1, 0.6), trial(2, 0.55)], SETTINGS)
    assert [step.best for step in steps] == [0.5, 0.6, 0.6]


def test_a_trial_is_on_its_worker_for_its_seconds() -> None:
    now = BEGUN + timedelta(hours=1)
    open_one = Trial(number=2, state="running", started=BEGUN + timedelta(minutes=50), owner="host:2")
    ahead = Trial(number=3, state="waiting", started=BEGUN, owner="host:2")
    first, second = spans([trial(0, 0.5, minutes=10), open_one, ahead], now)
    assert (first.begun, first.ended) == (BEGUN + timedelta(minutes=9.5), BEGUN + timedelta(minutes=10))
    assert (second.worker, second.begun, second.ended) == ("host:2", BEGUN + timedelta(minutes=50), now)


@pytest.mark.parametrize("seed", range(5))
def test_a_worker_is_never_at_two_trials_at_once(seed: int) -> None:
    """Whatever is drawn ahead, interrupted without its seconds, or rounded."""
    rng, trials = random.Random(seed), []
    for number in range(60):
        drawn, length = rng.uniform(0, 100), rng.uniform(0, 20)
        state = rng.choice(["complete", "stopped", "interrupted", "failed", "running"])
        ended = None if state == "running" else BEGUN + timedelta(minutes=drawn + length)
        seconds = 60 * length * rng.uniform(0.5, 1.5) if state in ("complete", "stopped") else None
        trials.append(trial(
            number, None, state=state, started=BEGUN + timedelta(minutes=drawn), finished=ended, seconds=seconds,
            owner=f"host:{rng.randrange(3)}",
        ))  # fmt: skip
    found = spans(trials, BEGUN + timedelta(hours=3))
    assert [span.number for span in found] == list(range(60))
    for worker in ("host:0", "host:1", "host:2"):
        own = sorted((span for span in found if span.worker == worker), key=lambda span: span.ended)
        assert all(before.ended <= after.begun <= after.ended for before, after in pairwise(own))
    share = re.search(r"training (\d+)% of their time", timeline_caption(found))
    assert share
    assert int(share[1]) <= 100


@pytest.mark.parametrize("seed", range(5))
def test_how_many_worked_at_once_by_minutes(seed: int) -> None:
    """Against a count of who lives in each minute."""
    rng, found = random.Random(seed), []
    for number in range(30):
        begun = rng.randint(0, 50) * 10
        ends = (BEGUN + timedelta(minutes=begun), BEGUN + timedelta(minutes=begun + rng.randint(1, 10)))
        found.append(Span(number, f"host:{rng.randrange(12)}", "complete", *ends))
    lives = [[span for span in found if span.worker == worker] for worker in {span.worker for span in found}]
    minutes = [BEGUN + timedelta(minutes=0.5 + i) for i in range(520)]
    alive = [sum(min(s.begun for s in own) < minute < max(s.ended for s in own) for own in lives) for minute in minutes]
    counted = crew(found)
    assert (counted.workers, counted.together) == (len(lives), max(alive))
    assert counted.share == pytest.approx(sum((s.ended - s.begun).total_seconds() for s in found) / 60 / sum(alive))
    assert crew([]) == Crew(0, 0, None)


def test_the_rate_is_of_recent_trials_and_gives_the_time_left() -> None:
    trials = [trial(i, 0.5) for i in range(11)]
    found = pace(trials, SETTINGS, Extent(30, 2))
    assert (found.trainings, found.total) == (11, 32)
    assert found.per_hour == pytest.approx(60)
    assert found.left == timedelta(minutes=21)
    assert pace(trials, SETTINGS, None).total == 30, "as the command says"
    assert pace(trials[:2], SETTINGS, None).per_hour is None
    assert pace(trials, make_settings("x", command="?"), None).left is None


def test_a_night_between_two_sessions_is_no_work() -> None:
    trials = [trial(i, 0.5, minutes=i + 1 + 600 * (i > 5)) for i in range(11)]
    assert pace(trials, SETTINGS, Extent(11)).per_hour == pytest.approx(60 * 10 / 20)
    assert pace(trials, SETTINGS, Extent(11)).left == timedelta(0)
