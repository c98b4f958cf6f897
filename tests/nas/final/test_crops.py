"""Pieces of long training that other packages have too: equal to theirs, to the last bit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.mixup import mixup_target
from timm.utils.model_ema import ModelEmaV3
from torch import nn
from torchvision import transforms  # type: ignore[import-untyped]

from nas.final.averaged_weights import AveragedWeights
from nas.final.batches import smoothed
from nas.final.crops import RESIZED, mirrored, padded, resized


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [9, 32, 80])
def test_crops_and_mirrors_are_torchvisions(size: int, mode: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)).convert(mode)
    bicubic = transforms.InterpolationMode.BICUBIC
    for ours, theirs in (
        (partial(padded, size=size, padding=4), transforms.RandomCrop(size, padding=4)),
        (partial(resized, size=size), transforms.RandomResizedCrop(size, RESIZED, interpolation=bicubic)),
        (mirrored, transforms.RandomHorizontalFlip()),
    ):
        for seed in range(50):
            torch.manual_seed(seed)
            expected = np.asarray(theirs(picture))
            drawn = torch.rand(1)
            torch.manual_seed(seed)
            np.testing.assert_array_equal(np.asarray(ours(picture)), expected)
            assert torch.equal(torch.rand(1), drawn), "as many numbers were drawn"


def test_averaged_weights_are_timms() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours, theirs = AveragedWeights(network, 0.6), ModelEmaV3(network, decay=0.6, use_warmup=True)
    for step in range(1, 9):
        for parameter in network.parameters():
            parameter.data.normal_()
        network(torch.randn(2, 3, 5, 5))
        ours.update(network, step)
        theirs.update(network, step)
        for name, value in theirs.module.state_dict().items():
            assert torch.equal(ours.module.state_dict()[name], value), (step, name)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_labels_are_timms(smoothing: float) -> None:
    labels = torch.tensor([2, 0, 6, 6])
    assert torch.equal(smoothed(labels, 7, smoothing), mixup_target(labels, 7, 1.0, smoothing))  # type: ignore[no-untyped-call]
