"""One search from a command's options: data, settings, folder, then the loop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from nas.data import Data, load
from nas.progress import SearchProgress, Stopping
from nas.recipe import Recipe
from nas.settings import FILE, DataCard, Sampler, Settings, check_name
from nas.study import Search, open_folder, package_versions
from nas.train import DeviceData, choose_device
from space import Band, Budget, InputError, Space, Task


def run_search(
    space: Space,
    source: str,
    band: Band,
    trials: int,
    *,
    recipe_file: Path | None,
    epochs: int | None,
    name: str | None,
    runs: Path,
    seed: int,
    sampler: Sampler,
    device: str,
    image_size: int | None,
    command: str,
    console: Console,
) -> tuple[Path, bool]:
    """Runs or resumes a study up to `trials` in all. Returns its folder, and False if it was asked to stop before."""
    target = choose_device(device)
    recipe = Recipe.load(recipe_file, epochs=epochs)
    size = image_size or space.image_size
    space.check_size(size, f"space {space.name}")
    data = _load(source, size, console)
    card = describe_data(data)
    space.check_budget(Budget(flops=band), Task(card.image_size, card.channels, len(card.classes)))
    chosen = check_name(name) if name else study_name(space, data, band, sampler, seed)
    settings = Settings(
        name=chosen, created=datetime.now(UTC).isoformat(timespec="seconds"), command=command, space_name=space.name,
        space=space.to_dict(), flops_low=band.low, flops_high=band.high, data=card, recipe=recipe.to_dict(),
        sampler=sampler, seed=seed, device=str(target), versions=package_versions(),
    )  # fmt: skip
    folder = runs / chosen
    if (folder / FILE).exists():
        Settings.read(folder).check_resumable()
    notes = open_folder(folder, settings)
    console.print(f"study {folder}: {trials} trials, {band} FLOPs, {recipe.epochs} epochs on {target}", highlight=False)
    stopping = Stopping(console)
    with stopping.listening(), SearchProgress(console, trials, recipe.epochs, stopping) as progress:
        watch = progress.watch()
        for note in notes:
            watch.on_note(note)
        search = Search(folder, DeviceData.place(data, recipe, target), watch)
        progress.resumed(search.reader.trials())
        return folder, search.run(trials)


def _load(source: str, size: int, console: Console) -> Data:
    with console.status(f"reading {source}"):
        data = load(source, size)
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


def study_name(space: Space, data: Data, band: Band, sampler: Sampler, seed: int) -> str:
    """`digits-1M-4M`, `cifar-cifar10-5M-40M-random`: the same command finds the same study."""
    words = [space.name] + [data.name] * (data.name != space.name) + str(band).split("..")
    words += [sampler] * (sampler != "tpe") + [f"seed{seed}"] * (seed != 0)
    return check_name("-".join(words))
