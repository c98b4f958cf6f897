"""The ledger against a look at all trials: whatever order they begin and end in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, cast

import pytest

from nas.front import pareto_front
from nas.ledger import ENDED, Ledger
from nas.stopping import Standing
from nas.trials import Epoch, Reader, Trial


class Growing:
    """A reader whose trials the test moves on."""

    def __init__(self) -> None:
        self.rows: list[Trial] = []
        self.curves_read = 0

    def trials(self) -> list[Trial]:
        return list(self.rows)

    def curve(self, number: int) -> list[Epoch]:
        self.curves_read += 1
        accuracy = self.rows[number].accuracy
        return [] if accuracy is None else [Epoch(1, 1.0, accuracy / 2, 1.0), Epoch(2, 0.5, accuracy, 2.0)]


def ledger_of(rows: Growing) -> Ledger:
    return Ledger(cast(Reader, rows))


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
    ledger = ledger_of(rows)
    for turn in range(300):
        move_on(rows, rng)
        if turn % rng.randrange(1, 5):
            continue  # other processes may do several things between two looks
        ledger.refresh()
        first = [trial for trial in rows.rows if trial.repeat_of is None]
        assert ledger.networks == sum(trial.state in ENDED for trial in first)
        assert ledger.begun() == sum(trial.state in ("running", *ENDED) for trial in first)
        again = [trial for trial in rows.rows if trial.repeat_of is not None]
        assert ledger.repeats_begun() == sum(trial.state in ("running", *ENDED) for trial in again)
        assert ledger.open == [trial for trial in rows.rows if trial.state in ("running", "waiting")]
        live = [trial for trial in rows.rows if trial.state in ("running", "waiting", *ENDED)]
        assert ledger.seen() == {trial.key for trial in live}
        assert [(t.number, t.accuracy) for t in ledger.front] == [
            (t.number, t.accuracy) for t in pareto_front(rows.rows)
        ]
        new = Trial(number=len(rows.rows), state="complete", key=f"k{rng.randrange(60)}", flops=25, accuracy=0.61)
        assert ledger.front_with(new) == pareto_front([*rows.rows, new])
        assert sorted(s.number for s in ledger.standings) == [
            trial.number for trial in first if trial.state in ("complete", "stopped")
        ]


def test_a_curve_is_read_once() -> None:
    rows = Growing()
    rows.rows = [Trial(number=i, state="complete", accuracy=0.5, flops=10, key=str(i)) for i in range(5)]
    ledger = ledger_of(rows)
    for _ in range(3):
        ledger.refresh().rivals(9)
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
    assert ledger_of(rows).refresh().rivals(4) == [Standing(0, 10, (0.25, 0.5)), Standing(1, 12, (0.2, 0.25))]


def test_of_two_that_are_drawn_at_once_the_later_is_a_repeat() -> None:
    rows = Growing()
    rows.rows = [
        Trial(number=0, state="running", flops=10, key="a"),
        Trial(number=1, state="waiting", flops=10, key="a"),
        Trial(number=2, state="complete", accuracy=0.5, flops=11, key="b"),
        Trial(number=3, state="waiting"),  # queued: it has no network yet
    ]
    ledger = ledger_of(rows).refresh()
    assert (ledger.first("a", 0), ledger.first("a", 1), ledger.first("c", 9)) == (None, 0, None)
    assert ledger.first("b", 1) == 2, "one that has ended counts whatever its number"
    assert ledger.first("a", 1, stands_for=0) is None, "not the one that it is trained in place of"
    assert ledger.first("a", -1) == 0, "it trains: whoever comes onto the record after that gives way"
    assert ledger.first("a", -1, claimed=True) is None
    assert (ledger.begun(), ledger.ahead()) == (2, 1)
