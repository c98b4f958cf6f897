"""Networks as plain PyTorch: the written file has the same state dict and the same logits, and imports torch alone."""

from __future__ import annotations

import ast
import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from space import Arch, Stage, Task
from space.blocks import ConvNeXt
from space.network import Network
from space.parts import _known
from space.reading import presets
from space.standalone_source import Unwritable, network_source
from tests.space.networks import TASK, arch, random_arch
from tests.space.test_weights import images, randomise

FOREIGN = '''
import math
from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from space.blocks import ConvNeXt
from space.norms import ChannelNorm
from space.parts import option, part
from space.rules import Number

POWER = 2.0


def squash(x, power):
    return functional.softsign(x) ** power if power else x


class Halved(nn.Module):
    """Half of it."""

    def forward(self, x):
        return squash(x, POWER) / math.sqrt(4)


@part("norm", "halved")
class HalvedNorm(ChannelNorm):
    each = 0

    @staticmethod
    def module(width):
        return Halved()


@part("norm", "two_lines")
class TwoLines(ChannelNorm):
    each = 0

    @staticmethod
    def module(width):
        made = Halved()
        return made


@part("block", "twice")
@dataclass(frozen=True, kw_only=True)
class Twice(ConvNeXt):
    """`x + gain * branch(x)`"""

    gain: float = option(0.5, Number(0, 2), "factor")

    def forward(self, net, x):
        if self.gain > 1:
            raise ValueError
        return squash(x, 0) + self.gain * net.drop_path(net.branch(x))
'''


def written(network: Arch, task: Task = TASK) -> dict[str, Any]:
    """The names that the written file defines."""
    found: dict[str, Any] = {"__name__": "written"}
    exec(compile(network_source(network, task), "modeling.py", "exec"), found)
    return found


def assert_same(network: Arch, task: Task = TASK) -> None:
    ours = randomise(Network(network, task))
    theirs = written(network, task)["Network"]().eval()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = images(task.image_size, task.channels)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("seed", range(25))
def test_random_networks_give_the_same_logits(seed: int) -> None:
    assert_same(random_arch(random.Random(seed), most_flops=2_000_000))


@pytest.mark.parametrize("name", presets("networks"))
def test_every_named_network_is_written(name: str) -> None:
    plain, task = Arch.load(name).to_dict(), Task(64, 3, 10)
    stages = [stage | {"depth": min(2, stage["depth"])} for stage in plain["stages"]]  # a third block is as the second
    network = Arch.from_dict(plain | {"stages": stages})
    with torch.device("meta"):
        ours, theirs = Network(network, task), written(network, task)["Network"]()
    assert {k: v.shape for k, v in theirs.state_dict().items()} == {k: v.shape for k, v in ours.state_dict().items()}


def test_fresh_weights_and_drop_path_are_the_projects_own() -> None:
    network = arch(8, 16, depth=2, drop_path=0.3)
    torch.manual_seed(0)
    ours = Network(network, TASK).train()
    torch.manual_seed(0)
    theirs = written(network)["Network"]().train()
    x = images(32)
    for net in (ours, theirs):
        torch.manual_seed(1)
        net.logits = net(x)
    assert torch.equal(ours.logits, theirs.logits)  # type: ignore[arg-type]


def test_only_what_is_used_stands_in_it_and_kernels_share_a_class() -> None:
    stages = (Stage(depth=1, width=8, block=ConvNeXt(kernel=3)), Stage(depth=2, width=8, block=ConvNeXt(kernel=7)))
    text = network_source(Arch(stages=stages), TASK)
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert set(classes) == {"Conv2d", "LayerScale", "DropPath", "GlobalPool", "ConvNeXtBlock", "Network"}
    assert "ConvNeXtBlock(8, 32, 8, kernel=3, drop_path=rate) for rate in rates[0:1]" in text
    imported = {line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import", "from"))}
    assert imported == {"collections", "torch"}


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {kind: dict(known) for kind, known in _known.items()}
    (tmp_path / "nas_foreign.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("nas_foreign")
    yield
    del sys.modules["nas_foreign"]
    for kind, known in before.items():
        _known[kind].clear()
        _known[kind].update(known)


def test_parts_of_other_packages_are_copied_with_what_they_use(foreign: None) -> None:
    network = arch(8, 16, block="twice", norm="halved", gain=0.25)
    assert_same(network)
    text = network_source(network, TASK)
    assert "nas_foreign" not in text
    for line in ("POWER = 2.0", "def squash(x, power):", "class Halved(nn.Module):", "0.25 * self.drop_path("):
        assert line in text


def test_a_part_that_cannot_be_copied_is_refused(foreign: None) -> None:
    with pytest.raises(Unwritable, match=r"norm two_lines must return its module in one expression .*; leave"):
        network_source(arch(8, norm="two_lines"), TASK)
