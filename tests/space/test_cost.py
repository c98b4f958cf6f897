"""Cost: the arithmetic against fvcore's count of the network that is built, against torch itself, and by hand."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

from space import Arch, InputError, Stage, Task, breakdown, cost
from space.arch import DOWNSAMPLE
from space.blocks import Bottleneck, ConvNeXt, DepthwiseFirst, Inverted, Modulation
from space.cost import Cost, count
from space.heads import Conv2FormerHead, LinearHead
from space.layers import Act, Layers, Norm
from space.network import Network
from space.parts import Part, find_part, names, options
from space.stems import Overlapping, Patchify, ResNetStem, Stem, ThreeConvsStem, TwoConvsStem
from tests.space.networks import arch, random_arch
from tests.started import CONTEXT

NETWORKS = int(os.environ.get("NAS_NETWORKS", "240"))  # 3,000 take five minutes
SIZES = range(8, 41)
# ConvNeXt-T's maps of 96 channels at 56 px, 192 at 28, ... : stem, downsamplings, and per block C + 4C + C.
TINY_ACTIVATIONS = (
    sum(
        side**2 * width * (6 * depth + 1)
        for side, width, depth in [(56, 96, 3), (28, 192, 3), (14, 384, 9), (7, 768, 3)]
    )
    + 1000
)


def generated(number: int, seed: int = 1) -> Iterator[tuple[Arch, Task]]:
    """Networks over all that is registered, each at an image size, channels and classes of its own."""
    rng = random.Random(seed)
    for i in range(number):
        task = Task(SIZES[i % len(SIZES)], channels=rng.choice((1, 3)), classes=rng.choice((2, 10, 100)))
        yield random_arch(rng, task), task


def measure(row: tuple[Arch, Task]) -> Cost:
    from space.fvcore_count import count_with_fvcore

    return count_with_fvcore(*row)


def make_ready() -> None:
    """For a process that only measures: one thread, none of the tracer's warnings, and no time spent on initial weights."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("trunc_normal_", "kaiming_uniform_", "uniform_"):
        setattr(nn.init, name, lambda weight, *args, **kwargs: weight)


@pytest.fixture(scope="module")
def rows() -> list[tuple[Arch, Task]]:
    return list(generated(NETWORKS))


def test_cost_equals_fvcore_and_torch_on_generated_networks(rows: list[tuple[Arch, Task]]) -> None:
    # In processes of their own, which also keeps the stack short: torch's tracer writes it down at every operation.
    with ProcessPoolExecutor(2, CONTEXT, make_ready) as pool:
        half = rows[::2]  # torch's own counter, which is quicker, sees others
        for (network, task), found in zip(half, pool.map(measure, half, chunksize=10), strict=True):
            assert cost(network, task) == found, (network, task)


def used(network: Arch) -> Iterator[Part]:
    """The network's parts that have options."""
    yield from (network.stem, network.head)
    yield from (stage.block for stage in network.stages)


def built(layers: Layers) -> Iterator[tuple[str, str]]:
    """Norms and activations that stand among the layers, as `("norm", "ln")`."""
    for layer in layers.values():
        if isinstance(layer, dict):
            yield from built(layer)
        elif isinstance(layer, Norm | Act):
            yield type(layer).__name__.lower(), layer.kind


def test_generated_networks_cover_the_vocabulary(rows: list[tuple[Arch, Task]]) -> None:
    chosen = {
        (type(part), option, value)
        for network, _ in rows
        for part in used(network)
        for option, value in part.to_dict().items()
    }
    for kind in ("stem", "block", "head"):
        for cls in (find_part(kind, name) for name in names(kind)):
            for option, field in options(cls).items():
                assert {(cls, option, value) for value in field.metadata["rule"].examples} <= chosen
    standing = {layer for network, _ in rows for part in network.layers(Task()).values() for layer in built(part)}
    assert standing == {("norm", name) for name in names("norm")} | {("act", name) for name in names("act")}
    joints = {(type(s.block), s.downsample) for network, _ in rows for s in network.stages[1:]}
    blocks = [find_part("block", name) for name in names("block")]
    assert joints == {
        (block, way) for block in blocks for way in DOWNSAMPLE.examples if way == "separate" or block.strides
    }
    assert {task.image_size for _, task in rows} == set(SIZES)
    assert {task.channels for _, task in rows} == {1, 3}
    assert len({network.key for network, _ in rows}) >= 0.83 * NETWORKS


def hollow(network: Arch, task: Task) -> Network:
    """The network without weights: built where tensors have shapes only."""
    with torch.device("meta"):
        return Network(network, task).eval()


def test_cost_equals_torchs_own_counter() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    for network, task in generated(40, seed=2):
        image = torch.zeros(1, task.channels, task.image_size, task.image_size, device="meta")
        with FlopCounterMode(display=False) as counter:
            hollow(network, task)(image)
        assert counter.get_total_flops() == 2 * cost(network, task).flops, (network, task)


def test_convnext_tiny_to_the_last_multiplication() -> None:
    rows = zip((3, 3, 9, 3), (96, 192, 384, 768), strict=True)
    tiny = Arch(stages=tuple(Stage(depth=depth, width=width) for depth, width in rows))
    assert cost(tiny, Task()) == Cost(4_455_531_264, 28_589_128, TINY_ACTIVATIONS)


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


def test_a_convnext_v2_block_by_hand() -> None:
    # 3x3 maps of 4 channels, kernel 5, hidden 8; response norms on 8 channels and no layer scale; no norm but the block's
    row = breakdown(arch(4, kernel=5, expansion=2, grn=True, layer_scale=None, stem=1), Task(3, 1, 2))[1]
    params = (4 * 25 + 4) + 2 * 4 + (4 * 8 + 8) + 2 * 8 + (8 * 4 + 4)
    assert row.cost == Cost(flops=9 * (4 * 25 + 2 * 4 * 8), params=params, activations=9 * (4 + 8 + 4))


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


def test_a_convolution_in_the_feed_forward_by_hand() -> None:
    plain, convolved = (
        breakdown(arch(4, block="modulation", expansion=2, ffn_conv=ffn_conv, stem=1), Task(3, 1, 2))[1].cost
        for ffn_conv in (False, True)
    )
    assert convolved == plain + Cost(flops=9 * 8 * 9, params=8 * 9 + 8, activations=9 * 8)


def test_bottlenecks_with_a_projection_after_a_max_pool_by_hand() -> None:
    # 19 px: convolution 7x7 s2 -> 10 px, max-pool 3x3 s2 -> 5 px; four channels inside, eight out. Then 3x3 px,
    # where 1x1 convolutions of the strided stage see 5x5 px on its way in
    stages = tuple(Stage(depth=2, width=width, block=Bottleneck(expansion=2), downsample="strided") for width in (4, 6))
    network = Arch(stem=ResNetStem(), stages=stages, head=LinearHead(norm=None))
    rows = breakdown(network, Task(19, 3, 5))
    bn = 2  # parameters per channel
    one = [4 * 4 + 4 * 4 * 9 + 4 * 8 + 4 * 8, 8 * 4 + 4 * 4 * 9 + 4 * 8]  # the first has a projection
    two = [8 * 6, 6 * 6 * 9 + 6 * 12 + 8 * 12, 12 * 6 + 6 * 6 * 9 + 6 * 12]
    assert [(row.size, row.width) for row in rows] == [(5, 4), (5, 8), (3, 12), (1, 5)]
    assert [row.cost.flops for row in rows] == [
        100 * 49 * 3 * 4, 25 * sum(one), 25 * two[0] + 9 * two[1] + 9 * two[2], 12 * 5
    ]  # fmt: skip
    assert [row.cost.params for row in rows] == [
        49 * 3 * 4 + bn * 4,
        sum(one) + bn * (4 + 4 + 8 + 8) + bn * (4 + 4 + 8),
        sum(two) + bn * (6 + 6 + 12 + 12) + bn * (6 + 6 + 12),
        12 * 5 + 5,
    ]
    assert [row.cost.activations for row in rows] == [
        100 * 4, 25 * (4 + 4 + 8 + 8) + 25 * (4 + 4 + 8), 25 * 6 + 9 * (6 + 12 + 12) + 9 * (6 + 6 + 12), 5
    ]  # fmt: skip


def test_grouped_depthwise_and_dense_convolutions_by_hand() -> None:
    for block, channels in (("inverted", 16), ("depthwise_first", 8)):
        for groups, weights in (("depthwise", channels), (1, channels**2), (4, channels * channels // 4)):
            row = breakdown(arch(8, block=block, expansion=2, groups=groups, bias=False, stem=1), Task(3, 1, 2))[1]
            assert row.cost.flops == 9 * (2 * 8 * 16 + 9 * weights)


def test_stems_by_hand() -> None:
    # 9 px of 3 channels to 4 channels without norms; sides of the maps after each convolution are written out
    flops_and_params: list[tuple[Stem, int, int]] = [
        (Patchify(stride=2, norm=None), 4**2 * 4 * 12, 4 * 12 + 4),
        (Overlapping(kernel=5, stride=4, norm=None), 3**2 * 4 * 75, 4 * 75 + 4),
        (ResNetStem(kernel=3, pool=False, norm=None), 5**2 * 4 * 27, 4 * 27),
        (ThreeConvsStem(norm=None), 5**2 * (2 * 27 + 2 * 18) + 2**2 * 4 * 8, 2 * 27 + 2 * 18 + 4 * 8),
        (TwoConvsStem(norm=None), 5**2 * 4 * 27 + 3**2 * 4 * 36, 4 * 27 + 4 + 4 * 36 + 4),
        (
            TwoConvsStem(norm=None, tiered=True),
            5**2 * 8 * 27 + 3**2 * 4 * 72,
            8 * 27 + 8 + 4 * 72 + 4,
        ),  # 8 at least between
    ]
    assert {type(stem) for stem, _, _ in flops_and_params} == {find_part("stem", name) for name in names("stem")}
    for stem, flops, params in flops_and_params:
        counted = breakdown(arch(4, stem=stem), Task(9, 3, 2))[0].cost
        assert (counted.flops, counted.params) == (flops, params), stem


def test_heads_by_hand() -> None:
    # 3x3 maps of 4 channels, 5 classes
    head = breakdown(arch(4, stem=1, head=Conv2FormerHead(features=6)), Task(3, 1, 5))[-1].cost
    assert head == Cost(flops=9 * 24 + 30, params=(24 + 6) + 2 * 6 + (30 + 5), activations=9 * 6 + 5)
    for norm_first in (False, True):
        head = breakdown(arch(4, stem=1, head=LinearHead(norm="bn", norm_first=norm_first)), Task(3, 1, 5))[-1].cost
        assert head == Cost(flops=20, params=2 * 4 + 20 + 5, activations=5)


def test_breakdown_sums_to_the_cost_and_names_its_rows(rows: list[tuple[Arch, Task]]) -> None:
    for network, task in rows[:500]:
        parts, total = breakdown(network, task), cost(network, task)
        stages = [f"stage {i + 1}" for i in range(len(network.stages))]
        assert [part.name for part in parts] == ["stem", *stages, "head"]
        assert [part.width for part in parts[1:]] == [*(stage.out for stage in network.stages), task.classes]
        for field in ("flops", "params", "activations"):
            assert sum(getattr(part.cost, field) for part in parts) == getattr(total, field)


def test_count_of_the_numbers_alone_is_the_cost(rows: list[tuple[Arch, Task]]) -> None:
    for network, task in rows[:500]:
        stages = [(stage.block, stage.downsample, stage.depth, stage.width) for stage in network.stages]
        total = cost(network, task)
        assert count(network.stem, stages, network.head, task) == (total.flops, total.params, total.activations)


STEMS: list[Stem] = [
    Patchify(stride=1), Patchify(stride=3), Patchify(stride=4), Overlapping(kernel=3, stride=2), Overlapping(),
    ResNetStem(), ResNetStem(kernel=3, pool=False), ResNetStem(stride=1), ThreeConvsStem(), TwoConvsStem(),
]  # fmt: skip


@pytest.mark.parametrize("stem", STEMS, ids=str)
@pytest.mark.parametrize("downsample", DOWNSAMPLE.examples)
def test_sizes_are_those_of_the_maps(stem: Stem, downsample: str) -> None:
    network, sizes = arch(4, 4, 4, stem=stem, block="inverted", downsample=downsample), []
    net = hollow(network, Task(45, 3, 2))
    for stage in net.stages:
        stage.register_forward_hook(lambda module, args, output: sizes.append(tuple(output.shape[1:3])))
    for side in (19, 31, 34, 37, 45):
        sizes.clear()
        net(torch.zeros(1, 3, side, side, device="meta"))
        assert sizes == [(part.size, part.size) for part in breakdown(network, Task(side))[1:-1]]


@pytest.mark.parametrize("call", [cost, breakdown, Network])
@pytest.mark.parametrize(
    ("stem", "words", "least"),
    [
        (Patchify(stride=4), "patchify 4", 16),
        (Overlapping(kernel=7, stride=4), "overlapping 7/4", 13),
        (ResNetStem(), "resnet resnet", 13),
        (ThreeConvsStem(), "three_convs three_convs", 15),
        (TwoConvsStem(), "two_convs two_convs", 13),
    ],
    ids=str,
)
def test_an_image_too_small_is_refused(call: Any, stem: Stem, words: str, least: int) -> None:
    network = arch(8, 8, 8, stem=stem)
    assert cost(network, Task(least)).flops > 0
    for side in (least - 1, 1):
        with pytest.raises(InputError) as refusal:
            call(network, Task(side))
        assert str(refusal.value) == (
            f"stages must leave one pixel at least, got stem {words} and 3 stages on {side} px; "
            "lower the stem's stride or the number of stages"
        )


def test_an_image_too_small_for_the_stem_is_refused() -> None:
    network = arch(8, stem=9)
    for call in (cost, breakdown, Network):
        with pytest.raises(
            InputError, match=r"^stages must leave one pixel at least, got stem patchify 9 and 1 stages on 8 px;"
        ):
            call(network, Task(8))


def test_strided_stages_never_run_out_of_pixels() -> None:
    blocks = [Bottleneck(expansion=1), Inverted(), DepthwiseFirst(), ConvNeXt()]
    for block in blocks:
        network = arch(4, 4, 4, stem=1, block=block.name, downsample="strided")
        assert [part.size for part in breakdown(network, Task(1))] == [1] * 5
        assert hollow(network, Task(1, 3, 2))(torch.zeros(1, 3, 1, 1, device="meta")).shape == (1, 2)
    assert not Modulation.strides
