"""What all commands share: the app, and how results, progress and the end are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from nas import __version__
from nas.cli.options import RUNS
from nas.process.errors import STOPPED
from space import InputError

if TYPE_CHECKING:  # rich is imported by the commands that print a table
    from rich.console import Console
    from rich.table import Table

# Commands in the order of work: a heading, and what each is for in a line.
COMMANDS = {
    "To begin": {
        "doctor": "what works on this machine, and what to install",
        "init": "write a space and a recipe, with a word on each line",
        "presets": "the spaces and networks that come with nas",
        "data": "how a data set is read, before anything is trained on it",
    },
    "Search, and watch it": {
        "search": "draw networks in a FLOPs budget, train them, keep the best",
        "studies": "the studies that there are",
        "trials": "every network of a study",
        "front": "accuracy against FLOPs: the networks that none beats",
        "steps": "from one network to another, in every combination",
        "dashboard": "all of it in the browser, live",
        "report": "a study as one HTML file",
        "reference": "networks of elsewhere, trained as a study's own",
    },
    "Pick a network and take it on": {
        "export": "a network with weights and model card",
        "train": "a network to its end, from its weights or afresh",
        "predict": "classify pictures, and see what goes wrong",
        "measure": "latency, throughput and memory on this device",
        "import": "weights from elsewhere as an export",
    },
    "Look at spaces and networks": {
        "space": "a space: its axes, networks and costs",
        "draw": "random networks of a space",
        "show": "a network part by part",
        "cost": "FLOPs, parameters and activations of networks",
    },
    "Check what a search can tell": {
        "compare-spaces": "is one space better than another at equal FLOPs?",
        "audit": "does brief training rank as longer training does?",
        "record": "a study's trainings as a table",
        "replay": "samplers and stopping rules on recorded trainings",
    },
    "Keep studies in order": {
        "rename": "another name for a study",
        "archive": "out of the way, whole; and back",
        "delete": "a study, for good",
    },
    "Many machines": {"worker": "one more worker on a study that runs"},
}


WIDE = 200  # characters
UNBOUNDED = 1_000_000
UNCUT = "\N{NO-BREAK SPACE}"  # for a space at which no line ends
WIDEST = max(len(name) for commands in COMMANDS.values() for name in commands)


class ByWork(TyperGroup):
    """Lists the commands by COMMANDS."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(WIDEST), what) for name, what in commands.items()])


app = typer.Typer(
    cls=ByWork,
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


def has_width(stream: TextIO) -> bool:
    """Whether lines end somewhere: in a window, or where COLUMNS says. In a file or a pipe they are whole."""
    return stream.isatty() or "COLUMNS" in os.environ


def progress(quiet: bool = False) -> Console:
    """Where progress goes; nowhere, where it shall be `quiet`."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet, emoji=False, soft_wrap=not has_width(sys.stderr))


def print_lines(lines: Iterable[str], begin: str = "", indent: str = "  ") -> None:
    """As wide as the window, whole where there is none; neither a word nor a command to be copied is cut. `begin`:
    before a line, `indent`: before what goes on."""
    width = shutil.get_terminal_size().columns if has_width(sys.stdout) else UNBOUNDED
    wrap = textwrap.TextWrapper(width, begin, indent, break_long_words=False, break_on_hyphens=False)
    for line in lines:
        whole = re.sub("pip install .*", lambda found: found[0].replace(" ", UNCUT), line)
        print(wrap.fill(whole).replace(UNCUT, " "))


def print_json(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """One object: what the rows are of, then `rows`, a line of each."""
    said = "".join(f" {json.dumps(name)}: {json.dumps(value)},\n" for name, value in about.items())
    print(f'{{\n{said} "rows": [' + ",".join(f"\n  {json.dumps(row)}" for row in rows) + "]\n}")


def print_table(table: Table, wide: bool = False) -> None:
    """`wide`: as wide as it is, whatever the window. In a file or a pipe what is said of it is in whole lines."""
    from rich.console import Console

    console = Console(width=WIDE if wide else None, highlight=False, emoji=False)
    write_table(console, table, whole=not has_width(sys.stdout))


def print_text(text: str) -> None:
    """In lines of the window."""
    from rich.console import Console

    Console(highlight=False, emoji=False, markup=False, soft_wrap=not has_width(sys.stdout)).print(text)


def write_table(console: Console, table: Table, whole: bool = False) -> None:
    """With its title above and what is said of it below, both as wide as the console, not as the table. `whole`: these
    are not wrapped, and rows end without blanks."""
    title, said = table.title, table.caption
    table.title = table.caption = None
    if title:
        console.print(title, soft_wrap=whole)
    if whole:
        with console.capture() as rows:
            console.print(table)
        console.file.write(re.sub(" +$", "", rows.get(), flags=re.MULTILINE))
    else:
        console.print(table)
    if said:
        console.print(said, soft_wrap=whole)
