"""One worker on a study that was begun: alone in a terminal, or started by a search."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from nas.data.study_data import describe_data, load_with_progress
from nas.records.errors import Fault, line_of, terminable
from nas.records.settings import Settings
from nas.searching.loop import Search, Watch
from nas.searching.processes import tie_to_parent
from nas.searching.progress import SearchProgress, Stopping
from nas.storage.reader import Reader
from nas.storage.study_folder import goal_to_join, goes_on, open_folder, package_versions, put_error
from nas.training.device import choose_device
from nas.training.device_data import DeviceData
from nas.training.trainer import BriefTrainer
from space import InputError


@contextmanager
def on_record(folder: Path, *, search: bool = True) -> Iterator[None]:
    """An error that ends a search is put on record in its study; of a fault of nas itself the traceback goes into a log
    in the folder. `search` False: a worker, which only has the log, as its parent tells."""
    try:
        yield
    except Exception as error:
        line = line_of(error, folder)
        if search:
            put_error(folder, line, error)
        if isinstance(error, (InputError, OSError, Fault)):
            raise
        raise Fault(line) from error


Join = Callable[[list[str], int], Watch]  # what a worker reports to; notes on what is new, and the trials in all


def work(
    folder: Path, source: str | None, device: str, place: int, threads: int | None, join: Join, console: Console,
    on_search: Callable[[Search], None] | None = None,
) -> bool:  # fmt: skip
    """One more worker on a study that was begun, until that reaches its goal. False if it was asked to stop before.
    `on_search`, of a worker with a parent, is given the search before it runs."""
    settings = Settings.read(folder)
    settings.check_resumable()
    with on_record(folder, search=False):
        if threads:
            torch.set_num_threads(threads)
        target, recipe = choose_device(device), settings.build_recipe()
        data = load_with_progress(source or settings.data.source, settings.data.image_size, console)
        notes = open_folder(
            folder, replace(settings, data=describe_data(data), device=str(target), versions=package_versions())
        )
        trainer = BriefTrainer(settings.task, DeviceData.place(data, recipe, target), recipe)
        aim = goal_to_join(Reader(folder))
        search = Search(folder, trainer, join(notes, aim[0]), place)
        if on_search:
            on_search(search)
            return search.run(*aim)
        goes_on(search.study)
        with on_record(folder):
            return search.run(*aim)


def run_worker(
    folder: Path, source: str | None, device: str, place: int | None, threads: int | None, tied: bool, console: Console
) -> bool:
    """`work` as a command, in a terminal or, `tied`, for the parent that started it, which reads its stderr.
    `place` None: any other than the study's own workers have."""
    place = random.SystemRandom().randrange(1000, 10**6) if place is None else place
    if tied:
        asked = threading.Event()
        watch = Watch(on_note=lambda note: print(f"note: {note}", file=sys.stderr), stop=asked.is_set)

        def tie(search: Search) -> None:
            tie_to_parent(place, asked.set, lambda: search.abandon("the process that started its worker ended"))

        with terminable():
            return work(folder, source, device, place, threads, lambda notes, trials: watch, console, tie)
    shown: list[SearchProgress] = []
    with ExitStack() as stack:
        stack.enter_context(terminable())
        stopping = stack.enter_context(Stopping(console).listening())

        def join(notes: list[str], trials: int) -> Watch:
            epochs = Settings.read(folder).build_recipe().epochs
            shown.append(stack.enter_context(SearchProgress(console, trials, epochs, stopping)))
            watch = shown[0].watch()
            for note in notes:
                watch.on_note(note)
            return watch

        finished = work(folder, source, device, place, threads, join, console)
    if finished and not shown[0].begun:
        console.print(f"nothing was left to do: {folder.name} has all that `nas search` asked for", highlight=False)
    return finished
