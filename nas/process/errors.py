"""What ends a command, in one line: a person's mistake, the machine's, or a fault of nas itself, which says where and
leaves its traceback in a log."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO

from space import InputError

MACHINE, REFUSED, FAULT = 1, 2, 70  # exit codes; 70 is sysexits.h's EX_SOFTWARE
STOPPED, TERMINATED = 130, 128 + signal.SIGTERM  # by Ctrl-C, by a signal
LOG = "error.log"
ROOT = Path(__file__).parents[2]
OWN = [ROOT / name for name in ("nas", "space", "dashboard")]
ENDING_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Fault(Exception):
    """A fault of nas itself, as one line; its traceback is in a log already."""


class MachineError(OSError):
    """What another process met with, as it said it: one line."""


class Terminated(SystemExit):
    """SIGTERM or SIGHUP: like a second Ctrl-C, what trains is handed back and the process ends."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


@contextmanager
def terminable() -> Iterator[None]:
    """Raises Terminated in the main thread where the process is told to end. One that was started to outlive its
    terminal (nohup) ignores SIGHUP, and goes on to. In another thread it changes nothing."""
    if threading.current_thread() is not threading.main_thread():  # only that one hears signals
        yield
        return
    heard = [number for number in ENDING_SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in heard:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def exit_code(error: Exception) -> int:
    return REFUSED if isinstance(error, InputError) else MACHINE if isinstance(error, OSError) else FAULT


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its type when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def line_of(error: BaseException, folder: Path | None = None) -> str:
    """The error as one line. Of a fault the traceback goes into a log, of a study where that has a `folder`."""
    if isinstance(error, (InputError, Fault, MachineError)):
        return " ".join(str(error).split("\n"))
    if isinstance(error, OSError):
        return _of_the_machine(error)
    what = " ".join(f"{type(error).__name__}: {error}".split("\n"))
    return (
        f"nas must not fail, got {what} ({_place(error)}); {_save_traceback(error, folder)}; what was trained is kept"
    )


def _of_the_machine(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk must have room, got {error.strerror}; free some and run the same command again"
    what = error.strerror or f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    return f"{error.filename or 'system'} must be usable, got {' '.join(what.split())}; mend that and go on"


def _place(error: BaseException) -> str:
    """The last line of our own code that it went through: `nas/searching/trial_index.py, line 101`."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(path.relative_to(ROOT), line) for path, line in frames if any(path.is_relative_to(each) for each in OWN)]
    path, line = (own or frames)[-1]
    return f"{path}, line {line}"


def _save_traceback(error: BaseException, folder: Path | None) -> str:
    """Appends the traceback to the log in the study's folder, or to a new temporary file. Where it is, for the line."""
    lines = "".join(traceback.format_exception(error))
    try:
        with (folder / LOG).open("a", encoding="utf-8") if folder else _somewhere() as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, process {os.getpid()}\n{lines}\n")
    except OSError as problem:
        return f"--debug shows the traceback, which could not be written ({problem.strerror})"
    return f"please report it with {file.name}, which has the traceback"


def _somewhere() -> IO[str]:
    return tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="nas-", suffix=".log", delete=False)
