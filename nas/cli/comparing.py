"""The command that lets a space prove itself against another one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.base import app, print_json, print_table, progress, stopped, typed
from nas.cli.options import (
    RUNS,
    ImageColumn,
    Json,
    LabelColumn,
    Runs,
    SkipBroken,
    TestSplit,
    TrainSplit,
    ValidationSplit,
)  # fmt: skip
from nas.records.data_card import Reading
from nas.records.scores import Metric
from nas.records.settings import FILE
from nas.storage.reader import Reader
from space import Band, Space
from space.reading import is_file

OneSpace = Annotated[str, typer.Argument(metavar="SPACE", help="A YAML file or a preset space.")]
OtherSpace = Annotated[str, typer.Argument(metavar="OTHER", help="Another one, such as the first, narrowed.")]


@app.command("compare-spaces")
def compare_spaces(
    space: OneSpace,
    other: OtherSpace,
    data: Annotated[str, typer.Option(help="digits, cifar10, cifar100, fashion_mnist, a hub name, or a folder.")],
    flops: Annotated[str, typer.Option(help="The band that both are drawn in, e.g. 8M..10M.")],
    networks: Annotated[int, typer.Option(min=8, help="Of each space, earlier runs included.")] = 100,
    images: Annotated[
        str | None, typer.Option(help="Training images that each network sees. [default: the recipe's, 30K]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In its place: passes over the training images.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file that overrides fields of the recipe.")] = None,
    study: Annotated[
        str | None, typer.Option(help="Of the two studies, NAME-a and NAME-b. [default: from spaces, data and band]")
    ] = None,
    runs: Runs = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws; another one draws fresh networks.")] = 0,
    metric: Annotated[
        Metric, typer.Option(help="balanced: the mean over classes of the share told right.")
    ] = "accuracy",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that train at once. [default: 1, or one per GPU]")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize images. [default: SPACE's size]")] = None,
    train: TrainSplit = None,
    val: ValidationSplit = None,
    test: TestSplit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors and results.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and how long it takes; train nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train random networks of SPACE and of OTHER alike, and say which space is better at equal FLOPs.

    Each space has a study of its own; the same command goes on where it was.
    Example: nas compare-spaces convnext_32 conv2former_32 --data cifar10 --flops 8M..10M
    """
    from nas.searching.comparing import run_comparison
    from nas.searching.plan import SearchPlan, parse_images

    reading = Reading(
        train=train, validation=val, test=test, image_column=image_column, label_column=label_column,
        skip_broken=skip_broken,
    ).absolute()  # fmt: skip
    plan = SearchPlan(
        trials=networks, workers=workers, recipe_file=recipe, epochs=epochs, name=study, runs=runs, seed=seed,
        images=parse_images(images), metric=metric, device=device,
        image_size=image_size, reading=reading, dry_run=dry_run, command=typed(),
    )  # fmt: skip
    spaces = Space.load(space), Space.load(other)
    folders, finished = run_comparison(*spaces, data, Band.parse(flops), plan, progress(quiet))
    if dry_run:
        return
    if not finished or not all(is_file(folder / FILE) for folder in folders):
        raise stopped()
    print_comparison(folders[0], folders[1], as_json)


def print_comparison(one: Path, other: Path, as_json: bool) -> None:
    """Of two studies."""
    from nas.analysis.space_studies import compare_studies, is_narrowing, seeds_words, shared_band
    from nas.cli.comparison_tables import comparison_json, comparison_table

    readers = Reader(one), Reader(other)
    first, second = ((reader.trials(), reader.settings) for reader in readers)
    pair = first[1], second[1]
    found, band = compare_studies(first, second), shared_band(*pair)
    narrowing = is_narrowing(*(settings.build_space() for settings in pair))
    seeds = seeds_words(first, second)
    if as_json:
        print_json(*comparison_json(found, pair, band, seeds, narrowing))
        return
    print_table(comparison_table(found, pair[0], band, seeds))
    print(found.verdict())
    if narrowing:
        print(found.ruling())
