"""What a search will take: arithmetic by hand, a real estimate on the digits, --time and --dry-run as commands."""

from __future__ import annotations

import math
import random
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import torch

from nas.data.dataset import load
from nas.records.recipe import Recipe
from nas.records.trial import Trial
from nas.searching import schedule
from nas.searching.estimate import START, Estimate, TimeLeft, _peak_memory, estimate, starting, timed, trials_within
from nas.searching.plan import SearchPlan, parse_time
from nas.storage.reader import Reader
from nas.training.brief import train
from nas.training.device_data import DeviceData
from space import Arch, Band, Budget, InputError, Space, Task, cost
from tests.nas.conftest import Run

BAND, BEGUN = Band(1_000_000, 4_000_000), datetime(2026, 1, 1, tzinfo=UTC)
SAVES = ", less what early stopping saves"
FOUND = Estimate((1_000_000, 2_000_000, 4_000_000), (10.0, 20.0, 40.0), 10**9)  # seconds go with FLOPs


def ended(number: int, flops: int, seconds: float, repeat_of: int | None = None, at: float = 0.0) -> Trial:
    """`at`: seconds after the start."""
    return Trial(
        number=number, state="complete", flops=flops, seconds=seconds, repeat_of=repeat_of,
        finished=BEGUN + timedelta(seconds=at),
    )  # fmt: skip


def test_seconds_lie_straight_between_what_was_timed() -> None:
    assert FOUND.of(3_000_000) == 30.0
    assert (FOUND.of(500_000), FOUND.of(9_000_000)) == (10.0, 40.0)
    assert FOUND.mean(BAND) == pytest.approx(10 * 3 / math.log(4), rel=0.01), "the mean over log FLOPs"


def test_workers_take_time_to_start_and_one_process_has_started() -> None:
    assert starting(1, 2) == 0
    assert (starting(2, 2), starting(2, 8)) == (START, START)
    assert starting(6, 2) == 3 * START, "they share the cores"
    alike = Estimate((1_000_000,), (1.0,), None)
    assert alike.describe(12, BAND, 2, starting(2, 2)).endswith(f"12 trainings, 2 at once: {6 + START:.0f} s{SAVES}")
    assert alike.describe(12, BAND, 1, starting(1, 2)).endswith(f"12 trainings: 12 s{SAVES}")
    assert alike.describe(12, BAND, 1, stops=False).endswith("12 trainings: 12 s")


def test_a_time_holds_the_start_of_workers_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "estimate", lambda *_: Estimate((200_000, 4_000_000), (4.0, 4.0), 10**9))
    monkeypatch.setattr(schedule, "cores", lambda: 2)
    words = ("search", "digits", "--data", "digits", "--flops", "1M..4M", "--runs", tmp_path, "--dry-run")
    for workers, trials in ((1, 3), (2, 4)):
        code, _, said = run(*words, "--time", "12s", "--workers", workers)
        assert code == 0
        assert f"time: 12s for {trials} trials in all" in said
    assert (
        "time: 3s leaves room for no whole training; one network is trained all the same"
        in run(*words, "--time", "3s")[2]
    )


def test_more_workers_than_the_machine_has_room_for_are_said_before(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "estimate", lambda *_: Estimate((200_000, 4_000_000), (4.0, 4.0), 10**9))
    monkeypatch.setattr(schedule, "memory", lambda: 8 * 10**9)
    monkeypatch.setattr("nas.searching.launch.cores", lambda: 2)
    words = ("search", "digits", "--data", "digits", "--flops", "1M..4M", "--runs", tmp_path, "--dry-run")
    _, _, said = run(*words, "--trials", 20, "--workers", 9)
    assert "note: 9 workers on 2 cores hold each other up\n" in said
    assert "note: 9 workers take up to 9 GB of memory, and this machine has 8: fewer --workers\n" in said
    assert "note" not in run(*words, "--trials", 20, "--workers", 2)[2]


def test_the_time_left_goes_by_the_latest_trainings() -> None:
    left = TimeLeft(20, BAND, 2, FOUND)
    assert left.seconds(0) == pytest.approx(20 * FOUND.mean(BAND) / 2)
    for number in range(2):
        left.add(ended(number, 1_000_000, 100.0))
    assert left.seconds(0) == pytest.approx(18 * FOUND.mean(BAND) / 2), "two are too few"
    left.add(ended(2, 1_000_000, 40.0))
    assert left.seconds(0) == pytest.approx(17 * 80 / 2)
    assert left.seconds(1.5) == pytest.approx(15.5 * 80 / 2)
    for number in range(3, 19):
        left.add(ended(number, 1_000_000, 20.0))
    assert left.seconds(0) == pytest.approx(20), "one worker trains the last one"
    left.add(ended(19, 1_000_000, 20.0))
    assert left.seconds(0) == 0


def test_trials_within_a_time_count_what_is_on_record() -> None:
    mean = FOUND.mean(BAND)
    assert trials_within(10.5 * mean, FOUND, BAND, 1, 0, []) == 10
    assert trials_within(10.5 * mean, FOUND, BAND, 1, 4, []) == 6
    assert trials_within(10.5 * mean, FOUND, BAND, 2, 0, []) == 21
    assert trials_within(0.1 * mean, FOUND, BAND, 1, 0, []) == 1
    known = [ended(0, 1, 2 * mean, at=2 * mean), ended(1, 1, 2 * mean, at=4 * mean), ended(2, 1, mean, 0, at=5 * mean)]
    assert trials_within(10.5 * mean, FOUND, BAND, 1, 0, known) == 2 + 5
    assert trials_within(10.5 * mean, FOUND, BAND, 1, 3, known) == 2 + 3, "one of the three seeds is there"
    assert trials_within(mean, FOUND, BAND, 1, 0, known) == 2
    beside = [ended(0, 1, 2 * mean, at=2 * mean), ended(1, 1, 2 * mean, at=3 * mean)]  # 3 of them, whoever worked
    assert trials_within(10.5 * mean, FOUND, BAND, 1, 0, beside) == 2 + 7
    assert trials_within(10.5 * mean, FOUND, BAND, 4, 0, beside) == 2 + 30


def test_times_as_people_write_them() -> None:
    for text, seconds in (
        ("2h", 7200),
        ("90min", 5400),
        ("90m", 5400),
        ("1h 30min", 5400),
        ("1.5h", 5400),
        ("45s", 45),
    ):
        assert parse_time(text) == seconds
    for text in ("", "2", "h", "two hours", "-2h", "2d", "2h x"):
        with pytest.raises(InputError) as refusal:
            parse_time(text)
        assert str(refusal.value).startswith("time must be hours, minutes or seconds, got ")


def test_a_plan_has_trials_or_a_time() -> None:
    for both in ({}, {"trials": 3, "time": "2h"}):
        with pytest.raises(
            InputError, match=r"trials must be given, or time in their place, got (neither|both); write"
        ):
            SearchPlan(**both)  # type: ignore[arg-type]
    for wrong in ("soon", 3):
        with pytest.raises(InputError, match="time must be hours"):
            SearchPlan(time=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"time must be more than nothing, got 0s; write e\.g\. 2h or 90min"):
        SearchPlan(time="0s")


def test_an_estimate_is_of_the_right_order() -> None:
    """Of small networks of the digits; a busy machine may make either number several times the other."""
    from nas.training.brief import train

    data, task, space, band = load("digits"), Task(8, 1, 10), Space.load("digits"), Band(200_000, 600_000)
    recipe = Recipe(epochs=3).settled(len(data.train.labels))
    placed = DeviceData.place(data, recipe, torch.device("cpu"))
    found = estimate(space, data, placed, recipe, Budget(flops=band), task)
    assert found is not None
    assert 2 <= len(found.flops) <= 3
    assert found.flops[0] < 1.3 * band.low
    assert found.flops[-1] > 0.75 * band.high
    assert list(found.seconds) == sorted(found.seconds)
    real = train(space.draw(flops="400K..440K", seed=0, task=task), task, placed, recipe, seed=0).seconds
    assert real / 6 < found.of(420_000) < 6 * real
    assert found.memory is not None
    assert found.memory > 10**8


def test_where_the_system_does_not_say_what_memory_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    memory = _peak_memory(torch.device("cpu"))
    assert memory is None
    said = Estimate((1_000_000,), (10.0,), memory).describe(3, BAND, 1)
    assert said.endswith(f"3 trainings: 30 s{SAVES}")


def test_that_the_machine_was_busy_is_said() -> None:
    said = Estimate((1_000_000,), (10.0,), None, load=0.9).describe(3, BAND, 1)
    assert said.endswith(f"3 trainings: 30 s{SAVES}; rough, as the machine was busy before")


def test_a_look_that_was_held_up_leaves_a_step_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are timed by themselves: on a busy machine one may take longer than a whole step did."""
    data, space = load("digits"), Space.load("digits")
    recipe = Recipe(images=30_000).settled(len(data.train.labels))
    placed = DeviceData.place(data, recipe, torch.device("cpu"))
    work = partial(train, space.random_arch(random.Random(0), Task(8, 1, 10)), Task(8, 1, 10))
    monkeypatch.setattr("nas.searching.estimate._quickest", lambda call: 60.0 * (call.args[1].__len__() == 1))
    found = timed(work, data, placed, recipe)
    assert found is not None
    assert 0.01 < found < 60


def test_networks_that_memory_does_not_hold_are_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a fault of another kind pass for one."""
    data, space = load("digits"), Space.load("digits")
    recipe = Recipe(epochs=1).settled(len(data.train.labels))
    placed = DeviceData.place(data, recipe, torch.device("cpu"))
    tries: list[int] = []

    def train(arch: Arch, *_: object, **__: object) -> None:
        tries.append(cost(arch, Task(8, 1, 10)).flops)
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory" if len(tries) < 4 else "no such operator")

    monkeypatch.setattr("nas.searching.estimate.train", train)
    assert estimate(space, data, placed, recipe, Budget(flops=BAND), Task(8, 1, 10)) is None
    assert len(tries) == 3
    with pytest.raises(RuntimeError, match="no such operator"):
        estimate(space, data, placed, recipe, Budget(flops=BAND), Task(8, 1, 10))


def test_a_dry_run_says_the_plan_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    words = ("search", "digits", "--data", "digits", "--flops", "1M..4M", "--trials", 7, "--epochs", 2)
    code, out, said = run(*words, "--runs", tmp_path / "runs", "--dry-run")
    assert (code, out) == (0, "")
    assert "estimate: " in said
    assert "; 7 trainings: " in said
    assert ": 7 trials, 1M..4M FLOPs, 2,158 images (2 epochs of 1,079) on cpu; nothing is trained\n" in said
    _, _, said = run(*words, "--runs", tmp_path / "runs", "--accuracy", "92%", "--dry-run")
    assert "2,158 images (2 epochs of 1,079) for accuracy of 92.00% on cpu; nothing is trained\n" in said
    assert not (tmp_path / "runs").exists()


def test_a_time_chooses_the_number_of_trials(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "estimate", lambda *_: Estimate((200_000, 4_000_000), (60.0, 60.0), 10**9))
    words = ("search", "digits", "--data", "digits", "--flops", "1M..4M", "--epochs", 1, "--runs", tmp_path)
    code, _, said = run(*words, "--time", "3min", "--sampler", "random", "--study", "timed")
    assert code == 0
    assert "time: 3min for 3 trials in all, as estimated" in said
    assert len(Reader(tmp_path / "timed").trials()) == 3
    code, _, said = run(*words, "--time", "3min", "--trials", 3)
    assert code == 2
    assert (
        said == "error: trials must be given, or time in their place, got both; write e.g. --trials 30 or --time 2h "
        '(in Python trials=30 or time="2h")\n'
    )
