"""Commands on networks and spaces, by arithmetic alone."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.analysis.about import about_space
from nas.analysis.wording import FLOPS_WORDS, cost_line, cost_record, network_lines
from nas.cli.base import app, print_json, print_lines, print_table
from nas.cli.options import (
    RUNS,
    BandOption,
    Channels,
    ItsChannels,
    ItsClasses,
    ItsSize,
    Json,
    OwnClasses,
    OwnSize,
    Runs,
    SpaceArg,
    Wide,
)
from nas.export.arch_source import load_network, told_task
from nas.records.settings import FILE, find_study
from space import Arch, Cost, InputError, Space, Task
from space.cost import breakdown
from space.cost import cost as count_cost
from space.reading import is_file

NetworksArg = Annotated[list[str], typer.Argument(metavar="ARCH...", help="YAML files, preset networks, or exports.")]


@app.command()
def cost(
    archs: NetworksArg,
    image_size: ItsSize = None,
    classes: ItsClasses = None,
    channels: ItsChannels = None,
    check: Annotated[bool, typer.Option("--check", help="Also build them and count with fvcore.")] = False,
    as_json: Json = False,
) -> None:
    """Count networks by arithmetic: FLOPs (conv + linear multiply-accumulates), parameters, activations.

    --check counts the built networks with fvcore too: all must be equal, as integers.
    Example: nas cost resnet50 convnext_tiny
    """
    found = [load_network(arch, image_size, channels, classes) for arch in archs]
    counts = [_checked(network, task) if check else count_cost(network, task) for network, task in found]
    records = [cost_record(counted, network.key, task) for counted, (network, task) in zip(counts, found, strict=True)]
    if as_json:
        rows = [{"network": name, **record} for name, record in zip(archs, records, strict=True)]
        print_json({"flops_convention": FLOPS_WORDS}, rows)
    elif len(found) > 1:
        from nas.cli.network_tables import costs_table

        print_table(costs_table(archs, [task for _, task in found], counts))
    else:
        print(cost_line(counts[0], found[0][0].key, found[0][1]))


def _checked(network: Arch, task: Task) -> Cost:
    from space.fvcore_count import check_with_fvcore

    counted = check_with_fvcore(network, task)
    print(f"{network.key}: fvcore counts the same in the built network", file=sys.stderr)
    return counted


def _network_of_trial(study: str, number: int, runs: Path) -> tuple[Arch, Task]:
    from nas.storage.reader import Reader

    reader = Reader(find_study(study, runs))
    found = next((trial for trial in reader.trials() if trial.number == number and trial.arch), None)
    if found is None:
        name = reader.settings.name
        raise InputError(f"trial must be one of {name} with a network, got {number}; see nas trials {name}")
    return found.to_arch(), reader.settings.task


@app.command()
def show(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="A YAML file, a preset network, an export; with --trial a study.")
    ],
    trial: Annotated[int | None, typer.Option(min=0, help="Its network, ARCH being a study.")] = None,
    image_size: ItsSize = None,
    classes: ItsClasses = None,
    channels: ItsChannels = None,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Show a network part by part: its blocks, shapes and options, and where its FLOPs and parameters are.

    Examples: nas show resnet50; nas show digits-1M-4M --trial 0
    """
    if trial is None:
        if is_file(runs / arch / FILE):
            raise InputError(f"trial must be given for a study, got none for {arch}; nas show {arch} --trial 0")
        network, task = load_network(arch, image_size, channels, classes)
    else:
        network, own = _network_of_trial(arch, trial, runs)
        task = told_task(own, image_size, channels, classes)
    if as_json:
        print(json.dumps(_network_json(network, task)))
        return
    from nas.cli.network_tables import network_table

    print_table(network_table(network, task))
    print_lines(network_lines(network))


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
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Draw random networks from SPACE, inside the bands that are given, by construction.

    Example: nas draw convnext_or_modulation_32 --count 5 --flops 20M..22M
    """
    from nas.cli import space_report as spaces

    chosen = Space.load(space)
    task = spaces.task_of(chosen, image_size, channels, classes)
    budget = spaces.parse_budget(flops, params, activations)
    drawn = spaces.draw(chosen, task, budget, count, seed)
    if as_json:
        about = about_space(chosen, task, budget) | {"seed": seed}
        rows = [(each.arch.to_dict(), asdict(each.cost), each.arch.key, each.log_density) for each in drawn]
        names = ("arch", "key", "log_density")
        print_json(about, [dict(zip(names, (arch, *more), strict=True)) | cost for arch, cost, *more in rows])
    else:
        print_table(spaces.draw_table(drawn, task, budget, wide), wide)


@app.command("space")
def describe_space(
    space: SpaceArg,
    flops: BandOption = None,
    params: BandOption = None,
    activations: BandOption = None,
    against: Annotated[str | None, typer.Option(metavar="SPACE", help="Show what differs from that space.")] = None,
    narrow: Annotated[list[str] | None, typer.Option(metavar="AXIS=A,B", help="Keep these choices only.")] = None,
    narrow_from: Annotated[
        str | None, typer.Option(metavar="STUDY", help="Propose which choices to drop, from the networks of a study.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", "--out", help="Write the space, narrowed or not, as a new YAML file.")
    ] = None,
    image_size: OwnSize = None,
    classes: OwnClasses = None,
    channels: Channels = 3,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Describe SPACE: its axes, how many networks, from which to which cost, what share of them is in a band.

    Example: nas space convnext_or_modulation_32 --narrow kernel=7,9 --flops 20M..25M
    """
    from nas.cli import space_report as spaces

    given = {
        "--flops": flops, "--params": params, "--activations": activations, "--image-size": image_size,
        "--classes": classes, "--channels": None if channels == 3 else channels,
    }  # fmt: skip
    unused = [option for option, value in given.items() if value is not None]
    for name, wanted in (("narrow-from", narrow_from), ("against", against)):
        if wanted is not None and unused:
            raise InputError(f"{name} must stand without {' and '.join(unused)}, got both; leave one out")
    if narrow_from is not None:
        if against is not None or narrow:
            raise InputError("narrow-from must stand without --against and --narrow, got both; leave one out")
        from nas.cli.narrowing import print_narrowing

        print_narrowing(Space.load(space), space, find_study(narrow_from, runs), save, as_json)
        return
    if against is not None and save is not None:
        raise InputError("space must have one of --against and --save, got both; keep one")
    chosen = spaces.narrowed(Space.load(space), narrow or [])
    if against is not None:
        other = Space.load(against)
        if as_json:
            rows = [dict(zip(("axis", "here", "there"), row, strict=True)) for row in chosen.differences(other)]
            print_json({"space": chosen.name, "against": other.name}, rows)
        elif chosen.differences(other):
            print_table(spaces.differences_table(chosen, other))
        else:
            print(f"{chosen.name} and {other.name} have the same axes and choices")
        return
    budget = spaces.parse_budget(flops, params, activations)
    task = spaces.task_of(chosen, image_size, channels, classes)
    found = spaces.report(chosen, task, budget)
    if as_json:
        axes = [{"axis": name, "choices": axis.to_plain()} for name, axis in chosen.axes.items()]
        print_json(about_space(chosen, task, budget) | found, axes)
    else:
        print_table(spaces.axes_table(chosen))
        print_lines(spaces.report_lines(found, task, budget))
    if save is not None:
        spaces.save(chosen, save)
        print(f"saved as {save}", file=sys.stderr)


def _network_json(arch: Arch, task: Task) -> dict[str, Any]:
    """The network, its cost, and the cost and output (channels, side in pixels) of each part."""
    parts = [
        {"part": row.name, "channels": row.width, "size": row.size, **asdict(row.cost)} for row in breakdown(arch, task)
    ]
    about = cost_record(count_cost(arch, task), arch.key, task) | {"flops_convention": FLOPS_WORDS}
    return {**about, "parts": parts, "arch": arch.to_dict()}
