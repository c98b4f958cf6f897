"""One search from a command's options: data, settings, folder, then the loop."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from nas.crew import Crew, build_crew
from nas.data import Data, load
from nas.front import outcome
from nas.progress import SearchProgress, Stopping
from nas.recipe import Recipe
from nas.settings import FILE, DataCard, Sampler, Settings, Stop, check_name
from nas.study import Search, open_folder, package_versions
from nas.train import choose_device
from nas.trials import Reader
from space import Band, Budget, InputError, Space, Task

DEFAULT_SAMPLER: Sampler = "ehvi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a search is to do: all that the command says beside the space, the data and the budget."""

    trials: int  # networks in all, earlier runs of the study included
    repeats: int = 0  # further seeds of them
    baseline: bool = False  # then as many epochs of random search, in a study beside
    workers: int = 1
    recipe_file: Path | None = None
    epochs: int | None = None
    name: str | None = None
    runs: Path = Path("runs")
    seed: int = 0
    sampler: Sampler = DEFAULT_SAMPLER
    stop: Stop | None = None  # None: quantile, but none for random search, which is what others are compared with
    device: str = "auto"
    image_size: int | None = None
    command: str = ""

    @property
    def rule(self) -> Stop:
        return self.stop or default_stop(self.sampler)


def default_stop(sampler: Sampler) -> Stop:
    """The stopping rule of a sampler that was given none."""
    return "none" if sampler == "random" else "quantile"


def run_search(space: Space, source: str, band: Band, plan: Plan, console: Console) -> tuple[Path, bool]:
    """Runs or resumes a study up to the plan. Returns its folder, and False if it was asked to stop before."""
    if plan.baseline and (plan.sampler, plan.rule) == ("random", "none"):
        raise InputError("baseline must stand beside another search, got one of sampler random itself; leave it out")
    target = choose_device(plan.device)
    recipe = Recipe.load(plan.recipe_file, epochs=plan.epochs)
    size = plan.image_size or space.image_size
    space.check_size(size, f"space {space.name}")
    data = _load(source, size, console)
    card = describe_data(data)
    space.check_budget(Budget(flops=band), Task(card.image_size, card.channels, len(card.classes)))
    settings = Settings(
        name=check_name(plan.name) if plan.name else study_name(space, data, band, plan),
        created=datetime.now(UTC).isoformat(timespec="seconds"), command=plan.command, space_name=space.name,
        space=space.to_dict(), flops_low=band.low, flops_high=band.high, data=card, recipe=recipe.to_dict(),
        sampler=plan.sampler, stop=plan.rule, seed=plan.seed, device=str(target), versions=package_versions(),
    )  # fmt: skip
    folder = plan.runs / settings.name
    with Stopping(console).listening() as stopping, closing(build_crew(plan.workers, settings, source, data)) as crew:
        finished = _run(folder, settings, plan.trials, plan.repeats, crew, console, stopping)
        if finished and plan.baseline:
            epochs = outcome(Reader(folder).trials(), settings).epochs
            beside = replace(settings, name=check_name(f"{settings.name}-random"), sampler="random", stop="none")
            total = max(1, round(epochs / recipe.epochs))
            console.print(f"baseline: random search with the same {epochs} epochs of training", highlight=False)
            finished = _run(plan.runs / beside.name, beside, total, 0, crew, console, stopping)
    return folder, finished


def _run(
    folder: Path, settings: Settings, trials: int, repeats: int, crew: Crew, console: Console, stopping: Stopping
) -> bool:
    """One study, up to its total. False if it was asked to stop before."""
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
    notes = open_folder(folder, settings)
    epochs = int(settings.recipe["epochs"])
    console.print(
        f"study {folder}: {trials} trials, {settings.band} FLOPs, {epochs} epochs on {settings.device}", highlight=False
    )
    with SearchProgress(console, trials, epochs, stopping) as progress:
        watch = progress.watch()
        for note in notes:
            watch.on_note(note)
        search = Search(folder, crew, watch)
        progress.resumed(search.reader.trials())
        return search.run(trials, repeats)


def _load(source: str, size: int, console: Console) -> Data:
    with console.status(f"reading {source}") as status:
        data = load(
            source, size,
            on_progress=lambda done, total: status.update(f"decoding {source}: {done:,} of {total:,} images"),
            on_note=lambda note: console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True),
        )  # fmt: skip
    if data.image_size != size:
        raise InputError(f"image_size must be {size} px, got {data.image_size} px from {source}; use --image-size")
    return data


def describe_data(data: Data) -> DataCard:
    """The card of a data set as it is frozen in a study."""
    return DataCard(
        source=data.source, name=data.name, fingerprint=data.fingerprint, image_size=data.image_size,
        channels=data.channels, classes=data.classes, train=len(data.train.labels),
        validation=len(data.validation.labels), test=len(data.test.labels),
    )  # fmt: skip


def study_name(space: Space, data: Data, band: Band, plan: Plan) -> str:
    """`digits-1M-4M`, `cifar-cifar10-5M-40M-random`: the same command finds the same study."""
    words = [space.name] + [data.name] * (data.name != space.name) + str(band).split("..")
    words += [plan.sampler] * (plan.sampler != DEFAULT_SAMPLER)
    words += [f"stop-{plan.stop}"] * (plan.rule != default_stop(plan.sampler))
    words += [f"seed{plan.seed}"] * (plan.seed != 0)
    return check_name("-".join(words))
