"""The command `nas`. Results go to stdout (`--json` for machines), progress to stderr; a person's mistake exits with 2.

torch is imported only by the commands that train or run a network.
"""

from __future__ import annotations

import sys
import traceback

import typer

from nas.cli import (  # noqa: F401
    comparing,
    exporting,
    keeping,
    looking,
    measuring,
    networks,
    predicting,
    referencing,
    searching,
    starting,
    stepping,
    studies,
)
from nas.cli.base import app, typed
from nas.cli.usage_errors import in_our_form
from nas.process.errors import REFUSED, STOPPED, TERMINATED, Terminated, exit_code, line_of


def main() -> None:
    """Entry point: one-line errors, exit 2 for a person's mistake, 1 for the machine's, 70 for a fault of nas itself.
    `--debug`, anywhere, shows the traceback too."""
    command = typer.main.get_command(app)
    words = sys.argv[1:]
    debug = "--debug" in words
    sys.argv[1:] = [word for word in words if word != "--debug"] or ["--help"]
    try:
        code = command.main(prog_name="nas", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except Terminated:
        _fail(f"terminated; to go on: {typed()}", TERMINATED)
    except (typer.Abort, KeyboardInterrupt):
        _fail(f"interrupted; to go on: {typed()}", STOPPED)
    except typer.TyperException as error:  # an unknown command or option, a wrong value
        _fail(in_our_form(error), REFUSED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _fail(line_of(error), exit_code(error))


def _fail(message: str, code: int) -> None:
    print("error: " + " ".join(message.split("\n")), file=sys.stderr)
    sys.exit(code)
