"""The work of layers: its multiply-accumulates are the FLOPs and its elements those that torch's layers read and write,
but for the rounding of channels, and it never falls as a network gets larger."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from space import Arch, Stage, Task, cost
from space.blocks import Block, Modulation
from space.layers import Conv
from space.modules import DropPath
from space.network import Network
from space.stems import ResNetStem
from space.work import CALLS, ELEMENTS, MACS, WEIGHTS, Amount, head_work, stage_work, stem_work, work
from tests.space.networks import TASK, arch, random_arch


@pytest.fixture
def unrounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Channels as they are."""
    kept = (stem_work, stage_work, head_work)
    monkeypatch.setattr("space.work.LANES", 1)
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()


@pytest.mark.usefixtures("unrounded")
@pytest.mark.parametrize("seed", range(40))
def test_its_multiply_accumulates_are_the_flops(seed: int) -> None:
    network = random_arch(random.Random(seed))
    found = work(network, TASK)
    assert sum(count for (_, unit), count in found.items() if unit == MACS) == cost(network, TASK).flops


@pytest.mark.usefixtures("unrounded")
@pytest.mark.parametrize("seed", range(25))
def test_its_calls_and_elements_are_those_of_the_layers_that_torch_runs(seed: int) -> None:
    """Counted by hooks on the modules of the built network, whatever they are; what a block adds and multiplies beside
    its layers is left out on both sides."""
    network = random_arch(random.Random(1000 + seed))
    module, seen = Network(network, TASK).eval(), dict[nn.Module, int]()  # a layer that runs twice counts once

    def hook(layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        seen.setdefault(layer, inputs[0].numel() + output.numel())

    for layer in module.modules():
        if not list(layer.children()) and not isinstance(layer, (nn.Identity, nn.Sequential, DropPath)):
            layer.register_forward_hook(hook)
    with torch.inference_mode():
        module(torch.zeros(1, TASK.channels, TASK.image_size, TASK.image_size))
    formulas = {stage.block.formula() for stage in network.stages}
    rest = {amount: count for amount, count in work(network, TASK).items() if amount.kind not in formulas}
    assert sum(count for (_, unit), count in rest.items() if unit == CALLS) == len(seen)
    assert sum(count for (_, unit), count in rest.items() if unit == ELEMENTS) == sum(seen.values())
    multiplied = (p for layer in seen if isinstance(layer, (nn.Conv2d, nn.Linear)) for p in [layer.weight])
    assert sum(count for (_, unit), count in rest.items() if unit == WEIGHTS) == sum(p.numel() for p in multiplied)


def test_channels_are_rounded_up_to_the_lanes_of_a_processor() -> None:
    few, many = work(arch(20, 24), TASK), work(arch(32, 32), TASK)  # inside, four times as many: 80 and 128
    for amount in few:
        same = amount.unit != WEIGHTS and amount.kind not in ("linear", "gelu")
        assert (few[amount] == many[amount]) == (same or amount.unit == CALLS), amount


def test_kinds_tell_apart_what_devices_tell_apart() -> None:
    block: Block = Modulation(kernel=5, norm="bn", act="relu", fusion="sum")
    network = Arch(
        stem=ResNetStem(norm="gn"), stages=(Stage(depth=2, width=8, block=block), Stage(depth=1, width=16, block=block))
    )
    kinds = {kind for kind, _ in work(network, Task(64, 3, 10))}
    assert kinds >= {
        "conv 7",
        "conv 2",
        "depthwise 5",
        "linear",
        "bn",
        "gn",
        "relu",
        "maxpool",
        "pool",
    }
    assert any(kind.endswith("Modulation.forward sum") for kind in kinds)


def test_it_never_falls_as_a_network_gets_wider_or_deeper() -> None:
    for larger in (arch(8, 20), arch(8, 16, depth=3)):
        before, after = work(arch(8, 16), TASK), work(larger, TASK)
        assert before.keys() == after.keys()
        assert all(after[amount] >= before[amount] for amount in before)
        assert after != before


def test_a_grouped_convolution_is_neither_dense_nor_depthwise() -> None:
    assert Amount("conv of 4 groups 3", MACS) in _of(Conv("in", "in", 3, 1, 1, 4))
    assert Amount("depthwise 3", MACS) in _of(Conv("in", "in", 3, 1, 1, "depthwise"))
    assert Amount("conv 3", MACS) in _of(Conv("in", "in", 3, 1, 1))
    assert _of(Conv("in", "in", 3, 1, 1, 4))[Amount("conv of 4 groups 3", WEIGHTS)] == 9 * 2 * 8


def _of(layer: Conv) -> dict[Amount, int]:
    from space.work import _work, loads

    return _work(loads({"conv": layer}), {"in": 8}, 8, 6)[0]
