"""A process that has imported what commands import, and forks for each one: a real process, without the start.

It reads an order a line on stdin, and the exit code of each comes in a file. What a command would start is forked too.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from tests.forked import fork_what_is_started

MODULES = (
    "nas.cli", "nas.searching.launch", "nas.training.brief", "nas.export.write", "nas.final.to_export", "nas.final.training", "nas.searching.audit", "nas.latency.measuring",
    "nas.benchmark.replay_report", "nas.benchmark.table", "dashboard.report", "sklearn.datasets", "datasets", "optuna.samplers",
)  # fmt: skip


def become(order: dict[str, Any]) -> NoReturn:
    """In the fork: the command, with its words, folder, environment and files to write to."""
    for number, path in enumerate((os.devnull, order["out"], order["errors"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    code = 0
    try:
        _run(order["words"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(words: list[str]) -> None:
    fork_what_is_started()
    program, *rest = words
    if program == "nas":
        from nas.cli import main

        sys.argv = words
        main()
    elif rest[0] == "-m":
        sys.path[0] = str(Path.cwd())
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(rest[0]).resolve().parent)
        sys.argv = rest
        runpy.run_path(rest[0], run_name="__main__")


def main() -> None:
    for module in MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            wait_for(json.loads(line))
    with suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass


def wait_for(order: dict[str, Any]) -> NoReturn:
    """In a fork, so that several commands run at once."""
    pid = os.fork()
    if pid == 0:
        become(order)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    Path(order["code"]).write_text(f"{code}\n")
    os._exit(0)


if __name__ == "__main__":
    main()
