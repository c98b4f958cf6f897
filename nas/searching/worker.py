"""One worker on a study that was begun: alone in a terminal, or started by a search."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from nas.data.study_data import described_as, like, load_with_progress
from nas.process.errors import Fault, line_of, terminable
from nas.process.progress import Notes
from nas.records.extent import Extent
from nas.records.settings import Settings
from nas.searching.loop import Search, Watch
from nas.searching.plan import LogLevel
from nas.searching.processes import tie_to_parent
from nas.searching.progress import SearchProgress, Stopping
from nas.searching.search_log import SearchLog
from nas.storage.moving import at_work
from nas.storage.reader import Reader
from nas.storage.study_folder import extent_to_join, goes_on, open_folder, package_versions, put_error
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.threads import THREADS
from nas.training.trainer import BriefTrainer
from space import InputError


@contextmanager
def on_record(folder: Path, *, search: bool = True) -> Iterator[None]:
    """While a study is searched. Its folder is not moved away; an error that ends the search is put on record there; of
    a fault of nas itself the traceback goes into a log in the folder. `search` False: a worker, which only has the log,
    as its parent tells."""
    try:
        with at_work(folder):
            yield
    except Exception as error:
        line = line_of(error, folder)
        if search:
            put_error(folder, line, error)
        if isinstance(error, (InputError, OSError, Fault)):
            raise
        raise Fault(line) from error


def prepare(
    folder: Path, source: str | None, device: str, threads: int | None, said: Notes
) -> tuple[BriefTrainer, list[str], Extent]:
    """For one more worker on a study that was begun: its trainer, notes on what is other here than where the study
    began, and how far the study shall go."""
    settings = Settings.read(folder)
    settings.check_resumable()
    if threads:
        THREADS.use(threads)
    target, recipe = choose_device(device), settings.build_recipe()
    card = settings.data
    data = like(load_with_progress(source or card.source, card.image_size, said.console, card.reading, said), card)
    same = described_as(data, card)
    notes = open_folder(folder, replace(settings, data=same, device=str(target), versions=package_versions()))
    trainer = BriefTrainer(settings.task, DeviceData.place(data, recipe, target), recipe)
    return trainer, notes, extent_to_join(Reader(folder))


def run_worker(
    folder: Path, source: str | None, device: str, place: int | None, threads: int | None, tied: bool,
    level: LogLevel, console: Console,
) -> bool:  # fmt: skip
    """One more worker as a command, in a terminal or, `tied`, for the parent that started it, which reads its stderr.
    `place` None: any other than the study's own workers have. False if it was asked to stop before its end."""
    place = random.SystemRandom().randrange(1000, 10**6) if place is None else place
    log = SearchLog(folder, f"worker {place}", level, lambda note: print(f"note: {note}", file=sys.stderr))
    with terminable(), on_record(folder, search=False), log.with_errors():
        if tied:
            return _run_tied(folder, *prepare(folder, source, device, threads, Notes(console)), place, log)
        with Stopping(console).listening() as stopping:
            said = Notes(console)
            trainer, notes, extent = prepare(folder, source, device, threads, said)
            with SearchProgress(console, extent.trials, trainer.recipe, stopping) as progress:
                log.begins(f"joins, for {extent.trials} trials in all", 0)
                log.notes(said.said)
                watch = log.watch(progress.watch())
                for note in notes:
                    watch.on_note(note)
                search = Search(folder, trainer, watch, place)
                goes_on(search.study)
                with on_record(folder):
                    finished = search.run(*extent)
                log.ends(finished)
    if finished and not progress.begun:
        console.print(f"nothing was left to do: {folder.name} has all that `nas search` asked for", highlight=False)
    return finished


def _run_tied(
    folder: Path, trainer: BriefTrainer, notes: list[str], extent: Extent, place: int, log: SearchLog
) -> bool:
    """Notes on what is other here are the parent's to give."""
    asked = threading.Event()
    watch = log.watch(Watch(on_note=lambda note: print(f"note: {note}", file=sys.stderr), stop=asked.is_set))
    search = Search(folder, trainer, watch, place)
    tie_to_parent(place, asked.set, lambda: search.abandon("the process that started its worker ended"))
    return search.run(*extent)
