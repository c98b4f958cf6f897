"""How many FLOPs a latency leaves room for: both ways of telling, whatever its lower end, and across gaps in a space."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from nas.latency.reach import by_forecast, by_measuring, flops_within
from space import Arch, Band, Space, Task
from space.feasible import amounts
from space.latency_model import LatencyModel
from space.work import work
from tests.space.test_latency_model import plain

TASK = Task(8, 1, 10)
DIGITS = Space.load("digits")
COARSE = Space.from_dict(
    {"image_size": 8, "axes": {"stages": [1], "depth": [1, 2], "width": [8, 32, 128], "stem.stride": [1]}},
    "coarse", "coarse.yaml",
)  # fmt: skip


def model_of(space: Space, **rates: float) -> LatencyModel:
    """Nanoseconds for each of some units of work, whatever the kind of layer."""
    plainly = plain(
        space, fixed=0.0, image_size=8, channels=1, rates=dict.fromkeys({kind for kind, _ in amounts(space)}, rates)
    )
    return LatencyModel.from_dict(plainly, "model.json")


def nanoseconds(model: LatencyModel, arch: Arch) -> float:
    return sum(model.rates[kind].get(unit, 0.0) * count for (kind, unit), count in work(arch, TASK).items())


def forecast(space: Space, limit: Band, model: LatencyModel) -> Callable[[Band], bool]:
    return by_forecast(space, TASK, limit, model)


def measured(space: Space, limit: Band, model: LatencyModel) -> Callable[[Band], bool]:
    return by_measuring(space, TASK, limit, lambda arch: nanoseconds(model, arch))


@pytest.mark.parametrize("way", [forecast, measured])
def test_a_lower_end_of_the_latency_leaves_as_much_room(way: Any) -> None:
    model = model_of(DIGITS, macs=1.0)
    whole, upper = (
        flops_within(DIGITS, TASK, way(DIGITS, Band(low, 600_000), model)) for low in (1, 300_000)
    )  # fmt: skip
    assert whole == upper
    assert 600_000 < upper.high < 2_400_000


@pytest.mark.parametrize("way", [forecast, measured])
def test_a_gap_in_the_flops_of_a_space_does_not_end_what_there_is_room_for(way: Any) -> None:
    model, ends = model_of(COARSE, macs=1.0), COARSE.cost_range(TASK)
    assert flops_within(COARSE, TASK, way(COARSE, Band(1, 10**12), model)) == ends
    limited = flops_within(COARSE, TASK, way(COARSE, Band(1, 2 * ends.low), model))
    assert ends.low < limited.high < ends.high / 4, "beyond the gap all are too slow"


def test_wide_and_shallow_networks_are_within_a_latency_of_calls() -> None:
    """Where each layer takes its time whatever its size, FLOPs are not what a latency limits."""
    calls = model_of(DIGITS, calls=10_000.0)
    shallow = min(nanoseconds(calls, DIGITS.random_arch(random.Random(i), TASK)) for i in range(200))
    limit = Band(1, round(1.1 * shallow))
    band = flops_within(DIGITS, TASK, forecast(DIGITS, limit, calls))
    assert band.high > 100 * band.low
    assert flops_within(DIGITS, TASK, forecast(DIGITS, Band(1, 1000), calls)).high == 2 * band.low
    assert flops_within(DIGITS, TASK, measured(DIGITS, limit, calls)).high > 10 * band.low
