"""Space: how many networks it holds, which, what they can cost, and how it is narrowed, against enumeration."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from space import Arch, Band, Budget, InputError, Space, Stage, Task, cost
from space.axes import share
from space.blocks import Bottleneck, ConvNeXt, DepthwiseFirst, Inverted, Modulation
from space.count_networks import Size, bound, count_networks
from space.heads import Conv2FormerHead, LinearHead
from space.reading import presets
from space.rules import COUNTS
from space.stems import Patchify, ResNetStem
from tests.space.networks import arch

TASK = Task(8, 3, 10)
TINY: dict[str, Any] = {
    "stages": [1, 2], "ratio": ["1", "1-1", "1-2"], "depth": [2, 3], "width": [8, 12, 24], "growth": [1.0, 1.7],
    "block": {"each_stage": ["convnext", "modulation"]}, "kernel": [3, 5], "expansion": {"each_stage": [1, 2.5]},
    "norm": ["ln", "rms"], "grn": [False, True], "fusion": {"each_stage": ["hadamard", "sum"]}, "stem.stride": [1, 2],
    "layer_scale": [None],
}  # fmt: skip


def read(axes: dict[str, Any], image_size: int = 8) -> Space:
    return Space.from_dict({"image_size": image_size, "axes": axes}, "mine", "mine.yaml")


def blocks_of_tiny(kernel: int, norm: str, grn: bool) -> list[Any]:
    own: dict[str, Any] = {"kernel": kernel, "norm": norm, "layer_scale": None}
    return [ConvNeXt(expansion=e, grn=grn, **own) for e in (1.0, 2.5)] + [
        Modulation(expansion=e, fusion=fusion, **own) for e, fusion in product((1.0, 2.5), ("hadamard", "sum"))
    ]


def networks(stem: Any, head: Any, depths: Any, widths: Any, rows: Any, between: Any = None) -> Arch:
    down = between or ["separate"] * len(widths)
    stages = zip(depths, widths, rows, down, strict=True)
    return Arch(
        stem=stem, head=head,
        stages=tuple(Stage(depth=d, width=w, block=block, downsample=place) for d, w, block, place in stages),
    )  # fmt: skip


@cache
def everything() -> list[Arch]:
    """Every setting of TINY, built without the package's help but for `share`."""
    found = []
    for stages, depth, base, growth, kernel, norm, grn, stride in product(
        (1, 2), (2, 3), (8, 12, 24), (1.0, 1.7), (3, 5), ("ln", "rms"), (False, True), (1, 2)
    ):
        widths = [base, 8 * int(base * growth / 8 + 0.5)][:stages]
        for ratio in {1: ["1"], 2: ["1-1", "1-2"]}[stages]:
            for rows in product(blocks_of_tiny(kernel, norm, grn), repeat=stages):
                stem, head = Patchify(stride=stride, norm=norm), LinearHead(norm=norm)
                found.append(networks(stem, head, share(depth, ratio), widths, rows))
    return found


def distinct(found: list[Arch]) -> dict[str, Arch]:
    return {network.key: network for network in found}


# Size


def test_the_bound_is_the_number_of_different_choices() -> None:
    """Settings that differ in an option that no block has, or in ratios that give equal depths, are one choice."""
    found = {dataclasses.replace(network) for network in everything()}
    assert len(found) > 3000
    assert count_networks(read(TINY)) == Size(bound(read(TINY)), exact=False)
    choices = sum(1 for network in found for _ in range(2 if has_no_grn(network) else 1))
    assert bound(read(TINY)) == choices - sum(1 for network in found if has_no_grn(network))


def has_no_grn(network: Arch) -> bool:
    return all(stage.block.name == "modulation" for stage in network.stages)


FEW: list[dict[str, Any]] = [
    {"depth": [2, 3], "width": [8, 16], "stages": [2], "kernel": [3, 5]},
    {"depth": [2], "width": [8], "stages": [1], "act": ["relu", "gelu"], "act_after": ["none", "2"]},  # act without effect
    {"depth": [2, 3], "width": {"each_stage": [8, 16, 24]}, "stages": [1, 2], "norm": ["ln", "bn"]},
    {"depth": [2], "width": [8], "stages": [2], "kernel": [3], "downsample": {"each_stage": ["separate", "strided"]},
     "block": {"each_stage": ["convnext", "modulation"]}, "fusion": ["sum", "l1"], "grn": {"each_stage": [False, True]}},
    {"depth": [3], "width": [8], "stages": [3], "stem.stride": [2], "kernel": [3], "downsample": ["separate", "strided"],
     "block": ["convnext", "modulation"]},
    {"depth": [2], "width": {"low": 8, "high": 24, "step": 8}, "growth": [1.5, 2.0], "stages": [2]},
    {"depth": [2], "width": [8], "stages": [1], "stem": ["patchify", "resnet"], "stem.stride": [1, 2],
     "stem.pool": [False, True], "head": ["linear", "conv2former"], "head.features": [8, 16], "drop_path": [0.0, 0.1]},
    {"depth": [2], "width": [8], "stages": [2], "block": {"each_stage": ["convnext", "depthwise_first"]}, "kernel": [7],
     "norm": ["ln"], "act": ["gelu"], "norm_after": ["1"], "act_after": ["2"], "bias": [True], "layer_scale": [1.0e-6]},
    {"depth": [2, 4], "width": [8], "stages": [2], "ratio": ["1-1", "2-2", "1-2"]},
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FEW)))
def test_exact_sizes_are_the_networks_that_are_drawn(number: int) -> None:
    """All that hundreds of draws find; where the width is a range, at every size that a budget leads to."""
    space, rng = read(FEW[number]), random.Random(0)
    size = count_networks(space)
    drawn = {space.random_arch(rng, TASK).key for _ in range(1200)}
    if space.axes["width"].grid:
        ends = space.cost_range(TASK)
        drawn |= {space.random_arch(rng, TASK, Budget(flops=ends)).key for _ in range(400)}
    assert size.exact
    assert size.networks == len(drawn)
    assert size.networks <= bound(space)


def test_the_bound_counts_networks_with_equal_layers_twice_and_the_measure_does_not() -> None:
    assert (bound(read(FEW[1])), count_networks(read(FEW[1]))) == (4, Size(3, exact=True))
    assert (bound(read(FEW[7])), count_networks(read(FEW[7]))) == (4, Size(1, exact=True))


def test_the_bound_of_a_huge_space_is_a_product() -> None:
    space = Space.load("convnext_or_modulation_224")
    # Each row of depths once: shares of 8 to 36 blocks in five ratios; every rung of both growths.
    depths = {share(d, str(r)) for d in range(8, 37) for r in space.axes["ratio"].values}
    rungs = {widths for scaling in space.scalings(4) for widths in scaling.widths}
    assert bound(space) == len(depths) * len(rungs) * (2 * 5) ** 4 * 3 * 2 * 3 * 2
    assert count_networks(space) == Size(bound(space), exact=False)


# Reach


def assert_reach(space: Space, found: list[Arch], task: Task = TASK) -> None:
    counts = [cost(network, task) for network in found]
    for name in COUNTS:
        values = [getattr(counted, name) for counted in counts]
        assert space.cost_range(task, name) == Band(min(values), max(values)), name


def test_reach_is_that_of_all_networks() -> None:
    space = read(TINY | {"kernel": [3], "fusion": ["sum"], "stem.stride": [2]})

    def is_its(network: Arch) -> bool:
        blocks = [stage.block.to_dict() for stage in network.stages]
        fused = all(block.get("fusion", "sum") == "sum" for block in blocks)
        return fused and blocks[0]["kernel"] == 3 and network.stem == Patchify(stride=2, norm=blocks[0]["norm"])

    assert_reach(space, list(filter(is_its, everything())))


def test_reach_with_norms_of_one_parameter_that_stem_and_head_follow() -> None:
    for each in (["rms"], ["bn", "rms"], {"each_stage": ["bn", "rms"]}):
        space = read({"stages": [2], "depth": [2], "width": [8, 16], "stem.stride": [2], "norm": each})
        kinds = each["each_stage"] if isinstance(each, dict) else each
        pairs = product(kinds, repeat=2) if isinstance(each, dict) else [(kind, kind) for kind in kinds]
        found = [
            networks(Patchify(stride=2, norm=a), LinearHead(norm=b), (1, 1), (width, 2 * width), (ConvNeXt(norm=a), ConvNeXt(norm=b)))
            for (a, b), width in product(pairs, (8, 16))
        ]  # fmt: skip
        assert_reach(space, found)


def test_reach_with_widths_stage_by_stage() -> None:
    for choices in ((8, 12, 20, 44), (12, 20)):
        space = read({"stages": [2], "depth": [2, 3], "width": {"each_stage": list(choices)}, "stem.stride": [2]})
        found = [
            networks(Patchify(stride=2), LinearHead(), depths, widths, (ConvNeXt(),) * 2)
            for depths, widths in product(((1, 1), (2, 1)), product(choices, repeat=2))
        ]
        assert_reach(space, found)


def reach_cases() -> Iterator[tuple[dict[str, Any], list[Arch]]]:
    """Strides and norms between stages, blocks that give more channels than they have, expansions stage by stage."""
    kinds: dict[str, type[Any]] = {"bottleneck": Bottleneck, "inverted": Inverted, "depthwise_first": DepthwiseFirst}
    stem, head = Patchify(stride=3, norm="bn"), LinearHead(norm=None)
    axes: dict[str, Any] = {
        "stages": [3],
        "depth": [3, 4],
        "width": [8, 12],
        "growth": [1.5],
        "stem.stride": [3],
        "head.norm": [None],
    }
    each = {name: {"each_stage": values} for name, values in
            (("block", list(kinds)), ("downsample", ["separate", "strided"]), ("expansion", [0.5, 3]))}  # fmt: skip
    for staged in (True, False):
        found = []
        rows = list(product(kinds, ("separate", "strided"), (0.5, 3.0)))
        for choice in product(rows, repeat=3) if staged else [(row,) * 3 for row in rows]:
            blocks = [kinds[kind](expansion=e, groups=1) for kind, _, e in choice]
            between = ["separate", *(down for _, down, _ in choice[1:])]
            for depths, base in product(((1, 1, 1), (2, 1, 1)), (8, 12)):
                widths = (base, int(base * 1.5 / 8 + 0.5) * 8, int(base * 2.25 / 8 + 0.5) * 8)
                if staged and depths != ((2, 1, 1) if base == 12 else (1, 1, 1)):
                    continue  # neither cheapest nor dearest
                found.append(networks(stem, head, depths, widths, blocks, between))
        chosen = each if staged else {name: axis["each_stage"] for name, axis in each.items()}
        yield axes | chosen | {"groups": [1]}, found


@pytest.mark.parametrize("image_size", [13, 25])
def test_reach_of_the_roadmap_s_blocks_at_odd_image_sizes(image_size: int) -> None:
    task = Task(image_size, 3, 10)
    for axes, found in reach_cases():
        assert_reach(read(axes, image_size), found, task)


def test_reach_grows_with_the_image() -> None:
    space = Space.load("roadmap_32")
    assert space.cost_range(Task(64, 3, 10)).low > space.cost_range(Task(32, 3, 10)).low
    assert space.cost_range(Task(64, 3, 10), "params") == space.cost_range(Task(32, 3, 10), "params")


# What it holds


def test_it_contains_exactly_what_it_builds() -> None:
    space, rng = read(TINY), random.Random(0)
    found = everything()
    assert all(network in space for network in found[:: len(found) // 500])
    known = distinct([network for network in found if len(network.stages) == 1])
    drawn = {network.key for _ in range(3000) if len((network := space.random_arch(rng, TASK)).stages) == 1}
    assert drawn <= set(known)
    assert len(drawn) > 0.95 * len(known)


def of_tiny(*widths: int, stride: int = 2, depth: int = 1, block: str = "convnext", **changes: Any) -> Arch:
    own: dict[str, Any] = {"kernel": 3, "expansion": 1.0, "layer_scale": None}
    return arch(*widths, depth=depth, block=block, stem=stride, **(own | changes))


def mixed(*blocks: Any) -> Arch:
    return networks(Patchify(stride=2), LinearHead(), (1, 1), (8, 8), blocks)


PLAIN: dict[str, Any] = {"kernel": 3, "expansion": 1.0, "layer_scale": None}


@pytest.mark.parametrize(
    "inside",
    [
        of_tiny(8, depth=2), of_tiny(12, depth=3, grn=True), of_tiny(8, 8), of_tiny(12, 24), of_tiny(24, 40, stride=1),
        of_tiny(8, 8, block="modulation", fusion="sum"), mixed(ConvNeXt(**PLAIN), Modulation(**PLAIN, fusion="sum")),
        mixed(ConvNeXt(**PLAIN), Modulation(**(PLAIN | {"expansion": 2.5}))),
        of_tiny(8, 8, block="depthwise_first", norm="ln", act="gelu", norm_after="1", act_after="2", bias=True),
    ],
)  # fmt: skip
def test_own_networks_are_inside(inside: Arch) -> None:
    assert inside in read(TINY)


@pytest.mark.parametrize(
    "foreign",
    [
        of_tiny(8),  # one block
        of_tiny(8, depth=4),
        of_tiny(8, depth=2, stride=4),
        of_tiny(16, depth=2),
        of_tiny(8, 24),  # growth 3
        of_tiny(8, 8, 8),
        of_tiny(8, depth=2, kernel=7),
        of_tiny(8, depth=2, expansion=3.0),
        of_tiny(8, depth=2, act="relu"),
        of_tiny(8, depth=2, layer_scale=1e-6),
        of_tiny(8, depth=2, norm="bn", head="bn"),
        of_tiny(8, depth=2, head="rms"),  # the head's norm follows the blocks'
        of_tiny(8, 8, downsample="strided"),
        of_tiny(8, 8, block="modulation", fusion="l1"),
        of_tiny(8, 8, block="modulation", act_before=True),
        of_tiny(8, 8, block="inverted", norm="ln"),
        dataclasses.replace(of_tiny(8, depth=2), stem=Patchify(stride=2, norm=None)),
        dataclasses.replace(of_tiny(8, depth=2), stem=Patchify(stride=2, act="gelu")),
        dataclasses.replace(of_tiny(8, depth=2), stem=ResNetStem(norm="ln")),
        dataclasses.replace(of_tiny(8, depth=2), head=Conv2FormerHead()),
        dataclasses.replace(of_tiny(8, depth=2), head=LinearHead(norm_first=True)),
        mixed(ConvNeXt(**PLAIN), ConvNeXt(**(PLAIN | {"kernel": 5}))),  # one kernel for the whole network
        mixed(ConvNeXt(**PLAIN), ConvNeXt(**PLAIN, grn=True)),
    ],
)
def test_foreign_networks_are_outside(foreign: Arch) -> None:
    assert foreign not in read(TINY)


def test_depths_are_shared_out_by_one_of_the_ratios() -> None:
    late = networks(Patchify(stride=2), LinearHead(), (1, 2), (8, 8), (ConvNeXt(**PLAIN),) * 2)
    assert late in read(TINY)
    assert late not in read(TINY).narrow(ratio=("1", "1-1"))


def test_equal_networks_of_another_kind_are_inside() -> None:
    axes = {
        "stages": [2], "depth": [2], "width": [8], "block": ["depthwise_first", "inverted"], "kernel": [3, 7],
        "norm": ["ln"], "act": ["gelu"], "norm_after": ["1", "1-2"], "act_after": ["2"], "bias": [True, False],
        "layer_scale": [None, 1e-6], "stem.stride": [2],
    }  # fmt: skip
    assert arch(8, 16, kernel=7) in read(axes)
    assert arch(8, 16, kernel=7, grn=True) not in read(axes)
    assert arch(8, 16, kernel=5) not in read(axes)


def test_an_option_without_effect_may_have_any_value() -> None:
    space = read(
        {"stages": [2], "depth": [2], "width": [8], "act": ["gelu"], "act_after": ["none"], "stem.stride": [2]}
    )
    assert arch(8, 16, act="relu", act_after="none") in space
    assert arch(8, 16, act="relu", act_after="2") not in space


def test_drop_path_counts_where_there_are_several() -> None:
    axes = {"stages": [1], "depth": [2], "width": [8], "stem.stride": [2]}
    assert arch(8, depth=2, drop_path=0.3) in read(axes)
    assert arch(8, depth=2, drop_path=0.1) in read(axes | {"drop_path": [0.0, 0.1]})
    assert arch(8, depth=2, drop_path=0.3) not in read(axes | {"drop_path": [0.0, 0.1]})


def test_downsampling_is_one_for_all_stages_unless_each_stage_chooses() -> None:
    axes = {"stages": [3], "depth": [3], "width": [8], "growth": [1.0], "stem.stride": [2]}
    both, block = ["separate", "strided"], ConvNeXt()
    turn = networks(
        Patchify(stride=2), LinearHead(), (1, 1, 1), (8, 8, 8), (block,) * 3, ("separate", "strided", "separate")
    )
    strided = networks(
        Patchify(stride=2), LinearHead(), (1, 1, 1), (8, 8, 8), (block,) * 3, ("separate", "strided", "strided")
    )
    assert turn in read(axes | {"downsample": {"each_stage": both}})
    assert turn not in read(axes | {"downsample": both})
    assert strided in read(axes | {"downsample": both})
    assert strided not in read(axes)


def test_widths_stage_by_stage_come_from_the_axis() -> None:
    space = read({"stages": [2], "depth": [2, 3], "width": {"each_stage": [8, 12, 20, 44]}, "stem.stride": [2]})
    rng, seen = random.Random(0), set()
    for _ in range(300):
        network = space.random_arch(rng, TASK, Budget(flops=Band.parse("20K..200K")))
        assert network in space
        seen.add(tuple(stage.width for stage in network.stages))
    assert {width for pair in seen for width in pair} == {8, 12, 20, 44}
    assert {first < second for first, second in seen} == {True, False}, "stages may also become narrower"
    assert arch(8, 16, depth=1) not in space


# Presets


@pytest.mark.parametrize("name", presets("spaces"))
def test_presets_come_back_from_yaml(name: str, tmp_path: Path) -> None:
    space = Space.load(name)
    (tmp_path / f"{name}.yaml").write_text(space.to_yaml())
    again = Space.load(tmp_path / f"{name}.yaml")
    assert again == space
    assert again.to_dict() == space.to_dict()
    assert bound(again) == bound(space) > 10**6
    assert name.endswith(f"_{space.image_size}") or (name, space.image_size) == ("digits", 8)


@pytest.mark.parametrize(
    ("space", "networks"),
    [
        ("roadmap_224", [f"roadmap_t_{row:02d}" for row in range(17)] + ["resnet50", "convnext_tiny"]),
        ("convnext_224", ["convnext_tiny", "convnext_small", "convnext_base"]),
        ("convnext_or_modulation_224", ["convnext_tiny", "convnext_small", "convnext_base"]),
        ("conv2former_224", [f"conv2former_{size}" for size in "ntsbl"]),
    ],
)
def test_presets_hold_the_published_networks(space: str, networks: list[str]) -> None:
    held = Space.load(space)
    assert [name for name in networks if Arch.load(name) not in held] == []


def test_presets_do_not_hold_the_others() -> None:
    assert Arch.load("convnext_xlarge") in Space.load("convnext_224")
    assert Arch.load("convnextv2_huge") not in Space.load("convnext_224"), "width 352"
    assert Arch.load("conv2former_t") not in Space.load("convnext_or_modulation_224"), "its three-convolution stem"
    assert Arch.load("convnext_tiny") not in Space.load("convnext_or_modulation_32"), "depth 18"
    assert Arch.load("roadmap_b_08") not in Space.load("roadmap_224")


# Narrowing


def test_narrowing_keeps_the_choices_that_are_named() -> None:
    space = read(TINY)
    narrow = space.narrow(kernel=5, stem_stride=(2,), norm="rms", expansion=[2.5])
    assert {name: narrow.axes[name].values for name in ("kernel", "stem.stride", "norm", "expansion")} == {
        "kernel": (5,), "stem.stride": (2,), "norm": ("rms",), "expansion": (2.5,),
    }  # fmt: skip
    assert narrow.axes["expansion"].each_stage
    assert narrow.axes["width"] == space.axes["width"]
    rng = random.Random(0)
    drawn = [narrow.random_arch(rng, TASK) for _ in range(50)]
    assert {
        (n.stages[0].block.to_dict()["kernel"], n.stem.to_dict()["stride"], n.head.to_dict()["norm"]) for n in drawn
    } == {(5, 2, "rms")}
    assert all(network in space for network in drawn)
    assert bound(narrow) < bound(space)
    assert space.narrow(kernel=(5, 3)) == space, "in the order of the axis"


def test_narrowed_ranges_stay_ranges_where_they_are_rows() -> None:
    space = read(
        {"stages": [2], "depth": {"low": 2, "high": 6}, "width": {"low": 8, "high": 48, "step": 8}, "stem.stride": [2]}
    )
    kept = space.narrow(width=(16, 24, 32)).axes["width"]
    assert (kept.values, kept.grid) == ((16, 24, 32), 8)
    gaps = space.narrow(width=(16, 32)).axes["width"]
    assert (gaps.values, gaps.grid) == ((16, 32), None)
    alone = space.narrow(width=16, depth=(3, 4))
    assert (alone.axes["width"].grid, alone.axes["depth"].grid, alone.derived) == (None, 1, "depth")


def test_narrowed_stages_take_their_ratios_along() -> None:
    narrow = read(TINY).narrow(stages=2)
    assert narrow.axes["ratio"].values == ("1-1", "1-2")
    assert read(TINY).narrow(stages=2, ratio="1-2").axes["ratio"].values == ("1-2",)
    with pytest.raises(InputError) as refusal:
        read(TINY).narrow(ratio="1-2")
    assert str(refusal.value) == (
        "space mine, narrowed: axes.ratio must have a ratio of 1 shares, got ['1-2']; add e.g. 1"
    )


@pytest.mark.parametrize("name", presets("spaces"))
def test_a_narrowed_space_comes_back_from_yaml(name: str, tmp_path: Path) -> None:
    space = Space.load(name)
    depths = space.axes["depth"].values
    narrow = space.narrow(
        stages=space.axes["stages"].ints[-1],
        depth=depths[len(depths) // 2 :],
        kernel=3 if name != "conv2former_224" else 5,
    )
    (tmp_path / f"{name}.yaml").write_text(narrow.to_yaml())
    assert Space.load(tmp_path / f"{name}.yaml") == narrow


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kernal": 3}, "kernal must be an axis of space mine to be narrowed, got none; did you mean kernel?"),
        ({"zzz": "relu"}, "zzz must be an axis of space mine to be narrowed, got none; "
         "use one of block, depth, downsample, drop_path, expansion, fusion, grn, growth, head, kernel, layer_scale, norm, "
         "ratio, stages, stem, stem.stride, width"),
        ({"kernel": 7}, "kernel must be among its choices in space mine, got 7; use 3, 5"),
        ({"stem_stride": 4}, "stem.stride must be among its choices in space mine, got 4; use 1, 2"),
        ({"kernel": (3, 9)}, "kernel must be among its choices in space mine, got 9; use 3, 5"),
        ({"kernel": ()}, "kernel must keep a choice, got none; name one"),
        ({"layer_scale": 0.1}, "layer_scale must be among its choices in space mine, got 0.1; use None"),
    ],
)  # fmt: skip
def test_narrowing_to_what_is_not_there_is_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read(TINY).narrow(**choices)
    assert str(refusal.value) == message


def test_differences_are_the_axes_that_differ() -> None:
    space = read(TINY)
    assert space.differences(read(TINY)) == []
    other = read(
        {**TINY, "kernel": {"each_stage": [3]}, "act": ["relu", "gelu"], "width": {"low": 8, "high": 24, "step": 8}}, 16
    )
    assert space.differences(other) == [
        ("image_size", "8", "16"),
        ("width", "8, 12, 24", "8 to 24 by 8"),
        ("kernel", "3, 5", "3 (each stage)"),
        ("act", "", "relu, gelu"),
    ]
    assert space.differences(space.narrow(norm="ln")) == [("norm", "ln, rms", "ln")]


# Images


def test_an_image_too_small_is_refused_before_drawing() -> None:
    space = Space.load("convnext_224")
    with pytest.raises(InputError) as refusal:
        space.random_arch(random.Random(0), Task(31), Budget(flops=Band.parse("1M..4M")))
    assert str(refusal.value) == (
        "space convnext_224: image_size must be at least 32 for stem patchify 4 and 4 stages, got 31; "
        "lower the stem's stride or axes.stages"
    )


def test_every_network_of_the_smallest_image_has_a_pixel_left() -> None:
    rng = random.Random(0)
    for axes, needed in (
        ({"stem": ["resnet", "patchify"], "stem.stride": [2], "downsample": ["separate", "strided"],
          "block": ["bottleneck", "convnext"]}, 29),
        ({"downsample": ["strided"], "stem.stride": [3], "stem": ["overlapping"], "stem.kernel": [5]}, 1),
    ):  # fmt: skip
        space = read({"stages": [4], "depth": [4, 5], "width": [8, 16], **axes}, needed)
        for _ in range(60):
            assert cost(space.random_arch(rng, Task(needed)), Task(needed)).flops > 0
