"""Brief training of one network: data on the device, augmented on the device, read back once an epoch.

The same code runs on CPU and CUDA. Every random choice comes from the seed, so a re-run on the same machine with the
same versions and thread count repeats.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nas.data import Data, Split
from nas.recipe import Recipe
from nas.trials import Epoch
from space import Arch, InputError, Task
from space.network import Network

EVAL_BATCH = 1024


class Diverged(Exception):
    """The training loss is no longer a number."""


class Interrupted(Exception):
    """Training was asked to end; it did so after an epoch."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, its validation accuracy and its curve."""

    network: Network
    accuracy: float  # top-1 on the validation split after the last epoch, 0 to 1
    curve: tuple[Epoch, ...]
    seconds: float


class DeviceSplit:
    """A split on the device: images uint8 (N, H, W, C), labels (N,), and the affine map to normalised floats."""

    def __init__(self, split: Split, data: Data, device: torch.device, padding: int = 0) -> None:
        border = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        images = np.pad(split.images, border, mode="reflect") if padding else split.images  # once, not per step
        self.images = torch.from_numpy(images).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)
        self.size, self.padding = data.image_size, padding
        self.mean = 255 * torch.tensor(data.mean, dtype=torch.float32, device=device)
        self.inverse_std = 1 / (255 * torch.tensor(data.std, dtype=torch.float32, device=device))

    def __len__(self) -> int:
        return len(self.labels)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (B, H, W, C) -> float (B, C, H, W), a channels-last view."""
        return ((images - self.mean) * self.inverse_std).permute(0, 3, 1, 2)

    def augmented(self, rows: Tensor, flip: bool, generator: torch.Generator) -> Tensor:
        """Images `rows` (B,), each with its own crop and mirror, in one gather: uint8 (B, H, W, C)."""
        if not self.padding and not flip:
            return self.images[rows]
        batch, device = len(rows), rows.device
        line = torch.arange(self.size, device=device)
        shift = torch.randint(2 * self.padding + 1, (2, batch, 1), device=device, generator=generator)
        mirror = torch.rand(batch, 1, device=device, generator=generator) < (0.5 if flip else 0.0)
        y = shift[0] + line  # (B, H)
        x = shift[1] + torch.where(mirror, self.size - 1 - line, line)  # (B, W)
        return self.images[rows[:, None, None], y[:, :, None], x[:, None, :]]


@dataclass(frozen=True, slots=True)
class DeviceData:
    """Train and validation splits on a device, ready for many trials."""

    train: DeviceSplit
    validation: DeviceSplit
    flip: bool
    device: torch.device

    @staticmethod
    def place(data: Data, recipe: Recipe, device: torch.device) -> DeviceData:
        """Moves `data` to the device once. The recipe's crop and flip stand over the data's own."""
        padding = data.augment.crop if recipe.crop is None else recipe.crop
        flip = data.augment.flip if recipe.flip is None else recipe.flip
        if padding >= data.image_size:
            raise InputError(f"crop must be under the image size, got {padding} for {data.image_size} px; lower it")
        train = DeviceSplit(_part(data.train, recipe.train_images), data, device, padding)
        return DeviceData(train, DeviceSplit(data.validation, data, device), flip, device)


def _part(split: Split, count: int | None) -> Split:
    """`count` images of a split, drawn without regard to any study's seed; all of them for None."""
    if count is None or count >= len(split.labels):
        return split
    rows = np.sort(np.random.RandomState(0).permutation(len(split.labels))[:count])
    return Split(split.images[rows], split.labels[rows])


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
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_amx() and device.type == "cpu"
    if precision == "bfloat16" or (precision == "auto" and native):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def _cpu_has_amx() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())


def train(
    arch: Arch,
    task: Task,
    data: DeviceData,
    recipe: Recipe,
    *,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Trained:
    """Trains a fresh network for `recipe.epochs`. Raises Diverged, or Interrupted after the epoch in which
    `interrupted()` turned true."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    network = Network(arch, task, recipe.drop_path).to(data.device)
    generator = torch.Generator(data.device).manual_seed(seed)
    optimizer = _optimizer(network, recipe)
    average = _average(network, recipe)
    evaluated = cast(Network, average.module) if average else network
    schedule = _rates(recipe, steps_per_epoch(len(data.train), recipe) * recipe.epochs)
    curve: list[Epoch] = []
    for number in range(1, recipe.epochs + 1):
        loss = _one_epoch(network, optimizer, average, data, recipe, schedule, generator)
        if not math.isfinite(loss):
            raise Diverged(f"loss became {loss} in epoch {number} of {recipe.epochs}")
        accuracy = evaluate(evaluated, data.validation, recipe.precision)
        curve.append(Epoch(number, loss, accuracy, time.perf_counter() - started))
        on_epoch(curve[-1])
        if number < recipe.epochs and interrupted():
            raise Interrupted
    return Trained(evaluated, curve[-1].accuracy, tuple(curve), curve[-1].seconds)


def _average(network: Network, recipe: Recipe) -> AveragedModel | None:
    """A moving average of weights and buffers, where the recipe wants one."""
    if recipe.ema is None:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Full batches only; one smaller batch where there are fewer images than that."""
    return max(1, images // recipe.batch_size)


def _one_epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    data: DeviceData,
    recipe: Recipe,
    schedule: Iterator[float],
    generator: torch.Generator,
) -> float:
    """Mean training loss of one pass. The device is read once, at the end."""
    network.train()
    split, steps = data.train, steps_per_epoch(len(data.train), recipe)
    order = torch.randperm(len(split), device=data.device, generator=generator)[: steps * recipe.batch_size]
    total = torch.zeros((), device=data.device)
    for rows in order.tensor_split(steps):
        rate = next(schedule)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images = split.normalise(split.augmented(rows, data.flip, generator))
        with autocast(recipe.precision, data.device):
            logits = network(images)
        loss = nn.functional.cross_entropy(logits.float(), split.labels[rows], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if average:
            average.update_parameters(network)
        total += loss.detach()
    return total.item() / steps


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW in one fused step; no decay on 1-D parameters (norms, biases, LayerScale)."""
    decayed = [p for p in network.parameters() if p.dim() > 1]
    plain = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)


def _rates(recipe: Recipe, steps: int) -> Iterator[float]:
    """Learning rate per step: linear warm-up, then cosine to 0 after the last step."""
    warmup = round(recipe.warmup * steps)
    for step in range(steps):
        if step < warmup:
            yield recipe.lr * (step + 1) / (warmup + 1)
        else:
            yield recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@torch.no_grad()
def predict(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> Tensor:
    """Logits (N, classes), float32, on the split's device; the network is left in evaluation mode."""
    network.eval()
    with autocast(precision, split.images.device):
        batches = range(0, len(split), EVAL_BATCH)
        return torch.cat([network(split.normalise(split.images[i : i + EVAL_BATCH])).float() for i in batches])


def evaluate(network: nn.Module, split: DeviceSplit, precision: str = "float32") -> float:
    """Top-1 accuracy, 0 to 1."""
    assert not split.padding, "evaluation images are not padded"
    correct = (predict(network, split, precision).argmax(1) == split.labels).sum().item()
    return correct / len(split)
