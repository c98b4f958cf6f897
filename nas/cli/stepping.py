"""The command that walks between two networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.base import app, progress, stopped, typed
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
    Wide,
)  # fmt: skip
from nas.cli.searching import LevelOption, QuietOption
from nas.records.data_card import Reading
from nas.records.settings import FILE, find_study
from space import Budget, InputError
from space.factorial import Kind
from space.reading import is_file


@app.command()
def steps(
    first: Annotated[str, typer.Argument(metavar="FIRST|STUDY", help="A YAML file or a preset network; or a study.")],
    last: Annotated[str | None, typer.Argument(metavar="LAST", help="Where the steps lead to.")] = None,
    data: Annotated[str | None, typer.Option(help="As for nas search.")] = None,
    flops: Annotated[str | None, typer.Option(help="What every network has, e.g. 8M, within 5%.")] = None,
    design: Annotated[
        Kind, typer.Option(help="All sets of steps, a fraction of them, or given orders alone.")
    ] = "full",
    order: Annotated[
        list[str] | None, typer.Option(metavar="STEP,...", help="An order of all steps; again for another.")
    ] = None,
    named: Annotated[
        str | None, typer.Option("--steps", help="A YAML file that names and groups the steps, or: roadmap.")
    ] = None,
    unequal: Annotated[
        bool, typer.Option("--unequal", help="Widths as the steps make them, whatever FLOPs that gives.")
    ] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each network. [default: 1]")] = None,
    repeats: Annotated[int | None, typer.Option(min=0, help="In its place: so many further seeds in all.")] = None,
    images: Annotated[str | None, typer.Option(help="Training images of each. [default: the recipe's, 30K]")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file that overrides fields of the recipe.")] = None,
    study: Annotated[
        str | None, typer.Option(help="The study's name. [default: from networks, data and FLOPs]")
    ] = None,
    runs: Runs = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the study; trials derive theirs from it.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that train at once.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    image_size: Annotated[int, typer.Option(min=1, help="Side of the images in pixels.")] = 32,
    train: TrainSplit = None,
    val: ValidationSplit = None,
    test: TestSplit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    log_level: LevelOption = "info",
    quiet: QuietOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; train nothing.")] = False,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Take the steps from one network to another in every combination, and tell what each of them does.

    Trains the networks of a design at equal FLOPs, as a study that resumes; with a study's name alone, its answers.
    Examples: nas steps resnet_32 convnext_32 --data digits --image-size 8 --flops 400K --design paths; nas steps STUDY
    """
    if last is None:
        if data is not None or flops is not None:
            raise InputError(f"last must be given with --data and --flops, got {first} alone; name the second network")
        _answer(find_study(first, runs), wide, as_json)
        return
    from nas.searching.launch import run_search
    from nas.searching.plan import SearchPlan, parse_images
    from nas.searching.stepping import plan_steps, steps_name

    if data is None or flops is None:
        missing = "data" if data is None else "flops"
        raise InputError(f"{missing} must be given, got nothing; write e.g. --data digits --flops 2M")
    console = progress(quiet)
    reading = Reading(
        train=train, validation=val, test=test, image_column=image_column, label_column=label_column,
        skip_broken=skip_broken,
    ).absolute()  # fmt: skip
    between, band, further = plan_steps(
        first, last, data=data, flops=flops, design=design, orders=order or [], named=named, equal=not unequal,
        seeds=seeds, repeats=repeats, image_size=image_size, reading=reading, console=console,
    )  # fmt: skip
    plan = SearchPlan(
        trials=len(between.rows), repeats=further, workers=workers, recipe_file=recipe,
        images=parse_images(images),
        name=study or steps_name(first, last, data, flops, design, not unequal), runs=runs, seed=seed, stop="none",
        device=device, image_size=image_size, reading=reading, dry_run=dry_run, command=typed(), log_level=log_level,
    )  # fmt: skip
    folder, finished = run_search(between, data, Budget(flops=band), plan, console)
    if dry_run:
        return
    if not is_file(folder / FILE):
        raise stopped()
    _answer(folder, wide, as_json)
    if not finished:
        raise stopped()


def _answer(folder: Path, wide: bool, as_json: bool) -> None:
    from nas.cli.step_tables import print_answers, read_answers

    print_answers(read_answers(folder), wide, as_json)
