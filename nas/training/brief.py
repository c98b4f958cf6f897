"""Brief training of one network: data on the device, augmented on the device, read back once an epoch.

The same code runs on CPU and CUDA, where the step is captured once as a CUDA graph and replayed. Every random choice
comes from the seed. On a CPU a re-run on the same machine with the same versions and thread count repeats to the last
bit; on CUDA it does not: torch's kernels there, cuDNN's gradients among them, may add in another order each time.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from nas.data.cache import Labels
from nas.data.dataset import Data, Split
from nas.records.recipe import Recipe
from nas.records.trial import Epoch
from nas.training.allocator import forget_locals, give_back_memory, keep_freed_memory, only_new_garbage
from nas.training.augmentation import Augmentation, RandomDraws, neighbours
from nas.training.device import has_bfloat16, own_stream
from nas.training.prefetch import batches, fits, resident
from space import Arch, InputError, Task
from space.network import Network

EVAL_BATCH = 1024  # images of an evaluation's batch up to EVAL_SIZE px; of larger ones, as many pixels
EVAL_SIZE = 32
EAGER_STEPS = 3  # before a CUDA graph is captured: torch's libraries choose their kernels in them
NO_GRAPHS = "NAS_NO_GRAPHS"  # environment: set to anything, CUDA steps are launched one kernel at a time

STEPS_TO_LEARN = 100  # fewer do not tell a network that cannot learn from one that has hardly begun

Verdict = Literal["go on", "stop", "interrupt"]


class Diverged(Exception):
    """The training came to nothing: its loss is no longer a number, or it has learnt nothing."""


class Interrupted(Exception):
    """Training was asked to end; it did so after an epoch."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, its validation accuracy and its curve."""

    network: Network
    accuracy: float  # top-1 on the validation split after the last epoch, 0 to 1
    curve: tuple[Epoch, ...]
    seconds: float
    stopped: bool = False  # before the recipe's last epoch


class DeviceSplit:
    """A split, or some of its rows, for a device: labels (N,) on it; images uint8 (N, H, W, C) on it where they fit,
    else on the host, from where batches are streamed; and the affine map to normalised floats."""

    def __init__(self, split: Split, data: Data, device: torch.device, rows: Labels | None = None) -> None:
        self.pixels, self.device = split.images, device
        self.rows = np.arange(len(split.labels)) if rows is None else rows
        whole = fits(split.images[0].nbytes * len(self.rows), device)
        chosen = split.images if rows is None else split.images[rows] if whole else None
        self.images = resident(chosen, device) if whole and chosen is not None else None
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
        return self.streamed(torch.arange(len(self)).split(size))

    def streamed(self, batched: Iterable[Tensor]) -> Iterator[Tensor]:
        """Images by their numbers within this split, each int64 (B,) on the host: uint8 (B, H, W, C) on the device."""
        return batches(self.pixels, (torch.from_numpy(self.rows[part.numpy()]) for part in batched), self.device)


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


def chance_level(labels: Tensor) -> float:
    """The accuracy up to which a network may as well have learnt nothing: the share of the commonest of labels (N,)
    and three standard errors."""
    share = float(labels.bincount().max()) / len(labels)
    return share + 3 * math.sqrt(share * (1 - share) / len(labels))


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises InputError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device must be one that torch finds here, got {name} ({reason}); use auto or cpu") from error
    return device


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 autocast where `precision` asks for it; `auto` does where the device has bfloat16 matrix units."""
    if precision == "bfloat16" or (precision == "auto" and has_bfloat16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def train(
    arch: Arch,
    task: Task,
    data: DeviceData,
    recipe: Recipe,
    *,
    seed: int,
    on_epoch: Callable[[Epoch], Verdict] = lambda epoch: "go on",
    abandoned: Callable[[], bool] = lambda: False,
) -> Trained:
    """Trains a fresh network for `recipe.epochs`, or until `on_epoch` says "stop".

    Raises Diverged, for a loss that is no number at once and for an accuracy that has never left chance at the end of
    STEPS_TO_LEARN steps or more; Interrupted where `on_epoch` says "interrupt" before the last epoch, and at the next
    step once `abandoned`.
    """
    keep_freed_memory()
    with only_new_garbage():
        try:
            with own_stream(data.device):
                return _train(arch, task, data, recipe, seed, on_epoch, abandoned)
        except BaseException as error:
            forget_locals(error)  # its traceback holds network and maps for as long as someone looks at the error
            raise
        finally:
            give_back_memory()


def _train(
    arch: Arch, task: Task, data: DeviceData, recipe: Recipe, seed: int, on_epoch: Callable[[Epoch], Verdict],
    abandoned: Callable[[], bool],
) -> Trained:  # fmt: skip
    started = time.perf_counter()
    torch.manual_seed(seed)
    with data.device:
        network = Network(arch, task, recipe.drop_path)
    training = _Training(network, data, recipe, torch.Generator(data.device).manual_seed(seed), abandoned)
    curve: list[Epoch] = []
    for number in range(1, recipe.epochs + 1):
        loss = training.epoch()
        if not math.isfinite(loss):
            raise Diverged(f"loss became {loss} in epoch {number} of {recipe.epochs}")
        accuracy = evaluate(training.evaluated, data.validation, recipe.precision)
        curve.append(Epoch(number, loss, accuracy, time.perf_counter() - started))
        verdict = on_epoch(curve[-1])
        if number == recipe.epochs:
            break
        if verdict == "interrupt":
            raise Interrupted
        if verdict == "stop":
            break
    stopped = len(curve) < recipe.epochs
    best, chance = max(epoch.accuracy for epoch in curve), chance_level(data.validation.labels)
    steps = recipe.epochs * steps_per_epoch(len(data.train), recipe)
    if not stopped and steps >= STEPS_TO_LEARN and best <= chance:
        raise Diverged(f"accuracy never left chance, {best:.2%} at best in {recipe.epochs} epochs")
    return Trained(training.evaluated, accuracy, tuple(curve), curve[-1].seconds, stopped)


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Full batches only; one smaller batch where there are fewer images than that."""
    return max(1, images // recipe.batch_size)


class _Training:
    """One network's training. All that a step reads and writes stays at one place in memory, and the step's own number
    is a tensor too: so that on CUDA it can be captured once and replayed without the host telling it anything."""

    def __init__(
        self, network: Network, data: DeviceData, recipe: Recipe, generator: torch.Generator,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.network, self.data, self.recipe, self.generator = network, data, recipe, generator
        self.abandoned = abandoned
        device, images = data.device, len(data.train)
        self.steps, self.batch = steps_per_epoch(images, recipe), min(recipe.batch_size, images)
        self.evaluated = network if recipe.ema is None else copy.deepcopy(network)
        self.averaged = list(zip(_floats(self.evaluated), _floats(network), strict=True)) if recipe.ema else []
        rates = torch.tensor(list(_rates(recipe, self.steps * recipe.epochs)), dtype=torch.float32)
        self.rates, self.rate = rates.to(device), rates[0].clone().to(device)
        self.optimizer = _optimizer(network, recipe, self.rate)
        self.done = torch.zeros(1, dtype=torch.int64, device=device)  # steps of the whole training
        self.step = torch.zeros(1, dtype=torch.int64, device=device)  # steps of this epoch
        self.total = torch.zeros((), device=device)  # loss
        self.order = torch.zeros(self.steps, self.batch, dtype=torch.int64, device=device)
        self.draws = data.augmentation.draw(self.steps, self.batch, generator)
        self.streamed: Tensor | None = None  # where the images are not on the device: the batch that came
        if data.train.images is None:
            shape = (self.batch, *data.train.pixels.shape[1:])
            self.streamed = torch.empty(shape, dtype=torch.uint8, device=device)
        self.captured: torch.cuda.CUDAGraph | None = None
        self.eager = 0  # steps before the capture

    def epoch(self) -> float:
        """Mean training loss of one pass. The device is read once, at the end."""
        self.network.train()
        split, shape = self.data.train, (self.steps, self.batch)
        order = torch.randperm(len(split), device=self.data.device, generator=self.generator)
        self.order.copy_(order[: self.steps * self.batch].view(shape))
        drawn = self.data.augmentation.draw(*shape, self.generator)
        for place, chance in zip(self.draws.parts, drawn.parts, strict=True):
            if place is not None and chance is not None:
                place.copy_(chance)
        self.step.zero_()
        self.total.zero_()
        if self.streamed is None:
            for _ in range(self.steps):
                self._advance()
        else:
            for batch in split.streamed(self.order.cpu()):
                self.streamed.copy_(batch)
                self._advance()
        return self.total.item() / self.steps

    def _advance(self) -> None:
        """One step: replayed where it is captured. A capture runs nothing, so it is replayed at once."""
        if self.abandoned():
            raise Interrupted
        if self.captured is not None:
            self.captured.replay()
        elif self.data.device.type != "cuda" or os.environ.get(NO_GRAPHS) or self.eager < EAGER_STEPS:
            self.eager += 1
            self._step()
        else:
            self.captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.captured, stream=torch.cuda.current_stream(self.data.device)):
                self._step()
            self.captured.replay()

    def _step(self) -> None:
        loss = self._forward()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._update(loss.detach())

    def _forward(self) -> Tensor:
        """The loss of the step's images."""
        rows = _at(self.order, self.step)
        images, labels = self._images(rows)
        with autocast(self.recipe.precision, self.data.device):
            logits = self.network(images.permute(0, 3, 1, 2))  # (N, C, H, W), a channels-last view
        return self._loss(logits.float(), labels)

    def _update(self, loss: Tensor) -> None:
        """Weights by their gradients, the average by the weights, and what is counted."""
        self.rate.copy_(_at(self.rates, self.done))
        self.optimizer.step()
        self._average()
        self.total += loss
        self.step += 1
        self.done += 1

    def _images(self, rows: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor | None]]:
        """The step's images, float (B, H, W, C), and its labels (B,) with their own share where samples are mixed."""
        split, augmentation = self.data.train, self.data.augmentation
        draws = RandomDraws(*(None if part is None else _at(part, self.step) for part in self.draws.parts))
        if self.streamed is not None:
            within = torch.arange(self.batch, device=self.data.device)
            images = augmentation.crop_and_mirror(self.streamed, within, draws)
        else:
            assert split.images is not None
            images = augmentation.crop_and_mirror(split.images, rows, draws)
        images = augmentation.cut_and_mix(split.normalise(images), draws)
        return images, (split.labels.index_select(0, rows), draws.share)

    def _loss(self, logits: Tensor, labels: tuple[Tensor, Tensor | None]) -> Tensor:
        """Mean cross-entropy; of a mixed sample with both labels, each by its share."""
        own, share = labels
        smoothing = self.recipe.label_smoothing
        if share is None:
            return nn.functional.cross_entropy(logits, own, label_smoothing=smoothing)
        mine, other = (
            nn.functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
            for target in (own, neighbours(own))
        )
        return torch.lerp(other, mine, share).mean()

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the average towards the weights: at step i by 1 / i, to forget the start, and at least by 1 - ema."""
        if self.recipe.ema is None:
            return
        share = torch.clamp(1 / (self.done[0] + 1), min=1 - self.recipe.ema)
        for mean, value in self.averaged:
            mean.lerp_(value, share)


def _at(part: Tensor, step: Tensor) -> Tensor:
    """Row `step` (1,) of (steps, ...), without the host knowing which one it is."""
    return part.index_select(0, step)[0]


def _floats(network: nn.Module) -> list[Tensor]:
    """Parameters and running statistics, not counters."""
    return [value for value in network.state_dict().values() if value.is_floating_point()]


def _optimizer(network: nn.Module, recipe: Recipe, rate: Tensor) -> torch.optim.Optimizer:
    """AdamW in one fused step; no decay on 1-D parameters (norms, biases, LayerScale)."""
    decayed = [p for p in network.parameters() if p.dim() > 1]
    plain = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, fused=True, capturable=rate.is_cuda)


def _rates(recipe: Recipe, steps: int) -> Iterator[float]:
    """Learning rate per step: linear warm-up, then cosine to 0 after the last step."""
    warmup = round(recipe.warmup * steps)
    for step in range(steps):
        if step < warmup:
            yield recipe.lr * (step + 1) / (warmup + 1)
        else:
            yield recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


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
