"""Recipe: what a file overrides, what is settled for a training split, and every refusal in its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nas.records.recipe import IMAGES, PERIODS, Recipe
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


def test_of_images_and_epochs_the_later_replaces_the_other(tmp_path: Path) -> None:
    assert load(tmp_path, {"epochs": 3}, images=5000) == Recipe(images=5000)
    assert load(tmp_path, {"images": 5000}, epochs=3) == Recipe(epochs=3)
    assert load(tmp_path, {"images": 5000}, images=7000) == Recipe(images=7000)
    assert load(tmp_path, {"epochs": 3, "period_images": 500}, images=5000) == Recipe(images=5000, period_images=500)


ADAMW: dict[str, Any] = {
    "optimizer": "adamw",
    "epochs": 10,
    "schedule": "cosine",
    "average": None,
    "warmup": 0.1,
    "crop_after": 0,
}


@pytest.mark.parametrize(
    ("began", "was"),
    [
        (None, {}),
        ({"lr": 1.0}, ADAMW),
        ({"optimizer": "muon"}, {"crop_after": 0}),
        ({"optimizer": "adamw", "crop_after": 3}, {}),
    ],
)
def test_a_study_goes_on_with_the_defaults_of_its_time(
    tmp_path: Path, began: dict[str, Any] | None, was: dict[str, Any]
) -> None:
    """They are below the file and the options, as the others."""
    no_epochs = was | {"epochs": None}
    assert Recipe.load(None, began=began) == Recipe(**was)
    assert load(tmp_path, {"train_images": 100}, began=began) == Recipe(**was, train_images=100)
    assert load(tmp_path, {"epochs": 6}, began=began) == Recipe(**was | {"epochs": 6})
    assert load(tmp_path, {"images": 600}, began=began) == Recipe(**no_epochs, images=600)
    assert load(tmp_path, {"optimizer": "muon"}, began=began) == Recipe(**was | {"optimizer": "muon"})
    assert Recipe.load(None, began=began, images=600) == Recipe(**no_epochs, images=600)


# what is settled: images, periods of how many images, on a split of how many

SETTLED: list[tuple[dict[str, Any], int, int, int]] = [
    ({}, 45_000, 30_000, 5000),
    ({}, 1000, 30_000, 5000),
    ({"images": 12_000}, 45_000, 12_000, 2000),
    ({"images": 12_001}, 45_000, 12_000, 2000),
    ({"epochs": 6}, 1079, 6474, 1079),
    ({"epochs": 6, "train_images": 500}, 1079, 3000, 500),
    ({"epochs": 6, "train_images": 5000}, 1079, 6474, 1079),
    ({"epochs": 2, "period_images": 500}, 1000, 2000, 500),
    ({"epochs": 2, "period_images": 5000}, 1000, 2000, 2000),
    ({"images": 10_000, "period_images": 1000}, 45_000, 10_000, 1000),
    ({"images": 10_000, "period_images": 3000}, 45_000, 9999, 3333),
    ({"images": 1000, "period_images": 5000}, 45_000, 1000, 1000),
    ({"images": 10_000, "period_images": 2500}, 300, 10_000, 2500),
    ({"images": 1000, "period_images": 10}, 45_000, 990, 66),
    ({"images": 200}, 45_000, 198, 66),
    ({"images": 10}, 45_000, 64, 64),
    ({"images": 10}, 20, 20, 20),
    ({"epochs": 3, "batch_size": 512}, 100, 300, 100),
    ({"images": 1000, "batch_size": 512}, 100, 996, 166),
    ({"images": 1000, "batch_size": 512}, 45_000, 1000, 1000),
    ({"images": 1000, "batch_size": 1}, 45_000, 996, 166),
]


@pytest.mark.parametrize(("fields", "train", "images", "period"), SETTLED)
def test_what_is_settled(fields: dict[str, Any], train: int, images: int, period: int) -> None:
    recipe = Recipe(**fields).settled(train)
    assert (recipe.length, recipe.period, recipe.periods) == (images, period, images // period)
    assert (recipe.images, recipe.epochs, recipe.period_images) == (images, None, period)
    assert {name for name, value in recipe.to_dict().items() if value != Recipe(**fields).to_dict()[name]} <= {
        "images", "epochs", "period_images", "lr",
    }  # fmt: skip


@given(
    st.fixed_dictionaries(
        {"batch_size": st.integers(1, 600), "optimizer": st.sampled_from(["muon", "adamw"])},
        optional={
            "images": st.integers(1, 100_000), "epochs": st.integers(1, 50), "period_images": st.integers(1, 50_000),
            "train_images": st.integers(1, 5000), "lr": st.floats(1e-4, 1),
        },
    ).filter(lambda fields: not {"images", "epochs"} <= set(fields)),
    st.integers(1, 5000),
)  # fmt: skip
def test_what_is_settled_is_whole_and_stays(fields: dict[str, Any], train: int) -> None:
    own = min(train, fields.get("train_images", train))
    recipe = Recipe(**fields).settled(train)
    assert recipe.length == recipe.periods * recipe.period
    least = min(recipe.batch_size, own)
    assert recipe.period >= least, "a period has a step"
    asked = max(least, fields.get("images") or fields.get("epochs", 0) * own or IMAGES)
    assert asked - recipe.periods < recipe.length <= asked, "rounded by less than an image a period"
    wanted = fields.get("period_images") or (own if "epochs" in fields else asked / PERIODS)
    if wanted >= least:
        assert recipe.periods == max(1, min(round(asked / wanted), asked // least))
    assert recipe.settled(train) == recipe == recipe.settled(own)
    assert Recipe.from_study(recipe.to_dict(), train, "study.yaml: recipe") == recipe


def test_a_study_that_names_no_optimizer_had_adamw() -> None:
    was = {"epochs": 6, "batch_size": 64, "lr": 0.002, "train_images": 5000}
    recipe = Recipe.from_study(was, 45_000, "study.yaml: recipe")
    assert recipe == Recipe(**ADAMW | {"epochs": 6}, train_images=5000).settled(45_000)
    assert (recipe.length, recipe.period, recipe.lr) == (30_000, 5000, 0.002)
    with pytest.raises(InputError, match=r"study.yaml: recipe: epochs must be from 1 to 10000, got 0; correct it"):
        Recipe.from_study({"epochs": 0}, 45_000, "study.yaml: recipe")


def test_every_field_comes_back_from_a_file(tmp_path: Path) -> None:
    other = Recipe(
        images=3000, period_images=500, optimizer="adamw", schedule="cosine", average=0.2, batch_size=7, lr=0.1, muon_lr=0.3, weight_decay=0.2, warmup=0.3, label_smoothing=0.4, drop_path=0.5, ema=0.99,
        crop=2, crop_after=0, flip=True, cutout=8, mixup=0.2, cutmix=1.0, train_images=100, precision="bfloat16",
    )  # fmt: skip
    unchanged = [name for name, value in other.to_dict().items() if value == Recipe().to_dict()[name]]
    assert unchanged == ["epochs"], "which stand in place of images"
    assert load(tmp_path, other.to_dict()) == other
    assert load(tmp_path, Recipe().to_dict()) == Recipe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "epoch must be a known key; did you mean epochs?"),
        ({"epochs": 0}, "epochs must be from 1 to 10000, got 0; correct it"),
        ({"epochs": 3.0}, "epochs must be a whole number, got 3.0; correct it"),
        ({"images": 0}, "images must be from 1 to 1000000000000, got 0; correct it"),
        ({"images": "30K"}, "images must be a whole number, got '30K'; correct it"),
        ({"images": 3000, "epochs": 3}, "images must stand without epochs, got 3000 and 3; leave one out"),
        ({"period_images": 0}, "period_images must be from 1 to 1000000000000, got 0; correct it"),
        ({"optimizer": "sgd"}, "optimizer must be one of muon, adamw, got sgd; use one of adamw, muon"),
        ({"batch_size": 65_537}, "batch_size must be from 1 to 65536, got 65537; correct it"),
        ({"lr": -1}, "lr must be from 1e-08 to 10, got -1.0; correct it"),
        ({"lr": float("nan")}, "lr must be from 1e-08 to 10, got nan; correct it"),
        ("lr: 2e-3", "lr must be a number, got '2e-3'; write 0.002"),
        ({"weight_decay": 11}, "weight_decay must be from 0 to 10, got 11.0; correct it"),
        ({"warmup": 1}, "warmup must be from 0 to 0.9, got 1.0; correct it"),
        ({"label_smoothing": 0.95}, "label_smoothing must be from 0 to 0.9, got 0.95; correct it"),
        ({"drop_path": -0.1}, "drop_path must be from 0 to 0.9, got -0.1; correct it"),
        ({"average": 1}, "average must be from 0.001 to 0.9, got 1.0; correct it"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine, got linear; did you mean cosine?"),
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
        Recipe.load(None, images=3000, epochs=3)
    assert str(refusal.value) == "images must stand without epochs, got 3000 and 3; leave one out"
    with pytest.raises(InputError) as refusal:
        Recipe.load(tmp_path / "no.yaml")
    assert (
        str(refusal.value) == f"{tmp_path / 'no.yaml'} must be readable, got No such file or directory; check the path"
    )
