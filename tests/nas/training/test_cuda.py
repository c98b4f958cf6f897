"""Training on CUDA: run where there is a device, listed as not run elsewhere. `test_device.py` has what needs none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.data.dataset import Data, load
from nas.final.recipe import FinalRecipe
from nas.final.training import FinalEpoch, FinalResult, train_to_end
from nas.records.recipe import Recipe
from nas.training.brief import Trained, train
from nas.training.device_data import DeviceData, DeviceSplit
from nas.training.evaluation import count_classes
from nas.training.steps import NO_GRAPHS
from nas.training.trainer import BriefTrainer, Finished
from space import Arch, Task
from space.network import Network
from tests.space.networks import arch

DEVICE = torch.device("cuda")
TASK = Task(8, 1, 10)
NETWORK = arch(16, 32, kernel=3, layer_scale=None)
ALL = {"crop": 1, "flip": True, "cutout": 2, "mixup": 0.8, "cutmix": 1.0, "drop_path": 0.2, "ema": 0.9}

pytestmark = pytest.mark.cuda


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums in one order, as far as torch can: two trainings then differ by rounding at most."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


def trained(digits: Data, recipe: Recipe, device: torch.device = DEVICE, network: Arch = NETWORK) -> Trained[Network]:
    return train(network, TASK, DeviceData.place(digits, recipe, device), recipe, seed=0)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("extra", [{}, ALL, {"precision": "bfloat16"}], ids=["plain", "all", "bfloat16"])
@pytest.mark.parametrize("limit", ["1G", "1K"], ids=["resident", "streamed"])
def test_captured_steps_are_eager_ones(
    digits: Data, extra: dict[str, object], limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 16 steps, 13 of them replayed: one that reads other images, draws or rates moves weights by about 1e-3."""
    monkeypatch.setenv("NAS_DEVICE_DATA_LIMIT", limit)
    recipe = replace(Recipe(epochs=2, train_images=512, precision="float32"), **extra)  # type: ignore[arg-type]
    replay, replayed = torch.cuda.CUDAGraph.replay, []

    def counted(graph: torch.cuda.CUDAGraph) -> None:
        replayed.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", counted)
    captured = trained(digits, recipe)
    assert len(replayed) == 16 - 3
    monkeypatch.setenv(NO_GRAPHS, "1")
    eager = trained(digits, recipe)
    assert len(replayed) == 16 - 3
    rough = 10 if recipe.precision == "bfloat16" else 1
    assert [period.loss for period in captured.curve] == pytest.approx([e.loss for e in eager.curve], rel=1e-4 * rough)
    theirs = eager.network.state_dict()
    for name, value in captured.network.state_dict().items():
        difference = (value.float() - theirs[name].float()).abs().mean().item()
        assert difference < 3e-5 * rough, f"{name}: more than what the optimizers make of a few roundings"


def test_it_learns_and_is_evaluated_on_the_device_as_on_the_host(digits: Data) -> None:
    found = trained(digits, Recipe(epochs=6, precision="float32"))
    assert found.accuracy > 0.85
    here = count_classes(found.network, DeviceSplit(digits.validation, digits, DEVICE)).accuracy
    there = count_classes(found.network.cpu(), DeviceSplit(digits.validation, digits, torch.device("cpu"))).accuracy
    assert here == pytest.approx(found.accuracy, abs=0.003)  # an image of 359
    assert there == pytest.approx(here, abs=0.006)


@pytest.mark.cuda(devices=2)
def test_a_trainer_trains_on_the_second_device_and_leaves_the_first_alone(digits: Data) -> None:
    second, recipe = torch.device("cuda", 1), Recipe(epochs=6)
    before = torch.cuda.memory_reserved(0)
    torch.cuda.reset_peak_memory_stats(0)
    trainer = BriefTrainer(TASK, DeviceData.place(digits, recipe, second), recipe)
    result = trainer(NETWORK, 0, lambda period: "go on", lambda: False)
    assert isinstance(result, Finished)
    assert result.accuracy > 0.85
    assert torch.cuda.current_device() == 0
    assert torch.cuda.max_memory_reserved(0) == before
    assert torch.cuda.max_memory_allocated(1) > 0


def test_out_of_memory_gives_all_back_while_the_error_is_looked_at(digits: Data) -> None:
    recipe = Recipe(epochs=1, train_images=512, batch_size=512)
    trained(digits, recipe)  # what torch's libraries keep
    before = torch.cuda.memory_allocated()
    room = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 300e6) / room)
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            trained(digits, recipe, network=arch(512, kernel=3, expansion=4, depth=8, stem=1, layer_scale=None))
        assert torch.cuda.memory_allocated() < before + 20e6, caught.value
        assert torch.cuda.memory_reserved() < before + 50e6
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert trained(digits, recipe).accuracy > 0


def test_nas_train_goes_on_where_it_was(digits: Data, tmp_path: Path) -> None:
    recipe = replace(FinalRecipe.load("convnext", epochs=2, batch_size=128), drop_path=0.2, precision="float32")

    def go(folder: Path, on_epoch: Callable[[FinalEpoch], None] = lambda epoch: None) -> FinalResult:
        torch.manual_seed(0)
        network = Network(NETWORK, TASK, recipe.drop_path)
        folder.mkdir(exist_ok=True)
        return train_to_end(
            network, digits, recipe, folder, seed=0, device=DEVICE, identity={"seed": 0}, on_epoch=on_epoch
        )

    def leave(epoch: FinalEpoch) -> None:
        raise KeyboardInterrupt

    whole = go(tmp_path / "whole")
    assert {parameter.device.type for parameter in whole.network.parameters()} == {"cuda"}
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "parts", leave)
    parts = go(tmp_path / "parts")
    for a, b in zip(parts.curve, whole.curve, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-3)
