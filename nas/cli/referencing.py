"""The command that trains reference networks and sets them beside a study's front."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.cli.base import app, print_json, print_table, progress, stopped
from nas.cli.options import RUNS, Json, Runs, StudyArg
from nas.process.errors import REFUSED
from nas.records.settings import find_study
from space.budget import parse_count

ReferencesArg = Annotated[
    list[str],
    typer.Argument(
        metavar="NETWORK...",
        help="YAML files, presets, exports, timm:NAME, module:function; with arguments: timm:NAME:depth=6.",
    ),
]


@app.command()
def reference(
    study: StudyArg,
    networks: ReferencesArg,
    scale: Annotated[
        bool, typer.Option("--scale", help="Bring those outside the band into it, by their widths.")
    ] = False,
    flops: Annotated[
        str | None, typer.Option(metavar="4M", help="Of --scale, for all of them. [default: the band's middle]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 1,
    data: Annotated[str | None, typer.Option(help="Where the study's data is now. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Train networks that STUDY did not draw as its own were trained, and set them beside its front.

    Kept in the study's folder; the same command goes on where it was. They are no trials: the search never sees them.
    Example: nas reference digits-1M-4M timm:resnet18 timm:mobilenetv3_small_100 --scale
    """
    from nas.analysis.about import OF_NETWORKS, about_study
    from nas.analysis.seed_noise import networks as of_trials
    from nas.cli.reference_table import reference_records, references_table
    from nas.references.training import ReferencePlan, train_references
    from nas.storage.reader import Reader

    folder = find_study(study, runs)
    target = None if flops is None else parse_count(flops, "flops", "4M")
    plan = ReferencePlan(networks=networks, scale=scale, target=target, seeds=seeds, data=data, device=device)
    try:
        _, refused = train_references(folder, plan, progress())
    except KeyboardInterrupt:
        raise stopped() from None
    reader = Reader(folder)
    found = of_trials(reader.trials())
    if as_json:
        print_json(about_study(reader.settings, OF_NETWORKS), reference_records(folder, found, reader.settings))
    elif table := references_table(folder, found, reader.settings):
        print_table(table)
    if refused:
        raise typer.Exit(REFUSED)
