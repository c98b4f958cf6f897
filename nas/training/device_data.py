"""A data set on a device: its splits ready for many trainings, resident where they fit, else streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nas.data.dataset import Data, Split
from nas.data.splitting import Labels
from nas.records.recipe import Recipe
from nas.training.augmentation import Augmentation
from nas.training.prefetch import batches, fits, resident
from space import InputError


class DeviceSplit:
    """A split, or some of its rows, for a device: labels (N,) on it; images uint8 (N, H, W, C) on it where they fit,
    else on the host, from where batches are streamed; and the affine map to normalised floats."""

    def __init__(self, split: Split, data: Data, device: torch.device, rows: Labels | None = None) -> None:
        self.pixels, self.device = split.images, device
        self.rows = np.arange(len(split.labels)) if rows is None else rows
        self.images: Tensor | None = None
        if fits(split.images[0].nbytes * len(self.rows), device):
            self.images = resident(split.images if rows is None else split.images[rows], device)
        self.labels = torch.from_numpy(split.labels[self.rows]).to(device)
        self.mean = 255 * torch.tensor(data.mean, dtype=torch.float32, device=device)
        self.inverse_std = 1 / (255 * torch.tensor(data.std, dtype=torch.float32, device=device))

    def __len__(self) -> int:
        return len(self.labels)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (B, H, W, C) -> float (B, H, W, C)."""
        row = images.shape[2]  # a whole row at a time: 3 channels alone do not fill a vector unit
        pixels = images.flatten(2).to(torch.float32)
        return pixels.sub_(self.mean.repeat(row)).mul_(self.inverse_std.repeat(row)).view(images.shape)

    def in_order(self, size: int) -> Iterator[Tensor]:
        """All images in batches of `size`: uint8 (B, H, W, C) on the device."""
        if self.images is not None:
            return iter(self.images.split(size))
        return self.batches(torch.arange(len(self)).split(size))

    def batches(self, numbers: Iterable[Tensor]) -> Iterator[Tensor]:
        """Images by their numbers within this split, each int64 (B,): uint8 (B, H, W, C) on the device."""
        if self.images is not None:
            return map(partial(self.images.index_select, 0), numbers)
        return batches(self.pixels, (torch.from_numpy(self.rows[part.cpu().numpy()]) for part in numbers), self.device)


@dataclass(frozen=True, slots=True)
class DeviceData:
    """Train and validation splits for a device, ready for many trials."""

    train: DeviceSplit
    validation: DeviceSplit
    augmentation: Augmentation
    device: torch.device

    @staticmethod
    def place(data: Data, recipe: Recipe, device: torch.device) -> DeviceData:
        """Moves `data` to the device once, where it fits. The recipe's crop and flip stand over the data's own."""
        crop = data.augment.crop if recipe.crop is None else recipe.crop
        flip = data.augment.flip if recipe.flip is None else recipe.flip
        for field, value in (("crop", crop), ("cutout", recipe.cutout)):
            if value >= data.image_size:
                size = data.image_size
                raise InputError(f"{field} must be under the image size, got {value} for {size} px; lower it")
        augmentation = Augmentation(data.image_size, crop, flip, recipe.cutout, recipe.mixup, recipe.cutmix)
        train = DeviceSplit(data.train, data, device, _part(len(data.train.labels), recipe.train_images))
        return DeviceData(train, DeviceSplit(data.validation, data, device), augmentation, device)


def _part(images: int, count: int | None) -> Labels | None:
    """Rows of `count` images, drawn without regard to any study's seed; None for all of them."""
    if count is None or count >= images:
        return None
    return np.sort(np.random.RandomState(0).permutation(images)[:count])
