"""DataCard: which images a study is of, and how they are read and augmented. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from nas.records.look import Look
from nas.records.recipe import Int, Recipe

_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a data set is read, where its files leave a choice."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    train: str | None = None  # a folder or file that is this split, whatever its name
    validation: str | None = None
    test: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    skip_broken: bool = False  # goes on without up to 1% of the images
    apart: bool = True  # the same pixels are in one split only; not in studies that were started without this

    def absolute(self) -> Reading:
        """With splits that are found from wherever a worker is started."""
        paths = {split: str(Path(path).expanduser().absolute()) for split, path in self.splits().items()}
        return replace(
            self, train=paths.get("train"), validation=paths.get("validation"), test=paths.get("test")
        )  # fmt: skip

    def splits(self) -> dict[str, str]:
        """The splits that were named, and where they are."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: path for split, path in named.items() if path}


AS_FOUND = Reading()


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """Random crop after padding by `crop` pixels (0 = none), and random horizontal flip."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    crop: Int
    flip: bool

    def line(self, recipe: Recipe, why: str) -> str:
        """What a brief training by that recipe makes of it; `why` images are mirrored or not, where data decided it."""
        moved = self.crop if recipe.crop is None else recipe.crop
        mirrored = self.flip if recipe.flip is None else recipe.flip
        passes = recipe.crop_after
        when = f" after {'their first pass' if passes == 1 else f'{passes} passes'}" if passes else ""
        decided = f" ({why})" if recipe.flip is None and why else ""
        shift = f"moved by up to {moved} px{when}, " if moved else ""
        return f"training images: {shift}{'mirrored' if mirrored else 'never mirrored'}{decided}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """Which images: enough to load them again and to see that they are the same."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    source: str  # a folder or a name, as it was given
    name: str
    fingerprint: str  # of pixels and labels
    image_size: Int  # pixels to a side
    channels: Int
    classes: tuple[str, ...]  # names, in the order of labels and logits
    train: Int  # images
    validation: Int
    test: Int
    reading: Reading = Reading(apart=False)
    augment: Augment | None = None  # None, in studies that were started without: as the name of the data had it
    look: Look | None = None  # what was seen of the files
