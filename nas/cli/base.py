"""What all commands share: the app, and how results, progress and the end are printed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas import __version__
from nas.cli.options import RUNS
from nas.records.errors import STOPPED
from space import InputError

if TYPE_CHECKING:  # rich is imported by the commands that print a table
    from rich.console import Console
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


def typed() -> str:
    """What was typed, without a password in a URL."""
    words = (re.sub(r"(\w+:/+)([^:/@]*):?[^/]*@", r"\1\2@", word) for word in sys.argv[1:])
    return shlex.join(["nas", *words])


def check_there(runs: Path) -> None:
    """Raises InputError for a folder that was named and is none; the default one may be still to come."""
    if runs != RUNS and not runs.is_dir():
        raise InputError(f"runs must be a folder that exists, got {runs}; check the path")


def stopped() -> typer.Exit:
    """The end of a command that Ctrl-C ended, said on stderr."""
    print(f"stopped; to go on: {typed()}", file=sys.stderr)
    return typer.Exit(STOPPED)


def progress() -> Console:
    """Where progress goes."""
    from rich.console import Console

    return Console(stderr=True)


def print_json(rows: list[dict[str, Any]]) -> None:
    print("[" + ",\n ".join(json.dumps(row) for row in rows) + "]")


def print_table(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
