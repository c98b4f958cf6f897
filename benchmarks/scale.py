"""Many workers and many trials: trials a second, what a trial costs beside training, and what readers cost.

    python -m benchmarks.scale [--server]

Trials only sleep, two seconds in all, so that what is left is the search: drawing, recording, the journal, and what
workers do to each other. Studies are filled to each size with random networks and made-up accuracies first. --server
adds a PostgreSQL server of its own, from the distribution's package (as root).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev

from benchmarks.machine import heading
from benchmarks.searching import MadeUp, TimedSearch, resident, settings
from dashboard.study_cache import StudyCache
from nas.cli.front_table import front_table
from nas.cli.study_tables import trials_table
from nas.records.recipe import Recipe
from nas.records.trial import Trial
from nas.samplers.early_stopping import NoRule
from nas.searching.loop import Watch
from nas.storage.postgres import parse_server
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder
from tests.nas.postgres import Postgres, started

EPOCHS, SECONDS = 4, 2.0  # of a trial
WORKERS, SIZES = (1, 4, 16), (100, 1000, 10_000)
SPELL = 10.0  # seconds that a reader reads, then does not
COMMAND = (sys.executable, "-m", "benchmarks.scale")
HEAD = f"""\
trials that sleep {SECONDS:g} s; milliseconds, medians. open: a worker's start, without imports; MB: its memory then
ask: a network drawn and on record; tell: a result on record
beside: all that a trial takes of its worker beyond the sleep
journal     trials workers  trials/s    open      MB     ask    tell  beside"""


def sleeper(seconds: float) -> MadeUp:
    return MadeUp(EPOCHS, seconds, b"0" * 100_000)


def fill(folder: Path, size: int) -> None:
    """Gives the study complete trials until it has `size`."""
    search = TimedSearch(folder, sleeper(0), Watch())
    search.rule = NoRule()
    search.grow(size)


def work(folder: Path, place: int, total: int) -> None:
    """One worker, which begins when it is told to. Prints how long it took to open the study and its memory, then, at
    its end, milliseconds of each ask and tell, and when each trial was done and how long it slept, in seconds."""
    began = time.perf_counter()
    done: list[float] = []
    slept: list[float] = []

    def finished(trial: Trial, count: int) -> None:
        done.append(time.monotonic())
        slept.append(trial.seconds or 0.0)

    search = TimedSearch(folder, sleeper(SECONDS), Watch(on_finish=finished), place)
    search.reset()
    search.index.refresh()
    print(json.dumps({"open": [1000 * (time.perf_counter() - began)], "memory": [resident()]}), flush=True)
    sys.stdin.readline()
    search.run(total)
    print(json.dumps({"ask": search.asked, "tell": search.told, "done": done, "slept": slept}))


def poll(folder: Path, every: float) -> None:
    """Reads the study as the dashboard, `nas front` and `nas trials` do, until it is ended: for SPELL seconds, then as
    long not, and so on. Prints when it begins and ceases."""
    cache, reader, ends = StudyCache(), Reader(folder), 0.0
    while True:
        print(time.monotonic(), flush=True)
        ends = time.monotonic() + SPELL
        while (began := time.monotonic()) < ends:
            cache.read(folder)
            trials = reader.trials()
            trials_table(trials, reader.settings)
            front_table(trials, reader.settings)
            time.sleep(max(0.0, every - (time.monotonic() - began)))
        print(time.monotonic(), flush=True)
        time.sleep(SPELL)


def measure(folder: Path, workers: int, trials: int) -> dict[str, float]:
    """Runs so many workers until the study has `trials` more: trials a second while all run, and medians in ms."""
    began, outputs = run(folder, workers, trials)
    found = {name: [value for own in outputs for value in own[name]] for name in outputs[0]}
    elapsed, slept = max(found.pop("done")) - began, sum(found.pop("slept"))
    row = {name: median(values) for name, values in found.items()}
    return row | {"rate": trials / elapsed, "beside": 1000 * (workers * elapsed - slept) / trials}


def run(folder: Path, workers: int, trials: int) -> tuple[float, list[dict[str, list[float]]]]:
    """When the workers were told to begin, and what each of them said."""
    total = len(Reader(folder).trials()) + trials
    place = random.SystemRandom().randrange(10**6)
    running = [
        subprocess.Popen(
            [*COMMAND, "--work", str(folder), str(place + i), str(total)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for i in range(workers)
    ]  # fmt: skip
    opened = [json.loads(process.stdout.readline()) for process in running if process.stdout]
    began = time.monotonic()
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return began, [own | json.loads(process.communicate()[0]) for process, own in zip(running, opened, strict=True)]


@contextmanager
def study(server: Postgres | None) -> Iterator[Path]:
    """An empty study."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, plan = Path(scratch) / "study", settings(Recipe(epochs=EPOCHS), "ehvi")
        if server:
            plan = replace(plan, server=parse_server(server.url(), "study"))
        open_folder(folder, plan)
        yield folder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--readers", type=int, metavar="TRIALS", help="only what a reader costs")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--poll", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        folder, place, total = options.work
        return work(Path(folder), int(place), int(total))
    if options.poll:
        return poll(Path(options.poll), 0.2)
    print(heading("optuna", "torch"))
    if options.readers:
        return readers(options.readers)
    print(HEAD)
    with started() if options.server else nullcontext() as server:
        for kind in ["file", *(["server"] if server else [])]:
            for size in SIZES:
                with study(server if kind == "server" else None) as folder:
                    fill(folder, size)
                    for workers in WORKERS:
                        row = measure(folder, workers, 12 * workers)
                        numbers = "".join(f"{row[name]:8.0f}" for name in ("open", "memory", "ask", "tell", "beside"))
                        print(f"{kind:10s}{size:>8,}{workers:>8}{row['rate']:>10.2f}{numbers}", flush=True)
    return None


def readers(trials: int) -> None:
    """What a trial takes of its worker beyond the sleep, while a reader polls five times a second and while none does,
    in turns within one search of four workers."""
    with study(None) as folder:
        fill(folder, 1000)
        reader = subprocess.Popen([*COMMAND, "--poll", str(folder)], stdout=subprocess.PIPE, text=True)
        try:
            _, outputs = run(folder, 4, trials)
        finally:
            reader.kill()
        assert reader.stdout
        switched = [float(line) for line in reader.stdout]
    beside: dict[bool, list[float]] = {True: [], False: []}
    whole = []
    for own in outputs:
        for before, done, slept in zip(own["done"], own["done"][1:], own["slept"][1:], strict=False):
            states = [sum(moment < time for moment in switched) for time in (before, done)]
            whole.append(done - before)
            if states[0] == states[1]:  # else the reader began or ceased meanwhile
                beside[states[0] % 2 == 1].append(done - before - slept)
    (read, alone), cycle = (beside[True], beside[False]), mean(whole)
    error = math.hypot(*(stdev(values) / len(values) ** 0.5 for values in (read, alone)))
    print("4 workers on a study of 1,000 trials and more; a trial beside its sleep, means")
    print(f"read five times a second: {1000 * mean(read):.0f} ms, n = {len(read)}")
    print(f"not read: {1000 * mean(alone):.0f} ms, n = {len(alone)}")
    slower, error = (mean(read) - mean(alone)) / cycle, error / cycle
    print(f"slower by {slower:.2%} of a trial of {cycle:.2f} s in all, standard error {error:.2%}")


if __name__ == "__main__":
    main()
