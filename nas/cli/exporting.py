"""Commands that end in an export: a network with its weights and model card."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from nas.cli.base import app, progress
from nas.cli.options import (
    RUNS,
    ForceOption,
    FormatOption,
    ImageColumn,
    ItsSize,
    Json,
    LabelColumn,
    Runs,
    SkipBroken,
    StudyArg,
    TestSplit,
    TimmOption,
    TrainSplit,
    ValidationSplit,
)  # fmt: skip
from nas.records.data_card import Reading
from nas.records.settings import find_study
from nas.storage.reader import Reader


@app.command()
def export(
    study: StudyArg,
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    trial: Annotated[int | None, typer.Option(min=0, help="Export this trial.")] = None,
    pick: Annotated[
        Literal["best", "knee", "cheapest"] | None,
        typer.Option(help="Of the front within the limits. [default: best; cheapest with --accuracy]"),
    ] = None,
    flops: Annotated[str | None, typer.Option(help="Limit, e.g. ..20M or 10M..20M.")] = None,
    params: Annotated[str | None, typer.Option(help="Limit, e.g. ..500K.")] = None,
    activations: Annotated[str | None, typer.Option(help="Limit, outputs of conv and linear layers.")] = None,
    latency: Annotated[str | None, typer.Option(help="Limit, as measured by nas measure, e.g. ..5ms.")] = None,
    accuracy: Annotated[str | None, typer.Option(help="Limit: at least 92%, or .92, in validation.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="The front is over flops, params, activations or latency@DEVICE. [default: as searched]"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size at which latency was measured.")] = 1,
    formats: FormatOption = None,
    timm: TimmOption = False,
    force: ForceOption = False,
    data: Annotated[str | None, typer.Option(help="Where the study's data is now. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Export a network of STUDY with weights and model card, test it on the untouched test split, and verify it.

    Limits hold together; of the front of what is within them, --pick says which. Or --trial.

    Weights as safetensors and modeling.py, which needs torch and safetensors alone, are always written.
    Example: nas export digits-1M-4M --out exports/digits --format onnx,pt2
    """
    from nas.export.formats import parse_formats
    from nas.export.pick import Selection, pick_with_words
    from nas.export.write import export_trial

    folder = find_study(study, runs)
    selection = Selection(
        trial=trial, pick=pick, flops=flops, params=params, activations=activations, latency=latency,
        accuracy=accuracy, by=by, batch=batch,
    )  # fmt: skip
    chosen, said = pick_with_words(folder, selection)
    card = export_trial(
        Reader(folder), chosen, out, data_source=data, device=device, console=progress(),
        formats=parse_formats(formats, timm), force=force,
    )  # fmt: skip
    for line in said:
        print(line, file=sys.stderr)
    print(json.dumps(card.to_json()) if as_json else card.summary(out))


@app.command()
def train(
    network: Annotated[str, typer.Argument(metavar="ARCH|EXPORT", help="A YAML file, a preset, or an export.")],
    data: Annotated[str, typer.Option(help="digits, cifar10, cifar100, fashion_mnist, a hub name, or a folder.")],
    out: Annotated[Path, typer.Option(help="The export to write; OUT.training is used on the way.")],
    recipe: Annotated[str, typer.Option(help="muon, convnext, finetune, brief, or a YAML file.")] = "muon",
    epochs: Annotated[int | None, typer.Option(min=1, help="[default: the recipe's; warm-up scales]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Of all processes; the learning rate scales.")] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Mirror images, or none. [default: as the data suggests]")
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize images. [default: an export's own]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that augment. [default: by cores]")] = None,
    formats: FormatOption = None,
    timm: TimmOption = False,
    force: ForceOption = False,
    train_split: TrainSplit = None,
    val: ValidationSplit = None,
    test: TestSplit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    as_json: Json = False,
) -> None:
    """Train a network to its end, and export it; the same command goes on after a kill.

    An export's weights are where it begins, with a new classifier for other classes; its arch.yaml begins afresh.
    Several GPUs: torchrun --nproc-per-node 4 -m nas train ...
    Example: nas train exports/digits/arch.yaml --data digits --epochs 60 --out exports/digits-long
    """
    from nas.export.formats import parse_formats
    from nas.final.to_export import TrainOptions, run_training

    order = TrainOptions(
        target=network, data=data, out=out, recipe=recipe, epochs=epochs, batch_size=batch_size, flip=flip,
        image_size=image_size, seed=seed, device=device, workers=workers, formats=parse_formats(formats, timm),
        force=force,
        reading=Reading(
            train=train_split, validation=val, test=test, image_column=image_column, label_column=label_column,
            skip_broken=skip_broken,
        ).absolute(),
    )  # fmt: skip
    card = run_training(order, progress())
    if card is not None:
        print(json.dumps(card.to_json()) if as_json else card.summary(out))


@app.command("import")
def import_weights(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file, or one of torch.save.")],
    arch: Annotated[str, typer.Option("--as", metavar="ARCH", help="The network: a YAML file, a preset, an export.")],
    out: Annotated[Path, typer.Option(help="The export to write.")],
    image_size: ItsSize = None,
    ema: Annotated[
        bool | None,
        typer.Option(
            "--ema/--no-ema", help="Averaged weights, or plain ones. [default: averaged, where there are both]"
        ),
    ] = None,
    formats: FormatOption = None,
    timm: TimmOption = False,
    force: ForceOption = False,
) -> None:
    """Import weights in timm's or the official ConvNeXt's names as an export, for `nas train` or `nas.load_export`.

    Example: nas import convnext_tiny.safetensors --as convnext_tiny --out exports/tiny
    """
    from nas.export.formats import parse_formats
    from nas.final.to_export import run_import

    card = run_import(
        checkpoint, arch, out, image_size=image_size, ema=ema, formats=parse_formats(formats, timm), force=force,
        on_note=lambda note: print(f"note: {note}", file=sys.stderr), console=progress(),
    )  # fmt: skip
    print(card.summary(out))
