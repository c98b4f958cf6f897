"""Recipe: how a network is trained. Defaults are for brief training; a YAML file overrides any of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Strict

from space.reading import InputError, check, load_yaml

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]
Bool = Annotated[bool, Strict()]

# field: (lowest, highest), both allowed; None stands for "as the data suggests" or "off" and is not compared
_LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 10_000),
    "batch_size": (1, 65_536),
    "lr": (1e-8, 10),
    "weight_decay": (0, 10),
    "warmup": (0, 0.9),
    "label_smoothing": (0, 0.9),
    "drop_path": (0, 0.9),
    "ema": (0.5, 0.99999),
    "crop": (0, 64),
    "cutout": (0, 1024),
    "mixup": (0, 10),
    "cutmix": (0, 10),
    "train_images": (1, 1_000_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """AdamW (betas .9, .999; no decay on 1-D parameters), linear warm-up then cosine to 0, both per step."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    epochs: Int = 10
    batch_size: Int = 64
    lr: Float = 2e-3
    weight_decay: Float = 0.05
    warmup: Float = 0.1  # part of all steps
    label_smoothing: Float = 0.1
    drop_path: Float | None = None  # of the last block, rising linearly from 0; null: the network's own
    ema: Float | None = None  # decay per step of an average of the weights, which is then what is evaluated and kept
    crop: Int | None = None  # padding in pixels of the random crop; null: as the data suggests
    flip: Bool | None = None  # mirror half of the images; null: as the data suggests
    cutout: Int = 0  # side in pixels of a square hole in each image
    mixup: Float = 0.0  # alpha of Beta(alpha, alpha): images blended with another of the batch; 0: none
    cutmix: Float = 0.0  # alpha of Beta(alpha, alpha): a box of another image of the batch; 0: none
    train_images: Int | None = None  # train on that many, the same for every trial; null: on all
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where the device computes in it

    def __post_init__(self) -> None:
        for field, (low, high) in _LIMITS.items():
            value = getattr(self, field)
            if value is not None and not low <= value <= high:
                raise InputError(f"{field} must be from {low} to {high}, got {value}; correct it")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def load(path: str | Path | None, **overrides: Any) -> Recipe:
        """Defaults, then the YAML file at `path`, then `overrides` that are not None."""
        recipe = check(Recipe, load_yaml(Path(path)), str(path)) if path else Recipe()
        return replace(recipe, **{key: value for key, value in overrides.items() if value is not None})
