"""Recipe: how a network is trained. Defaults are for brief training; a YAML file overrides any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Strict

from space.reading import InputError, check, load_yaml

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]
Bool = Annotated[bool, Strict()]

IMAGES = 30_000  # that a network sees where nothing is said
PERIODS = 6  # of a training where nothing is said
# what was default before a recipe named `crop_after`, and before it named its optimizer
BEFORE: dict[str, Any] = {"crop_after": 0}
FIRST = BEFORE | {"optimizer": "adamw", "epochs": 10, "schedule": "cosine", "average": None, "warmup": 0.1}

# field: (lowest, highest), both allowed; None stands for "as the data suggests" or "off" and is not compared
_LIMITS: dict[str, tuple[float, float]] = {
    "images": (1, 1_000_000_000_000),
    "epochs": (1, 10_000),
    "period_images": (1, 1_000_000_000_000),
    "batch_size": (1, 65_536),
    "lr": (1e-8, 10),
    "muon_lr": (1e-8, 10),
    "weight_decay": (0, 10),
    "warmup": (0, 0.9),
    "label_smoothing": (0, 0.9),
    "drop_path": (0, 0.9),
    "average": (0.001, 0.9),
    "ema": (0.5, 0.99999),
    "crop": (0, 64),
    "crop_after": (0, 10_000),
    "cutout": (0, 1024),
    "mixup": (0, 10),
    "cutmix": (0, 10),
    "train_images": (1, 1_000_000_000),
}


def check_limits(recipe: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Raises InputError for a field that is not within its lowest and highest value; None is not compared."""
    for field, (low, high) in limits.items():
        value = getattr(recipe, field)
        if value is not None and not low <= value <= high:
            raise InputError(f"{field} must be from {low} to {high}, got {value}; correct it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Muon or AdamW (betas .9, .999), no decay on 1-D parameters; linear warm-up, then a constant rate, or a cosine to
    0, and an average of the weights; all per step.

    A training is of `images` images, or of `epochs` passes over the training images; a network is evaluated after every
    `period_images` of them.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    images: Int | None = None  # that a network sees; null: `epochs` passes, or 30,000
    epochs: Int | None = None  # over the training images, in place of `images`
    period_images: Int | None = None  # from one evaluation to the next; null: a sixth of `images`, or an epoch
    batch_size: Int = 64
    optimizer: Literal["muon", "adamw"] = "muon"  # muon: for the matrices of blocks, beside AdamW for the rest
    lr: Float = 2e-3  # AdamW's
    muon_lr: Float = 8e-3
    weight_decay: Float = 0.05
    warmup: Float = 0.03  # part of all steps
    label_smoothing: Float = 0.1
    drop_path: Float | None = None  # of the last block, rising linearly from 0; null: the network's own
    schedule: Literal["constant", "cosine"] = "constant"  # of the rate after the warm-up
    average: Float | None = 0.1  # evaluated and kept is the average of the weights over this part of the steps so far
    ema: Float | None = None  # in its place: the decay per step of a moving average
    crop: Int | None = None  # padding in pixels of the random crop; null: as the data suggests
    crop_after: Int = 1  # passes over the training images: what is seen once is not learnt by heart
    flip: Bool | None = None  # mirror half of the images; null: as the data suggests
    cutout: Int = 0  # side in pixels of a square hole in each image
    mixup: Float = 0.0  # alpha of Beta(alpha, alpha): images blended with another of the batch; 0: none
    cutmix: Float = 0.0  # alpha of Beta(alpha, alpha): a box of another image of the batch; 0: none
    train_images: Int | None = None  # draw from that many, the same for every trial; null: from all
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 on a GPU that computes in it

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        if self.images is not None and self.epochs is not None:
            raise InputError(f"images must stand without epochs, got {self.images} and {self.epochs}; leave one out")

    @property
    def periods(self) -> int:
        """Of a whole training; of a recipe that is `settled`."""
        return self.length // self.period

    @property
    def length(self) -> int:
        """Images of a whole training; of a recipe that is `settled`."""
        assert self.images is not None, "settled"
        return self.images

    @property
    def period(self) -> int:
        """Images of a period; of a recipe that is `settled`."""
        assert self.period_images is not None, "settled"
        return self.period_images

    def settled(self, train: int) -> Recipe:
        """The same for a training split of `train` images: `images`, never `epochs`, a multiple of `period_images`."""
        train = min(train, self.train_images or train)
        least = min(self.batch_size, train)  # of a period: a step
        images = max(least, self.images or (self.epochs * train if self.epochs else IMAGES))
        wanted = self.period_images or (train if self.epochs else images / PERIODS)
        periods = min(max(1, round(images / wanted)), images // least)
        period = images // periods
        return replace(self, images=periods * period, epochs=None, period_images=period)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_study(plain: Mapping[str, Any], train: int, where: str) -> Recipe:
        """A study's, settled."""
        return check(Recipe, _over(_defaults(plain), plain), where).settled(train)

    @staticmethod
    def load(path: str | Path | None, *, began: Mapping[str, Any] | None = None, **overrides: Any) -> Recipe:
        """Defaults, then the YAML file at `path`, then `overrides` that are not None; of `images` and `epochs` the one
        that was said last counts. `began`: the recipe of a study that goes on, whose defaults are those of its time."""
        recipe = Recipe() if began is None else Recipe(**_defaults(began))
        if path:
            plain = load_yaml(Path(path))
            check(Recipe, plain, str(path))
            recipe = check(Recipe, _over(recipe.to_dict(), plain), str(path))
        told = {key: value for key, value in overrides.items() if value is not None}
        return Recipe(**_over(recipe.to_dict(), told))


def _defaults(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """That a study's recipe was written under, where they are others now."""
    return FIRST if "optimizer" not in plain else BEFORE if "crop_after" not in plain else {}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with what `above` says; `images` and `epochs` take each other's place."""
    replaced = {"images": None} if above.get("epochs") else {"epochs": None} if above.get("images") else {}
    return {**below, **replaced, **above}
