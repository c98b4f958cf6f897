"""What is to be seen once on a GPU, part by part, in 8 minutes: whether captured steps are the eager ones, whether Muon
is torch's, how fast networks train, alone, several at once and beside the peer script, and one real search.

    python -m benchmarks.gpu path/to/cifar10 [--seconds 480]

A part that fails says so, the others go on, and the command ends with 1. Without a GPU it runs on the CPU, where
nothing is captured. The digits (`digits`, here at 32 px) serve where there are no other data.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks import peer
from benchmarks.machine import heading
from benchmarks.ranking import of_band
from benchmarks.training import networks, side_by_side
from nas.data.dataset import Data, load
from nas.records.recipe import Recipe
from nas.training.brief import Trained, train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.muon import Muon
from nas.training.steps import NO_GRAPHS
from space import Task, compact, cost
from space.network import Network

WORKERS = (1, 2, 4)
SHAPES = ((64, 64), (64, 64), (256, 64), (64, 256), (512, 128), (10, 8))
STEPS = 20
BRIEF = Recipe(images=6400, period_images=3200, precision="float32")


def captured_steps(data: Data, device: torch.device) -> None:
    """The same training with and without CUDA graphs, in float32 and without nondeterministic convolutions."""
    torch.backends.cudnn.deterministic = True
    placed, task = DeviceData.place(data, BRIEF, device), Task(32, data.channels, len(data.classes))
    print("| FLOPs | block | loss, captured | eager | largest difference of a weight | accuracy, captured | eager |")
    print("|---|---|---|---|---|---|---|")
    for arch in of_band("low")[2::6]:
        os.environ.pop(NO_GRAPHS, None)
        found = train(arch, task, placed, BRIEF, seed=0)
        os.environ[NO_GRAPHS] = "1"
        eager = train(arch, task, placed, BRIEF, seed=0)
        os.environ.pop(NO_GRAPHS)
        losses = " | ".join(f"{each.curve[-1].loss:.5f}" for each in (found, eager))
        right = " | ".join(f"{each.accuracy:.2%}" for each in (found, eager))
        name = f"{compact(cost(arch, task).flops)} | {arch.stages[0].block.name}"
        print(f"| {name} | {losses} | {_apart(found, eager):.1e} | {right} |", flush=True)
    torch.backends.cudnn.deterministic = False


def _apart(one: Trained[Network], other: Trained[Network]) -> float:
    theirs = other.network.state_dict()
    return max(
        float((value.float() - theirs[name].float()).abs().max()) for name, value in one.network.state_dict().items()
    )


def muon(device: torch.device) -> None:
    """Some steps of ours and of torch's, which computes in bfloat16, from the same weights with the same gradients."""
    moved = []
    for twin in (False, True):
        drawn = torch.Generator().manual_seed(0)
        begun = [torch.randn(shape, generator=drawn).to(device) for shape in SHAPES]
        weights = [nn.Parameter(start.clone()) for start in begun]
        options = {"weight_decay": 0.05, "momentum": 0.95}
        optimizer = (
            torch.optim.Muon(weights, lr=8e-3, adjust_lr_fn="match_rms_adamw", **options)  # type: ignore[arg-type]
            if twin
            else Muon(weights, torch.tensor(8e-3, device=device), **options)
        )
        for _ in range(STEPS):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=drawn).to(device)
            optimizer.step()
        moved.append([weight.detach() - start for weight, start in zip(weights, begun, strict=True)])
    for shape, ours, theirs in zip(SHAPES, *moved, strict=True):
        print(f"{shape}: ours differs from torch.optim.Muon by {float((ours - theirs).norm() / theirs.norm()):.2%}")


def speeds(source: str, data: Data, images: int) -> None:
    """Plain ConvNeXt networks with AdamW, as the peer trains them, then by the default recipe."""
    task = Task(32, data.channels, len(data.classes))
    arches = networks(task, 4)
    print(f"networks of {', '.join(compact(cost(arch, task).flops) for arch in arches)} FLOPs, {images:,} images each")
    print("| | images/s | trials/h |\n|---|---|---|")
    recipe = Recipe(images=images, **peer.RECIPE).settled(len(data.train.labels))
    for amp in (False, True):
        theirs = partial(peer.train, task=task, data=data, recipe=_by_epoch(recipe, data), tuned=True, amp=amp)
        seconds = sum(_seconds(partial(theirs, arch)) for arch in arches)
        seen = _by_epoch(recipe, data).length
        print(_rates(f"script, tuned{', bfloat16' if amp else ''}", seconds / len(arches), seen), flush=True)
    for name, own in (("AdamW", recipe), ("the default recipe", Recipe(images=images).settled(len(data.train.labels)))):
        for workers in WORKERS:
            seconds, _ = side_by_side(source, task, own, arches * workers, workers)
            label = f"nas, {name}, {workers} worker{'s' * (workers > 1)}"
            print(_rates(label, seconds / len(arches) / workers, own.length), flush=True)


def _by_epoch(recipe: Recipe, data: Data) -> Recipe:
    """As the peer trains: whole epochs of a part of the data, with about as many images in all."""
    part = min(len(data.train.labels), max(recipe.batch_size, recipe.length // 2))
    return Recipe(epochs=2, train_images=part, **peer.RECIPE).settled(len(data.train.labels))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _rates(name: str, seconds: float, images: int) -> str:
    """`seconds`: a network."""
    return f"| {name} | {images / seconds:,.0f} | {3600 / seconds:,.0f} |"


def search(source: str, seconds: float) -> None:
    """A real one, by the command, for about that long; then its front."""
    with tempfile.TemporaryDirectory() as folder:
        nas = [sys.executable, "-m", "nas"]
        space = ["convnext_or_modulation_32", "--data", source, "--image-size", "32", "--flops", "4M..16M"]
        where = ["--runs", folder, "--study", "gpu"]
        limit = ["--time", f"{max(60, round(seconds))}s", "--workers", "2"]
        subprocess.run([*nas, "search", *space, *limit, *where], check=True, stdin=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--images", type=int, default=12_800, help="that a network sees where speed is measured")
    options = parser.parse_args()
    began, device, data = time.perf_counter(), choose_device("auto"), load(options.data, 32)
    print(f"{heading('torch')}, {device}" + (f", {torch.cuda.get_device_name()}" if device.type == "cuda" else ""))
    parts: dict[str, Callable[[], None]] = {
        "Captured steps": partial(captured_steps, data, device),
        "Muon": partial(muon, device),
        "Speed": partial(speeds, options.data, data, options.images),
        "A search": lambda: search(options.data, options.seconds - (time.perf_counter() - began) - 30),
    }
    failed = False
    for name, part in parts.items():
        print(f"\n## {name}\n", flush=True)
        try:
            part()
        except Exception:
            failed = True
            traceback.print_exc(file=sys.stdout)
        print(f"\n({time.perf_counter() - began:.0f} s so far)", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
