"""The line of a search that goes on: what it says is done, and left."""

from __future__ import annotations

import io

from rich.console import Console

from nas.records.recipe import Recipe
from nas.records.trial import Trial
from nas.searching.estimate import Estimate, TimeLeft
from nas.searching.progress import SearchProgress, Stopping
from space import Arch, Band, Stage

ARCH = Arch(stages=(Stage(depth=1, width=16),))
BAND = Band(1_000_000, 4_000_000)
RECIPE = Recipe(images=12_000, period_images=2000).settled(45_000)


def made(trainings: int, seconds: float) -> SearchProgress:
    """Of trainings that are estimated to take `seconds` each, on two workers."""
    console = Console(file=io.StringIO())
    left = TimeLeft(trainings, BAND, 2, Estimate((1_000_000,), (seconds,), 0))
    return SearchProgress(console, trainings, RECIPE, Stopping(console), left)


def line(bar: SearchProgress) -> tuple[str, str, float]:
    task = bar.tasks[0]
    return task.description, task.fields["left"], task.completed


def ended(number: int, seconds: float) -> Trial:
    return Trial(
        number=number, state="complete", flops=2_000_000, accuracy=0.5, seconds=seconds, key=str(number),
        arch=ARCH.to_dict(),
    )  # fmt: skip


def test_what_is_left_follows_what_trainings_take_and_what_runs() -> None:
    bar = made(10, 60.0)
    watch = bar.watch()
    watch.on_begin(0, ARCH, 0)
    assert line(bar) == ("trial 0 (1/10)", "5 min left", 0)
    watch.on_period(0, 3)
    assert line(bar) == ("trial 0 (1/10) 6K of 12K images", "5 min left", 3)
    for number in range(2):
        watch.on_finish(ended(number, 60.0), number + 1)
    watch.on_finish(ended(2, 180.0), 3)
    description, left, completed = line(bar)
    assert description.startswith("trial 2 (4/10), best ")
    assert (left, completed) == ("6 min left", 18), "seven of 100 seconds each, two at once"


def test_a_training_whose_worker_is_gone_is_no_part_of_what_is_done() -> None:
    bar = made(10, 60.0)
    watch = bar.watch()
    watch.on_begin(0, ARCH, 0)
    watch.on_begin(1, ARCH, 0)
    watch.on_period(0, 5)
    watch.on_period(1, 2)
    assert line(bar)[2] == 7
    watch.on_lost(0)
    assert line(bar)[2] == 2


def test_a_study_that_is_resumed_counts_what_is_on_record() -> None:
    bar = made(10, 60.0)
    bar.resumed([ended(number, 30.0) for number in range(4)])
    bar.watch().on_begin(4, ARCH, 4)
    assert line(bar)[1:] == ("90 s left", 24)


def test_without_an_estimate_nothing_is_said_of_the_time() -> None:
    console = Console(file=io.StringIO())
    bar = SearchProgress(console, 10, RECIPE, Stopping(console))
    bar.watch().on_begin(0, ARCH, 0)
    assert line(bar)[1] == ""
