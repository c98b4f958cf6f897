"""The command `nas`. Results go to stdout (`--json` for machines), progress to stderr; a person's mistake exits with 2.

torch is imported only by the commands that train or run a network.
"""

from __future__ import annotations

import errno
import sys

import typer

from nas.cli import exporting, networks, searching  # noqa: F401, each brings its commands
from nas.cli.base import app, typed
from space import InputError


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
        _fail(f"interrupted; to go on: {typed()}", 130)
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
