"""Processes that nas starts, forked instead from the one that starts them, which has imported everything.

They are processes like any other, with a pid, signals and standard streams of their own, that die on their own; they only
do not spend the seconds that python and torch take to start. That they start is shown where nas starts them itself.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import resource_tracker
from types import SimpleNamespace
from typing import Any, NoReturn

from nas.cli import main
from nas.export import formats
from nas.searching import processes


def fork_what_is_started(replace: Callable[[object, str, Any], None] = setattr) -> None:
    """From now on this process forks the workers of its search, and what an export is verified in. With a monkeypatch's
    `setattr` until its test ends."""
    serial, real = threading.Lock(), formats.run_in_process

    def one_by_one(*words: Any) -> Any:
        with serial:  # no thread works while another forks
            return real(*words)

    replace(processes, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": Worker}))
    replace(formats, "subprocess", SimpleNamespace(**{**vars(subprocess), "run": _run}))
    replace(formats, "run_in_process", one_by_one)


class Worker:
    """What `nas.searching.processes` uses of `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], *, stderr: Any, env: Mapping[str, str], **_: object) -> None:
        there, here = os.pipe()

        def work() -> None:
            sys.argv = ["nas", *words[4:-1]]
            main()

        self.pid = _fork(work, env, there, stderr.fileno())
        os.close(there)
        self.stdin = os.fdopen(here, "wb", buffering=0)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.returncode = os.waitstatus_to_exitcode(ended[1])
        return self.returncode

    def wait(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("nas worker", timeout)
            time.sleep(0.01)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Rank(Worker):
    """What torchrun uses of `subprocess.Popen` for `python -u -m nas WORD...`, which writes where torchrun does."""

    def __init__(self, args: Sequence[str], *, env: Mapping[str, str], **_: object) -> None:
        def work() -> None:
            os.setsid()
            sys.argv = ["nas", *args[4:]]
            main()

        assert args[3] == "nas", args
        self.pid = _fork(work, env, 0, 2, stdout=1)
        self.returncode = None


def _run(words: Sequence[str], *, env: Mapping[str, str], **_: object) -> subprocess.CompletedProcess[str]:
    """`python -I FILE WORD...`"""
    file, *rest = words[2:]

    def work() -> None:
        sys.argv = [file, *rest]
        runpy.run_path(file, run_name="__main__")

    with tempfile.TemporaryFile() as errors:
        nothing = os.open(os.devnull, os.O_RDONLY)
        status = os.waitpid(_fork(work, env, nothing, errors.fileno()), 0)[1]
        os.close(nothing)
        errors.seek(0)
        said = errors.read().decode()
    return subprocess.CompletedProcess(list(words), os.waitstatus_to_exitcode(status), "", said)


def _fork(
    work: Callable[[], object], environment: Mapping[str, str], stdin: int, stderr: int, stdout: int | None = None
) -> int:
    """Without a `stdout`, to nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fork() or _become(work, environment, stdin, stderr, stdout)


def _become(
    work: Callable[[], object], environment: Mapping[str, str], stdin: int, stderr: int, stdout: int | None
) -> NoReturn:
    code = 1
    try:
        os.dup2(stdin, 0)
        os.dup2(stderr, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY) if stdout is None else stdout, 1)
        os.closerange(3, 4096)
        vars(resource_tracker._resource_tracker).update(_fd=None, _pid=None)  # that one was closed with the others
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))  # pytest has others
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
