"""The steps of a training: forward, backward, optimizer and moving average, on CUDA captured once and replayed."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from nas.records.recipe import Recipe
from nas.training.augmentation import neighbours, row
from nas.training.device import autocast
from nas.training.device_data import DeviceData
from nas.training.evaluation import estimate_running_statistics
from nas.training.muon import Muon, matrices
from nas.training.threads import THREADS
from space import InputError

EAGER_STEPS = 3  # before a CUDA graph is captured: torch's libraries choose their kernels in them
STATISTICS_IMAGES = 1024  # of a period: what BatchNorm's statistics of averaged weights are estimated from
NO_GRAPHS = "NAS_NO_GRAPHS"  # environment: set to anything, CUDA steps are launched one kernel at a time


Module = TypeVar("Module", bound=nn.Module)


class Interrupted(Exception):
    """Training was asked to end before its last period."""


def fitting_batch(batch: int, images: int, unit: int = 1, on_note: Callable[[str], None] = lambda note: None) -> int:
    """`batch`, or where there are fewer images as many of them as are a multiple of `unit`; `on_note` hears of it.
    Raises InputError for a single image, which has no statistics."""
    if min(batch, images) < 2:
        field, step = ("batch_size", "raise it") if batch < 2 else ("train", "add some, or raise train_images")
        raise InputError(f"{field} must have 2 images at least, got {min(batch, images)}; {step}")
    if batch <= images:
        return batch
    fitting = images // unit * unit
    on_note(f"batch_size {batch:,} is more than the {images:,} training images, so batches are of {fitting:,}")
    return fitting


class Training(Generic[Module]):
    """One network's training. All that a step reads and writes stays at one place in memory, and the step's own number
    is a tensor too: so that on CUDA it can be captured once and replayed without the host telling it anything."""

    def __init__(
        self, network: Module, data: DeviceData, recipe: Recipe, generator: torch.Generator,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """`recipe`: settled."""
        self.network, self.data, self.recipe, self.generator = network, data, recipe, generator
        self.abandoned = abandoned
        device = data.device
        self.batch = fitting_batch(recipe.batch_size, len(data.train))
        self.uncropped = recipe.crop_after * len(data.train)  # images before crops begin
        crop = data.augmentation.crop if recipe.length > self.uncropped else 0
        self.augmentation = replace(data.augmentation, crop=crop)
        self.periods = self.steps = 0  # trained in all
        most = recipe.period // self.batch + 1  # in a period
        self.left = torch.empty(0, dtype=torch.int64, device=device)  # of the permutation that images are drawn from
        averages = recipe.average is not None or recipe.ema is not None
        self.evaluated: Module = copy.deepcopy(network) if averages else network
        self.averaged = list(zip(_floats(self.evaluated), _floats(network), strict=True)) if averages else []
        rates = torch.tensor(list(_rates(recipe, self._steps_until(recipe.periods))), dtype=torch.float32)
        self.rates = rates.to(device)
        self.rate, self.muon_rate = (torch.zeros((), device=device) for _ in range(2))
        self.optimizers = _optimizers(network, recipe, self.rate, self.muon_rate)
        self.done = torch.zeros(1, dtype=torch.int64, device=device)  # steps of the whole training
        self.step = torch.zeros(1, dtype=torch.int64, device=device)  # steps of this period
        self.total = torch.zeros((), device=device)  # loss
        self.order = torch.zeros(most, self.batch, dtype=torch.int64, device=device)
        self.draws = self.augmentation.draw(most, self.batch, generator)
        self.images = torch.empty((self.batch, *data.train.pixels.shape[1:]), dtype=torch.uint8, device=device)
        self.captured: torch.cuda.CUDAGraph | None = None
        self.eager = 0  # steps before the capture

    def period(self) -> float:
        """Mean training loss of one period. The device is read once, at the end."""
        self.network.train()
        self.periods += 1
        before, self.steps = self.steps, self._steps_until(self.periods)
        steps = self.steps - before
        order = self.order[:steps]
        order.copy_(self._draw(order.numel()).view(order.shape))
        drawn = self.augmentation.draw(steps, self.batch, self.generator)
        if drawn.shift is not None:
            drawn.shift.flatten(0, 1)[: max(0, self.uncropped - before * self.batch)] = 0
        for place, chance in zip(self.draws, drawn, strict=True):
            if place is not None and chance is not None:
                place[:steps].copy_(chance)
        self.step.zero_()
        self.total.zero_()
        for batch in self.data.train.batches(order):
            self.images.copy_(batch)
            self._advance()
        if self.averaged:
            seen = order.flatten()[:STATISTICS_IMAGES]
            estimate_running_statistics(self.evaluated, self.data.train, seen, self.recipe.precision)
        return self.total.item() / steps

    def _steps_until(self, period: int) -> int:
        """From the beginning to the end of a period, of full batches: half a batch more or less than its images."""
        return round(period * self.recipe.period / self.batch)

    def _draw(self, count: int) -> Tensor:
        """Numbers (count,) of the next images of a running permutation of all, so that each comes before any again."""
        parts = []
        while count:
            if not len(self.left):
                images, device = len(self.data.train), self.data.device
                self.left = torch.randperm(images, device=device, generator=self.generator)
            part, self.left = self.left[:count], self.left[count:]
            parts.append(part)
            count -= len(part)
        return torch.cat(parts)

    def _advance(self) -> None:
        """One step: replayed where it is captured. A capture runs nothing, so it is replayed at once."""
        if self.abandoned():
            raise Interrupted
        THREADS.fit(self.data.device)
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
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        self._update(loss.detach())

    def _forward(self) -> Tensor:
        """The loss of the step's images."""
        split, augmentation = self.data.train, self.augmentation
        draws = self.draws.at(self.step)
        images = split.normalise(augmentation.crop_and_mirror(self.images, draws))
        images = augmentation.cut_and_mix(images, draws)
        labels = split.labels.index_select(0, row(self.order, self.step))
        with autocast(self.recipe.precision, self.data.device):
            logits = self.network(images.permute(0, 3, 1, 2))  # (N, C, H, W), a channels-last view
        return self._loss(logits.float(), labels, draws.share)

    def _update(self, loss: Tensor) -> None:
        """Weights by their gradients, the average by the weights, and what is counted."""
        part = row(self.rates, self.done)
        self.rate.copy_(part * self.recipe.lr)
        self.muon_rate.copy_(part * self.recipe.muon_lr)
        for optimizer in self.optimizers:
            optimizer.step()
        self._average()
        self.total += loss
        self.step += 1
        self.done += 1

    def _loss(self, logits: Tensor, labels: Tensor, share: Tensor | None) -> Tensor:
        """Mean cross-entropy; of a mixed sample with its own label and its neighbour's, each by its share (B,)."""
        smoothing = self.recipe.label_smoothing
        if share is None:
            return nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        mine, other = (
            nn.functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
            for target in (labels, neighbours(labels))
        )
        return torch.lerp(other, mine, share).mean()

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the average towards the weights. `average` a: at step i by n / (i + n - 1) for n = 1 / a, a polynomial
        decay (arXiv 1212.1824, section 4) whose weight lies on about the last i / n steps, whenever it is looked at.
        `ema`: at step i by 1 / i, to forget the start, and at least by 1 - ema."""
        if not self.averaged:
            return
        step = self.done[0] + 1
        if self.recipe.ema is not None:
            share = torch.clamp(1 / step, min=1 - self.recipe.ema)
        else:
            share = 1 / (1 + (step - 1) * cast(float, self.recipe.average))
        for mean, value in self.averaged:
            mean.lerp_(value, share)


def _floats(network: nn.Module) -> list[Tensor]:
    """Parameters and running statistics, not counters; each once, by however many names it goes."""
    values = {id(value): value for value in network.state_dict(keep_vars=True).values()}
    return [value.detach() for value in values.values() if value.is_floating_point()]


def _optimizers(network: nn.Module, recipe: Recipe, rate: Tensor, muon_rate: Tensor) -> list[torch.optim.Optimizer]:
    """Muon for matrices, where the recipe has it; AdamW, in one fused step, for the rest. No decay on 1-D
    parameters (norms, biases, LayerScale), and on those that a network of elsewhere names in `no_weight_decay`."""
    muon = matrices(network) if recipe.optimizer == "muon" else []
    taken = set(map(id, muon))
    named = getattr(network, "no_weight_decay", None)
    spared = named() if callable(named) else ()
    rest = [(name, p) for name, p in network.named_parameters() if p.requires_grad and id(p) not in taken]
    decayed, plain = (
        [p for name, p in rest if (p.dim() > 1 and name not in spared) == matrix] for matrix in (True, False)
    )
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=rate, fused=True, capturable=rate.is_cuda)
    return [adamw, Muon(muon, muon_rate, recipe.weight_decay)] if muon else [adamw]


def _rates(recipe: Recipe, steps: int) -> Iterator[float]:
    """Part of the learning rate per step: linear warm-up, then constant, or cosine to 0 after the last step."""
    warmup = round(recipe.warmup * steps)
    for step in range(steps):
        if step < warmup:
            yield (step + 1) / (warmup + 1)
        elif recipe.schedule == "constant":
            yield 1.0
        else:
            yield 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
