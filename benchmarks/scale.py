"""Many workers and many trials: trials a second, what a trial costs beside training, and what readers cost.

    python -m benchmarks.scale [--workers 1 4 16] [--sizes 100 1000 10000] [--server]

Trials only sleep, each --seconds in all, so that what is left is the search: drawing, recording, the journal, and what
workers do to each other. Studies are filled to each size with drawn networks and made-up accuracies first. --server
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev

from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.machine import heading
from benchmarks.searching import resident, settings
from dashboard.study_cache import StudyCache
from nas.cli.tables import front_table, trials_table
from nas.records.recipe import Recipe
from nas.records.settings import ARTIFACTS
from nas.records.trial import CURVE, Epoch, Trial
from nas.samplers.parameters import RecordingChooser
from nas.searching.ask import Begun
from nas.searching.loop import Search, Watch
from nas.storage.postgres import parse_server
from nas.storage.reader import Reader
from nas.storage.study_folder import open_folder, open_study
from nas.training.brief import Verdict
from nas.training.trainer import Finished, Result
from space import Arch, Band
from space.chooser import RandomChooser
from tests.nas.postgres import Postgres, started

EPOCHS = 4
SPELL = 10.0  # seconds that a reader reads, then does not
BAND = Band.parse("200K..4M")
COMMAND = (sys.executable, "-m", "benchmarks.scale")
HEAD = """trials that sleep {:g} s; milliseconds, medians. open: a worker's start, without imports; MB: its memory then
ask: a network drawn and on record; tell: a result on record
beside: all that a trial takes of its worker beyond the sleep
journal     trials workers  trials/s    open      MB     ask    tell  beside"""


@dataclass(frozen=True)
class Sleeper:
    """A trainer that sleeps: accuracy grows with log FLOPs, with noise."""

    seconds: float

    def __call__(
        self, arch: Arch, seed: int, on_epoch: Callable[[Epoch], Verdict], abandoned: Callable[[], bool]
    ) -> Result:
        width = sum(stage.width for stage in arch.stages)
        for epoch in range(1, EPOCHS + 1):
            time.sleep(self.seconds / EPOCHS)
            accuracy = made_up(seed, width, epoch)
            verdict = on_epoch(Epoch(epoch, 2 - accuracy, accuracy, float(epoch)))
            if verdict == "stop":
                break
        return Finished(accuracy, self.seconds * epoch / EPOCHS, epoch < EPOCHS, b"0" * 100_000)


def made_up(number: int, width: int, epoch: int) -> float:
    final = 0.4 + 0.02 * math.log(width) + random.Random(number).gauss(0, 0.01)
    return final * (1 - math.exp(-epoch / 1.5))


class TimedSearch(Search):
    """Prints how long each ask and each record of an ended training takes, in ms."""

    def _next(self, total: int, repeats: int) -> Begun | None:
        with timed("ask"):
            return super()._next(total, repeats)

    def _tell(self, begun: Begun, result: Result | None, curve: list[Epoch]) -> None:
        with timed("tell"):
            super()._tell(begun, result, curve)


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(what, 1000 * (time.perf_counter() - began), flush=True)


def fill(folder: Path, size: int) -> None:
    """Gives the study complete trials with curves until it has `size`."""
    study, storage = open_study(folder, print)
    have = {frozen.user_attrs.get("key") for frozen in study.get_trials(deepcopy=False)}
    known = Reader(folder, storage).settings
    space, rng = known.build_space(), random.Random(size)
    (folder / ARTIFACTS).mkdir(exist_ok=True)

    def template(number: int) -> FrozenTrial:
        chooser = RecordingChooser(RandomChooser(rng))
        proposal = space.compose(chooser, known.task, known.budget)
        while not proposal.inside or proposal.arch.key in have:
            chooser = RecordingChooser(RandomChooser(rng))
            proposal = space.compose(chooser, known.task, known.budget)
        have.add(proposal.arch.key)
        width = sum(stage.width for stage in proposal.arch.stages)
        rows = [f"{e},1.0,{made_up(number, width, e):.6g},{e}" for e in range(1, EPOCHS + 1)]
        (folder / ARTIFACTS / f"curve-{number}").write_text("\n".join(["epoch,loss,accuracy,seconds", *rows, ""]))
        meta = {"artifact_id": f"curve-{number}", "filename": CURVE, "mimetype": "text/csv", "encoding": None}
        done = {"arch": proposal.arch.to_dict(), "key": proposal.arch.key, "seed": number, "epochs": EPOCHS}
        return create_trial(
            state=TrialState.COMPLETE, values=[made_up(number, width, EPOCHS), proposal.cost.flops],
            params=chooser.params, distributions=chooser.distributions,
            user_attrs=asdict(proposal.cost) | done | {"seconds": 1.0}, system_attrs={"artifacts:c": json.dumps(meta)},
        )  # fmt: skip

    storage.create_new_trial(study._study_id, template(len(have)))
    with storage.batched():  # one write
        for number in range(len(have), size):
            storage.create_new_trial(study._study_id, template(number))


def work(folder: Path, place: int, total: int, seconds: float) -> None:
    """One worker, which begins when it is told to."""
    began = time.perf_counter()

    def finished(trial: Trial, done: int) -> None:
        print("done", time.monotonic(), flush=True)
        print("slept", trial.seconds, flush=True)  # it follows

    search = TimedSearch(folder, Sleeper(seconds), Watch(on_finish=finished), place)
    search.index.refresh()
    print("open", 1000 * (time.perf_counter() - began), resident(), flush=True)
    sys.stdin.readline()
    search.run(total)


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


def measure(folder: Path, workers: int, trials: int, seconds: float) -> dict[str, float]:
    """Runs so many workers until the study has `trials` more: trials a second while all run, and medians in ms."""
    began, outputs = run(folder, workers, trials, seconds)
    found: dict[str, list[float]] = {"open": [], "ask": [], "tell": [], "done": [], "slept": [], "memory": []}
    for own in outputs:
        for name, values in own.items():
            found[name] += values
    elapsed, slept = max(found.pop("done")) - began, sum(found.pop("slept"))
    row = {name: median(values) for name, values in found.items()}
    return row | {"rate": trials / elapsed, "beside": 1000 * (workers * elapsed - slept) / trials}


def run(folder: Path, workers: int, trials: int, seconds: float) -> tuple[float, list[dict[str, list[float]]]]:
    """When the workers were told to begin, and what each of them said."""
    total = len(Reader(folder).trials()) + trials
    place = random.SystemRandom().randrange(10**6)
    running = [
        subprocess.Popen(
            [*COMMAND, "--work", str(folder), str(place + i), str(total), str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for i in range(workers)
    ]  # fmt: skip
    outputs: list[dict[str, list[float]]] = []
    for process in running:
        assert process.stdout
        _, milliseconds, megabytes = process.stdout.readline().split()
        own: dict[str, list[float]] = {"ask": [], "tell": [], "done": [], "slept": []}
        outputs.append({"open": [float(milliseconds)], "memory": [float(megabytes)], **own})
    began = time.monotonic()
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process, own in zip(running, outputs, strict=True):
        assert process.stdout
        for line in process.stdout.read().splitlines():
            what, value = line.split()
            own[what].append(float(value))
        process.wait()
    return began, outputs


@contextmanager
def study(server: Postgres | None) -> Iterator[Path]:
    """An empty study."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, plan = Path(scratch) / "study", settings("digits", BAND, Recipe(epochs=EPOCHS), "ehvi")
        if server:
            plan = replace(plan, server=parse_server(server.url(), "study"))
        open_folder(folder, plan)
        yield folder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--readers", type=int, default=0, metavar="TRIALS", help="only what a reader costs")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--poll", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        folder, place, total, seconds = options.work
        return work(Path(folder), int(place), int(total), float(seconds))
    if options.poll:
        return poll(Path(options.poll), 0.2)
    print(heading("optuna", "torch"))
    if options.readers:
        return readers(options.readers, options.seconds)
    print(HEAD.format(options.seconds))
    with started() if options.server else nullcontext() as server:
        for kind in ["file", *(["server"] if server else [])]:
            for size in options.sizes:
                with study(server if kind == "server" else None) as folder:
                    fill(folder, size)
                    for workers in options.workers:
                        row = measure(folder, workers, 12 * workers, options.seconds)
                        numbers = "".join(f"{row[name]:8.0f}" for name in ("open", "memory", "ask", "tell", "beside"))
                        print(f"{kind:10s}{size:>8,}{workers:>8}{row['rate']:>10.2f}{numbers}", flush=True)
    return None


def readers(trials: int, seconds: float) -> None:
    """What a trial takes of its worker beyond the sleep, while a reader polls five times a second and while none does,
    in turns within one search of four workers."""
    with study(None) as folder:
        fill(folder, 1000)
        reader = subprocess.Popen([*COMMAND, "--poll", str(folder)], stdout=subprocess.PIPE, text=True)
        try:
            _, outputs = run(folder, 4, trials, seconds)
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
