"""Long training: kills that change nothing, processes that agree, rates, groups, draws, and every refusal."""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data.dataset import Data, Split, load
from nas.final.batches import Augmented, CropAndFlip, Share, batches, mixing
from nas.final.distributed_layers import SharedBatchNorm, SharedDropPath
from nas.final.recipe import FinalRecipe
from nas.final.training import (
    CHECKPOINT,
    CURVE,
    _Run,
    fit_batch,
    parameter_groups,
    processes,
    same_identity,
    train_to_end,
)
from nas.records.recipe import Recipe
from space import Arch, InputError, Task
from space.network import Network
from space.norm_modules import ChannelBatchNorm
from tests.space.networks import arch

TASK = Task(8, 1, 10)
# Every piece of the recipe is on.
RECIPE = replace(FinalRecipe.load("convnext", epochs=3, batch_size=128), drop_path=0.2, lr=0.05, optimizer="muon")


def tiny(norm: str = "ln") -> Arch:
    return arch(8, 12, kernel=3, layer_scale=0.1, depth=2, norm=norm)


@pytest.fixture(scope="module")
def digits() -> Data:
    """Some of them: four steps an epoch."""
    whole = load("digits")
    return replace(whole, train=Split(whole.train.images[:512], whole.train.labels[:512]))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in every process that is forked here: threads do not survive a fork, and numbers differ with their count."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(folder: Path, data: Data, workers: int = 0, rank: int = 0, world: int = 1, norm: str = "ln") -> None:
    """A training, in this process; one of `world`. `judgedRANK` in `folder` is how many images it evaluated."""
    os.environ |= {"WORLD_SIZE": str(world), "RANK": str(rank), "MASTER_ADDR": "localhost", "MASTER_PORT": "29517"}
    torch.manual_seed(0)
    judged: list[int] = []

    def judge(module: torch.nn.Module, given: tuple[torch.Tensor], logits: object) -> None:
        if isinstance(module, Network) and not module.training:
            judged.append(len(given[0]))

    with torch.nn.modules.module.register_module_forward_hook(judge), processes(torch.device("cpu")) as share:
        train_to_end(
            Network(tiny(norm), TASK, RECIPE.drop_path), data, RECIPE, folder, seed=0, device=torch.device("cpu"),
            share=share, workers=workers, identity={"seed": 0},
        )  # fmt: skip
    (folder / f"judged{rank}").write_text(str(sum(judged)))


def forked(*arguments: object) -> multiprocessing.process.BaseProcess:
    """`run` in a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=run, args=arguments)
    process.start()
    return process


def curve(folder: Path) -> list[str]:
    """Without the seconds."""
    return [line.rpartition(",")[0] for line in (folder / "curve.csv").read_text().splitlines()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, digits: Data) -> Path:
    folder = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        run(folder, digits)
    return folder


def test_a_kill_changes_no_digit(unbroken: Path, tmp_path: Path, digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    process = forked(tmp_path, digits, 1)
    for _ in range(6000):
        if (tmp_path / CURVE).exists():
            break
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -9
    assert 2 <= len(curve(tmp_path)) < len(curve(unbroken)) == 1 + RECIPE.epochs
    monkeypatch.setattr(os, "environ", dict(os.environ))
    run(tmp_path, digits)
    assert curve(tmp_path) == curve(unbroken)
    ours, theirs = (torch.load(folder / CHECKPOINT) for folder in (tmp_path, unbroken))
    for part in ("network", "ema"):
        assert all(torch.equal(ours[part][name], theirs[part][name]) for name in theirs[part])


@pytest.mark.parametrize("norm", ["ln", "bn"])
def test_two_processes_have_the_losses_of_one(norm: str, unbroken: Path, tmp_path: Path, digits: Data) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    shared.mkdir()
    all_of = [forked(shared, digits, 0, rank, 2, norm) for rank in range(2)]
    if norm == "ln":
        alone = unbroken
    else:
        all_of.append(forked(alone, digits, 0, 0, 1, norm))
    for process in all_of:
        process.join()
    assert {process.exitcode for process in all_of} == {0}
    one, two = (
        np.array([[float(x) for x in line.split(",")] for line in curve(folder)[1:]]) for folder in (alone, shared)
    )
    assert len(set(one[:, 2])) == RECIPE.epochs
    np.testing.assert_allclose(two[:, :3], one[:, :3], rtol=1e-5 if norm == "ln" else 1e-4)
    images = 3 if norm == "ln" else 8  # that rounding turns over, of a network that tells one of five
    np.testing.assert_allclose(two[:, 3:], one[:, 3:], atol=images / 359)
    assert [int((shared / f"judged{rank}").read_text()) for rank in range(2)] == [2 * 3 * 180, 2 * 3 * 179]
    ours, theirs = (torch.load(folder / CHECKPOINT)["network"] for folder in (shared, alone))
    assert ours.keys() == theirs.keys()
    variances = [
        name for name in ours if "running_var" in name
    ]  # means follow biases, whose gradient is rounding alone
    assert bool(variances) is (norm == "bn")
    for name in variances:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-2, atol=1e-4)


def test_batch_norm_of_one_process_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.all_reduce", lambda x: None)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 1)
    torch.manual_seed(0)
    ours, theirs = SharedBatchNorm(5), ChannelBatchNorm(5)
    for norm in (ours, theirs):
        with torch.no_grad():
            norm.weight.copy_(torch.linspace(-1, 2, 5))
            norm.bias.copy_(torch.linspace(0, 1, 5))
    for _ in range(3):
        x = 3 + 2 * torch.randn(4, 6, 7, 5)
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        outputs = [norm(given) for norm, given in zip((ours, theirs), inputs, strict=True)]
        torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)
        for output in outputs:
            (output**3).sum().backward()
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-4, atol=1e-3)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-5, atol=1e-5)


def test_rates_warm_up_by_the_linear_rule_and_end_at_the_lowest() -> None:
    recipe = replace(FinalRecipe.load("convnext"), batch_size=1024)
    run = _Run(Network(tiny(), TASK), recipe, 10, torch.device("cpu"), Share())
    rates = [run.rate(step) for step in range(3000)]
    assert max(rates) == pytest.approx(1e-3) == recipe.peak_lr
    assert rates.index(max(rates)) == 200
    assert rates[99] == pytest.approx(1e-3 * 100 / 201)
    assert rates[1600] == pytest.approx((1e-3 + 1e-6) / 2, rel=1e-6)
    assert rates[-1] == pytest.approx(1e-6, rel=0.1)


def test_layers_decay_and_one_dimensional_parameters_do_not() -> None:
    network = Network(tiny(), TASK)
    groups, muon = parameter_groups(network, FinalRecipe.load("finetune"))
    assert muon == []
    of = {id(p): group for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    found = {name: of[id(p)] for name, p in network.named_parameters()}
    assert found["head.linear.weight"]["scale"] == 1
    assert found["stages.1.blocks.1.branch.conv2.weight"]["scale"] == pytest.approx(0.7)
    assert found["stages.1.blocks.0.branch.conv2.weight"] is found["stages.1.downsample.conv.weight"]
    assert found["stages.0.blocks.0.branch.conv2.weight"]["scale"] == pytest.approx(0.7**4)
    assert found["stem.conv.weight"]["scale"] == pytest.approx(0.7**5)
    for name, parameter in network.named_parameters():
        assert (found[name]["weight_decay"] == 0) == (parameter.dim() == 1)
    assert len(parameter_groups(network, FinalRecipe.load("convnext"))) == 2


def test_shares_of_a_batch_are_mirrored_and_whole(digits: Data) -> None:
    shares = [Share(rank, 4).places(16) for rank in range(4)]
    assert sorted(place for part in shares for place in part) == list(range(16))
    assert all([15 - place for place in reversed(part)] == part for part in shares)
    data = Augmented(digits, RECIPE, seed=0)
    whole = next(batches(data, 1, 16, Share(), 0, False))
    parts = [next(batches(data, 1, 16, Share(rank, 2), 0, False)) for rank in range(2)]
    for rank, (images, labels) in enumerate(parts):
        places = Share(rank, 2).places(16)
        assert torch.equal(images, whole[0][places])
        assert torch.equal(labels, whole[1][places])
    mix = mixing(RECIPE, 10)
    for seed in range(6):  # mixup in some, cutmix in others
        x, y = mix(whole[0].clone(), whole[1], seed)
        mine = mix(parts[1][0].clone(), parts[1][1], seed)
        assert torch.equal(mine[0], x[Share(1, 2).places(16)])
        assert torch.equal(mine[1], y[Share(1, 2).places(16)])
        assert y.sum(1).sub(1).abs().max() < 1e-5


def test_images_depend_on_seed_epoch_and_row_alone(digits: Data) -> None:
    data = Augmented(digits, RECIPE, seed=0)
    assert torch.equal(data[1, 5][0], data[1, 5][0])
    assert not torch.equal(data[1, 5][0], data[2, 5][0])
    assert not torch.equal(data[1, 5][0], Augmented(digits, RECIPE, seed=1)[1, 5][0])
    bare = replace(RECIPE, randaugment=None, erasing=0.0, crop="none")
    expected = (digits.train.images[5, ..., 0] / 255 - digits.mean[0]) / digits.std[0]
    np.testing.assert_allclose(Augmented(digits, bare, seed=0)[1, 5][0][0], expected, atol=1e-6)


@pytest.mark.parametrize("crop", ["padded", "resized"])
def test_colour_images_and_both_crops(crop: Literal["padded", "resized"], tmp_path: Path) -> None:
    for i in range(40):
        folder = tmp_path / f"class{i % 2}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
    data = Augmented(load(str(tmp_path)), replace(RECIPE, crop=crop), seed=0)
    for epoch in range(20):  # every operation of RandAugment
        x, label = data[epoch, 3]
        assert x.shape == (3, 16, 16)
        assert x.isfinite().all()
        assert label in (0, 1)


def test_drop_path_is_drawn_for_the_whole_batch() -> None:
    x = torch.ones(8, 2, 2, 3)
    whole = SharedDropPath(0.5, torch.arange(8), 8).train()
    torch.manual_seed(0)
    expected = whole(x)
    assert set(expected.unique().tolist()) == {0.0, 2.0}
    for rank in range(2):
        places = Share(rank, 2).places(8)
        torch.manual_seed(0)
        assert torch.equal(SharedDropPath(0.5, torch.tensor(places), 8).train()(x[places]), expected[places])
    assert torch.equal(whole.eval()(x), x)


def test_recipes_are_as_published_and_brief_is_the_searchs() -> None:
    convnext, brief = FinalRecipe.load("convnext"), FinalRecipe.load("brief")
    own = Recipe()
    assert (convnext.epochs, convnext.peak_lr, convnext.warmup_epochs, convnext.ema) == (300, 4e-3, 20, 0.9999)
    assert (convnext.mixup, convnext.cutmix, convnext.erasing, convnext.label_smoothing) == (0.8, 1.0, 0.25, 0.1)
    for field in ("batch_size", "optimizer", "weight_decay", "label_smoothing", "mixup", "cutmix", "ema", "drop_path"):
        assert getattr(brief, field) == getattr(own, field)
    assert (brief.peak_lr, brief.muon_lr, brief.lr_batch) == (own.lr, own.muon_lr, own.batch_size)
    assert brief.warmup_epochs == pytest.approx(own.warmup * brief.epochs)
    assert FinalRecipe.load("convnext", epochs=30).warmup_epochs == pytest.approx(2)


def test_a_batch_is_no_larger_than_the_data_and_rates_follow() -> None:
    notes: list[str] = []
    assert fit_batch(RECIPE, 128, 3, notes.append) == RECIPE
    fitted = fit_batch(RECIPE, 101, 3, notes.append)
    assert (fitted.batch_size, notes) == (
        96, ["batch_size 128 is more than the 101 training images, so batches are of 96"],
    )  # fmt: skip
    assert fitted.peak_lr == pytest.approx(RECIPE.peak_lr * 96 / 128)


@pytest.mark.parametrize("suggested", [True, False])
def test_the_recipe_decides_on_mirrors_before_the_data(suggested: bool, digits: Data) -> None:
    data = replace(digits, augment=replace(digits.augment, flip=suggested))
    bare = replace(RECIPE, randaugment=None, erasing=0.0, crop="none")
    expected = torch.from_numpy(digits.train.images[5, ..., 0] / 255 - digits.mean[0]) / digits.std[0]
    for told, flips in ((None, suggested), (True, True), (False, False)):
        recipe = replace(bare, flip=told)
        assert CropAndFlip.choose(recipe, data).flip is flips
        augmented = Augmented(data, recipe, seed=0)
        seen = [augmented[epoch, 5][0][0] for epoch in range(8)]
        mirrored = [torch.allclose(x, expected.flip(1).float(), atol=1e-6) for x in seen]
        assert [torch.allclose(x, expected.float(), atol=1e-6) for x in seen] == [not m for m in mirrored]
        assert any(mirrored) is flips
    assert str(CropAndFlip.choose(replace(RECIPE, flip=False, crop="padded"), data)) == (
        "random crops after padding by 1 px, no image mirrored"
    )
    assert str(CropAndFlip("resized", 1, True)) == "random crops of 8% to 100% of the area, half of the images mirrored"


def test_images_are_cropped_where_a_search_moves_them(digits: Data) -> None:
    assert digits.augment.crop == 0
    assert CropAndFlip.choose(RECIPE, digits).crop == "none"
    moved = replace(digits, augment=replace(digits.augment, crop=2))
    assert str(CropAndFlip.choose(RECIPE, moved)).startswith("random crops after padding by 2 px")
    assert CropAndFlip.choose(replace(RECIPE, crop="none"), moved).crop == "none"


def test_a_checkpoint_of_before_a_setting_goes_on(tmp_path: Path) -> None:
    same_identity({"seed": 0}, {"seed": 0, "recipe.flip": True}, tmp_path)
    with pytest.raises(InputError, match=r"recipe.flip must be False to go on in .*, got True; choose another --out"):
        same_identity({"recipe.flip": False}, {"recipe.flip": True}, tmp_path)


def test_refusals(digits: Data, tmp_path: Path) -> None:
    def refused(message: str, recipe: FinalRecipe = RECIPE, share: Share = Share(), seed: int = 0) -> None:  # noqa: B008
        with pytest.raises(InputError, match=message):
            train_to_end(
                Network(tiny(), TASK), digits, recipe, tmp_path, seed=0, device=torch.device("cpu"), share=share,
                identity={"recipe.lr": recipe.lr, "seed": seed},
            )  # fmt: skip

    refused(r"batch_size must be a multiple of 6, pairs in 3 processes, got 128", share=Share(0, 3))
    with pytest.raises(InputError, match=r"data must have at least 6 training images, a pair for each of 3 proc.* 5;"):
        fit_batch(RECIPE, 5, 3, print)
    with pytest.raises(InputError, match=r"recipe must be a YAML file or a name, got convnxt; did you mean convnext\?"):
        FinalRecipe.load("convnxt")
    with pytest.raises(InputError, match=r"warmup_epochs must be below the 3 epochs, got 5"):
        replace(RECIPE, warmup_epochs=5.0)
    with pytest.raises(InputError, match=r"batch_size must be even, for mixing in pairs, got 33"):
        replace(RECIPE, batch_size=33)
    with pytest.raises(InputError, match=r"mixup must be from 0 to 10, got 11"):
        replace(RECIPE, mixup=11.0)
    refused(
        r"loss must stay a number, got nan in epoch 1; lower lr in the recipe",
        replace(RECIPE, lr=10.0, lr_batch=1, warmup_epochs=0.0, epochs=1, optimizer="adamw"),
    )


def test_another_commands_checkpoint_and_damaged_ones_are_refused_in_a_line(
    unbroken: Path, tmp_path: Path, digits: Data
) -> None:
    path = tmp_path / CHECKPOINT

    def refused(rule: str, **identity: object) -> None:
        with pytest.raises(InputError) as caught:
            train_to_end(
                Network(tiny(), TASK), digits, RECIPE, tmp_path, seed=0, device=torch.device("cpu"),
                identity={"seed": 0} | identity,
            )  # fmt: skip
        assert re.fullmatch(rule, str(caught.value)), caught.value

    def damaged(got: str) -> None:
        refused(f"{re.escape(str(path))} must be a whole checkpoint, got {got}; remove it to begin again")

    whole = (unbroken / CHECKPOINT).read_bytes()
    path.write_bytes(whole)
    refused(r"seed must be 0 to go on in .*, got 1; choose another --out, or remove that folder to begin again", seed=1)
    for content in (
        b"",
        b"half",
        whole[: len(whole) // 2],
        whole[:-9],
        pickle.dumps([1]),
        random.Random(0).randbytes(99),
    ):
        path.write_bytes(content)
        damaged(r"a file that torch cannot read \(\w+\)")
    weights = next(value for value in torch.load(unbroken / CHECKPOINT)["network"].values() if value.numel() > 99)
    place = whole.index(weights.numpy().tobytes()) + 40
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    damaged("other bytes than were written, in .*")  # torch itself would load them
    state = torch.load(unbroken / CHECKPOINT)
    for other, got in (
        ([1, 2], "a list"),
        (state["network"], "no identity"),
        ({**state, "epoch": "3"}, "a str as its epoch"),
        ({**state, "network": {}}, "a checkpoint of another network or optimizer .*"),
        ({**state, "optimizer": {"state": {}}}, "a checkpoint of another network or optimizer .*"),
        ({**state, "curve": [[1, 2]]}, "a checkpoint of another network or optimizer .*"),
    ):
        torch.save(other, path)
        damaged(got)


def test_averaged_weights_follow_the_weights() -> None:
    network = Network(tiny(), TASK)
    run = _Run(network, RECIPE, 5, torch.device("cpu"), Share())
    weight = network.get_parameter("head.linear.weight")
    first = weight.detach().clone()
    x, y = torch.randn(8, 1, 8, 8), torch.full((8, 10), 0.1)
    values = []
    for _ in range(4):
        run.step_on(x, y, lambda x, y, seed: (x, y), seed=0)
        values.append(weight.detach().clone())
    mean = first
    for i, value in enumerate(values):  # timm's warm-up: 1 - (1 + step) ** (-2 / 3), and a copy at first
        decay = 0.0 if i == 0 else 1 - (1 + i) ** (-2 / 3)
        mean = decay * mean + (1 - decay) * value
    assert run.ema
    torch.testing.assert_close(run.ema.module.get_parameter("head.linear.weight"), mean)
    assert not math.isclose(mean.sum().item(), values[-1].sum().item())
