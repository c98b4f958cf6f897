"""Recipe: what a file overrides, and every refusal in its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.records.recipe import Recipe
from space import InputError


def load(folder: Path, content: dict[str, Any] | str, **overrides: Any) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return Recipe.load(path, **overrides)


def test_defaults_stand_where_nothing_is_said() -> None:
    assert Recipe.load(None) == Recipe() == Recipe.load(None, epochs=None)


def test_a_file_overrides_and_an_option_overrides_the_file(tmp_path: Path) -> None:
    content = {"epochs": 3, "lr": 1, "flip": False, "crop": None, "precision": "float32"}
    recipe = load(tmp_path, content)
    assert recipe == Recipe(epochs=3, lr=1.0, flip=False, precision="float32")
    assert load(tmp_path, content, epochs=5, lr=None) == Recipe(epochs=5, lr=1.0, flip=False, precision="float32")


def test_every_field_comes_back_from_a_file(tmp_path: Path) -> None:
    other = Recipe(
        epochs=3, batch_size=7, lr=0.1, weight_decay=0.2, warmup=0.3, label_smoothing=0.4, drop_path=0.5, ema=0.99,
        crop=2, flip=True, cutout=8, mixup=0.2, cutmix=1.0, train_images=100, precision="bfloat16",
    )  # fmt: skip
    unchanged = [name for name, value in other.to_dict().items() if value == Recipe().to_dict()[name]]
    assert not unchanged
    assert load(tmp_path, other.to_dict()) == other
    assert load(tmp_path, Recipe().to_dict()) == Recipe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "epoch must be a known key; did you mean epochs?"),
        ({"epochs": 0}, "epochs must be from 1 to 10000, got 0; correct it"),
        ({"epochs": 3.0}, "epochs must be a whole number, got 3.0; correct it"),
        ({"epochs": None}, "epochs must be a whole number, got None; correct it"),
        ({"batch_size": 65_537}, "batch_size must be from 1 to 65536, got 65537; correct it"),
        ({"lr": -1}, "lr must be from 1e-08 to 10, got -1.0; correct it"),
        ({"lr": float("nan")}, "lr must be from 1e-08 to 10, got nan; correct it"),
        ("lr: 2e-3", "lr must be a number, got '2e-3'; write 0.002"),
        ({"weight_decay": 11}, "weight_decay must be from 0 to 10, got 11.0; correct it"),
        ({"warmup": 1}, "warmup must be from 0 to 0.9, got 1.0; correct it"),
        ({"label_smoothing": 0.95}, "label_smoothing must be from 0 to 0.9, got 0.95; correct it"),
        ({"drop_path": -0.1}, "drop_path must be from 0 to 0.9, got -0.1; correct it"),
        ({"ema": 1}, "ema must be from 0.5 to 0.99999, got 1.0; correct it"),
        ({"crop": 65}, "crop must be from 0 to 64, got 65; correct it"),
        ({"flip": "yes"}, "flip must be true or false, got 'yes'; correct it"),
        ({"train_images": 0}, "train_images must be from 1 to 1000000000, got 0; correct it"),
        ({"precision": "half"}, "precision must be one of auto, float32, bfloat16, got half; "
         "use one of auto, bfloat16, float32"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        load(tmp_path, content)
    assert str(refusal.value) == f"{tmp_path / 'recipe.yaml'}: {message}"


def test_a_wrong_option_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        Recipe.load(None, epochs=0)
    assert str(refusal.value) == "epochs must be from 1 to 10000, got 0; correct it"
    with pytest.raises(InputError) as refusal:
        Recipe.load(tmp_path / "no.yaml")
    assert (
        str(refusal.value) == f"{tmp_path / 'no.yaml'} must be readable, got No such file or directory; check the path"
    )
