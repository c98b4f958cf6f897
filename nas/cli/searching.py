"""Commands that search: a whole search, and one more worker of it."""

from __future__ import annotations

import shlex
import sys
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
    SpaceArg,
    StudyArg,
    TestSplit,
    TrainSplit,
    ValidationSplit,
)  # fmt: skip
from nas.latency.device_names import Runtime
from nas.records.data_card import Reading
from nas.records.scores import Metric
from nas.records.settings import FILE, Minimize, Sampler, Settings, Stop, find_study
from nas.searching.plan import LogLevel
from nas.tracking import Tracker, tracker
from space import Budget, Space
from space.reading import is_file

LevelOption = Annotated[LogLevel, typer.Option(help="What search.log in the study's folder has; debug: periods too.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Only errors and results; search.log has the rest.")]


@app.command()
def search(
    space: SpaceArg,
    data: Annotated[str, typer.Option(help="digits, cifar10, cifar100, fashion_mnist, a hub name, or a folder.")],
    flops: Annotated[
        str | None, typer.Option(help="The budget, e.g. 1M..4M. [required, or --latency, which leaves room for some]")
    ] = None,
    params: Annotated[str | None, typer.Option(help="A limit that holds, too, e.g. ..500K parameters.")] = None,
    activations: Annotated[str | None, typer.Option(help="Likewise, outputs of conv and linear layers.")] = None,
    latency: Annotated[
        str | None,
        typer.Option(help="Likewise, forecast, e.g. ..5ms on this device, or ..5ms@DEVICE on one that was measured."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images, of the latency. [default: 1]")] = None,
    runtime: Annotated[Runtime | None, typer.Option(help="Of the latency. [default: torch]")] = None,
    device_model: Annotated[
        Path | None, typer.Option(help="A file of `nas measure SPACE`. [default: the one in devices/, made if missing]")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trained networks in all, earlier runs of the study included. [required, or --time]"),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="In place of --trials: as many as fit, e.g. 2h or 90min, earlier runs included.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Training images that each network sees. [default: the recipe's, 30K]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In its place: passes over the training images.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file that overrides fields of the recipe.")] = None,
    study: Annotated[str | None, typer.Option(help="The study's name. [default: from space, data and budget]")] = None,
    runs: Runs = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the study; trials derive theirs from it.")] = 0,
    sampler: Annotated[Sampler, typer.Option(help="Who draws the networks.")] = "ehvi",
    metric: Annotated[
        Metric, typer.Option(help="What is maximised; balanced: the mean over classes of the share told right.")
    ] = "accuracy",
    minimize: Annotated[
        Minimize, typer.Option(help="Which cost the front sets the metric against; latency: the forecast one.")
    ] = "flops",
    stop: Annotated[
        Stop | None,
        typer.Option(help="Ends poor trials early. [default: quantile; none with --sampler random or spread]"),
    ] = None,
    accuracy: Annotated[
        str | None,
        typer.Option(help="To be reached at the least cost, e.g. 92%; ends the search once what is cheaper misses it."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=0, help="Further seeds, of the front and its rivals. [default: 0; with --accuracy what it takes]"
        ),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Then random search, trained on as many images.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that train at once. [default: 1, or one per GPU]")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize images. [default: the space's size]")] = None,
    storage: Annotated[
        str | None, typer.Option(help="postgresql://user@host/database, for many machines. [default: a journal file]")
    ] = None,
    artifacts: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix, for curves and weights. [default: the study's folder]")
    ] = None,
    on: Annotated[str | None, typer.Option(help="ray, or ray://host:port: workers on a Ray cluster.")] = None,
    cpus_per_worker: Annotated[float, typer.Option(min=0.1, help="Of a Ray cluster.")] = 1.0,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0.01, help="Of a Ray cluster, e.g. 0.25. [default: 1, where it has GPUs]")
    ] = None,
    train: TrainSplit = None,
    val: ValidationSplit = None,
    test: TestSplit = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    skip_broken: SkipBroken = False,
    track: Annotated[
        Tracker | None, typer.Option(help="Each trial that ends as a run of an experiment tracker, too.")
    ] = None,
    log_level: LevelOption = "info",
    quiet: QuietOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and how long it takes; train nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Search SPACE for networks inside a FLOPs budget; the same command again goes on to the total of --trials.

    Example: nas search digits --data digits --flops 1M..4M --trials 30
    """
    from nas.analysis.accuracy_goal import AccuracyGoal
    from nas.cli.front_table import print_front
    from nas.latency.device_names import parse_latency_at
    from nas.searching.launch import folder_of_search, run_search
    from nas.searching.plan import SearchPlan, parse_images
    from nas.storage.reader import Reader

    forecast, at = parse_latency_at(latency)
    where, budget = Space.load(space), Budget.parse(flops, params, activations, forecast)  # refused before the plan is
    plan = SearchPlan(
        trials=trials, time=time, accuracy=accuracy, repeats=repeats, baseline=baseline, workers=workers,
        recipe_file=recipe,
        images=parse_images(images), epochs=epochs,
        name=study, runs=runs, seed=seed, sampler=sampler, metric=metric, minimize=minimize, stop=stop, device=device,
        image_size=image_size, storage=storage, artifacts=artifacts, on=on, cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker, batch=batch, runtime=runtime, device_model=device_model,
        latency_device=at,
        reading=Reading(
            train=train, validation=val, test=test, image_column=image_column, label_column=label_column,
            skip_broken=skip_broken,
        ).absolute(),
        dry_run=dry_run, command=typed(), log_level=log_level,
    )  # fmt: skip
    what = (where, data, budget, plan)
    on_trial = tracker(track, folder_of_search(*what)) if track and not dry_run else None
    folder, finished = run_search(*what, progress(quiet), on_trial)
    if dry_run:
        return
    if not is_file(folder / FILE):
        raise stopped()  # before the study was begun
    print_front(folder, as_json)
    if not finished:
        raise stopped()
    if quiet:
        return
    place = "" if runs == RUNS else f" --runs {shlex.quote(str(runs))}"
    print(f"look at it: nas dashboard {folder.name}{place}", file=sys.stderr)
    which, limit = "the best", ""
    least = plan.extent(1).accuracy
    if least is not None and AccuracyGoal(least, Settings.read(folder)).reached(Reader(folder).trials()):
        which, limit = "the cheapest that has it", f" --accuracy {shlex.quote(str(accuracy))}"
    print(f"export {which}: nas export {folder.name}{place}{limit} --out exports/{folder.name}", file=sys.stderr)


@app.command()
def worker(
    study: StudyArg,
    data: Annotated[str | None, typer.Option(help="Where the study's data is here. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="On a CPU. [default: as many as cores]")] = None,
    place: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,  # of a worker of `nas search`
    tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False,  # to the `nas search` that started it
    log_level: LevelOption = "info",
    quiet: QuietOption = False,
    runs: Runs = RUNS,
) -> None:
    """Join STUDY, which `nas search` began, with one more worker, until it has as many trials as it shall have.

    Example: nas worker digits-1M-4M
    """
    from nas.searching.worker import run_worker

    if not run_worker(find_study(study, runs), data, device, place, threads, tied, log_level, progress(quiet)):
        raise stopped()
