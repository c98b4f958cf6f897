"""Commands on studies: to search, and to look at what was found."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nas.cli.base import (
    RUNS,
    Json,
    Runs,
    SpaceArg,
    StudyArg,
    app,
    print_json,
    print_table,
    typed,
)
from nas.cli.networks import ItsChannels, ItsClasses, ItsSize
from nas.records.settings import Sampler, Stop
from space import Band, InputError


@app.command()
def search(
    space: SpaceArg,
    data: Annotated[str, typer.Option(help="digits, cifar10, cifar100, fashion_mnist, a hub name, or a folder.")],
    flops: Annotated[str, typer.Option(help="The budget, e.g. 1M..4M.")],
    trials: Annotated[int, typer.Option(min=1, help="Trained networks in all, earlier runs of the study included.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs per network. [default: the recipe's, 10]")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file that overrides fields of the recipe.")] = None,
    study: Annotated[str | None, typer.Option(help="The study's name. [default: from space, data and budget]")] = None,
    runs: Runs = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the study; trials derive theirs from it.")] = 0,
    sampler: Annotated[Sampler, typer.Option(help="Who draws the networks.")] = "ehvi",
    stop: Annotated[
        Stop | None,
        typer.Option(help="Ends poor trials early. [default: quantile; none with --sampler random]"),
    ] = None,
    repeats: Annotated[int, typer.Option(min=0, help="Further seeds, of the front and its rivals first.")] = 0,
    baseline: Annotated[bool, typer.Option("--baseline", help="Then random search, with as many epochs.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that train at once. [default: 1, or one a GPU]")
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
    as_json: Json = False,
) -> None:
    """Search SPACE for networks inside a FLOPs budget; the same command again goes on to the total of --trials.

    Example: nas search digits --data digits --flops 1M..4M --trials 30
    """
    from rich.console import Console

    from nas.searching.launch import SearchPlan, run_search
    from space import Space

    console = Console(stderr=True)
    plan = SearchPlan(
        trials=trials, repeats=repeats, baseline=baseline, workers=workers, recipe_file=recipe, epochs=epochs,
        name=study, runs=runs, seed=seed, sampler=sampler, stop=stop, device=device, image_size=image_size,
        storage=storage, artifacts=artifacts, on=on, cpus_per_worker=cpus_per_worker, gpus_per_worker=gpus_per_worker,
        command=typed(),
    )  # fmt: skip
    folder, finished = run_search(Space.load(space), data, Band.parse(flops), plan, console)
    _print_front(folder, as_json)
    if not finished:
        console.print(f"stopped; to go on: {typed()}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(130)
    place = "" if runs == RUNS else f" --runs {shlex.quote(str(runs))}"
    console.print(f"look at it: nas dashboard{place}", markup=False, highlight=False, soft_wrap=True)
    export_to = f"nas export {folder.name}{place} --out exports/{folder.name}"
    console.print(f"export the best: {export_to}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def worker(
    study: StudyArg,
    data: Annotated[str | None, typer.Option(help="Where the study's data is here. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="On a CPU. [default: as many as cores]")] = None,
    place: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,  # of a worker of `nas search`
    tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False,  # to the `nas search` that started it
    runs: Runs = RUNS,
) -> None:
    """Join STUDY, which `nas search` began, with one more worker, until it has as many trials as it shall have.

    Example: nas worker digits-1M-4M
    """
    from rich.console import Console

    from nas.records.settings import find_study
    from nas.searching.worker import run_worker

    console = Console(stderr=True)
    folder = find_study(study, runs)
    if not run_worker(folder, data, device, place, threads, tied, console):
        console.print(f"stopped; to go on: {typed()}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(130)


@app.command()
def studies(runs: Runs = RUNS, as_json: Json = False) -> None:
    """List the studies under --runs. Example: nas studies"""
    from nas.analysis.studies import summaries
    from nas.cli.tables import studies_table

    _check_there(runs)
    rows = summaries(runs)
    if as_json:
        print_json([_summary_json(row) for row in rows])
    elif rows:
        print_table(studies_table(rows))
    else:
        print(f"no studies under {runs}; begin one: nas search digits --data digits --flops 1M..4M --trials 30")


@app.command()
def trials(study: StudyArg, runs: Runs = RUNS, as_json: Json = False) -> None:
    """List every trial of STUDY, those that failed or were never trained too. Example: nas trials digits-1M-4M"""
    from nas.cli.tables import trials_table
    from nas.records.settings import find_study
    from nas.storage.reader import Reader

    reader = Reader(find_study(study, runs))
    rows = reader.shown()
    if as_json:
        print_json([trial.to_json() for trial in rows])
    else:
        print_table(trials_table(rows, reader.settings))


@app.command()
def front(
    study: StudyArg,
    by: Annotated[str, typer.Option(help="flops, or latency@DEVICE after `nas measure`.")] = "flops",
    batch: Annotated[int, typer.Option(min=1, help="Of the latency.")] = 1,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Show the Pareto front of STUDY, accuracy against FLOPs, with what is known of its noise, beside random search's.

    Example: nas front digits-1M-4M
    """
    from nas.records.settings import find_study

    folder = find_study(study, runs)
    if by == "flops":
        _print_front(folder, as_json)
        return
    from nas.latency.front import find_device
    from nas.storage.reader import Reader

    device = find_device(folder, Reader(folder).trials(), by)
    _print_measured(folder, device.name, batch, as_json, front_only=True)
    if device.words and not as_json:
        print(f"latency: {device.words}")


@app.command()
def measure(
    what: Annotated[
        str, typer.Argument(metavar="STUDY|ARCH", help="A study, or a network: YAML file, preset or export.")
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    batch: Annotated[str, typer.Option(help="Sizes, e.g. 1,64.")] = "1",
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU; more suffer more from other programs.")] = 1,
    runs: Runs = RUNS,
    image_size: ItsSize = None,
    classes: ItsClasses = None,
    channels: ItsChannels = None,
    as_json: Json = False,
) -> None:
    """CostAxis latency, throughput and memory on the device at hand; of a study, each network, kept beside it.

    On a GPU twice: eager, and as a CUDA graph. A fixed reference kernel is timed among the passes; where it takes over
    1.25 times its best, the machine is busy: what is measured is tried again, then marked, and on no front.
    Memory is of the network's tensors at the peak of a pass.
    Example: nas measure digits-1M-4M --batch 1,64, and then: nas front digits-1M-4M --by latency
    """
    from nas.analysis.wording import task_words
    from nas.export.arch_source import load_network
    from nas.latency.measuring import MeasureOptions, measure_arch, measure_study, parse_batches
    from nas.records.settings import FILE, find_study
    from nas.storage.reader import Reader
    from space.reading import is_file

    _check_there(runs)
    how = MeasureOptions(device=device, batches=parse_batches(batch), threads=threads)
    if not is_file(runs / what / FILE) and not is_file(Path(what) / FILE):
        network, task = load_network(what, image_size, channels, classes)
        timings = measure_arch(network, task, how)
        records = [timing.to_json() | {"slowdown": timing.slowdown} for timing in timings]
        lines = [f"{network.key} at {task_words(task)}", *(timing.report() for timing in timings)]
        print(json.dumps(records) if as_json else "\n".join(lines))
        return
    folder = find_study(what, runs)
    reader = Reader(folder)
    from rich.console import Console

    with Console(stderr=True).status("measuring") as status:
        names = measure_study(
            folder, reader.trials(), reader.settings.task, how,
            lambda done, total: status.update(f"measuring network {done + 1} of {total}"),
        )  # fmt: skip
    for name in names:
        for size in how.batches:
            _print_measured(folder, name, size, as_json)


@app.command()
def audit(
    study: StudyArg,
    networks: Annotated[int, typer.Option(min=4, help="MeasureOptions many, spread over the study's FLOPs.")] = 24,
    epochs: Annotated[str, typer.Option(help="Of the long training: times the study's, or a number.")] = "5x",
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and the long trainings.")] = 0,
    data: Annotated[str | None, typer.Option(help="Where the study's data is now. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Train a sample of STUDY's networks for longer, to see whether its brief training ranks them at equal FLOPs.

    Kept in the study's folder; the same command goes on where it was. Example: nas audit digits-1M-4M --epochs 5x
    """
    from rich.console import Console

    from nas.cli.tables import agreement_table, effects_table
    from nas.records.settings import find_study
    from nas.searching.audit import run_audit
    from nas.storage.reader import Reader

    reader = Reader(find_study(study, runs))
    done = run_audit(
        reader, networks=networks, epochs=epochs, seed=seed, data_source=data, device=device,
        console=Console(stderr=True),
    )  # fmt: skip
    if as_json:
        print(json.dumps(done.to_json(reader.settings.recipe["epochs"])))
        return
    print_table(agreement_table(done.report(), done.plan.epochs, reader.settings))
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
    from nas.benchmark.table import gather
    from nas.benchmark.table_card import save_table
    from nas.records.settings import find_study

    table = gather([find_study(study, runs) for study in studies])
    path = out or Path(f"{table.settings.space_name}-{table.settings.data.name}.parquet")
    save_table(table, path)
    counts = f"{len(table.recordings)} trainings of {len(table.networks)} networks"
    print(f"{path}: {counts}, {path.stat().st_size:,} bytes; its card: {path.with_suffix('.md')}")


@app.command()
def replay(
    table: Annotated[Path | None, typer.Argument(help="A file of `nas record`. [default: the recorded one]")] = None,
    sampler: Annotated[
        list[str] | None, typer.Option(help="Repeatable: random, ehvi, tpe, nsga2. [default: see docs/table.md]")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="Repeatable: none, quantile, moasha. [default: likewise]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 30,
    trials: Annotated[
        int | None, typer.Option(min=1, help="The budget, in average networks trained to the end. [default: 40]")
    ] = None,
    cost: Annotated[Literal["flops", "seconds"], typer.Option(help="What training costs.")] = "flops",
    processes: Annotated[int | None, typer.Option(min=1, help="[default: one a core]")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a page with the curves, e.g. replay.html.")] = None,
    as_json: Json = False,
) -> None:
    """Replay samplers and stopping rules against recorded trainings: hypervolume as it grows with training cost.

    Example: nas replay --sampler ehvi --sampler tpe --stop quantile --plot replay.html
    """
    from nas.benchmark.replay_report import run_replay

    report = run_replay(table, sampler or [], stop or [], seeds, trials, cost, processes, plot)
    if as_json:
        print(json.dumps(report.to_json()))
        return
    for each in report.tables():
        print_table(each)
    print("\n".join(report.notes()))


@app.command()
def report(
    study: StudyArg,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; it must not exist. [default: STUDY.html]")
    ] = None,
    runs: Runs = RUNS,
) -> None:
    """Write STUDY as one HTML file with its charts, tables and networks, which needs no server.

    Example: nas report digits-1M-4M --out report.html
    """
    from dashboard.report import write_report
    from nas.records.settings import find_study

    folder = find_study(study, runs)
    path = out or Path(f"{folder.resolve().name}.html")
    print(f"{path}: {write_report(folder, path):,} bytes, open it in any browser")


@app.command()
def dashboard(
    runs: Runs = RUNS,
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this machine only (127.0.0.1).")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
) -> None:
    """Watch the studies under --runs in the browser. Example: nas dashboard"""
    from dashboard.server import serve

    _check_there(runs)
    raise typer.Exit(serve(runs, port, open_browser=browser))


def _check_there(runs: Path) -> None:
    """Raises InputError for a folder that was named and is none; the default one may be still to come."""
    if runs != RUNS and not runs.is_dir():
        raise InputError(f"runs must be a folder that exists, got {runs}; check the path")


def _print_front(folder: Path, as_json: bool) -> None:
    from nas.analysis.data_frames import front_records
    from nas.analysis.pareto import baseline_of
    from nas.cli.tables import baseline_line, front_table
    from nas.storage.reader import Reader

    reader, beside = Reader(folder), baseline_of(folder)
    rows, other = reader.trials(), Reader(beside) if beside else None
    if as_json:
        print_json(front_records(rows, other.trials() if other else ()))
        return
    print_table(front_table(rows, reader.settings))
    if other:
        print(baseline_line(rows, reader.settings, other.trials(), other.settings))


def _print_measured(folder: Path, device: str, batch: int, as_json: bool, front_only: bool = False) -> None:
    from nas.cli.latency_table import table
    from nas.latency.front import (
        baseline_front,
        baseline_line,
        busy_words,
        latency_front,
        quiet_front,
        reached,
        rows,
    )
    from nas.storage.reader import Reader

    found = rows(folder, Reader(folder).trials(), device, batch)
    front = quiet_front(folder, found) if front_only else latency_front(found)
    chosen = front if front_only else found
    base = baseline_front(folder, device, batch) if front_only else None
    if as_json:
        beside = [{"baseline_accuracy": reached(base or [], row)} if front_only else {} for row in chosen]
        print_json([row.to_json() | extra for row, extra in zip(chosen, beside, strict=True)])
        return
    print_table(table(chosen, f"{folder.resolve().name}: accuracy against latency", front))
    if words := busy_words(folder, found):
        print(f"busy: {words}")
    if line := baseline_line(folder, base, device, batch):
        print(line)


def _summary_json(row: Any) -> dict[str, Any]:
    return {
        "name": row.name, "state": row.state, "problem": row.problem, "complete": row.complete, "failed": row.failed,
        "best": row.best, "best_seeds": row.seeds, "updated": row.updated.isoformat() if row.updated else None,
    }  # fmt: skip
