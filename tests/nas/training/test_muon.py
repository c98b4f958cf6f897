"""Muon: against its definition, against torch's, on the device alone, and what it is for."""

from __future__ import annotations

import math
import random

import pytest
import torch
from torch import Tensor, nn

from nas.records.recipe import Recipe
from nas.training.muon import SMALLEST, Muon, matrices, orthogonal
from nas.training.steps import _optimizers
from space import Task
from space.network import Network
from tests.space.networks import random_arch

SHAPES = [(8, 8), (16, 8), (8, 32), (16, 8), (64, 16), (8, 8)]
RATE, DECAY, MOMENTUM = 0.02, 0.1, 0.9


def parameters(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def run(optimizer: torch.optim.Optimizer, found: list[nn.Parameter], steps: int = 12) -> list[Tensor]:
    """After some steps with the same gradients for every optimizer."""
    generator = torch.Generator().manual_seed(7)
    for _ in range(steps):
        for parameter in found:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return [parameter.detach() for parameter in found]


def by_definition(found: list[nn.Parameter], steps: int = 12) -> list[Tensor]:
    """A matrix at a time, in float64."""
    generator = torch.Generator().manual_seed(7)
    weights = [parameter.detach().double() for parameter in found]
    buffers = [torch.zeros_like(weight) for weight in weights]
    for _ in range(steps):
        for weight, buffer in zip(weights, buffers, strict=True):
            gradient = torch.randn(weight.shape, generator=generator).double()
            buffer.copy_(MOMENTUM * buffer + (1 - MOMENTUM) * gradient)
            x = (1 - MOMENTUM) * gradient + MOMENTUM * buffer
            x = x / x.norm()
            for _ in range(5):
                x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
            weight.mul_(1 - RATE * DECAY).sub_(RATE * 0.2 * math.sqrt(max(weight.shape)) * x)
    return weights


def test_stacked_matrices_step_as_each_by_itself() -> None:
    got = run(Muon(found := parameters(0), torch.tensor(RATE), DECAY, MOMENTUM), found)
    for one, expected in zip(got, by_definition(parameters(0)), strict=True):
        torch.testing.assert_close(one.double(), expected, rtol=1e-4, atol=1e-4)


def test_it_steps_as_torchs() -> None:
    """Which computes in bfloat16: with three digits."""
    got = run(Muon(found := parameters(0), torch.tensor(RATE), DECAY, MOMENTUM), found)
    twin = torch.optim.Muon(
        theirs := parameters(0), lr=RATE, weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
    )
    for one, other, start in zip(got, run(twin, theirs), parameters(0), strict=True):
        moved, expected = one - start.detach(), other - start.detach()
        assert (moved - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    found = torch.linalg.svdvals(orthogonal(torch.randn((3, *shape), generator=torch.Generator().manual_seed(1))))
    assert found.min() > 0.3
    assert found.max() < 1.3


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(2, 8, 8)), torch.zeros(2, 8, 8))


def test_its_rate_is_read_where_it_lies() -> None:
    rate = torch.tensor(0.0)
    optimizer = Muon(found := parameters(0), rate, 0.0, MOMENTUM)
    still = run(optimizer, found, 1)
    assert all(torch.equal(a, b) for a, b in zip(still, parameters(0), strict=True))
    rate.fill_(RATE)
    assert not any(torch.equal(a, b) for a, b in zip(run(optimizer, found, 1), parameters(0), strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_each_parameter_has_one_optimizer(seed: int) -> None:
    network = Network(random_arch(random.Random(seed)), Task(32, 3, 10))
    adamw, *muon = _optimizers(network, Recipe(), torch.tensor(0.1), torch.tensor(0.4))
    taken = [p for each in (adamw, *muon) for group in each.param_groups for p in group["params"]]
    assert sorted(map(id, taken)) == sorted(map(id, network.parameters()))
    for each in muon:
        for group in each.param_groups:
            assert all(p.dim() == 2 and min(p.shape) >= SMALLEST for p in group["params"])
    head = set(map(id, network.head.parameters()))
    assert not any(id(p) in head for p in matrices(network))
    assert len(_optimizers(network, Recipe(optimizer="adamw"), torch.tensor(0.1), torch.tensor(0.4))) == 1


def test_its_state_is_a_momentum_for_each_matrix() -> None:
    optimizer = Muon(found := parameters(0), torch.tensor(RATE), 0.0, MOMENTUM)
    run(optimizer, found, 2)
    assert sum(state["momentum"].numel() for state in optimizer.state.values()) == sum(p.numel() for p in found)
