"""A latency model: its forecast is the sum that it says, networks are constructed within a limit on it, its range over a
space is exact, and a model of other layers or images is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from space import Band, Budget, InputError, Space, Task
from space.chooser import RandomChooser
from space.feasible import amounts
from space.latency_model import LatencyModel
from space.reading import presets
from space.work import work
from tests.space.networks import TASK


def small_space() -> Space:
    return Space.from_dict(
        {
            "image_size": 32,
            "axes": {
                "stages": [2], "depth": [2, 3], "width": [8, 12, 16], "growth": [1.5, 2], "stem.stride": [2, 4],
                "block": ["convnext", "modulation"], "kernel": [3, 5], "norm": ["ln", "bn"],
            },
        }, "small", "small.yaml",
    )  # fmt: skip


def plain(space: Space, **changes: Any) -> dict[str, Any]:
    """A model of all layers of a space; kernel 5 takes less time than kernel 3, as happens."""
    task, rates = Task(space.image_size, 3, 10), {"calls": 900.0, "elements": 0.7, "macs": 0.05, "weights": 0.3}
    of_kinds = {
        kind: {unit: rate * (0.2 if kind == "depthwise 5" else 1.0) for unit, rate in rates.items()}
        for kind in {kind for kind, _ in amounts(space)}
    }
    return {
        "device": "a device, 1 thread", "batch": 1, "space": space.name, "image_size": task.image_size, "channels": 3, "classes": 10,
        "networks": 100, "flops": [10**6, 10**7], "fixed": 2500.0, "rates": of_kinds, "created": "2026-01-01T00:00:00+00:00", "versions": {},
        "error": {"networks": 50, "median": 0.03, "p95": 0.1, "tau": 0.95, "flops_tau": 0.7},
    } | changes  # fmt: skip


def model_of(space: Space, **changes: Any) -> LatencyModel:
    return LatencyModel.from_dict(plain(space, **changes), "model.json")


def nanoseconds(model: LatencyModel, arch: Any) -> float:
    """By its definition, from the work of the whole network."""
    return model.fixed + sum(model.rates[kind][unit] * n for (kind, unit), n in work(arch, TASK).items())


ANY = Band(1, 10**12)


def budget_of(model: LatencyModel, latency: Band, flops: Band = ANY) -> Budget:
    return Budget(flops=flops, latency=latency).forecast_by(model)


def test_a_forecast_is_the_sum_over_the_work_of_all_layers() -> None:
    space = small_space()
    model, rng = model_of(space), random.Random(1)
    for _ in range(30):
        proposal = space.sample(rng, TASK, budget_of(model, ANY))
        assert proposal.counts[3] == pytest.approx(nanoseconds(model, proposal.arch), abs=5)  # parts are rounded
        assert proposal.cost.flops == proposal.counts[0]


@pytest.mark.parametrize(
    ("flops", "latency"), [(ANY, Band(400_000, 500_000)), (Band(300_000, 3_000_000), Band(1, 200_000))]
)
def test_networks_are_constructed_within_a_latency(flops: Band, latency: Band) -> None:
    space = Space.load("convnext_or_modulation_32")
    model, rng = model_of(space), random.Random(2)
    budget = budget_of(model, latency, flops)
    space.check_budget(budget, TASK)
    for _ in range(40):
        proposal = space.sample(rng, TASK, budget)
        took = nanoseconds(model, proposal.arch)
        assert latency.low - 9 <= took <= latency.high + 9
        assert proposal.cost.flops in flops


@pytest.mark.parametrize("name", ["convnext_or_modulation_32", "roadmap_32", "digits"])
def test_a_forecast_never_falls_as_a_shape_gets_wider_or_deeper(name: str) -> None:
    space, rng = Space.load(name), random.Random(3)
    model, task = model_of(space), Task(space.image_size, 3, 10)
    for _ in range(60):
        shape, _ = space.shape(RandomChooser(rng, None))
        d, i = (sorted(rng.sample(range(len(row)), 2)) for row in (shape.depths, shape.scaling.widths))
        wide, deep = ([shape.count(*at, task, model)[3] for at in both] for both in (
            [(d[0], i[0]), (d[0], i[1])], [(d[0], i[0]), (d[1], i[0])]
        ))  # fmt: skip
        assert wide == sorted(wide)
        assert deep == sorted(deep)


def test_a_latency_that_no_network_has_is_refused_with_the_nearest_that_there_is() -> None:
    space = small_space()
    with pytest.raises(
        InputError, match=r"budget must hold a network of space small, got .* the nearest of them has .* us forecast"
    ):
        space.sample(random.Random(0), TASK, budget_of(model_of(space), Band(1, 5_000)), attempts=20)


def test_a_model_of_other_layers_or_images_or_none_is_refused() -> None:
    space = small_space()
    with pytest.raises(
        InputError,
        match="latency model must know every layer of space small, got none of depthwise 5; measure that: nas measure small",
    ):
        space.check_budget(budget_of(model_of(space.narrow(kernel=[3])), ANY), TASK)
    with pytest.raises(
        InputError, match="latency model must be of 64 px and 1 channels, got one of 32 px and 3; measure that: nas measure small "
        "--networks 100 --image-size 64 --channels 1",
    ):  # fmt: skip
        space.check_budget(budget_of(model_of(space), ANY), Task(64, 1, 10))
    phone = model_of(space.narrow(kernel=[3]), device="a phone, 2 threads, onnxruntime", batch=64)
    with pytest.raises(
        InputError, match=r"nas measure small --networks 100 --batch 64 --threads 2 --runtime onnxruntime$"
    ):
        space.check_budget(budget_of(phone, ANY), TASK)
    with pytest.raises(
        InputError, match=r"measure that: nas measure small .* --image-size 64 --batch 64 --threads 2 --run"
    ):
        space.check_budget(budget_of(phone, ANY), Task(64))
    with pytest.raises(InputError, match="latency must have a model that forecasts it, got none"):
        space.check_budget(Budget.parse("1K..1G", latency="..5ms"), TASK)


@pytest.mark.parametrize("name", presets("spaces"))
def test_the_kinds_of_a_space_are_those_of_its_networks(name: str) -> None:
    space, rng = Space.load(name), random.Random(0)
    task = Task(space.image_size, 3, 10)
    found = {kind for _ in range(150) for kind, _ in work(space.compose(RandomChooser(rng, None), task).arch, task)}
    assert found <= {kind for kind, _ in amounts(space)}
    assert {kind for kind, _ in amounts(space)} - found <= {"conv 1"}, (
        "of the first block of a stage that strides, which few draws have"
    )


def test_it_is_a_file_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "model.json", model_of(small_space())
    path.write_text(model.to_json())
    assert LatencyModel.load(path).to_dict() == model.to_dict()
    assert LatencyModel.load(path) is LatencyModel.load(path), "what was worked out with it is kept"
    with pytest.raises(InputError, match="device-model must be a file that exists, got"):
        LatencyModel.load(tmp_path / "none.json")
    path.write_text("{")
    with pytest.raises(InputError, match="must be JSON, got"):
        LatencyModel.load(path)
    errors, nan = plain(small_space())["error"], float("nan")
    changes: list[dict[str, Any]] = [
        {"batch": "many"}, {"more": 1}, {"error": {}}, {"fixed": float("nan")}, {"fixed": -1.0}, {"batch": 0},
        {"flops": [10, 5]}, {"device": " "}, *({"error": errors | {name: wrong}} for name in ("median", "p95") for wrong in (-1.0, nan)),
    ]  # fmt: skip
    for change in changes:
        path.write_text(json.dumps(plain(small_space()) | change))
        with pytest.raises(InputError, match=str(path)):
            LatencyModel.load(path)
    for rates, said in (
        ({"linear": {"macs": -1.0}}, r"rates\.linear\.macs must be from 0 up, got -1\.0; measure again"),
        (
            {"linear": {"cals": 1.0}},
            r"rates\.linear must be of calls, elements, macs, weights, got cals; measure again",
        ),
        ({"linear": {"macs": 0.0}}, "rates must be above 0 for some kind of layer, got none; measure again"),
    ):
        with pytest.raises(InputError, match=said):
            model_of(small_space(), rates=rates)


def test_a_rate_that_is_missing_is_not_taken_for_nothing() -> None:
    space, made = small_space(), plain(small_space())
    rates = {kind: dict(rates) for kind, rates in made["rates"].items()}
    del rates["linear"]["macs"]
    budget = Budget.parse("1..1G", latency="..9s").forecast_by(model_of(space, rates=rates))
    with pytest.raises(
        InputError, match=r"must know every layer of space small, got none of macs of linear; measure that"
    ):
        space.check_budget(budget, Task(space.image_size, 3, 10))
