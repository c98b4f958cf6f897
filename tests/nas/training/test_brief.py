"""Training: it learns, repeats, augments as said, and says when it diverges."""

from __future__ import annotations

import itertools
import math
import traceback
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from nas.data.dataset import Data, Split, load
from nas.records.data_card import Augment
from nas.records.recipe import Recipe
from nas.records.scores import ClassCounts
from nas.records.trial import Period
from nas.training.allocator import give_back_memory
from nas.training.brief import Diverged, Verdict, train
from nas.training.device import choose_device
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import chance_level, count_classes, eval_batch, predict
from nas.training.steps import Interrupted, Training, _rates, fitting_batch
from space import Arch, InputError, Stage, Task
from space.blocks import ConvNeXt, Modulation
from space.modules import DropPath
from space.network import Network
from space.stems import Patchify

CPU = torch.device("cpu")
TASK = Task(8, 1, 10)
ARCH = Arch(
    stem=Patchify(stride=2),
    stages=(
        Stage(depth=1, width=16, block=ConvNeXt(kernel=3, expansion=2, layer_scale=None)),
        Stage(depth=1, width=32, block=Modulation(kernel=3, expansion=2, layer_scale=None)),
    ),
)


ARCH_OF_ONE = replace(ARCH, stages=ARCH.stages[:1])


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def noise(count: int, size: int, channels: int = 3) -> Data:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    split = Split(images, rng.integers(0, 10, count))
    names = tuple("0123456789")
    return Data(
        "noise",
        "noise",
        split,
        split,
        split,
        names,
        (0.5,) * channels,
        (0.25,) * channels,
        Augment(crop=2, flip=True),
        "f",
    )


def test_it_learns_digits(digits: Data) -> None:
    recipe = Recipe(epochs=6)
    trained = train(ARCH, TASK, DeviceData.place(digits, recipe, CPU), recipe, seed=0)
    assert trained.accuracy > 0.85
    assert [period.period for period in trained.curve] == [1, 2, 3, 4, 5, 6]
    assert trained.curve[-1].loss < trained.curve[0].loss
    assert (
        trained.curve[-1].accuracy
        == trained.accuracy
        == count_classes(trained.network, DeviceSplit(digits.validation, digits, CPU)).accuracy
    )


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"drop_path": 0.2, "crop": 1, "flip": True, "cutout": 2},
        {"mixup": 0.8, "cutmix": 1.0},
        {"ema": 0.9},
        {"precision": "bfloat16"},
    ],
)
def test_the_same_seed_repeats_to_the_last_bit_and_another_does_not(digits: Data, extra: dict[str, object]) -> None:
    recipe = replace(Recipe(epochs=1, train_images=256), **extra)  # type: ignore[arg-type]
    data = DeviceData.place(digits, recipe, CPU)
    first, again, other = (train(ARCH, TASK, data, recipe, seed=seed) for seed in (1, 1, 2))
    assert [e.loss for e in first.curve] == [e.loss for e in again.curve] != [e.loss for e in other.curve]
    for a, b in zip(first.network.state_dict().values(), again.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("extra", [{}, {"crop": 1, "flip": True, "mixup": 0.4}])
def test_streamed_images_train_the_same_network(
    digits: Data, monkeypatch: pytest.MonkeyPatch, extra: dict[str, object]
) -> None:
    recipe = replace(Recipe(epochs=2, train_images=256), **extra)  # type: ignore[arg-type]
    whole = DeviceData.place(digits, recipe, CPU)
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", "1K")
    streamed = DeviceData.place(digits, recipe, CPU)
    assert whole.train.images is not None
    assert streamed.train.images is streamed.validation.images is None
    a, b = (train(ARCH, TASK, data, recipe, seed=3) for data in (whole, streamed))
    assert [(e.loss, e.accuracy) for e in a.curve] == [(e.loss, e.accuracy) for e in b.curve]


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ({"ema": 0.9}, lambda step: max(0.1, 1 / step)),
        ({"average": 0.25}, lambda step: 4 / (step + 3)),
        ({}, lambda step: 10 / (step + 9)),
    ],
)
def test_the_average_is_as_defined(digits: Data, said: dict[str, float], share: Callable[[int], float]) -> None:
    """With weights kept after every step. Running statistics belong to the averaged weights, see below."""
    recipe = Recipe(epochs=1, train_images=256, **said).settled(256)  # type: ignore[arg-type]
    arch = replace(ARCH, stages=(replace(ARCH.stages[0], block=ConvNeXt(kernel=3, norm="bn")),))
    training = Training(Network(arch, TASK), DeviceData.place(digits, recipe, CPU), recipe, torch.Generator())
    expected: dict[str, torch.Tensor] = {}
    step = training._step

    def watched() -> None:
        step()
        for name, value in training.network.named_parameters():
            expected[name] = torch.lerp(expected.get(name, value), value.detach(), share(int(training.done)))

    training._step = watched  # type: ignore[method-assign]
    training.period()
    got = training.evaluated.state_dict()
    assert len(expected) > 10
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value)
        assert not torch.equal(got[name], training.network.state_dict()[name])


def test_batch_norm_networks_are_told_right_from_the_first_periods_on(digits: Data) -> None:
    """Statistics that lag behind the weights, as running ones do in the first hundred steps, have this one at chance."""
    recipe = Recipe(images=2000, period_images=1000)
    block = ConvNeXt(kernel=3, expansion=2, norm="bn", layer_scale=None)
    arch = Arch(
        stem=Patchify(stride=1, norm="bn"), stages=tuple(Stage(depth=3, width=width, block=block) for width in (16, 32))
    )
    trained = train(arch, TASK, DeviceData.place(digits, recipe, CPU), recipe, seed=0)
    assert [period.accuracy > level for period, level in zip(trained.curve, (0.3, 0.6), strict=True)] == [True, True]


@pytest.mark.parametrize(("passes", "images"), [(0, 2), (1, 2), (1, 1), (2, 2), (1, 3)])
def test_images_are_cropped_once_they_come_again(passes: int, images: int) -> None:
    """Periods of 150 images from 200, `images` passes in all: the shifts that a step reads."""
    recipe = Recipe(epochs=images, period_images=150, batch_size=10, crop_after=passes).settled(200)
    data = noise(200, 8)
    training = Training(
        Network(ARCH_OF_ONE, Task(8, 3, 10)), DeviceData.place(data, recipe, CPU), recipe, torch.Generator()
    )
    moved: list[bool] = []
    step = training._step

    def watched() -> None:
        shift = training.draws.shift
        moved.append(shift is not None and bool(shift[int(training.step)].any()))
        step()

    training._step = watched  # type: ignore[method-assign]
    for _ in range(recipe.periods):
        training.period()
    assert moved == [number >= 20 * passes for number in range(len(moved))]
    assert len(moved) == training.steps


def test_a_mixed_samples_loss_is_of_both_labels_by_its_share(digits: Data) -> None:
    recipe = Recipe(batch_size=3, mixup=1.0).settled(len(digits.train.labels))
    training = Training(Network(ARCH, TASK), DeviceData.place(digits, recipe, CPU), recipe, torch.Generator())
    logits = torch.randn(3, 10)
    labels, share = torch.tensor([1, 5, 7]), torch.tensor([1.0, 0.25, 0.5])
    soft = torch.zeros(3, 10)
    for row, (own, other) in enumerate(((1, 7), (5, 1), (7, 5))):
        soft[row, own] += share[row]
        soft[row, other] += 1 - share[row]
    expected = torch.nn.functional.cross_entropy(logits, soft, label_smoothing=0.1)
    torch.testing.assert_close(training._loss(logits, labels, share), expected)


@pytest.mark.parametrize(("said", "last"), [(None, 0.3), (0.0, 0.0), (0.2, 0.2)])
def test_drop_path_is_the_networks_own_unless_the_recipe_says_another(
    digits: Data, said: float | None, last: float
) -> None:
    recipe = Recipe(epochs=1, train_images=64, drop_path=said)
    arch = replace(ARCH, drop_path=0.3)
    trained = train(arch, TASK, DeviceData.place(digits, recipe, CPU), recipe, seed=0)
    rates = [module.rate for module in trained.network.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0, last])


def test_normalisation_is_by_the_mean_and_std_of_the_data() -> None:
    data = noise(5, 6)
    got = DeviceSplit(data.train, data, CPU).normalise(torch.from_numpy(data.train.images))
    expected = (torch.from_numpy(data.train.images).float() / 255 - 0.5) / 0.25
    torch.testing.assert_close(got, expected)


def test_rates_warm_up_linearly_then_stay_or_fall_as_a_cosine() -> None:
    stays = list(_rates(Recipe(lr=1.0, warmup=0.1), 100))
    rates = list(_rates(Recipe(lr=1.0, warmup=0.1, schedule="cosine"), 100))
    assert stays == [*rates[:10], *[1.0] * 90]
    assert len(rates) == 100
    assert rates[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))
    assert 0 < rates[-1] < 1e-3


def opened(data: Data, seed: int = 0, **fields: Any) -> Training[Network]:
    recipe = Recipe(**fields)
    placed = DeviceData.place(data, recipe, CPU)
    generator = torch.Generator().manual_seed(seed)
    return Training(Network(ARCH, TASK), placed, recipe.settled(len(placed.train)), generator)


@pytest.mark.parametrize(
    ("fields", "steps", "batch"),
    [
        ({"epochs": 2, "train_images": 100, "batch_size": 512}, [1, 1], 100),
        ({"epochs": 3, "train_images": 1000, "batch_size": 300}, [3, 4, 3], 300),
        ({"images": 6000, "batch_size": 300}, [3, 4, 3, 3, 4, 3], 300),
        ({"images": 3000, "batch_size": 512}, [1, 1, 2, 1, 1], 512),
        ({"images": 6000, "period_images": 3000, "train_images": 100}, [47, 47], 64),
        ({"images": 10, "batch_size": 300}, [1], 300),
    ],
)
def test_a_period_has_full_batches_and_its_images_to_half_of_one(
    digits: Data, fields: dict[str, int], steps: list[int], batch: int
) -> None:
    """A batch larger than the data is one batch of all of it."""
    training = opened(digits, **fields)
    ends = [0]
    for _ in steps:
        training.period()
        ends.append(training.steps)
    assert (np.diff(ends).tolist(), training.batch) == (steps, batch)
    assert int(training.done) == training.steps == len(training.rates)
    assert abs(training.steps * batch - training.recipe.length) <= batch / 2


@pytest.mark.parametrize("period", [10, 37, 100, 130, 250], ids="{} images a period".format)
def test_every_image_comes_once_before_any_comes_again(digits: Data, period: int) -> None:
    """Over the periods, of which these 100 images are no multiple."""
    fields = {"images": 10 * period, "period_images": period, "batch_size": 5, "train_images": 100}
    training = opened(digits, **fields)
    training._advance = lambda: None  # type: ignore[method-assign]
    seen: list[int] = []
    for _ in range(10):
        done = training.steps
        training.period()
        seen += training.order[: training.steps - done].flatten().tolist()
    assert len(seen) == 10 * period
    rounds = [seen[start : start + 100] for start in range(0, len(seen), 100)]
    for one in rounds[:-1]:
        assert sorted(one) == list(range(100))
    assert len(set(rounds[-1])) == len(rounds[-1])
    assert all(one != other for one, other in itertools.pairwise(rounds)), "each in another order"


def test_the_same_seed_draws_the_same_images(digits: Data) -> None:
    def drawn(seed: int) -> list[list[int]]:
        training = opened(digits, seed, images=300, period_images=70, batch_size=7, train_images=100)
        training._advance = lambda: None  # type: ignore[method-assign]
        found = []
        for _ in range(4):
            done = training.steps
            training.period()
            found.append(training.order[: training.steps - done].flatten().tolist())
        return found

    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_periods_do_not_change_what_is_trained(digits: Data, optimizer: str) -> None:
    """Only how often it is evaluated."""
    found = []
    for period in (64, 192):
        recipe = Recipe(images=384, period_images=period, optimizer=optimizer, crop=0, flip=False)  # type: ignore[arg-type]
        found.append(train(ARCH, TASK, DeviceData.place(digits, recipe, CPU), recipe, seed=0))
    often, rarely = found
    assert [period.images for period in often.curve] == [64, 128, 192, 256, 320, 384]
    assert [period.images for period in rarely.curve] == [192, 384]
    assert [period.accuracy for period in often.curve[2::3]] == [period.accuracy for period in rarely.curve]
    for a, b in zip(often.network.state_dict().values(), rarely.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_divergence_names_the_images(digits: Data) -> None:
    recipe = Recipe(epochs=3, train_images=128)
    data = DeviceData.place(digits, recipe, CPU)
    data.train.mean.fill_(math.nan)
    with pytest.raises(Diverged, match="loss became nan within 128 of 384 images"):
        train(ARCH, TASK, data, recipe, seed=0)


@pytest.mark.parametrize(("periods", "lr", "learns"), [(7, 1e-8, False), (5, 1e-8, True), (7, 2e-3, True)])
def test_a_network_that_never_leaves_chance_has_failed(digits: Data, periods: int, lr: float, learns: bool) -> None:
    # at 1e-8 nothing is learnt; 5 periods of 17 steps are too few to say so
    recipe = Recipe(epochs=periods, lr=lr, muon_lr=4 * lr)
    data = DeviceData.place(digits, recipe, CPU)
    if learns:
        train(ARCH, TASK, data, recipe, seed=0)
        return
    best = r"accuracy never left chance, 1\d\.\d\d% at best in 7,553 images"
    with pytest.raises(Diverged, match=rf"{best}, where guessing has up to 15\.\d\d% of 359$"):
        train(ARCH, TASK, data, recipe, seed=0)


def test_chance_is_what_always_the_commonest_class_scores_and_three_errors() -> None:
    always = ClassCounts((0, 60, 0, 0), (30, 60, 10, 0))  # of the last class there is no image
    assert chance_level(always, "accuracy") == pytest.approx(0.6 + 3 * math.sqrt(0.24 / 100))
    even = ClassCounts((0, 100), (100, 100))
    assert chance_level(even, "balanced") == pytest.approx(chance_level(even, "accuracy"))
    error = math.sqrt(2 / 9 * (1 / 30 + 1 / 60 + 1 / 10)) / 3
    assert chance_level(always, "balanced") == pytest.approx(always.balanced + 3 * error)


def test_it_stops_after_the_period_in_which_it_is_asked(digits: Data) -> None:
    recipe = Recipe(epochs=5, train_images=128)
    data = DeviceData.place(digits, recipe, CPU)
    seen: list[int] = []

    def at_two(word: Verdict) -> Callable[[Period], Verdict]:
        def answer(period: Period) -> Verdict:
            seen.append(period.period)
            return word if period.period == 2 else "go on"

        return answer

    with pytest.raises(Interrupted):
        train(ARCH, TASK, data, recipe, seed=0, on_period=at_two("interrupt"))
    stopped = train(ARCH, TASK, data, recipe, seed=0, on_period=at_two("stop"))
    assert seen == [1, 2, 1, 2]
    assert stopped.stopped
    assert stopped.accuracy == stopped.curve[1].accuracy
    whole = train(ARCH, TASK, data, recipe, seed=0)
    assert not whole.stopped
    assert whole.curve[:2] == tuple(
        replace(e, seconds=w.seconds) for e, w in zip(stopped.curve, whole.curve, strict=False)
    )


class Greedy(Network):
    """At the end of its first forward pass it asks for more memory than any machine has."""

    made: ClassVar[list[weakref.ref[Network]]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.made.append(weakref.ref(self))
        logits = super().forward(x)
        torch.empty(2**50)
        return logits


def test_out_of_memory_gives_all_back_while_the_error_is_looked_at(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[bool] = []  # networks, once garbage is collected, before which a GPU's memory is not given back

    def watched() -> None:
        give_back_memory()
        alive.append(Greedy.made[-1]() is not None)

    monkeypatch.setattr("nas.training.brief.give_back_memory", watched)
    monkeypatch.setattr("nas.training.brief.Network", Greedy)
    recipe = Recipe(epochs=1, train_images=64)
    data = DeviceData.place(digits, recipe, CPU)
    with pytest.raises(RuntimeError, match="memory") as caught:
        train(ARCH, TASK, data, recipe, seed=0)
    assert alive == [False]
    assert "in _forward" in "".join(traceback.format_exception(caught.value)), "where it was stays known"


def test_train_images_takes_the_same_part_for_every_seed(digits: Data) -> None:
    first, again = (DeviceData.place(digits, Recipe(train_images=100), CPU).train for _ in range(2))
    assert len(first) == 100
    assert first.images is not None
    assert again.images is not None
    assert torch.equal(first.images, again.images)


def test_a_crop_as_large_as_the_image_is_refused(digits: Data) -> None:
    with pytest.raises(InputError, match="crop must be under the image size, got 8 for 8 px; lower it"):
        DeviceData.place(digits, Recipe(crop=8), CPU)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"device must be auto, cpu, cuda or e.g. cuda:1, got abacus; use one of these"
    ):
        choose_device("abacus")
    assert choose_device("auto").type in ("cpu", "cuda")


def test_a_batch_of_evaluation_takes_as_much_memory_at_any_size() -> None:
    batches = {size: eval_batch(size) for size in (8, 32, 33, 64, 224, 4096)}
    assert batches[8] == batches[32] == 1024
    assert batches[64] == 256
    assert batches[4096] == 1
    assert all(count * size**2 <= 1024 * 32**2 for size, count in batches.items() if 32 <= size < 1024)
    data, seen = noise(600, 48), []
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48 * 48 * 3, 2))
    network.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    assert len(predict(network, DeviceSplit(data.test, data, CPU))) == 600
    assert seen == [455, 145]


def test_prediction_is_the_same_in_any_batch(digits: Data) -> None:
    torch.manual_seed(0)
    network = Network(ARCH, TASK)
    split = DeviceSplit(digits.test, digits, CPU)
    whole = predict(network, split)
    with torch.no_grad():
        alone = network(split.normalise(torch.from_numpy(digits.test.images[:7])).permute(0, 3, 1, 2))
    torch.testing.assert_close(whole[:7], alone, atol=1e-5, rtol=1e-5)
    assert not network.training


@pytest.mark.parametrize(("batch", "images", "field"), [(1, 100, "batch_size"), (64, 1, "train")])
def test_a_single_image_is_no_batch(batch: int, images: int, field: str) -> None:
    with pytest.raises(InputError, match=f"^{field} must have 2 images at least, got 1; "):
        fitting_batch(batch, images)
