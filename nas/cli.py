"""The command `nas`. Results go to stdout (`--json` for machines), progress to stderr; a person's mistake exits with 2.

torch is imported only by the commands that train or run a network.
"""

from __future__ import annotations

import errno
import json
import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from space import Arch, Band, InputError, Task
from space.cost import breakdown
from space.cost import cost as count_cost

if TYPE_CHECKING:  # `nas cost` answers within 0.3 s: rich and spaces are imported by the commands that need them
    from rich.table import Table

app = typer.Typer(
    help="Explore the design space of ConvNeXt-family networks under a FLOPs budget.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Runs = Annotated[Path, typer.Option(help="The folder that holds the studies.")]
SpaceArg = Annotated[str, typer.Argument(metavar="SPACE", help="A YAML file or a preset space.")]
StudyArg = Annotated[str, typer.Argument(metavar="STUDY", help="A name under --runs, or a study's folder.")]
ArchArg = Annotated[str, typer.Argument(metavar="ARCH", help="A YAML file or a preset network.")]
ImageSize = Annotated[int, typer.Option(help="Side of the images in pixels.")]
Classes = Annotated[int, typer.Option(help="Number of classes.")]
Channels = Annotated[int, typer.Option(help="Channels of the images.")]
BandOption = Annotated[str | None, typer.Option(metavar="LO..HI", help="A band, e.g. 20M..25M.")]
OwnSize = Annotated[int | None, typer.Option(min=1, help="Side of the images in pixels. [default: the space's]")]
OwnClasses = Annotated[int | None, typer.Option(min=1, help="[default: 10, from 128 px on 1000]")]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="onnx,pt2", help="What to write beside the weights; all: both.")
]
TimmOption = Annotated[bool, typer.Option("--timm", help="Also weights that timm.create_model loads.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite an export.")]
RUNS = Path("runs")


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
    sampler: Annotated[
        Literal["ehvi", "tpe", "nsga2", "random"], typer.Option(help="Who draws the networks.")
    ] = "ehvi",
    stop: Annotated[
        Literal["none", "quantile", "moasha"] | None,
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

    from nas.run import Plan, run_search
    from space import Space

    console = Console(stderr=True)
    plan = Plan(
        trials=trials, repeats=repeats, baseline=baseline, workers=workers, recipe_file=recipe, epochs=epochs,
        name=study, runs=runs, seed=seed, sampler=sampler, stop=stop, device=device, image_size=image_size,
        storage=storage, artifacts=artifacts, on=on, cpus_per_worker=cpus_per_worker, gpus_per_worker=gpus_per_worker,
        command=_command(),
    )  # fmt: skip
    folder, finished = run_search(Space.load(space), data, Band.parse(flops), plan, console)
    _print_front(folder, as_json)
    if not finished:
        console.print(f"stopped; to go on: {_command()}", markup=False, highlight=False, soft_wrap=True)
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

    from nas.run import run_worker
    from nas.settings import find_study

    console = Console(stderr=True)
    folder = find_study(study, runs)
    if not run_worker(folder, data, device, place, threads, tied, console):
        console.print(f"stopped; to go on: {_command()}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(130)


@app.command()
def studies(runs: Runs = RUNS, as_json: Json = False) -> None:
    """List the studies under --runs. Example: nas studies"""
    from nas.tables import studies_table
    from nas.trials import summaries

    rows = summaries(runs)
    if as_json:
        _print_json([_summary_json(row) for row in rows])
    elif rows:
        _print_table(studies_table(rows))
    else:
        print(f"no studies under {runs}; begin one: nas search digits --data digits --flops 1M..4M --trials 30")


@app.command()
def trials(study: StudyArg, runs: Runs = RUNS, as_json: Json = False) -> None:
    """List every trial of STUDY, those that failed or were never trained too. Example: nas trials digits-1M-4M"""
    from nas.settings import find_study
    from nas.tables import trials_table
    from nas.trials import Reader

    reader = Reader(find_study(study, runs))
    rows = reader.trials()
    if as_json:
        _print_json([trial.to_json() for trial in rows])
    else:
        _print_table(trials_table(rows, reader.settings))


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
    from nas.settings import find_study

    folder = find_study(study, runs)
    if by == "flops":
        _print_front(folder, as_json)
        return
    from nas.measured import find_device, print_rows

    print_rows(folder, find_device(folder, by), batch, as_json, front_only=True)


@app.command()
def measure(
    what: Annotated[str, typer.Argument(metavar="STUDY|ARCH", help="A study, or a network: YAML file or preset.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    batch: Annotated[str, typer.Option(help="Sizes, e.g. 1,64.")] = "1",
    runs: Runs = RUNS,
    image_size: ImageSize = 224,
    classes: Classes = 1000,
    channels: Channels = 3,
    as_json: Json = False,
) -> None:
    """Measure latency, throughput and peak memory on the device at hand; of a study, each network, kept beside it.

    Example: nas measure digits-1M-4M --batch 1,64, and then: nas front digits-1M-4M --by latency
    """
    from nas.measured import measure_arch, measure_study, parse_batches, print_rows
    from nas.settings import FILE, find_study
    from nas.trials import Reader
    from space.reading import is_file

    batches = parse_batches(batch)
    if not is_file(runs / what / FILE) and not is_file(Path(what) / FILE):
        timings = measure_arch(Arch.load(what), Task(image_size, channels, classes), device, batches)
        print(json.dumps([t.to_json() for t in timings]) if as_json else "\n".join(t.report() for t in timings))
        return
    folder = find_study(what, runs)
    reader = Reader(folder)
    from rich.console import Console

    with Console(stderr=True).status("measuring") as status:
        name = measure_study(
            folder, reader.trials(), reader.settings.task, device, batches,
            lambda done, total: status.update(f"measuring network {done + 1} of {total}"),
        )  # fmt: skip
    for size in batches:
        print_rows(folder, name, size, as_json)


@app.command()
def audit(
    study: StudyArg,
    networks: Annotated[int, typer.Option(min=4, help="How many, spread over the study's FLOPs.")] = 24,
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

    from nas.audit import run_audit
    from nas.settings import find_study
    from nas.tables import agreement_table, effects_table
    from nas.trials import Reader

    reader = Reader(find_study(study, runs))
    done = run_audit(
        reader, networks=networks, epochs=epochs, seed=seed, data_source=data, device=device,
        console=Console(stderr=True),
    )  # fmt: skip
    if as_json:
        print(json.dumps(done.to_json(reader.settings.recipe["epochs"])))
        return
    _print_table(agreement_table(done.report(), done.plan.epochs, reader.settings))
    if done.report().effects:
        _print_table(effects_table(done.report()))


@app.command()
def cost(
    arch: ArchArg, image_size: ImageSize = 224, classes: Classes = 1000, channels: Channels = 3, as_json: Json = False
) -> None:
    """Count a network by arithmetic: FLOPs (conv + linear multiply-accumulates), parameters, activations.

    Example: nas cost convnext_tiny
    """
    from nas.words import cost_line, cost_record

    network = Arch.load(arch)
    counted = count_cost(network, Task(image_size, channels, classes))
    if as_json:
        print(json.dumps(cost_record(counted, network.key)))
    else:
        print(cost_line(counted, network.key))


@app.command()
def show(
    arch: ArchArg, image_size: ImageSize = 224, classes: Classes = 1000, channels: Channels = 3, as_json: Json = False
) -> None:
    """Show a network part by part: its blocks, shapes and options, and where its FLOPs and parameters are.

    Example: nas show resnet50
    """
    network, task = Arch.load(arch), Task(image_size, channels, classes)
    if as_json:
        print(json.dumps(_network_json(network, task)))
        return
    from nas.tables import network_table
    from nas.words import network_lines

    _print_table(network_table(network, task))
    print("\n".join(network_lines(network)))


@app.command()
def draw(
    space: SpaceArg,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many networks.")] = 5,
    flops: BandOption = None,
    params: BandOption = None,
    activations: BandOption = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same networks on every machine.")] = 0,
    image_size: OwnSize = None,
    classes: OwnClasses = None,
    channels: Channels = 3,
    as_json: Json = False,
) -> None:
    """Draw random networks from SPACE, inside the bands that are given, by construction.

    Example: nas draw convnext_or_modulation_32 --count 5 --flops 20M..22M
    """
    from nas import spaces
    from space import Space

    chosen = Space.load(space)
    task = spaces.task_of(chosen, image_size, channels, classes)
    drawn = spaces.draw(chosen, task, spaces.parse_budget(flops, params, activations), count, seed)
    if as_json:
        _print_json(
            [
                {"arch": p.arch.to_dict(), **asdict(p.cost), "key": p.arch.key, "log_density": p.log_density}
                for p in drawn
            ]
        )
    else:
        _print_table(spaces.draw_table(drawn, task))


@app.command("space")
def describe_space(
    space: SpaceArg,
    flops: BandOption = None,
    params: BandOption = None,
    activations: BandOption = None,
    against: Annotated[str | None, typer.Option(metavar="SPACE", help="Show what differs from that space.")] = None,
    narrow: Annotated[list[str] | None, typer.Option(metavar="AXIS=A,B", help="Keep these choices only.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the space, narrowed or not, as a new YAML file.")] = None,
    image_size: OwnSize = None,
    classes: OwnClasses = None,
    channels: Channels = 3,
    as_json: Json = False,
) -> None:
    """Describe SPACE: its axes, how many networks, from which to which cost, what share of them is in a band.

    Example: nas space convnext_or_modulation_32 --narrow kernel=7,9 --flops 20M..25M
    """
    from nas import spaces
    from space import Space

    if against is not None and save is not None:
        raise InputError("space must have one of --against and --save, got both; keep one")
    chosen = spaces.narrowed(Space.load(space), narrow or [])
    if against is not None:
        other = Space.load(against)
        if as_json:
            _print_json([dict(zip(("axis", "here", "there"), row, strict=True)) for row in chosen.differences(other)])
        elif chosen.differences(other):
            _print_table(spaces.differences_table(chosen, other))
        else:
            print(f"{chosen.name} and {other.name} have the same axes and choices")
        return
    budget = spaces.parse_budget(flops, params, activations)
    found = spaces.report(chosen, spaces.task_of(chosen, image_size, channels, classes), budget)
    if as_json:
        print(json.dumps(found))
    else:
        _print_table(spaces.axes_table(chosen))
        print("\n".join(spaces.report_lines(found)))
    if save is not None:
        spaces.save(chosen, save)
        print(f"saved as {save}", file=sys.stderr)


@app.command()
def export(
    study: StudyArg,
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    trial: Annotated[int | None, typer.Option(min=0, help="This trial.")] = None,
    pick: Annotated[Literal["best", "knee"] | None, typer.Option(help="From the front. [default: best]")] = None,
    max_flops: Annotated[str | None, typer.Option(help="The most accurate up to these FLOPs, e.g. 20M.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(min=0, help="The most accurate up to so many ms, after `nas measure`.")
    ] = None,
    by: Annotated[str, typer.Option(help="Whose front: flops, or latency@DEVICE.")] = "flops",
    batch: Annotated[int, typer.Option(min=1, help="Of the latency.")] = 1,
    formats: FormatOption = None,
    timm: TimmOption = False,
    force: ForceOption = False,
    data: Annotated[str | None, typer.Option(help="Where the study's data is now. [default: where it was]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Export a network of STUDY with its weights and papers, test it on the untouched test split, and verify it.

    Weights as safetensors and modeling.py, which needs torch and safetensors alone, are always written.
    Example: nas export digits-1M-4M --out exports/digits --format onnx,pt2
    """
    from rich.console import Console

    from nas.export import export_trial
    from nas.formats import parse_formats
    from nas.pick import Wish
    from nas.pick import pick as choose
    from nas.settings import find_study
    from nas.trials import Reader

    folder = find_study(study, runs)
    wish = Wish(trial=trial, pick=pick, max_flops=max_flops, max_latency=max_latency, by=by, batch=batch)
    card = export_trial(
        Reader(folder), choose(folder, wish), out, data_source=data, device=device, console=Console(stderr=True),
        formats=parse_formats(formats, timm), force=force,
    )  # fmt: skip
    if as_json:
        print(json.dumps(card.to_json()))
    else:
        print(card.summary(out))


@app.command()
def train(
    network: Annotated[str, typer.Argument(metavar="ARCH|EXPORT", help="A YAML file, a preset, or an export.")],
    data: Annotated[str, typer.Option(help="digits, cifar10, cifar100, fashion_mnist, a hub name, or a folder.")],
    out: Annotated[Path, typer.Option(help="The export to write; OUT.training is used on the way.")],
    recipe: Annotated[str, typer.Option(help="convnext, finetune, brief, or a YAML file.")] = "convnext",
    epochs: Annotated[int | None, typer.Option(min=1, help="[default: the recipe's; warm-up scales]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Of all processes; the learning rate scales.")] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize images. [default: an export's own]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that augment. [default: by cores]")] = None,
    formats: FormatOption = None,
    timm: TimmOption = False,
    force: ForceOption = False,
    as_json: Json = False,
) -> None:
    """Train a network to its end with the whole recipe, and export it; the same command goes on after a kill.

    An export's weights are where it begins, with a new classifier for other classes; its arch.yaml begins afresh.
    Several GPUs: torchrun --nproc-per-node 4 -m nas train ...
    Example: nas train exports/digits/arch.yaml --data digits --epochs 30 --batch-size 64 --out exports/digits-long
    """
    from rich.console import Console

    from nas.finish import Order, run_training
    from nas.formats import parse_formats

    order = Order(
        target=network, data=data, out=out, recipe=recipe, epochs=epochs, batch_size=batch_size, image_size=image_size,
        seed=seed, device=device, workers=workers, formats=parse_formats(formats, timm), force=force,
    )  # fmt: skip
    card = run_training(order, Console(stderr=True))
    if card is not None:
        print(json.dumps(card.to_json()) if as_json else card.summary(out))


@app.command("import")
def import_weights(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file, or one of torch.save.")],
    arch: Annotated[str, typer.Option("--as", metavar="ARCH", help="The network: a YAML file or a preset.")],
    out: Annotated[Path, typer.Option(help="The export to write.")],
    image_size: ImageSize = 224,
    formats: FormatOption = None,
    timm: TimmOption = False,
    force: ForceOption = False,
) -> None:
    """Import weights in timm's or the official ConvNeXt's names as an export, for `nas train` or `nas.load_export`.

    Example: nas import convnext_tiny.safetensors --as convnext_tiny --out exports/tiny
    """
    from nas.finish import run_import
    from nas.formats import parse_formats

    chosen = parse_formats(formats, timm)
    print(run_import(checkpoint, arch, out, image_size=image_size, formats=chosen, force=force).summary(out))


@app.command()
def record(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Random-sampler studies that rest.")],
    out: Annotated[Path | None, typer.Option(help="[default: SPACE-DATA.parquet]")] = None,
    runs: Runs = RUNS,
) -> None:
    """Gather the trainings of studies, with their curves, into one parquet table and its card, for `nas replay`.

    Example: nas record first second --out table.parquet
    """
    from nas.record import gather
    from nas.settings import find_study

    table = gather([find_study(study, runs) for study in studies])
    path = out or Path(f"{table.settings.space_name}-{table.settings.data.name}.parquet")
    table.save(path)
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
    from nas.replay_report import run_replay

    report = run_replay(table, sampler or [], stop or [], seeds, trials, cost, processes, plot)
    if as_json:
        print(json.dumps(report.to_json()))
        return
    for each in report.tables():
        _print_table(each)
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
    from nas.settings import find_study

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

    raise typer.Exit(serve(runs, port, open_browser=browser))


def main() -> None:
    """Entry point: one-line errors, exit 2 for a person's mistake, 1 for the machine's."""
    command = typer.main.get_command(app)
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        code = command.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except InputError as error:
        _fail(str(error), 2)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _fail(f"interrupted; to go on: {_command()}", 130)
    except typer.TyperException as error:  # an unknown command or option, a wrong value
        _fail(getattr(error, "format_message", error.__str__)(), 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(f"disk must have room, got {error.strerror}; free some and run the same command again", 1)
        _fail(f"{error.filename or 'system'} must be usable, got {error.strerror or error}; mend that and go on", 1)


def _fail(message: str, code: int) -> None:
    print("error: " + " ".join(message.split("\n")), file=sys.stderr)
    sys.exit(code)


def _command() -> str:
    """What was typed, without a password in a URL."""
    words = (re.sub(r"(://[^:/@]+):[^@/]*@", r"\1@", word) for word in sys.argv[1:])
    return shlex.join(["nas", *words])


def _print_front(folder: Path, as_json: bool) -> None:
    from nas.front import baseline_of
    from nas.tables import baseline_line, front_records, front_table
    from nas.trials import Reader

    reader, beside = Reader(folder), baseline_of(folder)
    rows, other = reader.trials(), Reader(beside) if beside else None
    if as_json:
        _print_json(front_records(rows, other.trials() if other else ()))
        return
    _print_table(front_table(rows, reader.settings))
    if other:
        print(baseline_line(rows, reader.settings, other.trials(), other.settings))


def _print_json(rows: list[dict[str, Any]]) -> None:
    print("[" + ",\n ".join(json.dumps(row) for row in rows) + "]")


def _print_table(table: Table) -> None:
    from rich.console import Console

    console = Console()
    console.print(table)


def _network_json(arch: Arch, task: Task) -> dict[str, Any]:
    """The network, its cost, and the cost and output (channels, side in pixels) of each part."""
    from nas.words import cost_record

    parts = [
        {"part": row.name, "channels": row.width, "size": row.size, **asdict(row.cost)} for row in breakdown(arch, task)
    ]
    return {**cost_record(count_cost(arch, task), arch.key), "parts": parts, "arch": arch.to_dict()}


def _summary_json(row: Any) -> dict[str, Any]:
    return {
        "name": row.name, "state": row.state, "problem": row.problem, "complete": row.complete, "failed": row.failed,
        "best": row.best, "updated": row.updated.isoformat() if row.updated else None,
    }  # fmt: skip
