"""Commands of the first hour: what works here, what there is to begin from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.base import app, print_lines, print_table
from space import InputError
from space.reading import presets as names_of


@app.command()
def doctor() -> None:
    """Check this machine: Python, torch and its device, the compiler, memory and disk, the extras. What is missing is
    named with how to get it; exits with 1 where a search cannot run.

    Example: nas doctor
    """
    from nas.cli.machine_check import checks

    found = list(checks())
    width = max(len(check.what) for check in found)
    for check in found:
        begin = f"{check.state:>7}  {check.what:{width}}  "
        print_lines([check.says], begin, " " * len(begin))
    if any(check.state == "missing" for check in found):
        raise typer.Exit(1)


@app.command()
def presets(kind: Annotated[str, typer.Argument(metavar="[spaces|networks]")] = "spaces") -> None:
    """List the spaces that come with nas, or its networks, each with what it is.

    Examples: nas presets; nas presets networks
    """
    if kind not in ("spaces", "networks"):
        raise InputError(f"kind must be spaces or networks, got {kind}; choose one")
    from rich.table import Table

    from nas.cli.first_files import what_it_is

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name in names_of(kind):
        table.add_row(name, what_it_is(kind, name))
    print_table(table)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A folder; it may exist.")] = Path(),
    preset: Annotated[str, typer.Option(help="The space to begin from.")] = "convnext_or_modulation_32",
) -> None:
    """Write space.yaml and recipe.yaml, with a word on each line, to be changed and searched.

    Examples: nas init; nas init flowers --preset convnext_or_modulation_64
    """
    from nas.cli.first_files import write_first_files

    for path in write_first_files(folder, preset):
        print(f"wrote {path}")
    print(f"next: nas space {folder / 'space.yaml'}")
