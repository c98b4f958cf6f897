"""Evaluation of a network on a split: logits, accuracy, and the accuracy of having learnt nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas.records.scores import ClassCounts, Metric
from nas.training.device import autocast
from nas.training.device_data import DeviceSplit

EVAL_BATCH = 1024  # images of an evaluation's batch up to EVAL_SIZE px; of larger ones, as many pixels
EVAL_SIZE = 32
BATCH_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def eval_batch(image_size: int) -> int:
    """Images of an evaluation's batch, whose maps take no more memory at a larger size."""
    return max(1, EVAL_BATCH * EVAL_SIZE**2 // max(image_size, EVAL_SIZE) ** 2)


@torch.no_grad()
def predict(
    network: nn.Module,
    split: DeviceSplit,
    precision: str = "float32",
    on_images: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Logits (N, classes), float32, on the split's device; the network is left in evaluation mode. `on_images` hears
    how many images have been through."""
    network.eval()
    found, done = list[Tensor](), 0
    for part in split.in_order(eval_batch(split.pixels.shape[1])):
        found.append(_logits(network, split, part, precision))
        done += len(part)
        on_images(done)
    return torch.cat(found)


def _logits(network: nn.Module, split: DeviceSplit, images: Tensor, precision: str) -> Tensor:
    """Of uint8 (B, H, W, C): (B, classes), float32."""
    with autocast(precision, split.device):
        logits: Tensor = network(split.normalise(images).permute(0, 3, 1, 2)).float()
    return logits


@torch.no_grad()
def estimate_running_statistics(network: nn.Module, split: DeviceSplit, rows: Tensor, precision: str) -> None:
    """BatchNorm's means and variances anew from images `rows` (N,) of a split, for weights that they were not taken
    with, such as an average of weights (arXiv 2105.07576, section 3). Other layers evaluate; nothing is read back."""
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS) and module.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
    for number, part in enumerate(split.batches(rows.split(eval_batch(split.pixels.shape[1]))), 1):
        for norm in norms:
            norm.momentum = 1 / number  # the mean of all batches so far
        _logits(network, split, part, precision)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def count_correct(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> Tensor:
    """How many images of the split get their own class: a whole number () on its device."""
    return (predict(network, split, precision).argmax(1) == split.labels).sum()


def _by_class(logits: Tensor, labels: Tensor) -> Tensor:
    """Whole numbers (2, classes) on their device: images that get their own class, and all, of each class."""
    correct = (logits.argmax(1) == labels).to(torch.int64)
    none = torch.zeros(2, logits.shape[1], dtype=torch.int64, device=labels.device)
    return none.scatter_add(1, labels.expand(2, -1), torch.stack([correct, torch.ones_like(labels)]))


def count_classes(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> ClassCounts:
    """By class, how many images of the split get their own; read back from the device once."""
    return counts_of(predict(network, split, precision), split.labels)


def counts_of(logits: Tensor, labels: Tensor) -> ClassCounts:
    """The same of logits (N, classes) that are there."""
    return ClassCounts(*map(tuple, _by_class(logits, labels).tolist()))


def chance_level(counts: ClassCounts, metric: Metric) -> float:
    """The score up to which a network may as well have learnt nothing: that of always the same class, the commonest,
    and three standard errors."""
    images = [many for many in counts.images if many]
    if metric == "accuracy":
        share, error = max(images) / sum(images), 1 / sum(images)
    else:
        share, error = 1 / len(images), sum(1 / many for many in images) / len(images) ** 2
    return share + 3 * math.sqrt(share * (1 - share) * error)
