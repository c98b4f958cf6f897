"""Training: it learns, repeats, augments as said, and says when it diverges."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from nas.data import Augment, Data, Split, load
from nas.recipe import Recipe
from nas.train import (
    DeviceData,
    DeviceSplit,
    Diverged,
    Interrupted,
    _rates,
    choose_device,
    evaluate,
    predict,
    steps_per_epoch,
    train,
)
from space import Arch, InputError, Stage, Task
from space.blocks import ConvNeXt, Modulation
from space.modules import DropPath
from space.network import Network
from space.stems import Patchify

CPU = torch.device("cpu")
DEVICES = [CPU] + [torch.device("cuda")] * torch.cuda.is_available()
TASK = Task(8, 1, 10)
ARCH = Arch(
    stem=Patchify(stride=2),
    stages=(
        Stage(depth=1, width=16, block=ConvNeXt(kernel=3, expansion=2, layer_scale=None)),
        Stage(depth=1, width=32, block=Modulation(kernel=3, expansion=2, layer_scale=None)),
    ),
)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def noise(count: int, size: int, channels: int = 3) -> Data:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    split = Split(images, rng.integers(0, 10, count))
    names = tuple("0123456789")
    return Data(
        "noise", "noise", split, split, split, names, (0.5,) * channels, (0.25,) * channels, Augment(2, True), "f"
    )


@pytest.mark.parametrize("device", DEVICES)
def test_it_learns_digits(digits: Data, device: torch.device) -> None:
    recipe = Recipe(epochs=6)
    trained = train(ARCH, TASK, DeviceData.place(digits, recipe, device), recipe, seed=0)
    assert trained.accuracy > 0.85
    assert [epoch.epoch for epoch in trained.curve] == [1, 2, 3, 4, 5, 6]
    assert trained.curve[-1].loss < trained.curve[0].loss
    assert (
        trained.curve[-1].accuracy
        == trained.accuracy
        == evaluate(trained.network, DeviceSplit(digits.validation, digits, CPU))
    )


@pytest.mark.parametrize(
    "extra", [{}, {"drop_path": 0.2, "crop": 1, "flip": True}, {"ema": 0.9}, {"precision": "bfloat16"}]
)
def test_the_same_seed_repeats_to_the_last_bit_and_another_does_not(digits: Data, extra: dict[str, object]) -> None:
    recipe = replace(Recipe(epochs=1, train_images=256), **extra)  # type: ignore[arg-type]
    data = DeviceData.place(digits, recipe, CPU)
    first, again, other = (train(ARCH, TASK, data, recipe, seed=seed) for seed in (1, 1, 2))
    assert [e.loss for e in first.curve] == [e.loss for e in again.curve] != [e.loss for e in other.curve]
    for a, b in zip(first.network.state_dict().values(), again.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("said", "last"), [(None, 0.3), (0.0, 0.0), (0.2, 0.2)])
def test_drop_path_is_the_networks_own_unless_the_recipe_says_another(
    digits: Data, said: float | None, last: float
) -> None:
    recipe = Recipe(epochs=1, train_images=64, drop_path=said)
    arch = replace(ARCH, drop_path=0.3)
    trained = train(arch, TASK, DeviceData.place(digits, recipe, CPU), recipe, seed=0)
    rates = [module.rate for module in trained.network.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0, last])


def test_crops_and_mirrors_are_of_the_image_itself() -> None:
    data = noise(40, 6)
    split = DeviceSplit(data.train, data, CPU, padding=2)
    rows = torch.arange(40)
    batch = split.augmented(rows, True, torch.Generator().manual_seed(0)).numpy()
    padded = np.pad(data.train.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    found = set()
    for image, source in zip(batch, padded, strict=True):
        ways = {
            (y, x, mirror)
            for y in range(5)
            for x in range(5)
            for mirror in (False, True)
            if np.array_equal(source[y : y + 6, x : x + 6][:, :: -1 if mirror else 1], image)
        }
        assert ways, "not a crop of its image"
        found |= ways
    assert len({(y, x) for y, x, _ in found}) > 10
    assert {mirror for *_, mirror in found} == {True, False}


def test_no_augmentation_leaves_the_images_alone() -> None:
    data = noise(5, 6)
    split = DeviceSplit(data.train, data, CPU)
    assert torch.equal(split.augmented(torch.tensor([3, 1]), False, torch.Generator()), split.images[[3, 1]])


def test_normalisation_is_by_the_mean_and_std_of_the_data() -> None:
    data = noise(5, 6)
    got = DeviceSplit(data.train, data, CPU).normalise(torch.from_numpy(data.train.images))
    expected = (torch.from_numpy(data.train.images).float() / 255 - 0.5) / 0.25
    torch.testing.assert_close(got, expected.permute(0, 3, 1, 2))


def test_rates_warm_up_linearly_then_fall_as_a_cosine() -> None:
    rates = list(_rates(Recipe(lr=1.0, warmup=0.1), 100))
    assert len(rates) == 100
    assert rates[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))
    assert 0 < rates[-1] < 1e-3


def test_a_batch_larger_than_the_data_is_one_batch() -> None:
    assert steps_per_epoch(100, Recipe(batch_size=512)) == 1
    assert steps_per_epoch(1000, Recipe(batch_size=300)) == 3


def test_divergence_names_the_epoch(digits: Data) -> None:
    recipe = Recipe(epochs=3, train_images=128)
    data = DeviceData.place(digits, recipe, CPU)
    data.train.mean.fill_(math.nan)
    with pytest.raises(Diverged, match="loss became nan in epoch 1 of 3"):
        train(ARCH, TASK, data, recipe, seed=0)


def test_it_stops_after_the_epoch_in_which_it_is_asked(digits: Data) -> None:
    recipe = Recipe(epochs=5, train_images=128)
    seen: list[int] = []
    with pytest.raises(Interrupted):
        train(
            ARCH, TASK, DeviceData.place(digits, recipe, CPU), recipe, seed=0,
            on_epoch=lambda epoch: seen.append(epoch.epoch), interrupted=lambda: len(seen) == 2,
        )  # fmt: skip
    assert seen == [1, 2]


def test_train_images_takes_the_same_part_for_every_seed(digits: Data) -> None:
    first, again = (DeviceData.place(digits, Recipe(train_images=100), CPU).train for _ in range(2))
    assert len(first) == 100
    assert torch.equal(first.images, again.images)


def test_a_crop_as_large_as_the_image_is_refused(digits: Data) -> None:
    with pytest.raises(InputError, match="crop must be under the image size, got 8 for 8 px; lower it"):
        DeviceData.place(digits, Recipe(crop=8), CPU)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="device must be one that torch finds here, got abacus"):
        choose_device("abacus")
    assert choose_device("auto").type in ("cpu", "cuda")


def test_prediction_is_the_same_in_any_batch(digits: Data) -> None:
    torch.manual_seed(0)
    network = Network(ARCH, TASK)
    split = DeviceSplit(digits.test, digits, CPU)
    whole = predict(network, split)
    with torch.no_grad():
        alone = network(split.normalise(split.images[:7]))
    torch.testing.assert_close(whole[:7], alone, atol=1e-5, rtol=1e-5)
    assert not network.training
