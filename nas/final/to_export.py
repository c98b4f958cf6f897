"""`nas train` and `nas import`: a network trained to its end, or weights from elsewhere, as an export."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import yaml
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save
from torch import Tensor

from nas.data.cache import Note
from nas.data.dataset import Data
from nas.data.study_data import load_with_progress, seen
from nas.export.arch_source import ARCH, load_arch, load_network
from nas.export.facts import Facts, read_facts
from nas.export.folder import check_out, steps_of, write
from nas.export.formats import check_formats
from nas.export.load import WEIGHTS, Preprocess, load_export
from nas.export.verify_pictures import verify_pictures
from nas.export.write import checked_images
from nas.final.batches import CropAndFlip, Share
from nas.final.card import ImportedCard, Score, TrainedCard
from nas.final.first_weights import begin_with
from nas.final.outside_weights import read_weights
from nas.final.recipe import FinalRecipe
from nas.final.training import BOARD, CURVE, FinalEpoch, FinalResult, curve_csv, fit_batch, processes, train_to_end
from nas.latency.timing import device_name
from nas.process.files import write_whole
from nas.process.progress import StepLine
from nas.records.data_card import AS_FOUND, Reading
from nas.storage.study_folder import package_versions
from nas.training.device import choose_device
from nas.training.device_data import DeviceSplit
from nas.training.evaluation import counts_of, predict
from space import InputError, Task
from space.network import Network
from space.processor import cores
from space.weights import load_weights

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

RECIPE = "recipe.yaml"
FEW = 1_000  # steps
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NEEDS = ("timm", "torchvision")  # for some of a recipe's fields


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What the command line of `nas train` says."""

    target: str
    data: str
    out: Path
    recipe: str = "muon"
    epochs: int | None = None
    batch_size: int | None = None
    flip: bool | None = None
    reading: Reading = AS_FOUND
    image_size: int | None = None
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    formats: Collection[str] = ()
    force: bool = False


def run_training(order: TrainOptions, console: Console) -> TrainedCard | None:
    """Trains, or goes on, and exports; None in every process but the first.

    The training's own folder, `OUT.training`, holds checkpoint, curve and TensorBoard's files until the export stands.
    Raises InputError for what a person can mend.
    """
    check_out(order.out, order.force)
    recipe = FinalRecipe.load(order.recipe, order.epochs, order.batch_size, order.flip)
    _check_packages(order.recipe, recipe)
    device = _device(order.device)
    with processes(device) as share, ExitStack() as stack:
        quiet = console if share.rank == 0 else Console(quiet=True)
        network, data, start = _begin(order, recipe, quiet)
        before = _before(order.target, data)  # now: --force may write over it
        check_formats(order.formats, network)
        recipe = fit_batch(recipe, len(data.train.labels), share.processes, _noting(quiet))
        flip = _augmentation(recipe, data, quiet).flip
        _length(recipe, len(data.train.labels), quiet)
        folder = order.out.with_name(f"{order.out.name}.training")
        folder.mkdir(parents=True, exist_ok=True)
        if share.rank == 0:
            stack.enter_context(_alone(order.out, folder))
        identity = {  # what must be the same for a training to go on
            "network": network.arch.key, "data": data.fingerprint, "start": start, "seed": order.seed,
            **{f"recipe.{key}": value for key, value in recipe.to_dict().items()}, "recipe.flip": flip,
        }  # fmt: skip
        workers = min(8, max(1, cores() // share.processes)) if order.workers is None else order.workers
        with _watching(quiet, folder, share, recipe) as (on_step, on_epoch):
            trained = train_to_end(
                network, data, recipe, folder, seed=order.seed, device=device, share=share, workers=workers,
                identity=identity, on_step=on_step, on_epoch=on_epoch,
            )  # fmt: skip
        if share.rank:
            return None
        card = _export(order, trained, data, recipe, start, device, folder, before, quiet)
        shutil.rmtree(folder)
        return card


def _alone(out: Path, folder: Path) -> AbstractContextManager[object]:
    """Held by whoever trains there: the kernel's lock, which dies with its process."""
    try:
        return FileLock(folder / "lock").acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"out must not be in training already, got {out}, which another nas train is at; wait for it, or choose "
            "another --out"
        ) from error


def _check_packages(name: str, recipe: FinalRecipe) -> None:
    """Before the data is read, which may take minutes."""
    lacking = [package for package in NEEDS if find_spec(package) is None]
    if recipe.needs_timm and lacking:
        raise InputError(
            f"recipe {name} must have {' and '.join(lacking)} installed for {', '.join(recipe.needs_timm)}, got none; "
            "pip install -e '.[train]' in the clone of nas, or --recipe muon, the default, which needs neither"
        )


def _device(name: str) -> torch.device:
    """Of this process: under torchrun, with `auto` or `cuda`, the GPU of its own number."""
    rank = os.environ.get("LOCAL_RANK")
    if rank is None or name not in ("auto", "cuda") or not torch.cuda.is_available():
        return choose_device(name)
    if int(rank) >= (there := torch.cuda.device_count()):
        raise InputError(
            f"processes must be at most one for each of the {there} GPUs here, got another; lower --nproc-per-node"
        )
    torch.cuda.set_device(int(rank))
    return torch.device("cuda", int(rank))


def _begin(order: TrainOptions, recipe: FinalRecipe, console: Console) -> tuple[Network, Data, str]:
    """The network with its first weights, the data, and what the weights are."""
    folder, size = Path(order.target), order.image_size
    exported = load_export(folder) if (folder / ARCH).is_file() and (folder / WEIGHTS).is_file() else None
    arch, task = load_arch(order.target)
    if task is not None and size is None:
        size = task.image_size
    data = load_with_progress(order.data, size, console, order.reading)
    for line in seen(data):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    torch.manual_seed(order.seed)
    network = Network(arch, Task(data.image_size, data.channels, len(data.classes)), recipe.drop_path)
    if exported is None:
        return network, data, "fresh weights"
    if exported.preprocess.channels != data.channels:
        raise InputError(
            f"data must have the export's channels, {exported.preprocess.channels}, got {data.channels}; convert it"
        )
    done = begin_with(network, exported, data.classes, recipe.head_init, _noting(console))
    weights = {name: value.contiguous() for name, value in exported.model.state_dict().items()}
    return network, data, f"the weights {hashlib.sha256(save(weights)).hexdigest()[:12]} of an export{done}"


def _augmentation(recipe: FinalRecipe, data: Data, console: Console) -> CropAndFlip:
    """What is done to images, once it is said."""
    chosen = CropAndFlip.choose(recipe, data)
    by = " (as the data suggests; --flip or --no-flip decides)" if recipe.flip is None else ""
    console.print(f"augmentation: {chosen}{by}", highlight=False, soft_wrap=True)
    return chosen


def _length(recipe: FinalRecipe, images: int, console: Console) -> None:
    """How long it trains, in steps: of these, not of epochs, it takes a number."""
    steps = recipe.epochs * (images // recipe.batch_size)
    passes = f"{recipe.epochs:,} epoch{'s' * (recipe.epochs > 1)}"
    console.print(
        f"{passes} of {images:,} images in batches of {recipe.batch_size:,}: {steps:,} step{'s' * (steps > 1)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    left = images % recipe.batch_size
    if 10 * left > images:
        _noting(console)(
            f"{left:,} of {images:,} images are left out of each epoch, others each time: "
            "a smaller --batch-size has more"
        )
    if steps < FEW:
        _noting(console)("few steps: a smaller --batch-size or more --epochs")


def _before(target: str, data: Data) -> tuple[Path, Facts] | None:
    """The export that the network is from, and the facts of it, where these are of the same data."""
    export = Path(target) if Path(target).is_dir() else Path(target).parent
    facts = read_facts(export) if (export / ARCH).is_file() else None
    return (export, facts) if facts and facts.fingerprint == data.fingerprint else None


def _noting(console: Console) -> Note:
    return lambda note: console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


OnStep = Callable[[int, int], None]
OnEpoch = Callable[[FinalEpoch], None]


@contextmanager
def _watching(console: Console, folder: Path, share: Share, recipe: FinalRecipe) -> Iterator[tuple[OnStep, OnEpoch]]:
    """Progress in the terminal and on TensorBoard, both of the first process alone."""
    if share.rank:
        yield lambda done, total: None, lambda row: None
        return
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, transient=True, speed_estimate_period=600) as progress,
        ExitStack() as stack,
    ):
        board = _board(folder, console, stack)
        bar = progress.add_task("training", total=None)

        def on_epoch(row: FinalEpoch) -> None:
            ema = "" if row.ema_accuracy is None else f", averaged weights {row.ema_accuracy:.2%}"
            text = f"epoch {row.epoch}/{recipe.epochs}  loss {row.loss:.4f}  validation {row.accuracy:.2%}{ema}"
            console.print(text, highlight=False)
            for name in ("lr", "loss", "accuracy", "ema_accuracy"):
                if board and (value := getattr(row, name)) is not None:
                    board.add_scalar(name, value, row.epoch)

        yield lambda done, total: progress.update(bar, completed=done, total=total), on_epoch


def _board(folder: Path, console: Console, stack: ExitStack) -> SummaryWriter | None:
    """None, which is said, where TensorBoard is not installed: the curve is in a CSV file too."""
    if find_spec("tensorboard") is None:
        _noting(console)(f"no files for TensorBoard, which is not installed; {CURVE} has the curve")
        return None
    from torch.utils.tensorboard import SummaryWriter

    board: SummaryWriter = stack.enter_context(SummaryWriter(str(folder / BOARD)))
    return board


def _export(
    order: TrainOptions,
    trained: FinalResult,
    data: Data,
    recipe: FinalRecipe,
    start: str,
    device: torch.device,
    folder: Path,
    before: tuple[Path, Facts] | None,
    console: Console,
) -> TrainedCard:
    """The better weights, tested and written with curve, recipe and TensorBoard's files."""
    found = {"weights of the last step": trained.network}
    if trained.averaged is not None:
        found["averaged weights"] = trained.averaged
    splits = {"validation": DeviceSplit(data.validation, data, device), "test": DeviceSplit(data.test, data, device)}
    steps, scores = StepLine(console, "export", 1 + len(found) * len(splits) + steps_of(order.formats)), []
    for name, module in found.items():
        accuracies = []
        for which, split in splits.items():
            with steps.step(f"{which} split, {name}", len(split)) as report:
                logits = predict(module, split, on_images=report)
            accuracies.append(counts_of(logits, split.labels).accuracy)
        scores.append(Score(name, *accuracies))
    scores.sort(key=lambda score: score.validation, reverse=True)
    network = Network(trained.network.arch, trained.network.task)
    network.load_state_dict(found[scores[0].weights].state_dict())
    card = TrainedCard(
        name=order.out.name, target=order.target, before=before, arch=network.arch, data=data, recipe=recipe,
        start=start, seed=order.seed, scores=scores,
        command=shlex.join(["nas", *sys.argv[1:]]), device=device_name(device), curve=trained.curve,
        versions=package_versions(),
    )  # fmt: skip

    best = scores[0]
    facts = Facts(data.source, data.fingerprint, best.validation, best.test, searched=False)

    def extra(aside: Path) -> None:
        facts.write(aside)
        (aside / RECIPE).write_text(yaml.safe_dump(recipe.to_dict(), sort_keys=False), encoding="utf-8")
        write_whole(aside / CURVE, curve_csv(trained.curve))
        if (folder / BOARD).is_dir():
            shutil.copytree(folder / BOARD, aside / BOARD)

    def check(aside: Path) -> None:
        with steps.step("pictures from files"):
            verify_pictures(aside, data, images)

    preprocess = Preprocess(data.image_size, data.channels, data.mean, data.std, data.classes)
    images = checked_images(data)
    write(
        order.out, network, preprocess, images, card.markdown, formats=order.formats, force=order.force, extra=extra,
        check=check, steps=steps,
    )  # fmt: skip
    return card


def run_import(
    checkpoint: Path,
    arch_name: str,
    out: Path,
    *,
    image_size: int | None,
    ema: bool | None,
    formats: Collection[str],
    force: bool,
    on_note: Note,
    console: Console,
) -> ImportedCard:
    """Weights in timm's, the official or this project's names as an export. Raises InputError where they do not fit."""
    check_out(out, force)
    found = read_weights(checkpoint, ema, on_note)
    classes, channels = _outer(found.tensors)
    arch, task = load_network(arch_name, image_size, channels, classes)
    network = Network(arch, task)
    naming = load_weights(network, found.tensors)
    check_formats(formats, network)
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if channels == 3 else ((0.5,) * channels, (0.25,) * channels)
    names, named = found.classes or (), len(found.classes or ()) == classes
    if names and not named:
        on_note(f"{checkpoint.name} names {len(names)} of {classes} classes, so they are numbered")
    names = names if named else tuple(map(str, range(classes)))
    card = ImportedCard(source=checkpoint.name, naming=naming, arch=arch, task=task, named=named)
    noise = torch.randn(4, channels, task.image_size, task.image_size, generator=torch.Generator().manual_seed(0))
    preprocess = Preprocess(task.image_size, channels, mean, std, names)
    steps = StepLine(console, "import", steps_of(formats))
    write(out, network, preprocess, noise, card.markdown, formats=formats, force=force, steps=steps)
    return card


def _outer(state: dict[str, Tensor]) -> tuple[int, int]:
    """Classes and channels, of the head's last matrix and the stem's first convolution."""
    matrices = [value for name, value in state.items() if value.dim() == 2 and "head" in name]
    maps = [v for name, v in state.items() if v.dim() == 4 and name.startswith(("stem", "downsample_layers.0"))]
    if not matrices or not maps:
        absent = " and ".join(["no stem"] * (not maps) + ["no classifier"] * (not matrices))
        got = f"{absent} among names such as {next(iter(state))}"
        raise InputError(f"checkpoint must have a convolution and a classifier, got {got}; is it a ConvNeXt?")
    return len(matrices[-1]), maps[0].shape[1]
