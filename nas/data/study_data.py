"""The data of a study: read with progress, described as it is frozen there, and found again later."""

from __future__ import annotations

from rich.console import Console

from nas.data.dataset import Data, load
from nas.records.settings import DataCard, Settings
from space import InputError


def load_with_progress(source: str, size: int, console: Console) -> Data:
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


def load_study_data(settings: Settings, source: str | None, console: Console) -> Data:
    """The study's data, from where it was or from `source`. Raises InputError if its fingerprint is another."""
    card = settings.data
    try:
        with console.status(f"reading {source or card.source}"):
            data = load(source or card.source, card.image_size)
    except InputError as error:
        raise InputError(f"{error}, or say with --data where the study's data is now") from error
    if data.fingerprint != card.fingerprint:
        raise InputError(
            f"data must be the study's ({card.name}, fingerprint {card.fingerprint}), got {data.fingerprint} from "
            f"{data.source}; give its folder with --data"
        )
    return data
