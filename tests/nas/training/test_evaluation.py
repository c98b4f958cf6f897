"""Running statistics estimated anew: of the images they are said to be of, and nothing else is moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.data.dataset import Data, load
from nas.training.device_data import DeviceSplit
from nas.training.evaluation import estimate_running_statistics, predict

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def network() -> nn.Module:
    """Maps (N, 1, 8, 8) to logits; its dropout would move the second norm's statistics if it were on."""
    torch.manual_seed(0)
    first, second = nn.BatchNorm2d(4), nn.BatchNorm1d(6, momentum=0.3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), first, nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 6), second)


def test_statistics_are_those_of_the_images(digits: Data) -> None:
    split, net = DeviceSplit(digits.train, digits, CPU), network()
    rows = torch.arange(40, 340)
    estimate_running_statistics(net, split, rows, "float32")
    images = split.normalise(torch.from_numpy(digits.train.images[40:340])).permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = net[0](images)  # type: ignore[index]
        first = (maps - maps.mean((0, 2, 3), keepdim=True)) / (
            maps.var((0, 2, 3), correction=0, keepdim=True) + 1e-5
        ).sqrt()
        rest = net[4](first.flatten(1))  # type: ignore[index]
    for norm, values in ((net[1], maps.transpose(0, 1).flatten(1)), (net[5], rest.T)):  # type: ignore[index]
        torch.testing.assert_close(norm.running_mean, values.mean(1))
        torch.testing.assert_close(norm.running_var, values.var(1))


def test_of_several_batches_it_is_the_mean(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """And each counts alike, the first as the last."""
    split, whole, parts = DeviceSplit(digits.train, digits, CPU), network(), network()
    estimate_running_statistics(whole, split, torch.arange(300), "float32")
    monkeypatch.setattr("nas.training.evaluation.EVAL_BATCH", 100)
    estimate_running_statistics(parts, split, torch.arange(300), "float32")
    torch.testing.assert_close(parts[1].running_mean, whole[1].running_mean)  # type: ignore[index]
    assert not torch.equal(parts[1].running_var, whole[1].running_var)  # type: ignore[index]


def test_nothing_else_is_moved(digits: Data) -> None:
    """Weights, momenta and random numbers are as they were, and every module evaluates."""
    split, net = DeviceSplit(digits.train, digits, CPU), network()
    weights = [value.clone() for value in net.parameters()]
    drawn = torch.get_rng_state()
    estimate_running_statistics(net, split, torch.arange(64), "float32")
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [net[1].momentum, net[5].momentum] == [0.1, 0.3]  # type: ignore[index]
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))


def test_a_network_without_batch_norm_is_not_run(digits: Data) -> None:
    split = DeviceSplit(digits.train, digits, CPU)
    net = nn.Sequential(nn.Flatten(), nn.LayerNorm(64), nn.BatchNorm1d(64, track_running_stats=False))
    net.register_forward_hook(lambda *_: pytest.fail("it was run"))
    estimate_running_statistics(net, split, torch.arange(64), "float32")


def test_streamed_images_give_the_same(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = DeviceSplit(digits.train, digits, CPU)
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", "1K")
    streamed = DeviceSplit(digits.train, digits, CPU)
    assert streamed.images is None
    logits = []
    for split in (whole, streamed):
        net = network()
        estimate_running_statistics(net, split, torch.from_numpy(np.array([5, 900, 3, 7])), "float32")
        logits.append(predict(net, whole))
    assert torch.equal(*logits)
