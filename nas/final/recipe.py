"""FinalRecipe: how a network is trained to its end. `convnext`, `finetune`, `muon`, `brief`: YAML files in recipes/."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from nas.records.recipe import Bool, Float, Int, check_limits
from space.reading import InputError, check, is_file, load_yaml, nearest

RECIPES = Path(__file__).parent / "recipes"

# field: (lowest, highest), both allowed; None stands for "off" or "the network's own" and is not compared
_LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000), "batch_size": (2, 1_000_000), "lr": (1e-9, 10), "muon_lr": (1e-9, 10),
    "lr_batch": (1, 1_000_000), "min_lr": (0, 1), "warmup_epochs": (0, 10_000), "weight_decay": (0, 10),
    "label_smoothing": (0, 0.9), "mixup": (0, 10), "cutmix": (0, 10), "erasing": (0, 1), "ema": (0.5, 0.999999),
    "drop_path": (0, 0.9), "layer_decay": (0.1, 1), "head_init": (0, 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRecipe:
    """Muon or AdamW (betas .9, .999), no decay on 1-D parameters; linear warm-up then cosine to `min_lr`, per step."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    epochs: Int
    batch_size: Int  # of all processes together
    lr: Float  # at a batch of lr_batch; scaled by the linear rule (arXiv 1706.02677)
    lr_batch: Int
    optimizer: Literal["muon", "adamw"] = "adamw"  # muon: for the matrices of blocks, beside AdamW for the rest
    muon_lr: Float = 8e-3  # likewise at a batch of lr_batch
    min_lr: Float = 0.0
    warmup_epochs: Float = 0.0
    weight_decay: Float = 0.05
    label_smoothing: Float = 0.0
    randaugment: str | None = None  # timm's words, e.g. rand-m9-mstd0.5-inc1 (arXiv 1909.13719)
    mixup: Float = 0.0  # alpha; with cutmix on as well, each batch gets one of the two
    cutmix: Float = 0.0
    erasing: Float = 0.0  # probability of random erasing, pixel mode (arXiv 1708.04896)
    crop: Literal["auto", "resized", "padded", "none"] = (
        "auto"  # auto: as the data suggests; padded to 64 px, else resized
    )
    flip: Bool | None = None  # mirror half of the images; null: as the data suggests
    ema: Float | None = None  # decay per step of an average of the weights, warmed up; null: none
    drop_path: Float | None = None  # of the last block, rising from 0; null: the network's own
    layer_decay: Float = 1.0  # learning rate of a block relative to the next (arXiv 2003.10555)
    head_init: Float = 1.0  # the classifier's first weights are multiplied by it
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        if self.warmup_epochs >= self.epochs:
            raise InputError(
                f"warmup_epochs must be below the {self.epochs} epochs, got {self.warmup_epochs:g}; lower it"
            )
        if self.batch_size % 2:
            raise InputError(f"batch_size must be even, for mixing in pairs, got {self.batch_size}; add one")

    @property
    def peak_lr(self) -> float:
        """The highest learning rate, after the linear rule."""
        return self.lr * self.batch_size / self.lr_batch

    @property
    def needs_timm(self) -> list[str]:
        """The fields whose work timm does."""
        return [field for field in ("randaugment", "mixup", "cutmix", "erasing") if getattr(self, field)]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def load(
        name: str, epochs: int | None = None, batch_size: int | None = None, flip: bool | None = None
    ) -> FinalRecipe:
        """A YAML file or the name of a recipe here; what is given goes before it. Other `epochs` scale the warm-up."""
        known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
        path = Path(name) if is_file(Path(name)) else RECIPES / f"{name}.yaml"
        if not is_file(path):
            raise InputError(f"recipe must be a YAML file or a name, got {name}; {nearest(name, known)}")
        recipe = check(FinalRecipe, load_yaml(path), str(path) if is_file(Path(name)) else name)
        if epochs is not None:
            warmup = recipe.warmup_epochs * epochs / recipe.epochs
            recipe = replace(recipe, epochs=epochs, warmup_epochs=warmup)
        told: dict[str, Any] = {"batch_size": batch_size, "flip": flip}
        return replace(recipe, **{key: value for key, value in told.items() if value is not None})
