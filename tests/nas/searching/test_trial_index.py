"""The trial index against a look at all trials: whatever order they begin and end in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, cast

import pytest

from nas.analysis.cost_axes import PARAMETERS
from nas.analysis.pareto import pareto_front
from nas.records.trial import ENDED, Period, Trial
from nas.samplers.early_stopping import Standing
from nas.searching.trial_index import TrialIndex
from nas.storage.reader import Reader


class Growing:
    """A reader whose trials the test moves on."""

    def __init__(self) -> None:
        self.rows: list[Trial] = []
        self.curves_read = 0

    def trials(self) -> list[Trial]:
        return list(self.rows)

    def curve(self, number: int) -> list[Period]:
        self.curves_read += 1
        accuracy = self.rows[number].accuracy
        return [] if accuracy is None else [Period(1, 100, 1.0, accuracy / 2, 1.0), Period(2, 200, 0.5, accuracy, 2.0)]


def index_of(rows: Growing) -> TrialIndex:
    return TrialIndex(cast(Reader, rows))


def move_on(rows: Growing, rng: random.Random) -> None:
    """A trial begins, or one that is open ends or begins to train."""
    open_ones = [trial for trial in rows.rows if trial.state in ("running", "waiting")]
    if not open_ones or rng.random() < 0.4:
        number = len(rows.rows)
        known = [trial for trial in rows.rows if trial.state == "complete" and trial.repeat_of is None]
        if known and rng.random() < 0.2:
            first = rng.choice(known)
            new = replace(first, number=number, state="running", accuracy=None, repeat_of=first.number)
        else:
            new = Trial(number=number, state="waiting", key=f"k{rng.randrange(60)}", flops=rng.randrange(10, 40))
        rows.rows.append(new)
        return
    trial = rng.choice(open_ones)
    if trial.state == "waiting":
        ended = replace(trial, state=rng.choice(["running", "running", "outside", "repeat", "interrupted"]))
    else:
        state: Any = rng.choice(["complete", "complete", "stopped", "failed", "interrupted"])
        accuracies = (0.25,) if state == "stopped" else ()
        accuracy = rng.randrange(20) / 20 if state == "complete" else None
        ended = replace(trial, state=state, accuracy=accuracy, accuracies=accuracies)
    rows.rows[trial.number] = ended


@pytest.mark.parametrize("seed", range(8))
def test_it_says_what_a_look_at_all_trials_says(seed: int) -> None:
    rng, rows = random.Random(seed), Growing()
    index = index_of(rows)
    for turn in range(300):
        move_on(rows, rng)
        if turn % rng.randrange(1, 5):
            continue  # other processes may do several things between two looks
        index.refresh()
        first = [trial for trial in rows.rows if trial.repeat_of is None]
        assert index.networks == sum(trial.state in ENDED for trial in first)
        assert index.begun() == sum(trial.state in ("running", *ENDED) for trial in first)
        again = [trial for trial in rows.rows if trial.repeat_of is not None]
        assert index.repeats_begun() == sum(trial.state in ("running", *ENDED) for trial in again)
        assert index.open == [trial for trial in rows.rows if trial.state in ("running", "waiting")]
        live = [trial for trial in rows.rows if trial.state in ("running", "waiting", *ENDED)]
        assert index.seen() == {trial.key for trial in live}
        assert [(t.number, t.accuracy) for t in index.front] == [
            (t.number, t.accuracy) for t in pareto_front(rows.rows)
        ]
        new = Trial(number=len(rows.rows), state="complete", key=f"k{rng.randrange(60)}", flops=25, accuracy=0.61)
        assert index.front_with(new) == pareto_front([*rows.rows, new])
        assert sorted(s.number for s in index.standings) == [
            trial.number for trial in first if trial.state in ("complete", "stopped")
        ]


def test_a_curve_is_read_once() -> None:
    rows = Growing()
    rows.rows = [Trial(number=i, state="complete", accuracy=0.5, flops=10, key=str(i)) for i in range(5)]
    index = index_of(rows)
    for _ in range(3):
        index.refresh().rivals(9)
    assert rows.curves_read == 5


def test_rivals_that_train_are_known_up_to_their_last_rung() -> None:
    rows = Growing()
    rows.rows = [
        Trial(number=0, state="complete", accuracy=0.5, flops=10, key="a"),
        Trial(number=1, state="running", flops=12, key="c", accuracies=(0.2, 0.25)),
        Trial(number=2, state="running", flops=13, key="d"),  # has not reached a rung: nothing to compare with
        Trial(number=3, state="running", flops=10, key="a", repeat_of=0),  # another seed of one that is there already
        Trial(number=4, state="running", flops=15, key="e", accuracies=(0.2, 0.25)),
    ]
    assert index_of(rows).refresh().rivals(4) == [Standing(0, 10, (0.25, 0.5)), Standing(1, 12, (0.2, 0.25))]


def test_rivals_are_judged_by_what_the_study_minimises() -> None:
    rows = Growing()
    rows.rows = [
        Trial(number=0, state="complete", accuracy=0.5, flops=10, params=700, key="a"),
        Trial(number=1, state="running", flops=12, params=600, key="c", accuracies=(0.2, 0.25)),
        Trial(number=2, state="running", flops=15, params=500, key="e", accuracies=(0.2, 0.25)),
    ]
    index = TrialIndex(cast(Reader, rows), PARAMETERS)
    assert index.refresh().rivals(2) == [Standing(0, 700, (0.25, 0.5)), Standing(1, 600, (0.2, 0.25))]


def test_of_two_equal_networks_the_one_that_began_first_trains() -> None:
    rows = Growing()
    rows.rows = [
        Trial(number=0, state="running", flops=10, key="a", begun=1),
        Trial(number=1, state="running", flops=10, key="a", begun=0),
        Trial(number=2, state="complete", accuracy=0.5, flops=11, key="b", begun=2),
        Trial(number=3, state="running", flops=11, key="b", begun=3),
        Trial(number=4, state="running", flops=10, key="a"),  # drawn: it has not begun
    ]
    index = index_of(rows).refresh()
    assert [index.first(trial) for trial in rows.rows[:2]] == [1, None]
    assert index.first(rows.rows[3]) == 2
    assert [index.begun(before=trial) for trial in rows.rows[:2]] == [2, 1], "the complete one, and those before it"
    assert index.begun() == 5


def test_what_was_interrupted_is_queued_until_it_is_tried_again() -> None:
    rows = Growing()
    rows.rows = [
        Trial(number=0, state="interrupted", key="a", seed=1),
        Trial(number=1, state="interrupted"),  # it had no network yet
        Trial(number=2, state="interrupted", key="b", seed=2, repeat_of=9),
        Trial(number=3, state="interrupted", key="c", seed=3),
    ]
    index = index_of(rows).refresh()
    assert index.interrupted(repeats=False) == rows.rows[0]
    assert index.interrupted(repeats=True) == rows.rows[2]
    rows.rows += [Trial(number=4, state="waiting", retry_of=0), Trial(number=5, state="running", retry_of=2)]
    assert index.refresh().interrupted(repeats=False) == rows.rows[3]
    assert index.interrupted(repeats=True) is None
    assert (index.waiting(repeats=False), index.waiting(repeats=True)) == (True, False)
