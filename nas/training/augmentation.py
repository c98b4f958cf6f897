"""Augmentation of a batch on the device: crop, mirror, cutout, mixup and cutmix, each sample its own, in a few kernels.

All draws of a period are drawn before it, one tensor for each kind, so that a step is a plain function of its inputs:
it can be captured as a CUDA graph, and is the same whether its images lie on the device or are streamed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SWITCH = 0.5  # part of the batch samples that get cutmix where both mixes are on (timm's switch_prob)


class RandomDraws(NamedTuple):
    """What was drawn for one period, by step and sample: (steps, B, ...). None where that augmentation is off."""

    shift: Tensor | None = None  # (steps, B, 2): rows and columns of the crop, from -padding to padding
    mirror: Tensor | None = None  # (steps, B): bool
    hole: Tensor | None = None  # (steps, B, 2): centre of the cutout in pixels
    share: Tensor | None = None  # (steps, B): of the sample itself in a mix, 0 to 1
    box: Tensor | None = None  # (steps, B, 4): top, bottom, left, right of what cutmix takes from the other sample

    def at(self, step: Tensor) -> RandomDraws:
        """Those of step (1,): (B, ...)."""
        return RandomDraws(*(None if part is None else row(part, step) for part in self))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Which augmentations, for images of `size` pixels a side. 0 or False turns one off.

    crop: padding in pixels, mirrored at the border, of the random crop. cutout: side of a square set to the mean
    (arXiv 1708.04552). mixup, cutmix: alpha of Beta(alpha, alpha), the share of a sample when it is mixed with its
    neighbour in the batch, blended (arXiv 1710.09412) or as a box (arXiv 1905.04899).
    """

    size: int
    crop: int = 0
    flip: bool = False
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def mixes(self) -> bool:
        return self.mixup > 0 or self.cutmix > 0

    def draw(self, steps: int, batch: int, generator: torch.Generator) -> RandomDraws:
        """One period's draws, on the generator's device."""
        device, shape = generator.device, (steps, batch)
        shift = mirror = hole = share = box = None
        if self.crop:
            shift = torch.randint(-self.crop, self.crop + 1, (*shape, 2), device=device, generator=generator)
        if self.flip:
            mirror = torch.rand(shape, device=device, generator=generator) < 0.5
        if self.cutout:
            hole = torch.randint(self.size, (*shape, 2), device=device, generator=generator)
        if self.mixes:
            share, box = self._mixes(shape, generator)
        return RandomDraws(shift, mirror, hole, share, box)

    def _mixes(self, shape: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shares and boxes; a mixup sample's box is empty, a cutmix sample's share is what its box leaves of it."""
        seed = torch.randint(2**31, (), device=generator.device, generator=generator).item()
        random = np.random.default_rng(int(seed))  # torch has no Beta that takes a generator
        both = self.mixup > 0 and self.cutmix > 0
        boxed = random.random(shape) < (SWITCH if both else float(self.cutmix > 0))
        blended = random.beta(self.mixup, self.mixup, shape) if self.mixup else np.ones(shape)
        kept = random.beta(self.cutmix, self.cutmix, shape) if self.cutmix else np.ones(shape)
        half = np.where(boxed, np.sqrt(1 - kept) * self.size / 2, 0)
        centre = random.integers(0, self.size, (2, *shape))
        low, high = (np.clip(np.rint(centre + sign * half), 0, self.size) for sign in (-1, 1))
        area = (high[0] - low[0]) * (high[1] - low[1]) / self.size**2
        share = np.where(boxed, 1 - area, blended).astype(np.float32)
        box = np.stack([low[0], high[0], low[1], high[1]], axis=-1).astype(np.int64)
        box[~boxed] = 0
        return torch.from_numpy(share).to(generator.device), torch.from_numpy(box).to(generator.device)

    def crop_and_mirror(self, images: Tensor, draws: RandomDraws) -> Tensor:
        """uint8 (B, H, W, C) -> (B, H, W, C) in one gather."""
        if draws.shift is None and draws.mirror is None:
            return images
        line = torch.arange(self.size, device=images.device)
        y = x = line.expand(len(images), -1)
        if draws.mirror is not None:
            x = torch.where(draws.mirror[:, None], self.size - 1 - x, x)
        if draws.shift is not None:
            y = self._inside(y + draws.shift[:, :1])
            x = self._inside(x + draws.shift[:, 1:])
        sample = torch.arange(len(images), device=images.device)[:, None, None]
        pixels = (sample * self.size + y[:, :, None]) * self.size + x[:, None, :]
        return images.view(-1, images.shape[-1]).index_select(0, pixels.flatten()).view(images.shape)

    def _inside(self, line: Tensor) -> Tensor:
        """Places beyond the border, mirrored at its pixel: -1 is 1, `size` is `size - 2`."""
        last = self.size - 1
        return last - (last - line.abs()).abs()

    def cut_and_mix(self, images: Tensor, draws: RandomDraws) -> Tensor:
        """Normalised images (B, H, W, C) -> the same with holes, mixed with their neighbours."""
        line = torch.arange(self.size, device=images.device)
        if draws.hole is not None:
            top = draws.hole - self.cutout // 2  # (B, 2)
            along = (line >= top[..., None]) & (line < top[..., None] + self.cutout)  # (B, 2, size)
            images = images.masked_fill((along[:, 0, :, None] & along[:, 1, None, :])[..., None], 0.0)
        if draws.share is None or draws.box is None:
            return images
        top, bottom, left, right = (edge[:, None] for edge in draws.box.unbind(-1))
        boxed = ((line >= top) & (line < bottom))[:, :, None] & ((line >= left) & (line < right))[:, None, :]
        blends = (bottom == top) | (right == left)  # (B, 1): no box
        own = torch.where(blends[..., None], draws.share[:, None, None], (~boxed).to(images.dtype))
        return torch.lerp(neighbours(images), images, own[..., None].to(images.dtype))


def row(part: Tensor, step: Tensor) -> Tensor:
    """Row `step` (1,) of (steps, ...), without the host knowing which one it is."""
    return part.index_select(0, step)[0]


def neighbours(batch: Tensor) -> Tensor:
    """(B, ...): for each sample the one it is mixed with."""
    return batch.roll(1, 0)
