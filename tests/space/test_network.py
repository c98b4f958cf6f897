"""Network: shapes, gradients, initialisation, drop path, and weights that come back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from space import Arch, Task
from space.modules import DropPath
from space.network import Network
from tests.space.networks import PRESETS, arch, draws


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_become_logits(preset: str, channels: int) -> None:
    size, limit = {"digits": (8, "2M"), "cifar": (32, "4M"), "imagenet": (33, "12M")}[preset]
    task = Task(size, channels, 7)
    for network in draws(preset, 3, seed=channels, task=task, flops=f"1K..{limit}"):
        logits = Network(network, task).eval()(torch.randn(3, channels, size, size))
        assert logits.shape == (3, 7)
        assert logits.isfinite().all()


@pytest.mark.parametrize("preset", ["digits", "cifar"])
def test_every_weight_learns(preset: str) -> None:
    size = {"digits": 8, "cifar": 32}[preset]
    task = Task(size, 3, 5)
    torch.manual_seed(0)
    for network in draws(preset, 4, task=task, flops="1K..4M"):
        net = Network(network, task).train()
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):  # weights of ordinary size: gradients are not lost on the way
                nn.init.kaiming_normal_(module.weight)
        nn.functional.cross_entropy(net(torch.randn(6, 3, size, size)), torch.arange(6) % 5).backward()
        for name, weight in net.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name
            blind = network.stem.norm == "bn" and name.endswith(("dwconv.bias", "conv.bias"))
            assert blind or weight.grad.abs().max() > 0, name


def test_output_of_a_sample_does_not_depend_on_its_batch() -> None:
    network, task = arch(8, 16, depth=2, norm="bn", head="bn", block="modulation"), Task(9, 3, 4)
    net, images = Network(network, task).eval(), torch.randn(5, 3, 9, 9)
    torch.testing.assert_close(net(images)[2:3], net(images[2:3]))


def test_weights_come_back() -> None:
    network, task = draws("digits", 1)[0], Task(8, 1, 10)
    torch.manual_seed(0)
    one, two = Network(network, task), Network(network, task)
    images = torch.randn(4, 1, 8, 8)
    one.train()(images)  # moves running statistics, where there are any
    assert not torch.equal(one.eval()(images), two.eval()(images))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(images), two(images))


def test_the_same_seed_gives_the_same_weights() -> None:
    network, task = draws("digits", 1)[0], Task(8, 1, 10)
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(Network(network, task).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_initialisation_is_convnexts() -> None:
    torch.manual_seed(0)
    net = Network(arch(64, 128, depth=2, layer_scale=1e-6), Task(16, 3, 100))
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert module.weight.abs().max() < 2, name
            assert module.bias is not None
            assert (module.bias == 0).all(), name
    gammas = [weight for name, weight in net.named_parameters() if "gamma" in name]
    assert len(gammas) == 4
    assert all((gamma == 1e-6).all() for gamma in gammas)


def test_drop_path_rises_linearly_over_all_blocks() -> None:
    net = Network(arch(8, 8, 8, depth=2), Task(8), drop_path=0.5)
    rates = [module.rate for module in net.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    alone = Network(arch(8), Task(8), drop_path=0.5)
    assert [module.rate for module in alone.modules() if isinstance(module, DropPath)] == [0]


def test_a_network_can_be_built_without_memory() -> None:
    with torch.device("meta"):
        net = Network(Arch.load("convnext_xlarge"), Task(), drop_path=0.2)
    assert {weight.device.type for weight in net.parameters()} == {"meta"}
    assert sum(weight.numel() for weight in net.parameters()) == 350_196_968
