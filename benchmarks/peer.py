"""What one would write without nas: timm's ConvNeXt, a DataLoader with torchvision transforms, AdamW, fvcore after.

Written as its author would, plain or tuned: `tuned` adds channels-last, persistent workers, pinned memory, fused AdamW
and, with `amp`, bfloat16 autocast. It trains the same networks as nas with the same images, batch, epochs and recipe,
but with AdamW for every parameter.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from PIL import Image
from timm.models.convnext import ConvNeXt
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms  # type: ignore[import-untyped]

from nas.data.dataset import Data, Split
from nas.records.recipe import Recipe
from space import Arch, Task, cost

WORKERS = 2
RECIPE: dict[str, Any] = {
    "optimizer": "adamw", "schedule": "cosine", "average": None, "warmup": 0.1, "crop_after": 0,
}  # fmt: skip  # its own, as fields of nas's: crops from the first image on


class Images(Dataset[tuple[Tensor, int]]):
    """Pictures in memory and a transform, as torchvision's CIFAR10."""

    def __init__(self, split: Split, transform: transforms.Compose) -> None:
        self.images, self.labels, self.transform = split.images, split.labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        grey = image.shape[-1] == 1
        return self.transform(Image.fromarray(image[..., 0] if grey else image)), int(self.labels[index])


def build(arch: Arch, task: Task) -> nn.Module:
    """The network by timm: plain ConvNeXt blocks, LayerNorm, GELU, no LayerScale."""
    return ConvNeXt(
        in_chans=task.channels,
        num_classes=task.classes,
        depths=tuple(stage.depth for stage in arch.stages),
        dims=tuple(stage.width for stage in arch.stages),
        kernel_sizes=tuple(stage.block.kernel for stage in arch.stages),  # type: ignore[attr-defined]
        patch_size=arch.stem.stride,  # type: ignore[attr-defined]
        ls_init_value=None,
    )


def flops(network: nn.Module, task: Task) -> int:
    """By fvcore, conv + linear, as one would count it."""
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    with warnings.catch_warnings(action="ignore"):
        counter = FlopCountAnalysis(network, torch.zeros(1, task.channels, task.image_size, task.image_size))
        counted = counter.unsupported_ops_warnings(False).by_operator()
    return int(counted["conv"] + counted["linear"])


def train(arch: Arch, task: Task, data: Data, recipe: Recipe, tuned: bool, amp: bool) -> float:
    """Trains from images in memory. `recipe`: settled, for AdamW. Validation accuracy after the last epoch."""
    assert recipe.optimizer == "adamw"
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build(arch, task).to(device)
    if tuned:
        network = network.to(memory_format=torch.channels_last)
    loaders = _loaders(data, recipe, tuned)
    steps = len(loaders[0]) * recipe.periods  # a period is an epoch
    warmup = round(recipe.warmup * steps)
    decayed = [p for p in network.parameters() if p.dim() > 1]
    plain = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=tuned or None)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: (
            (i + 1) / (warmup + 1)
            if i < warmup
            else 0.5 * (1 + math.cos(math.pi * (i - warmup) / max(1, steps - warmup)))
        ),
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    precision = torch.autocast(device.type, torch.bfloat16) if amp else nullcontext()
    accuracy = 0.0
    for _ in range(recipe.periods):
        network.train()
        running = 0.0
        for images, labels in _on(loaders[0], device, tuned):
            with precision:
                loss = criterion(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            running += loss.item()
        network.eval()
        correct = 0
        with torch.no_grad(), precision:
            for images, labels in _on(loaders[1], device, tuned):
                correct += int((network(images).argmax(1) == labels).sum())
        accuracy = correct / len(data.validation.labels)
    assert flops(network.cpu(), task) == cost(arch, task).flops, "the peer must train the same network"
    return accuracy


def _loaders(data: Data, recipe: Recipe, tuned: bool) -> tuple[DataLoader[tuple[Tensor, int]], ...]:
    normalise = [transforms.ToTensor(), transforms.Normalize(data.mean, data.std)]
    crop = transforms.RandomCrop(data.image_size, padding=data.augment.crop, padding_mode="reflect")
    augmented = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *normalise])
    count = recipe.train_images or len(data.train.labels)
    train = Split(data.train.images[:count], data.train.labels[:count])
    shared: dict[str, Any] = {
        "num_workers": WORKERS, "persistent_workers": tuned, "pin_memory": tuned and torch.cuda.is_available(),
    }  # fmt: skip
    return (
        DataLoader(Images(train, augmented), recipe.batch_size, shuffle=True, drop_last=True, **shared),
        DataLoader(Images(data.validation, transforms.Compose(normalise)), 256, **shared),
    )


def _on(loader: DataLoader[tuple[Tensor, int]], device: torch.device, tuned: bool) -> Iterator[tuple[Tensor, Tensor]]:
    layout = torch.channels_last if tuned else torch.contiguous_format
    for images, labels in loader:
        yield images.to(device, non_blocking=True, memory_format=layout), labels.to(device, non_blocking=True)
