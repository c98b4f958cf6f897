"""Training a network to its end: the whole recipe, a checkpoint every epoch, one process or several.

`torchrun --nproc-per-node N -m nas train ...` trains on N devices: every batch and every validation is shared out, and
losses are those of one process with the same batch. After a kill the same command goes on; on a CPU with the same
threads it ends with the same numbers to the last digit, on CUDA (see `nas.training.brief`) nearly so.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nas.analysis.csv_text import as_csv
from nas.data.cache import Note
from nas.data.dataset import Data
from nas.final.averaged_weights import AveragedWeights
from nas.final.batches import Augmented, Mix, Share, batches, mixing, seed_all, seed_of
from nas.final.checkpoint import damaged, read_checkpoint, write_checkpoint
from nas.final.distributed_layers import share_layers
from nas.final.recipe import FinalRecipe
from nas.process.files import write_whole
from nas.training.device import autocast, own_stream
from nas.training.device_data import DeviceSplit
from nas.training.evaluation import count_correct
from nas.training.muon import Muon, matrices
from nas.training.steps import fitting_batch
from nas.training.threads import THREADS
from space import InputError
from space.network import Network

CHECKPOINT, CURVE, BOARD = "checkpoint.pt", "curve.csv", "tensorboard"
DRAWN = 2**32  # step seeds are told from those of images by this


@dataclass(frozen=True, slots=True)
class FinalEpoch:
    """One row of the curve."""

    epoch: int  # from 1
    lr: float  # of its last step
    loss: float  # mean training loss, of augmented and mixed images
    accuracy: float  # validation top-1
    ema_accuracy: float | None  # of the averaged weights
    seconds: float  # of training and evaluation so far, over all runs


@dataclass(frozen=True, slots=True)
class FinalResult:
    """The network after its last epoch, and its averaged weights where the recipe has them."""

    network: Network
    averaged: Network | None
    curve: tuple[FinalEpoch, ...]


@contextmanager
def processes(device: torch.device) -> Iterator[Share]:
    """This process's share; where `torchrun` started several, they are joined."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Share()
        return
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")  # of 1-channel kernels
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Share(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()


def train_to_end(
    network: Network,
    data: Data,
    recipe: FinalRecipe,
    folder: Path,
    *,
    seed: int,
    device: torch.device,
    share: Share = Share(),  # noqa: B008 - frozen
    workers: int = 0,
    identity: dict[str, Any],
    on_step: Callable[[int, int], None] = lambda done, total: None,
    on_epoch: Callable[[FinalEpoch], None] = lambda epoch: None,
) -> FinalResult:
    """Trains for the recipe's epochs, or for what is left of them after the checkpoint in `folder`.

    `identity` is what a resumed training must share with the one that wrote the checkpoint; InputError names the first
    difference. Raises InputError too for a batch that does not divide, and for a loss that is no longer a number.
    """
    batch, steps = recipe.batch_size, _steps(len(data.train.labels), recipe, share)
    with own_stream(device):
        share_layers(network, share.places(batch), batch, share.processes, device)
        network = network.to(device)
        run = _Run(network, recipe, steps, device, share)
        start, rows = run.resume(folder / CHECKPOINT, identity)
        augmented, mix = Augmented(data, recipe, seed), mixing(recipe, network.task.classes)
        judges = len(data.validation.labels)
        validation = DeviceSplit(data.validation, data, device, share.rows(judges))
        began = time.perf_counter() - (rows[-1].seconds if rows else 0.0)
        for epoch in range(start + 1, recipe.epochs + 1):
            network.train()
            total = torch.zeros((), device=device)
            for images, labels in batches(augmented, epoch, batch, share, workers, device.type == "cuda"):
                THREADS.fit(device)
                total += run.step_on(images, labels, mix, seed)
                on_step(run.step, run.last)
            loss = run.mean(total / steps)
            if not math.isfinite(loss):
                raise InputError(f"loss must stay a number, got {loss} in epoch {epoch}; lower lr in the recipe")
            own = run.accuracy(network, validation, judges)
            ema = None if run.ema is None else run.accuracy(run.ema.module, validation, judges)
            rows.append(FinalEpoch(epoch, run.rate(run.step - 1), loss, own, ema, time.perf_counter() - began))
            if share.rank == 0:
                run.save(folder, epoch, rows, identity)
                on_epoch(rows[-1])
    averaged = None if run.ema is None else cast(Network, run.ema.module)
    return FinalResult(network, averaged, tuple(rows))


class _Run:
    """What a training changes: weights, their average, the optimizer, the step."""

    def __init__(self, network: Network, recipe: FinalRecipe, steps: int, device: torch.device, share: Share) -> None:
        self.network, self.recipe, self.device, self.share = network, recipe, device, share
        self.step, self.warmup, self.last = 0, round(recipe.warmup_epochs * steps), recipe.epochs * steps
        groups, muon = parameter_groups(network, recipe)
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.peak_lr, fused=True)
        self.muon = Muon(muon, recipe.peak_lr) if muon else None
        self.ema = AveragedWeights(network, recipe.ema) if recipe.ema else None
        self.module: nn.Module = network
        if share.processes > 1:
            self.module = DistributedDataParallel(network, [device] if device.type == "cuda" else None)

    def rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine to `min_lr`."""
        peak, low = self.recipe.peak_lr, self.recipe.min_lr
        if step < self.warmup:
            return peak * (step + 1) / (self.warmup + 1)
        share = (step - self.warmup) / max(1, self.last - self.warmup)
        return low + 0.5 * (peak - low) * (1 + math.cos(math.pi * share))

    def step_on(self, images: Tensor, labels: Tensor, mix: Mix, seed: int) -> Tensor:
        """One step on this process's part of a batch, from the host; the loss of that part."""
        drawn = seed_of(seed, DRAWN, self.step)
        images, labels = (part.to(self.device, non_blocking=True) for part in (images, labels))
        x, y = mix(images, labels, drawn)
        seed_all(drawn)
        loss = self.forward(x, y)
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        self.update()
        return loss.detach()

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of images (B, C, H, W) with targets (B, classes)."""
        with autocast(self.recipe.precision, self.device):
            logits = self.module(images)
        return nn.functional.cross_entropy(logits.float(), targets)

    def update(self) -> None:
        """Weights by their gradients, and the average by the weights."""
        rate = self.rate(self.step)
        for optimizer, own in ((self.optimizer, rate), (self.muon, rate * self.recipe.muon_lr / self.recipe.lr)):
            if optimizer is None:
                continue
            for group in optimizer.param_groups:
                group["lr"] = own * group["scale"]
            optimizer.step()
        self.step += 1
        if self.ema is not None:
            self.ema.update(self.network, self.step)

    def mean(self, value: Tensor) -> float:
        """Over all processes."""
        if self.share.processes > 1:
            dist.all_reduce(value)
        return value.item() / self.share.processes

    def accuracy(self, network: nn.Module, part: DeviceSplit, images: int) -> float:
        """Top-1 of `images`, of which each process has a part."""
        correct = count_correct(network, part, self.recipe.precision)
        if self.share.processes > 1:
            dist.all_reduce(correct)
        return int(correct) / images

    def save(self, folder: Path, epoch: int, rows: list[FinalEpoch], identity: dict[str, Any]) -> None:
        """The checkpoint, then the curve; each written aside, on the disk, and renamed."""
        state = {
            "identity": identity, "epoch": epoch, "step": self.step, "curve": [list(astuple(row)) for row in rows],
            "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
            "muon": None if self.muon is None else self.muon.state_dict(),
            "ema": None if self.ema is None else self.ema.module.state_dict(),
        }  # fmt: skip
        write_checkpoint(folder / CHECKPOINT, state)
        write_whole(folder / CURVE, curve_csv(rows).encode())

    def resume(self, path: Path, identity: dict[str, Any]) -> tuple[int, list[FinalEpoch]]:
        """Loads the checkpoint at `path` into network, average, optimizer and step. Returns the number of epochs done
        and their rows; (0, []) without a file. `identity`: settings that must equal the checkpoint's."""
        if not path.is_file():
            return 0, []
        state = read_checkpoint(path)
        same_identity(state["identity"], identity, path.parent)
        try:
            self.network.load_state_dict(state["network"])
            if self.ema is not None:
                self.ema.module.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.muon is not None:
                self.muon.load_state_dict(state["muon"])
            rows = [FinalEpoch(*row) for row in state["curve"]]
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise damaged(path, f"a checkpoint of another network or optimizer ({reason})") from error
        self.step = state["step"]
        return state["epoch"], rows


def same_identity(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Raises InputError with the first thing that differs between a checkpoint and the command; what an earlier release
    did not write does not count."""
    if "recipe.lr" in old:
        old = {"recipe.optimizer": "adamw"} | old  # before there was another
    for key in old:
        if old.get(key) != new.get(key):
            raise InputError(
                f"{key} must be {old.get(key)} to go on in {folder}, got {new.get(key)}; choose another --out, or "
                "remove that folder to begin again"
            )


Groups = list[dict[str, Any]]  # of parameters, each with its decay and its scale of the rate


def parameter_groups(network: Network, recipe: FinalRecipe) -> tuple[Groups, Groups]:
    """For AdamW and for Muon. No decay for 1-D parameters; each block's rate is `layer_decay` times the next one's, the
    head's is whole."""
    groups: dict[tuple[bool, int, bool], dict[str, Any]] = {}
    last = network.arch.depth + 1
    muon = set(map(id, matrices(network))) if recipe.optimizer == "muon" else set()
    for name, parameter in network.named_parameters():
        layer, plain = _layer(name, network), parameter.dim() <= 1
        new = {
            "params": [], "weight_decay": 0.0 if plain else recipe.weight_decay,
            "scale": recipe.layer_decay ** (last - layer),
        }  # fmt: skip
        place = (id(parameter) in muon, layer if recipe.layer_decay < 1 else last, plain)
        groups.setdefault(place, new)["params"].append(parameter)
    adamw, matrix = ([group for place, group in groups.items() if place[0] == its] for its in (False, True))
    return adamw, matrix


def _layer(name: str, network: Network) -> int:
    """0 for the stem, the number of the block from 1, one more for the head; a downsampling goes with what follows."""
    part, *rest = name.split(".")
    if part == "stem":
        return 0
    if part == "head":
        return network.arch.depth + 1
    before = sum(stage.depth for stage in network.arch.stages[: int(rest[0])])
    return before + 1 + (int(rest[2]) if rest[1] == "blocks" else 0)


def curve_csv(rows: Sequence[FinalEpoch]) -> str:
    return as_csv(pd.DataFrame(rows))


def _steps(images: int, recipe: FinalRecipe, share: Share) -> int:
    """Of an epoch."""
    unit = 2 * share.processes
    if recipe.batch_size % unit:
        raise InputError(
            f"batch_size must be a multiple of {unit}, pairs in {share.processes} processes, got {recipe.batch_size}; "
            "change it"
        )
    assert recipe.batch_size <= images  # see `fit_batch`
    return images // recipe.batch_size


def fit_batch(recipe: FinalRecipe, images: int, processes: int, on_note: Note) -> FinalRecipe:
    """With a batch of no more than the training images, of which each process takes pairs."""
    unit = 2 * processes
    if images < unit:
        raise InputError(
            f"data must have at least {unit} training images, a pair for each of {processes} processes, got {images}; "
            "add images"
        )
    return replace(recipe, batch_size=fitting_batch(recipe.batch_size, images, unit, on_note))
