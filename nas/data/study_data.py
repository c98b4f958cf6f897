"""The data of a study: read with progress, described as it is frozen there, and found again later."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from nas.data.dataset import Data, load
from nas.data.images import ImageSizeNeeded
from nas.data.sources import DIGITS
from nas.process.progress import Notes, StepLine
from nas.records.data_card import AS_FOUND, Augment, DataCard, Reading
from nas.records.recipe import Recipe
from nas.records.settings import Settings
from space import InputError


def load_with_progress(
    source: str, size: int | None, console: Console, reading: Reading = AS_FOUND, notes: Notes | None = None
) -> Data:
    """`notes`: where those on the data go; else they are only said."""
    with StepLine(console, f"reading {source}").step() as report:
        data = load(source, size, reading=reading, on_progress=report, on_note=notes or Notes(console))
    if size and data.image_size != size:
        raise InputError(f"image_size must be {size} px, got {data.image_size} px from {source}; use --image-size")
    return data


def look_at(source: str, image_size: int | None, reading: Reading, console: Console) -> Data:
    """Data at a size, its own where that is one for all, else 32 px."""
    try:
        return load_with_progress(source, image_size, console, reading)
    except ImageSizeNeeded:
        console.print("note: pictures of several sizes are looked at at 32 px; for another size: --image-size 64")
        return load_with_progress(source, 32, console, reading)


def seen(data: Data) -> list[str]:
    """What a person should see of data before training begins, in lines."""
    assert data.look
    first, *others = data.look.lines()
    return [f"data: {data.name}: {first}", *others]


def said(data: Data, recipe: Recipe | None = None) -> list[str]:
    """What is seen of it, and how a brief training by `recipe`, or by the default one, augments it."""
    assert data.look
    return [*seen(data), data.augment.line(recipe or Recipe(), data.look.mirror)]


def describe_data(data: Data) -> DataCard:
    """The card of a data set as it is frozen in a study."""
    return DataCard(
        source=data.source, name=data.name, fingerprint=data.fingerprint, image_size=data.image_size,
        channels=data.channels, classes=data.classes, train=len(data.train.labels),
        validation=len(data.validation.labels), test=len(data.test.labels), reading=data.reading, augment=data.augment,
        look=data.look,
    )  # fmt: skip


def like(data: Data, card: DataCard) -> Data:
    """Data augmented as a study's card says; before cards said so, by the name of the data."""
    if card.augment:
        return replace(data, augment=card.augment)
    if card.name == DIGITS:
        return replace(data, augment=Augment(crop=0, flip=False))
    return replace(
        data, augment=Augment(crop=2 if card.name == "fashion_mnist" else max(1, card.image_size // 8), flip=True)
    )


def described_as(data: Data, card: DataCard) -> DataCard:
    """The card of a study's data as it is now, with what was seen and decided when the study began."""
    return replace(describe_data(data), augment=card.augment, look=card.look)


def load_study_data(settings: Settings, source: str | None, console: Console) -> Data:
    """The study's data, from where it was or from `source`. Raises InputError if its fingerprint is another."""
    card = settings.data
    try:
        with StepLine(console, f"reading {source or card.source}").step() as report:
            data = load(source or card.source, card.image_size, reading=card.reading, on_progress=report)
    except InputError as error:
        raise InputError(f"{error}, or say with --data where the study's data is now") from error
    if data.fingerprint != card.fingerprint:
        raise InputError(
            f"data must be the study's ({card.name}, fingerprint {card.fingerprint}), got {data.fingerprint} from "
            f"{data.source}; give its folder with --data"
        )
    return like(data, card)
