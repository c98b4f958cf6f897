"""The command `nas`. Results go to stdout (`--json` for machines), progress to stderr; a person's mistake exits with 2.

torch is imported only by the commands that train or run a network.
"""

from __future__ import annotations

import re
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
from nas.records.errors import REFUSED, STOPPED, TERMINATED, Terminated, exit_code, line_of
from space.reading import nearest

_CHOICE = re.compile(
    r"Invalid value for '--(?P<name>\S+)'.*: Value error, '(?P<got>.*)' is not one of (?P<known>.*?)\.?"
)


def main() -> None:
    """Entry point: one-line errors, exit 2 for a person's mistake, 1 for the machine's, 70 for a fault of nas itself.
    `--debug`, anywhere, shows the traceback too."""
    command = typer.main.get_command(app)
    words = sys.argv[1:]
    debug = "--debug" in words
    sys.argv[1:] = [word for word in words if word != "--debug"] or ["--help"]
    try:
        code = command.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except Terminated:
        _fail(f"terminated; to go on: {typed()}", TERMINATED)
    except (typer.Abort, KeyboardInterrupt):
        _fail(f"interrupted; to go on: {typed()}", STOPPED)
    except typer.TyperException as error:  # an unknown command or option, a wrong value
        _fail(_in_our_form(getattr(error, "format_message", error.__str__)()), REFUSED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _fail(line_of(error), exit_code(error))


def _in_our_form(said: str) -> str:
    """Of an option with a choice; what else typer says is left as it is."""
    match = _CHOICE.fullmatch(said.strip())
    if not match:
        return said
    known = re.findall("'(.*?)'", match["known"])
    close = nearest(match["got"], known)
    step = close if close.startswith("did you mean") else "choose one"
    return f"{match['name']} must be one of {', '.join(known)}, got {match['got']}; {step}"


def _fail(message: str, code: int) -> None:
    print("error: " + " ".join(message.split("\n")), file=sys.stderr)
    sys.exit(code)
