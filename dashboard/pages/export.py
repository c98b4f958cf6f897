"""The export button: runs `nas export` as a process of its own, so that the server never imports torch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import streamlit as st

from dashboard.pages.elements import text_box
from nas.records.study_name import check_name
from space import InputError


@dataclass
class Job:
    """A running or finished `nas export`. Its output goes to files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]

    @property
    def code(self) -> int | None:
        """Exit status, None while it runs."""
        return self.process.poll()

    def said(self) -> str:
        """What it printed on stdout."""
        return _text(self.stdout)

    def remarks(self) -> list[str]:
        """What it said of the network beside its card: that it was measured outside a limit."""
        return [line for line in _text(self.stderr).splitlines() if line.startswith("latency:")]

    def problem(self) -> str:
        """Its `error:` line, or the last line on stderr."""
        lines = _text(self.stderr).splitlines() or [f"nas export must end with 0, got {self.code}; run it by hand"]
        return next((line for line in lines if line.startswith("error:")), lines[-1])


def arguments(runs: Path, study: str, number: int, target: Path, data: str | None = None) -> list[str]:
    """What follows `nas` on the command line. Raises InputError for a study's name that is none."""
    line = ["export", check_name(study), "--trial", str(number), "--out", str(target)]
    line += ["--data", data] if data else []
    return line if runs == Path("runs") else [*line, "--runs", str(runs)]


def start(line: list[str]) -> Job:
    """Runs `nas LINE` with this interpreter."""
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  closed with the job
    env = os.environ | {"NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "nas", *line]
    return Job(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env), out, err)


def section(runs: Path, study: str, number: int, source: str) -> None:
    """The command, and a button that runs it. A target that exists is shown, and the next free name taken. `source`:
    where the search read its data."""
    jobs: dict[tuple[str, int], Job] = st.session_state.setdefault("exports", {})
    job = jobs.get((study, number))
    made, target = targets(runs / study / "exports", number)
    try:
        line = arguments(runs, study, number, target, _place(study, source))
    except InputError as error:
        st.text(f"This study cannot be exported from here: {error}")
        return
    text_box(shlex.join(["nas", *line]))
    for folder in made:
        st.text(f"Exported to {folder}")
    busy = job is not None and job.code is None
    label = "Export again" if made else "Export"
    if st.button(label, key=f"export-{number}", disabled=busy, type="primary", icon=":material/download:"):
        jobs[study, number] = start(line)
        st.rerun()
    if job is not None:
        _show(job)


def _place(study: str, source: str) -> str | None:
    """Where a person says that the data is now; None where it was. Remembered for the study's other networks."""
    help = "A folder on this machine, or a name. The images must be those of the search."
    said = st.text_input(
        "Location of the study's data", source, key=f"place-{study}", help=help, persist_state="session"
    )
    place = said.strip() or source
    if absent(place):
        st.text(f"There is no folder {place} on this machine: set where the study's data is now.")
    return None if place == source else place


def absent(place: str) -> bool:
    """Whether data's place is a folder that is not on this machine."""
    return place.startswith((".", "/", "~")) and not Path(place).expanduser().is_dir()


def busy() -> int:
    """How many of this session's exports run."""
    jobs: dict[tuple[str, int], Job] = st.session_state.get("exports", {})
    return sum(job.code is None for job in jobs.values())


def targets(folder: Path, number: int) -> tuple[list[Path], Path]:
    """The export folders of a trial that exist, and the next free one: trial-7, trial-7-2, trial-7-3, ..."""
    made: list[Path] = []
    while (target := folder / f"trial-{number}{f'-{len(made) + 1}' if made else ''}").exists():
        made.append(target)
    return made, target


def _show(job: Job) -> None:
    if job.code is None:
        st.status("Exporting: the data is loaded and the network measured on the test split …")
    elif job.code == 0:
        st.success("Exported.")
        text_box("\n".join([job.said().strip() or "done", *job.remarks()]))
    else:
        st.error("The export ended with an error:")
        text_box(job.problem())
        if "--data" in job.problem():
            st.text("Set the location of the data above and export again.")


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
