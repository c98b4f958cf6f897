"""The trainer of a search: it answers, and fails in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
import torch

import nas.training.trainer
from nas.data.dataset import Data, load
from nas.records.recipe import Recipe
from nas.records.trial import Period
from nas.training.brief import Verdict
from nas.training.device_data import DeviceData
from nas.training.steps import Interrupted
from nas.training.trainer import BriefTrainer, Finished
from space import Arch, Stage, Task
from space.blocks import ConvNeXt
from space.stems import Patchify
from tests.nas.commands import Command, check_whole
from tests.nas.conftest import Run
from tests.started import Started

TASK = Task(8, 1, 10)


def arch(width: int) -> Arch:
    return Arch(
        stem=Patchify(stride=1),
        stages=(Stage(depth=1, width=width, block=ConvNeXt(kernel=3, expansion=2, layer_scale=None)),),
    )


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


def trainer(digits: Data, recipe: Recipe) -> BriefTrainer:
    return BriefTrainer(TASK, DeviceData.place(digits, recipe, torch.device("cpu")), recipe)


def go_on(period: Period) -> Verdict:
    return "go on"


def never() -> bool:
    return False


def test_it_is_left_in_the_midst_of_an_epoch(digits: Data) -> None:
    steps = iter([False] * 3)
    with pytest.raises(Interrupted):
        trainer(digits, Recipe(epochs=1, batch_size=8))(arch(8), 0, go_on, lambda: next(steps, True))


def test_it_trains_one_after_the_other(digits: Data) -> None:
    found = trainer(digits, Recipe(epochs=1, train_images=64))
    results = [found(arch(8), 0, go_on, never) for _ in range(2)]
    assert all(isinstance(result, Finished) for result in results)
    assert results[0].weights == results[1].weights  # type: ignore[union-attr]


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def train_and_fail(*words: object, **more: object) -> NoReturn:
        raise error

    return train_and_fail


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error", "train.npy"), TypeError("a mistake"), NotImplementedError("one")]
)
def test_what_is_not_the_networks_is_raised_in_the_search_as_what_it_is(
    digits: Data, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trainer(digits, Recipe(epochs=1, train_images=64))
    with monkeypatch.context() as patch:
        patch.setattr(nas.training.trainer, "train", failing(error))
        with pytest.raises(type(error)) as raised:
            found(arch(8), 0, go_on, never)
    assert raised.value is error
    assert isinstance(found(arch(8), 0, go_on, never), Finished), "it goes on"


def test_a_disk_that_cannot_be_read_ends_a_search_in_one_line_and_its_network_is_trained_by_the_next(
    command: Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(errno.EIO, "Input/output error", "train.npy")
    with monkeypatch.context() as patch:
        patch.setattr(nas.training.trainer, "train", failing(error))
        code, _, errors = run(*command.words, "--trials", 1)
    assert (code, errors.splitlines()[-1]) == (
        1, "error: train.npy must be usable, got Input/output error; mend that and go on",
    )  # fmt: skip
    assert run(*command.words, "--trials", 1)[0] == 0
    first, again = check_whole(command, 1)
    assert (first.state, again.state, again.seed) == ("interrupted", "complete", first.seed)


LIMITED = """
import resource, sys
from nas.cli import main
import torch, nas.searching.launch, nas.searching.loop, nas.training.brief, space.network
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 900_000_000,) * 2)
sys.argv = ["nas", *sys.argv[1:]]
main()
"""
LARGE = """
image_size: 8
axes:
  stages: [1]
  depth: [1]
  width: {low: 8, high: 8192, step: 8}
  growth: [1.0]
  kernel: [3, 5, 7, 9, 11]
  expansion: [1, 2, 3, 4]
  norm: [ln, bn]
  stem.stride: [1]
  layer_scale: [null]
"""


def test_out_of_memory_under_a_real_limit_fails_the_trial_and_five_in_a_row_end_the_search(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("limited")
    (place / "large.yaml").write_text(LARGE)
    (place / "recipe.yaml").write_text("epochs: 1\ntrain_images: 64\nbatch_size: 64\n")
    words = [
        "search", place / "large.yaml", "--data", "digits", "--flops", "12G..20G", "--recipe", place / "recipe.yaml",
        "--runs", place, "--study", "s", "--sampler", "random", "--trials", 20, "--device", "cpu",
    ]  # fmt: skip
    (place / "limited.py").write_text(LIMITED)
    ended = Started(["python", str(place / "limited.py"), *map(str, words)], {**os.environ, "OMP_NUM_THREADS": "1"})
    _, errors = ended.communicate(timeout=120)
    assert ended.returncode == 2, errors
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: trials must not fail 5 times in a row, got ")
    assert "memory" in line
    assert "FLOPs, " in line, "the network's size"


def test_it_trains_with_the_datas_device_as_the_current_one(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen without one: on a GPU, tests marked `cuda` see what comes of it."""
    taken: list[torch.device | str] = []

    @contextmanager
    def watched(device: torch.device) -> Iterator[None]:
        taken.append(device)
        yield
        taken.append("left")

    def answer(period: Period) -> Verdict:  # after the period's evaluation
        assert len(taken) == 1
        return "go on"

    monkeypatch.setattr("nas.training.brief.own_stream", watched)
    found = trainer(digits, Recipe(epochs=1, train_images=64))
    assert isinstance(found(arch(8), 0, answer, never), Finished)
    assert taken == [found.data.device, "left"]
