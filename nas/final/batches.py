"""Augmented batches for long training; RandAugment, erasing and mixing are timm's.

Every chance follows from the seed, the epoch and the image, or the seed and the step: so it is the same with any number
of worker processes, in any process of several, and after a resume.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.data.dataset import Data
from nas.data.splitting import Labels
from nas.final.crops import RESIZED, mirrored, padded, resized
from nas.final.recipe import FinalRecipe

Crop = Literal["resized", "padded", "none"]
Key = tuple[int, int]  # epoch, row of the training images
Mix = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
PADDED = 64  # px up to which crops are padded by an eighth, as is usual for small images
STRONGEST = 9.99  # of RandAugment's magnitudes: at 10 timm posterizes to 0 bits, which Pillow refuses


def seed_of(*numbers: int) -> int:
    """A seed of 32 bits that differs wherever one of `numbers` does."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_all(seed: int) -> None:
    """The generators that timm and torchvision draw from, and all devices'."""
    seed_image(seed)
    torch.manual_seed(seed)


def seed_image(seed: int) -> None:
    """Those that draw on the CPU: `torch.manual_seed` takes longer than an image's augmentation."""
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@dataclass(frozen=True, slots=True)
class CropAndFlip:
    """How training images are cropped, and whether half of them are mirrored."""

    crop: Crop
    padding: int  # px
    flip: bool

    @staticmethod
    def choose(recipe: FinalRecipe, data: Data) -> CropAndFlip:
        """The recipe's, or what it leaves to the data: none where that suggests none, as in a search, else crops by the
        images' size; mirrors as the data suggests."""
        suggested, small = data.augment.crop, data.image_size <= PADDED
        auto: Crop = "none" if not suggested else "padded" if small else "resized"
        crop = auto if recipe.crop == "auto" else recipe.crop
        flip = data.augment.flip if recipe.flip is None else recipe.flip  # mirrored digits are other digits
        return CropAndFlip(crop, suggested or max(1, data.image_size // 8), flip)

    def __str__(self) -> str:
        crops = {
            "resized": f"random crops of {RESIZED[0]:.0%} to {RESIZED[1]:.0%} of the area",
            "padded": f"random crops after padding by {self.padding} px",
            "none": "no crops",
        }
        return f"{crops[self.crop]}, {'half of the images mirrored' if self.flip else 'no image mirrored'}"


class Augmented(Dataset[tuple[Tensor, int]]):
    """Training images by (epoch, row): float (C, H, W), normalised and augmented, and label."""

    def __init__(self, data: Data, recipe: FinalRecipe, seed: int) -> None:
        self.data, self.seed = data, seed
        self.before = _pictures(data, recipe)
        self.erase = _erasing(recipe)
        self.mean = torch.tensor(data.mean).view(-1, 1, 1)
        self.std = torch.tensor(data.std).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self.data.train.labels)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, row = key
        seed_image(seed_of(self.seed, epoch, row))
        pixels = np.asarray(self.data.train.images[row])  # (H, W, C)
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
        picture = self.before(picture).convert("L" if pixels.shape[-1] == 1 else "RGB")
        x = torch.from_numpy(np.array(picture, np.float32)).view(*pixels.shape).permute(2, 0, 1) / 255
        x = (x - self.mean) / self.std
        return x if self.erase is None else self.erase(x), int(self.data.train.labels[row])


def _erasing(recipe: FinalRecipe) -> Callable[[Tensor], Tensor] | None:
    if not recipe.erasing:
        return None
    from timm.data import random_erasing

    erase: Callable[[Tensor], Tensor] = cast(Any, random_erasing).RandomErasing(
        recipe.erasing, mode="pixel", device="cpu"
    )
    return erase


def _pictures(data: Data, recipe: FinalRecipe) -> Callable[[Image.Image], Image.Image]:
    """Crop, mirror and RandAugment on a picture."""
    size, chosen = data.image_size, CropAndFlip.choose(recipe, data)
    steps: list[Callable[[Image.Image], Image.Image]] = []
    if chosen.crop == "resized":
        steps.append(partial(resized, size=size))
    elif chosen.crop == "padded":
        steps.append(partial(padded, size=size, padding=chosen.padding))
    if chosen.flip:
        steps.append(mirrored)
    if recipe.randaugment:
        from timm.data.auto_augment import rand_augment_transform

        grey = len(data.mean) == 1
        mean = tuple(round(255 * value) for value in (data.mean * 3 if grey else data.mean))
        options = {"translate_const": int(0.45 * size), "img_mean": mean, "magnitude_max": STRONGEST}
        steps.append(rand_augment_transform(recipe.randaugment, options))
    return partial(_in_turn, steps)


def _in_turn(steps: Sequence[Callable[[Image.Image], Image.Image]], picture: Image.Image) -> Image.Image:
    for step in steps:
        picture = step(picture)
    return picture


def mixing(recipe: FinalRecipe, classes: int) -> Mix:
    """Images (B, ...) and labels (B,) and the step's seed -> mixed images, and targets (B, classes) with smoothing."""
    smoothing = recipe.label_smoothing
    if not recipe.mixup and not recipe.cutmix:
        return lambda x, y, seed: (x, smoothed(y, classes, smoothing))
    from timm.data import mixup

    mix = cast(Any, mixup).Mixup(
        recipe.mixup, recipe.cutmix, label_smoothing=smoothing, num_classes=classes
    )  # switch_prob .5

    def mixed(x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        np.random.seed(seed)
        found: tuple[Tensor, Tensor] = mix(x, y)
        return found

    return mixed


def smoothed(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Labels (B,) as targets (B, classes): `smoothing` of each is shared out among all classes."""
    rest = smoothing / classes
    return torch.full((len(labels), classes), rest, device=labels.device).scatter_(
        1, labels[:, None], 1 - smoothing + rest
    )


@dataclass(frozen=True, slots=True)
class Share:
    """What one of `processes` does of every batch: its places, which are as many from the front as from the back, so
    that mixing with the reversed batch pairs the same images as one process would."""

    rank: int = 0
    processes: int = 1

    def places(self, batch: int) -> list[int]:
        half = batch // 2 // self.processes
        front = list(range(self.rank * half, (self.rank + 1) * half))
        return front + [batch - 1 - place for place in reversed(front)]

    def rows(self, images: int) -> Labels | None:
        """Of `images` those that it validates on; None for all of them."""
        return None if self.processes == 1 else np.arange(self.rank, images, self.processes)


def batches(
    data: Augmented, epoch: int, batch: int, share: Share, workers: int, pin: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's part of every full batch of an epoch, in an order of the seed and the epoch."""
    order = np.random.RandomState(seed_of(data.seed, epoch)).permutation(len(data))
    places = np.array(share.places(batch))
    starts = range(0, len(data) // batch * batch, batch)
    rows: Sequence[list[Key]] = [[(epoch, int(row)) for row in order[start + places]] for start in starts]
    loader: DataLoader[Any] = DataLoader(
        data, batch_sampler=rows, num_workers=workers, pin_memory=pin, worker_init_fn=_one_thread,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    return iter(loader)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
