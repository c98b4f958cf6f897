"""Commands that measure: latency on a device, how brief training ranks, samplers against recorded trainings."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal, get_args

import typer

from nas.analysis.about import OF_NETWORKS, about_study
from nas.analysis.wording import task_words
from nas.cli.base import app, check_there, print_json, print_table, progress
from nas.cli.latency_models import is_space, print_models
from nas.cli.latency_table import LATENCY, print_measured, print_measured_json
from nas.cli.options import RUNS, Json, Runs, StudyArg
from nas.export.arch_source import load_network
from nas.latency.device_names import Runtime
from nas.latency.known_models import make_models
from nas.latency.measuring import MeasureOptions, measure_arch, measure_study, parse_batches
from nas.process.progress import StepLine
from nas.records.settings import DESIGN, FILE, Sampler, Stop, find_study
from nas.storage.reader import Reader
from space import Budget, Space, Task
from space.reading import is_file


@app.command()
def measure(
    what: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|ARCH|SPACE", help="A study; a network: YAML file, preset or export; or a space: likewise."
        ),
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    batch: Annotated[str, typer.Option(help="Sizes, e.g. 1,64.")] = "1",
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU; more suffer more from other programs.")] = 1,
    runtime: Annotated[Runtime, typer.Option(help="What runs the networks; onnxruntime on the CPU alone.")] = "torch",
    networks: Annotated[
        int | None, typer.Option(min=1, help="Of SPACE, that a latency model is fitted to. [default: 100]")
    ] = None,
    flops: Annotated[str | None, typer.Option(help="Where those are drawn, e.g. 1M..8M. [default: all of it]")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of latency models. [default: devices]")] = None,
    runs: Runs = RUNS,
    image_size: Annotated[int | None, typer.Option(help="In pixels. [default: its own; of a network 224]")] = None,
    classes: Annotated[int | None, typer.Option(help="[default: its own; of a network 1000, of a space 10]")] = None,
    channels: Annotated[int | None, typer.Option(help="Of the images. [default: its own, else 3]")] = None,
    as_json: Json = False,
) -> None:
    """Measure latency, throughput and memory on the device at hand; of a study, each network, kept beside it; of a
    space, a model that forecasts the latency of all its networks, for `nas search --latency`.

    On a GPU twice: eager, and as a CUDA graph. A fixed reference kernel is timed among the passes; where it takes over
    1.25 times its best, the machine is busy: what is measured is tried again, then marked, and on no front.
    Memory is of the network's tensors at the peak of a pass.
    Example: nas measure digits-1M-4M --batch 1,64, and then: nas front digits-1M-4M --by latency
    """
    check_there(runs)
    how = MeasureOptions(device=device, batches=parse_batches(batch), threads=threads, runtime=runtime)
    is_study = is_file(runs / what / FILE) or is_file(Path(what) / FILE)
    if not is_study and is_space(what, networks, flops, out):
        space = Space.load(what)
        task = Task(image_size or space.image_size, channels or 3, classes or 10)
        budget = None if flops is None else Budget.parse(flops)
        made = make_models(space, task, budget, how, progress(), networks, out)
        print_models(made, as_json)
        return
    if not is_study:
        network, task = load_network(what, image_size, channels, classes)
        with StepLine(progress(), f"measuring {what}").step():
            timings = measure_arch(network, task, how)
        if as_json:
            about = {"network": what, "key": network.key, "task": asdict(task), "latency": LATENCY}
            print_json(about, [timing.to_json() | {"slowdown": timing.slowdown} for timing in timings])
        else:
            print("\n".join([f"{network.key} at {task_words(task)}", *(timing.report() for timing in timings)]))
        return
    folder = find_study(what, runs)
    reader = Reader(folder)
    with StepLine(progress(), f"measuring {folder.resolve().name}").step(unit="networks") as report:
        names = measure_study(folder, reader.trials(), reader.settings.task, how, report)
    measured = [(name, size) for name in names for size in how.batches]
    if as_json:
        print_measured_json(folder, measured)
        return
    for name, size in measured:
        print_measured(folder, name, size)


@app.command()
def audit(
    study: StudyArg,
    networks: Annotated[int, typer.Option(min=4, help="How many, spread over the study's FLOPs.")] = 24,
    images: Annotated[str, typer.Option(help="Of the long training: times the study's, or e.g. 150K.")] = "5x",
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and the long trainings.")] = 0,
    data: Annotated[str | None, typer.Option(help="Where the study's data is now. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Train a sample of STUDY's networks for longer, to see whether its brief training ranks them at equal FLOPs.

    Kept in the study's folder; the same command goes on where it was. Example: nas audit digits-1M-4M --images 5x
    """
    from nas.cli.audit_tables import agreement_table, effects_table
    from nas.searching.audit import run_audit

    reader = Reader(find_study(study, runs))
    done = run_audit(
        reader, networks=networks, images=images, seed=seed, data_source=data, device=device, console=progress()
    )
    if as_json:
        about, rows = done.to_json()
        brief = reader.settings.build_recipe().length
        print_json(about_study(reader.settings, OF_NETWORKS) | about | {"brief_images": brief}, rows)
        return
    print_table(agreement_table(done.report(), done.plan.images, reader.settings))
    if done.report().effects:
        print_table(effects_table(done.report()))


@app.command()
def record(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Random-sampler studies that rest.")],
    out: Annotated[Path | None, typer.Option(help="[default: SPACE-DATA.parquet]")] = None,
    runs: Runs = RUNS,
) -> None:
    """Gather the trainings of studies, with their curves, into one parquet table and its card, for `nas replay`.

    Example: nas record first second --out table.parquet
    """
    from nas.benchmark.exhaustive import is_exhaustive
    from nas.benchmark.surrogate import LEAST
    from nas.benchmark.table import gather
    from nas.benchmark.table_card import save_table

    table = gather([find_study(study, runs) for study in studies])
    path = out or Path(f"{table.settings.space_name}-{table.settings.data.name}.parquet")
    save_table(table, path)
    counts = f"{len(table.recordings)} trainings of {len(table.networks)} networks"
    print(f"{path}: {counts}, {path.stat().st_size:,} bytes; its card: {path.with_suffix('.md')}")
    if table.settings.sampler != DESIGN and len(table.networks) < LEAST and not is_exhaustive(table):
        print(
            f"note: nas replay compares samplers on tables of {LEAST} networks or more, and this has "
            f"{len(table.networks)}: record a study with more, or replay stopping rules alone: "
            f"nas replay {quote(str(path))} --sampler random",
            file=sys.stderr,
        )


@app.command()
def replay(
    table: Annotated[
        Path | None,
        typer.Argument(help="A file of `nas record`, or one of this package by its name. [default: its first one]"),
    ] = None,
    sampler: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(get_args(Sampler))}. [default: see docs/table.md]")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(get_args(Stop))}. [default: likewise]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 30,
    trials: Annotated[
        int | None, typer.Option(min=1, help="The budget, in average networks trained to the end. [default: 40]")
    ] = None,
    cost: Annotated[Literal["flops", "seconds"], typer.Option(help="What training costs.")] = "flops",
    processes: Annotated[int | None, typer.Option(min=1, help="[default: one per core]")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a page with the curves, e.g. replay.html.")] = None,
    as_json: Json = False,
) -> None:
    """Replay samplers and stopping rules against recorded trainings: hypervolume as it grows with training cost.

    Example: nas replay --sampler ehvi --sampler tpe --stop quantile --plot replay.html
    """
    from nas.benchmark.replay_report import run_replay

    steps = StepLine(progress(), "replaying")
    report = run_replay(table, sampler or [], stop or [], seeds, trials, cost, processes, plot, steps)
    if as_json:
        print_json(*report.to_json())
        return
    for each in report.tables():
        print_table(each)
        print()
    print("\n".join(report.notes()))
