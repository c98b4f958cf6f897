"""A latency model: its forecast is the sum that it says, networks are constructed within a limit on it, its range over a
space is exact, and a model of other layers or images is refused."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from space import Band, Budget, InputError, Space, Task
from space.blocks import Inverted
from space.chooser import RandomChooser
from space.cost_range import cost_range
from space.draw import Shape
from space.heads import LinearHead
from space.latency_model import LatencyModel
from space.scaling import Scaling
from space.stems import Patchify
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
    rng, kinds = random.Random(0), dict[str, dict[str, float]]()
    for _ in range(300):
        for kind, unit in work(space.compose(RandomChooser(rng), TASK).arch, TASK):
            rate = {"calls": 900.0, "elements": 0.7, "macs": 0.05, "weights": 0.3}[unit]
            kinds.setdefault(kind, {})[unit] = rate * (0.2 if kind == "depthwise 5" else 1.0)
    return {
        "device": "a device, 1 thread", "batch": 1, "space": space.name, "image_size": 32, "channels": 3, "classes": 10,
        "networks": 100, "fixed": 2500.0, "rates": kinds, "created": "2026-01-01T00:00:00+00:00", "versions": {},
        "error": {"networks": 50, "median": 0.03, "p95": 0.1, "tau": 0.95, "flops_tau": 0.7},
    } | changes  # fmt: skip


def model_of(space: Space, **changes: Any) -> LatencyModel:
    return LatencyModel.from_dict(plain(space, **changes), "model.json")


def nanoseconds(model: LatencyModel, arch: Any) -> float:
    """By its definition, from the work of the whole network."""
    return model.fixed + sum(model.rates[kind][unit] * n for (kind, unit), n in work(arch, TASK).items())


def test_a_forecast_is_the_sum_over_the_work_of_all_layers() -> None:
    space = small_space()
    model, rng = model_of(space), random.Random(1)
    for _ in range(30):
        proposal = space.sample(rng, TASK, Budget(latency=Band(1, 10**12)).forecast_by(model))
        assert proposal.counts[3] == pytest.approx(nanoseconds(model, proposal.arch), abs=5)  # parts are rounded
        assert proposal.cost.flops == proposal.counts[0]


@pytest.mark.parametrize("flops", [None, Band(300_000, 3_000_000)])
def test_networks_are_constructed_within_a_latency(flops: Band | None) -> None:
    space = Space.load("convnext_or_modulation_32")
    model, rng = model_of(space), random.Random(2)
    band = Band(400_000, 500_000) if flops is None else Band(1, 200_000)
    budget = Budget(flops=flops, latency=band).forecast_by(model)
    space.check_budget(budget, TASK)
    for _ in range(40):
        proposal = space.sample(rng, TASK, budget)
        assert nanoseconds(model, proposal.arch) == pytest.approx(
            min(max(proposal.counts[3], band.low), band.high), abs=9
        )
        assert flops is None or proposal.cost.flops in flops


def test_the_range_of_a_space_is_exact_also_where_a_larger_kernel_is_faster() -> None:
    space = small_space()
    model, rng = model_of(space), random.Random(3)
    found = cost_range(space, TASK, 3, model)
    seen = [space.compose(RandomChooser(rng, None), TASK).arch for _ in range(3000)]
    times = [nanoseconds(model, arch) for arch in seen]
    assert found.low == pytest.approx(min(times), rel=1e-3)
    assert found.high == pytest.approx(max(times), rel=1e-3)
    assert cost_range(space, TASK, 0) == space.cost_range(TASK), "counts keep theirs"


def test_a_latency_that_no_network_has_names_the_axis_and_what_there_is() -> None:
    space = small_space()
    budget = Budget(flops=Band(1, 10**9), latency=Band(1, 5_000)).forecast_by(model_of(space))
    with pytest.raises(
        InputError, match=r"latency must be within 0\.\d+ to \d\.\d+ ms for space small at 32 px, got up to 0\.005 ms"
    ):
        space.check_budget(budget, TASK)


def test_a_model_of_other_layers_or_images_is_refused() -> None:
    space = small_space()
    model = model_of(space.narrow(kernel=[3]))
    budget = Budget(latency=Band(1, 10**9)).forecast_by(model)
    with pytest.raises(InputError, match="latency model must know every layer, got depthwise 5, which no measured"):
        space.check_budget(budget, TASK)
    with pytest.raises(
        InputError, match="latency model must be of 64 px and 3 channels, got one of 32 px and 3; measure"
    ):
        space.check_budget(Budget(latency=Band(1, 10**9)).forecast_by(model_of(space)), Task(64, 3, 10))


def test_layers_of_blocks_that_no_network_has_need_not_be_known() -> None:
    """The second stage is one block, with a stride; the layers of a further one were never measured."""
    blocks = ((Inverted(kernel=5), "separate"), (Inverted(kernel=3), "strided"))
    shape = Shape(Patchify(), blocks, LinearHead(), 0.0, ((1, 1), (3, 1)), Scaling((1.0,), ((8, 16),)))
    kinds = {kind: {"macs": 1.0, "calls": 100.0} for kind, _ in work(shape.arch(1, 0), TASK)}
    model = model_of(small_space(), rates=kinds)
    for d in range(2):
        expected = model.fixed + sum(
            kinds[kind].get(unit, 0) * n for (kind, unit), n in work(shape.arch(d, 0), TASK).items()
        )
        assert shape.count(d, 0, TASK, model)[3] == expected
    deeper = replace(shape, depths=((1, 2),))
    with pytest.raises(InputError, match="latency model must know every layer, got depthwise 3, which no measured"):
        deeper.count(0, 0, TASK, model)


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
    changes: list[dict[str, Any]] = [{"batch": "many"}, {"more": 1}, {"error": {}}]
    for change in changes:
        path.write_text(json.dumps(plain(small_space()) | change))
        with pytest.raises(InputError, match=str(path)):
            LatencyModel.load(path)
    for rates in ({"linear": {"macs": -1.0}}, {"linear": {"cals": 1.0}}):
        with pytest.raises(InputError, match="rates must be of calls, elements, macs, weights, from 0 up, got"):
            model_of(small_space(), rates=rates)
