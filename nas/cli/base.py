"""What all commands share: the app, options, and how results are printed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas import __version__

if TYPE_CHECKING:  # rich is imported by the commands that print a table
    from rich.table import Table

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"nas {__version__}, torch {version('torch')}, optuna {version('optuna')}")
        raise typer.Exit


@app.callback()
def every(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, too.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version, and those of torch and Optuna."
        ),
    ] = False,
) -> None:
    """Explore the design space of ConvNeXt-family networks under a FLOPs budget."""


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Runs = Annotated[Path, typer.Option(help="The folder that holds the studies.")]
SpaceArg = Annotated[str, typer.Argument(metavar="SPACE", help="A YAML file or a preset space.")]
StudyArg = Annotated[str, typer.Argument(metavar="STUDY", help="A name under --runs, or a study's folder.")]
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


def typed() -> str:
    """What was typed, without a password in a URL."""
    words = (re.sub(r"(\w+:/+)([^:/@]*):?[^/]*@", r"\1\2@", word) for word in sys.argv[1:])
    return shlex.join(["nas", *words])


def print_json(rows: list[dict[str, Any]]) -> None:
    print("[" + ",\n ".join(json.dumps(row) for row in rows) + "]")


def print_table(table: Table) -> None:
    from rich.console import Console

    console = Console()
    console.print(table)
