"""What runs on a device, without one: nothing of a step is on the host, and nothing is read back.

Of a step, `backward` and the capture are out of reach here; tests/nas/training/test_cuda.py has them, for machines with a device.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from nas.data.dataset import Data, Split
from nas.final.batches import Share, mixing
from nas.final.distributed_layers import SharedBatchNorm, SharedDropPath, share_layers
from nas.final.recipe import FinalRecipe
from nas.final.training import _Run
from nas.records.data_card import Augment
from nas.records.recipe import Recipe
from nas.training.augmentation import RandomDraws
from nas.training.device import autocast, has_bfloat16
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import _by_class, count_correct, estimate_running_statistics, predict
from nas.training.muon import Muon
from nas.training.steps import Training, _floats
from space import Arch, Task
from space.network import Network
from space.parts import Kind, names
from tests.nas.fake_cuda import CUDA, Watched, bfloat16, move, move_optimizer, on_cuda
from tests.space.networks import arch, random_arch

CPU = torch.device("cpu")
TASK = Task(32, 3, 10)
BATCH = 4
AUGMENTATIONS: dict[str, dict[str, object]] = {
    "none": {"crop": 0, "flip": False},
    "crop": {"crop": 3, "flip": False},
    "flip": {"crop": 0, "flip": True},
    "cutout": {"cutout": 5},
    "mixup": {"mixup": 0.8},
    "cutmix": {"cutmix": 1.0},
    "all": {"crop": 2, "flip": True, "cutout": 4, "mixup": 0.8, "cutmix": 1.0, "drop_path": 0.2, "ema": 0.9},
}
NETWORKS = (8, 14, 28, 82, 97)  # seeds of small random ones, which have every part between them


@pytest.fixture(scope="module")
def data() -> Data:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (8, 32, 32, 3), np.uint8), rng.integers(0, 10, 8))
    classes, mean, std = tuple("0123456789"), (0.5,) * 3, (0.25,) * 3
    return Data("noise", "noise", split, split, split, classes, mean, std, Augment(crop=2, flip=True), "f")


def made(network: Arch, data: Data, augmentation: str) -> Training[Network]:
    """A training on the host."""
    recipe = replace(Recipe(epochs=1, batch_size=BATCH, precision="float32"), **AUGMENTATIONS[augmentation])  # type: ignore[arg-type]
    recipe = recipe.settled(len(data.train.labels))
    placed = DeviceData.place(data, recipe, CPU)
    training = Training(Network(network, TASK, recipe.drop_path), placed, recipe, torch.Generator())
    training.network.train()
    return training


def move_split(split: DeviceSplit) -> None:
    split.device = CUDA
    for name in ("images", "labels", "mean", "inverse_std"):
        value = getattr(split, name)
        setattr(split, name, None if value is None else on_cuda(value))


def move_training(training: Training[Network]) -> None:
    """All that a step reads and writes goes to the device."""
    was = list(training.network.parameters())
    move(training.network)
    if training.evaluated is not training.network:
        move(training.evaluated)
        training.averaged = list(zip(_floats(training.evaluated), _floats(training.network), strict=True))
    for name in ("rates", "rate", "muon_rate", "done", "step", "total", "order", "images"):
        value = getattr(training, name)
        setattr(training, name, None if value is None else on_cuda(value))
    training.draws = replace_all(training.draws)
    training.data = replace(training.data, device=CUDA)
    move_split(training.data.train)
    move_split(training.data.validation)
    for optimizer in training.optimizers:
        move_optimizer(optimizer, was, list(training.network.parameters()))
        for group in optimizer.param_groups:
            group["lr"] = training.muon_rate if isinstance(optimizer, Muon) else training.rate
            if isinstance(optimizer, torch.optim.AdamW):
                group["capturable"] = True


def replace_all(draws: RandomDraws) -> RandomDraws:
    return RandomDraws(*(None if part is None else on_cuda(part) for part in draws))


def step_and_evaluate(training: Training[Network]) -> None:
    """All of it but `backward`."""
    with Watched():
        loss = training._forward()
        assert (loss.shape, loss.dtype, loss.device) == ((), torch.float32, CUDA)
        training._update(loss.detach())
        estimate_running_statistics(training.evaluated, training.data.train, training.order.flatten(), "float32")
        assert count_correct(training.evaluated, training.data.validation).device == CUDA
        logits = predict(training.evaluated, training.data.validation)
        assert _by_class(logits, training.data.validation.labels).device == CUDA


@pytest.mark.parametrize("seed", NETWORKS)
def test_a_step_and_evaluation_are_on_the_device_alone(data: Data, seed: int) -> None:
    training = made(random_arch(random.Random(seed)), data, "all")
    with FakeTensorMode():
        move_training(training)
        step_and_evaluate(training)


@pytest.mark.parametrize("kind", ["stem", "block", "norm", "act", "head"])
def test_the_networks_of_these_tests_have_every_part(kind: Kind) -> None:
    texts = [str(random_arch(random.Random(seed)).to_dict()) for seed in NETWORKS]
    assert [name for name in names(kind) if not any(f"'{name}'" in text for text in texts)] == [], "take other seeds"


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_each_augmentation_is_on_the_device_alone(data: Data, augmentation: str) -> None:
    training = made(arch(8), data, augmentation)
    with FakeTensorMode():
        move_training(training)
        step_and_evaluate(training)


@pytest.mark.parametrize("seed", NETWORKS)
def test_muon_is_among_the_optimizers_of_these_tests(data: Data, seed: int) -> None:
    kinds = [type(optimizer) for optimizer in made(random_arch(random.Random(seed)), data, "none").optimizers]
    assert kinds == [torch.optim.AdamW, Muon]


def test_kinds_of_numbers_agree_in_bfloat16(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.training.steps.autocast", lambda precision, device: bfloat16())
    seen = []
    for seed in NETWORKS[:2]:
        training = made(random_arch(random.Random(seed)), data, "all")
        training.network.register_forward_hook(lambda network, given, logits: seen.append(logits.dtype))
        with FakeTensorMode():
            move_training(training)
            step_and_evaluate(training)
    assert seen[0] == torch.bfloat16, "of the step: evaluation is of the average"


# what these tests see: each is a fault that a CPU forgives

READ, HOST = "_local_scalar_dense", "has a tensor on the cpu"
FAULTS: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "read a number": (lambda x: x.sum().item(), READ),
    "decide by one": (lambda x: x if x.sum() > 0 else -x, READ),
    "choose by a mask": (lambda x: x[x > 0], "nonzero"),
    "copy to the host": (lambda x: x.cpu(), HOST),
    "index from the host": (lambda x: x[torch.arange(2)], HOST),
    "copy an index to the device": (lambda x: x[torch.arange(2).to(x.device)], HOST),
    "make a tensor of a list": (lambda x: x + torch.tensor([0.5] * 10, device=x.device), HOST),
    "add what is on the host": (lambda x: x + torch.ones(10), HOST),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_these_tests_see(data: Data, fault: str) -> None:
    training, (do, said) = made(arch(8), data, "none"), FAULTS[fault]

    def hook(network: torch.nn.Module, given: object, logits: Tensor) -> None:
        do(logits)

    training.network.register_forward_hook(hook)
    with FakeTensorMode():
        move_training(training)
        with pytest.raises((AssertionError, RuntimeError), match=said):
            step_and_evaluate(training)


def test_these_tests_see_what_muon_reads(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.training.muon.orthogonal", lambda matrices: matrices / matrices.norm().item())
    training = made(arch(8), data, "none")
    with FakeTensorMode():
        move_training(training)
        with pytest.raises((AssertionError, RuntimeError), match=READ):
            step_and_evaluate(training)


def test_these_tests_see_what_was_left_on_the_host(data: Data) -> None:
    training = made(arch(8), data, "crop")
    order = training.order
    with FakeTensorMode():
        move_training(training)
        training.order = order
        with pytest.raises(AssertionError, match="convert all Tensors to FakeTensors"):
            step_and_evaluate(training)


# `nas train`


@pytest.mark.parametrize(("norm", "count"), [("ln", 1), ("bn", 2)])
def test_a_step_of_nas_train_is_on_the_device_alone(norm: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixing, forward, loss, AdamW and average. What comes before, RandAugment among it, is done on the host."""
    monkeypatch.setattr("torch.distributed.all_reduce", lambda x: None)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: count)
    recipe = replace(FinalRecipe.load("convnext", 3, 2 * BATCH), drop_path=0.2, precision="float32")
    network, places = Network(arch(8, 12, depth=2, norm=norm), TASK, recipe.drop_path), Share(0, count).places(8)
    share_layers(network, places, 8, count, CPU)
    run, was = _Run(network, recipe, 10, CPU, Share()), list(network.parameters())
    run.device = CUDA
    with FakeTensorMode():
        move(network)
        assert run.ema
        move(run.ema.module)
        move_optimizer(run.optimizer, was, list(network.parameters()))
        share_layers(network, places, 8, 1, CUDA)  # drop path alone: its places go with no module
        mix = mixing(recipe, 10)
        for seed in range(4):  # mixup in some, cutmix in others
            images, labels = (
                torch.randn(len(places), 3, 32, 32, device=CUDA),
                torch.zeros(len(places), dtype=torch.int64, device=CUDA),
            )
            with Watched():
                loss = run.forward(*mix(images, labels, seed))
                run.update()
            assert (loss.shape, loss.device) == ((), CUDA)
    kinds = {type(module) for module in network.modules()}
    assert SharedDropPath in kinds
    assert (SharedBatchNorm in kinds) is (norm == "bn")


@pytest.mark.parametrize(("capability", "native"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bfloat16_is_taken_where_the_device_computes_in_it(
    capability: tuple[int, int], native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = torch.device("cuda", 1)
    monkeypatch.setattr("torch.cuda.get_device_capability", {here: capability}.__getitem__)
    monkeypatch.setattr("torch.version.hip", None)
    assert has_bfloat16(here) is native


def test_a_cpu_computes_in_float32_unless_told_otherwise() -> None:
    """Also one with bfloat16 units, where most steps take longer in it."""
    for precision, expected in (("auto", False), ("float32", False), ("bfloat16", True)):
        with autocast(precision, CPU):
            assert torch.is_autocast_enabled("cpu") is expected
