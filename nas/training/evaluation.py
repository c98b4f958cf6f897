"""Evaluation of a network on a split: logits, accuracy, and the accuracy of having learnt nothing."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nas.training.device import autocast
from nas.training.device_data import DeviceSplit

EVAL_BATCH = 1024  # images of an evaluation's batch up to EVAL_SIZE px; of larger ones, as many pixels
EVAL_SIZE = 32


def eval_batch(image_size: int) -> int:
    """Images of an evaluation's batch, whose maps take no more memory at a larger size."""
    return max(1, EVAL_BATCH * EVAL_SIZE**2 // max(image_size, EVAL_SIZE) ** 2)


@torch.no_grad()
def predict(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> Tensor:
    """Logits (N, classes), float32, on the split's device; the network is left in evaluation mode."""
    network.eval()
    parts = split.in_order(eval_batch(split.pixels.shape[1]))
    with autocast(precision, split.device):
        return torch.cat([network(split.normalise(part).permute(0, 3, 1, 2)).float() for part in parts])


def count_correct(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> Tensor:
    """How many images of the split get their own class: a whole number () on its device."""
    return (predict(network, split, precision).argmax(1) == split.labels).sum()


def evaluate(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> float:
    """Top-1 accuracy, 0 to 1."""
    return int(count_correct(network, split, precision)) / len(split)


def chance_level(labels: Tensor) -> float:
    """The accuracy up to which a network may as well have learnt nothing: the share of the commonest of labels (N,)
    and three standard errors."""
    share = float(labels.bincount().max()) / len(labels)
    return share + 3 * math.sqrt(share * (1 - share) / len(labels))
