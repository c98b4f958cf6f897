"""Cost: the arithmetic against fvcore's count of the network that is built, against torch itself, and by hand."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

from space import Arch, Band, InputError, Space, Stage, Stem, Task, breakdown, cost
from space.cost import Cost, stage_sizes
from space.network import Network
from tests.space.networks import PRESETS, arch, draws

# Image sizes for a space's networks, odd ones too; small ones for ImageNet's, so that a trace takes a blink.
SIZES = {"digits": (8, 9, 11, 16, 28), "cifar": (32, 33, 39, 45, 64), "imagenet": (33, 45, 64, 71, 97)}
# ConvNeXt-T's maps of 96 channels at 56 px, 192 at 28, ... : stem, downsamplings, and per block C + 4C + C.
TINY_ACTIVATIONS = (
    sum(
        side**2 * width * (6 * depth + 1)
        for side, width, depth in [(56, 96, 3), (28, 192, 3), (14, 384, 9), (7, 768, 3)]
    )
    + 1000
)
BANDS = {"digits": None, "cifar": None, "imagenet": Band.parse("1M..100M")}


def generated(preset: str, count: int) -> Iterator[tuple[Arch, Task]]:
    """Networks of a preset space, each at an image size, channels and classes of its own.

    One in ten is as deep as the space has them; the others have at most 12 blocks, to keep the traces short.
    """
    space, rng = Space.load(preset), random.Random(1)
    for i in range(count):
        task = Task(SIZES[preset][i % 5], channels=rng.choice((1, 3)), classes=rng.choice((2, 10, 1000)))
        network = space.draw(rng, task, BANDS[preset])
        while i % 10 and network.depth > 12:
            network = space.draw(rng, task, BANDS[preset])
        yield network, task


def measure(row: tuple[Arch, Task]) -> Cost:
    """FLOPs by fvcore's count of conv and linear in a trace of the network; parameters as torch holds them; elements
    that convolutions and linear layers put out, by forward hooks."""
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    net, task, outputs = Network(*row), row[1], []
    image = torch.zeros(1, task.channels, task.image_size, task.image_size)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda module, args, output: outputs.append(int(output.numel())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's tracer
        analysis = FlopCountAnalysis(net.eval(), image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counts = analysis.by_operator()
    assert not set(counts) & {"matmul", "addmm", "bmm", "einsum"}, "a multiplication outside conv and linear"
    params = sum(parameter.numel() for parameter in net.parameters())
    return Cost(round(counts["conv"] + counts["linear"]), params, sum(outputs))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time spent on initial weights: nothing here depends on them."""
    for name in ("trunc_normal_", "kaiming_uniform_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda weight, *args, **kwargs: weight)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.usefixtures("quick")
def test_cost_equals_fvcore_and_torch_on_generated_networks(preset: str) -> None:
    pytest.importorskip("fvcore")
    keys, kinds = set(), set()
    rows = list(generated(preset, 100))
    # In a thread: torch's tracer writes down the Python stack at every operation, and pytest's is deep.
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as thread:
        measured = list(thread.map(measure, rows))
    for (network, task), found in zip(rows, measured, strict=True):
        assert cost(network, task) == found, (network, task)
        keys.add(network.key)
        kinds |= {(stage.block, stage.norm, stage.kernel) for stage in network.stages}
    assert len(keys) > 80
    assert len(kinds) == 2 * 2 * len(Space.load(preset).axes["kernel"].values)


def hollow(network: Arch, task: Task) -> Network:
    """The network without weights: built where tensors have shapes only."""
    with torch.device("meta"):
        return Network(network, task).eval()


def test_cost_equals_torchs_own_counter() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    for preset in PRESETS:
        for network, task in generated(preset, 3):
            image = torch.zeros(1, task.channels, task.image_size, task.image_size, device="meta")
            with FlopCounterMode(display=False) as counter:
                hollow(network, task)(image)
            assert counter.get_total_flops() == 2 * cost(network, task).flops


@pytest.mark.parametrize(
    ("preset", "params", "flops"),
    [
        ("convnext_tiny", "28,589,128", "4.4555 G"),
        ("convnext_small", "50M", "8.7G"),
        ("convnext_base", "88,591,464", "15.3547 G"),
        ("convnext_large", "198M", "34.4G"),
        ("convnext_xlarge", "350,196,968", "60.9210 G"),
    ],
)
def test_convnexts_cost_what_is_published(preset: str, params: str, flops: str) -> None:
    counted = cost(Arch.load(preset), Task(224, 3, 1000))
    assert params in (f"{counted.params:,}", f"{counted.params / 1e6:.0f}M")
    assert flops in (f"{counted.flops / 1e9:.4f} G", f"{counted.flops / 1e9:.1f}G")


def test_convnext_tiny_to_the_last_multiplication() -> None:
    assert cost(Arch.load("convnext_tiny"), Task()) == Cost(4_455_531_264, 28_589_128, TINY_ACTIVATIONS)


def test_a_convnext_block_by_hand() -> None:
    # 9 px, stem 2x2 s2 -> 4x4 maps of 8 channels; one block, kernel 3, hidden 16; 5 classes
    counted = breakdown(arch(8, kernel=3, expansion=2), Task(9, 1, 5))
    stem = Cost(flops=16 * 8 * 4, params=8 * 4 + 8 + 2 * 8, activations=16 * 8)
    block = Cost(
        flops=16 * (8 * 9 + 2 * 8 * 16),
        params=8 * 9 + 8 + 2 * 8 + (8 * 16 + 16) + (16 * 8 + 8) + 8,
        activations=16 * (8 + 16 + 8),
    )
    head = Cost(flops=8 * 5, params=2 * 8 + 8 * 5 + 5, activations=5)
    assert [part.cost for part in counted] == [stem, block, head]


def test_modulation_blocks_and_a_downsampling_by_hand() -> None:
    # 6 px, stem 1x1 -> 6x6 of 4, then 3x3 of 8; RMS norms have a scale only; no layer scale
    two = arch(
        4, 8, depth=2, stem=1, head="rms", block="modulation", kernel=5, expansion=3, norm="rms", layer_scale=None
    )
    rows = breakdown(two, Task(6, 3, 2))
    first = 3 * (4 * 4 + 4) + (4 * 25 + 4) + (4 * 12 + 12) + (12 * 4 + 4) + 2 * 4
    second = 3 * (8 * 8 + 8) + (8 * 25 + 8) + (8 * 24 + 24) + (24 * 8 + 8) + 2 * 8
    down = 4 + (4 * 8 * 4 + 8)
    assert [row.cost.params for row in rows] == [3 * 4 + 4 + 4, 2 * first, 2 * second + down, 8 + 8 * 2 + 2]
    assert [row.cost.flops for row in rows] == [
        36 * 3 * 4,
        36 * 2 * (3 * 16 + 4 * 25 + 2 * 4 * 12),
        9 * (2 * (3 * 64 + 8 * 25 + 2 * 8 * 24) + 4 * 8 * 4),
        16,
    ]
    assert [row.cost.activations for row in rows] == [36 * 4, 36 * 2 * (5 * 4 + 12), 9 * (2 * (5 * 8 + 24) + 8), 2]


def test_breakdown_sums_to_the_cost_and_names_its_rows() -> None:
    task = Task(33, 3, 10)
    for network in draws("cifar", 20):
        rows = breakdown(network, task)
        stages = [f"stage {i + 1}" for i in range(len(network.stages))]
        assert [row.name for row in rows] == ["stem", *stages, "head"]
        assert [row.width for row in rows[1:-1]] == [stage.width for stage in network.stages]
        assert [row.size for row in rows[1:-1]] == stage_sizes(network, 33)
        for field in ("flops", "params", "activations"):
            assert sum(getattr(row.cost, field) for row in rows) == getattr(cost(network, task), field)


def test_sizes_are_those_of_the_maps() -> None:
    network, sizes = arch(8, 8, 8, stem=3), []
    net = hollow(network, Task(43, 3, 2))
    for stage in net.stages:
        stage.register_forward_hook(lambda module, args, output: sizes.append(tuple(output.shape[1:3])))
    net(torch.zeros(1, 3, 43, 43, device="meta"))
    assert sizes == [(size, size) for size in stage_sizes(network, 43)] == [(14, 14), (7, 7), (3, 3)]


@pytest.mark.parametrize("call", [cost, breakdown, Network])
def test_an_image_too_small_is_refused(call: Any) -> None:
    network = Arch(stem=Stem(stride=4), stages=(Stage(depth=1, width=8),) * 3)
    assert cost(network, Task(16)).flops > 0
    with pytest.raises(InputError) as refusal:
        call(network, Task(15))
    assert str(refusal.value) == (
        "stages must leave one pixel at least, got stem stride 4 and 3 stages on 15 px; "
        "lower the stem stride or the number of stages"
    )
