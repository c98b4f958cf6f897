"""Commands as processes that are forked from one that has imported everything: python and torch take seconds to start.

Each has its own pid, streams and signals, and dies like any other, and so does what it starts (`tests.forked`). Latencies
are measured in a blink (`tests.brief`).
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path
from unittest.mock import patch

from nas.cli import main
from tests.brief import measure_briefly
from tests.forked import Rank, fork_what_is_started

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([
    "tests.forked", "nas.cli", "nas.searching.worker", "nas.searching.launch", "nas.searching.audit", "nas.samplers.ehvi",
    "nas.training.brief", "nas.export.write", "nas.final.training", "nas.final.to_export", "nas.latency.measurements",
    "nas.benchmark.replay_report", "nas.benchmark.table", "dashboard.report", "sklearn.datasets", "datasets", "timm",
    "torch._dynamo", "torch.utils.tensorboard",
])  # fmt: skip


class Started:
    """`nas WORD...`, `python FILE|-m MODULE WORD...` or `torchrun OPTION... -m nas WORD...`, with what `subprocess.Popen` has for one."""

    def __init__(self, words: Sequence[str], environment: dict[str, str], folder: Path | None = None) -> None:
        self.written = [tempfile.NamedTemporaryFile() for _ in range(2)]  # noqa: SIM115
        names = [file.name for file in self.written]
        with patch.dict(os.environ, OMP_NUM_THREADS="1"):  # torch's threads are those of the process it forks from
            self.process = CONTEXT.Process(
                target=_run, args=(list(words), environment, str(folder or Path.cwd()), names)
            )
            self.process.start()
        assert self.process.pid is not None
        self.pid = self.process.pid

    def said(self) -> str:
        """On stderr, until now."""
        return Path(self.written[1].name).read_text()

    def poll(self) -> int | None:
        return self.process.exitcode

    @property
    def returncode(self) -> int:
        assert self.process.exitcode is not None
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        if self.poll() is None:
            self.process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("nas", timeout or 0)
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        out, errors = (Path(file.name).read_text() for file in self.written)
        return out, errors


def _run(words: list[str], environment: dict[str, str], folder: str, written: list[str]) -> None:
    """In the new process."""
    forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, name in enumerate(written, start=1):
        with Path(name).open("ab") as file:
            os.dup2(file.fileno(), number)
    fork_what_is_started()
    measure_briefly()
    program, *rest = words
    if program == "torchrun":
        _torchrun(words)
    elif program != "python":
        sys.argv = words
        main()
    elif rest[0] == "-m":
        sys.path[0] = folder
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(rest[0]).resolve().parent)
        sys.argv = rest
        runpy.run_path(rest[0], run_name="__main__")


def _torchrun(words: list[str]) -> None:
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler

    sys.argv = words
    with patch.object(subprocess_handler, "Popen", Rank):
        run.main()
