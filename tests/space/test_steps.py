"""Steps between two networks: which differ, what each set of them gives, equal FLOPs, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from space import Arch, Band, Budget, InputError, Task, cost
from space.factorial import Design
from space.reading import find, load_yaml
from space.steps import Steps, unequal

TASK = Task(32, 3, 10)
EQUAL = Budget(flops=Band(3_800_000, 4_200_000))
RESNET, CONVNEXT = Arch.load("resnet_32"), Arch.load("convnext_32")
ROADMAP: dict[str, Any] = load_yaml(find("roadmap", "steps"))


def network(widths: tuple[int, ...] = (16, 32), **changes: Any) -> Arch:
    stage = {"depth": 1, "kernel": 3, "norm": "bn", "layer_scale": None}
    return Arch.from_dict({"stages": [{**stage, "width": width, **changes} for width in widths]})


def walk(design: str = "fraction", **options: Any) -> Steps:
    return Steps.between(RESNET, CONVNEXT, design, groups=ROADMAP, **options)


def test_the_ends_are_the_two_networks_but_for_their_size() -> None:
    steps = walk()
    for done, end in ((False, RESNET), (True, CONVNEXT)):
        found = steps.network((done,) * 11, TASK, EQUAL).arch
        assert [stage.block for stage in found.stages] == [stage.block for stage in end.stages]
        assert [(stage.depth, stage.downsample) for stage in found.stages[1:]] == [
            (stage.depth, stage.downsample) for stage in end.stages[1:]
        ]
        assert (found.stem, found.head) == (end.stem, end.head)


def test_at_its_own_flops_a_network_comes_back_whole() -> None:
    own = cost(CONVNEXT, TASK).flops
    found = walk().network((True,) * 11, TASK, Budget(flops=Band(own, own)))
    assert found.inside
    assert found.arch.key == CONVNEXT.key


def test_every_network_of_the_design_has_equal_flops_and_is_another_one() -> None:
    steps = walk()
    steps.check_budget(EQUAL, TASK)
    found = [steps.network(row, TASK, EQUAL) for row in steps.rows]
    assert all(each.inside and cost(each.arch, TASK) == each.cost for each in found)
    assert len({each.arch.key for each in found}) == len(steps.rows) == 128


def test_the_block_is_taken_apart_in_position_and_width() -> None:
    """The four of them at expansion 4: bottleneck, inverted, depthwise_first, and wide outside with the spatial
    convolution first, whose inside is a quarter."""
    steps = Steps.between(RESNET, CONVNEXT, "full", groups={"wide": ["wide"], "first": ["position"], "rest": REST})
    kinds = {}
    for row in steps.design.rows:
        stage = steps.network(row, TASK, EQUAL).arch.stages[0]
        kinds[row] = (stage.block.name, stage.block.expansion, stage.out)  # type: ignore[attr-defined]
    assert [kinds[row, first, False][0] for row in (False, True) for first in (False, True)] == [
        "bottleneck", "depthwise_first", "inverted", "depthwise_first",
    ]  # fmt: skip
    assert kinds[False, True, False][1] == 0.25
    assert kinds[True, True, True][0] == "convnext"


REST = ["depth", "stem", "groups", "kernel", "act", "act_after", "norm_after", "norm", "downsample", "bias", "head"]


def test_a_norm_of_the_stem_follows_the_blocks_where_both_networks_have_it_so() -> None:
    steps = walk()
    names = [step.name for step in steps.steps]
    row = tuple(name == "LN" for name in names)
    found = steps.network(row, TASK, EQUAL).arch
    assert found.stem.norm == "ln"  # type: ignore[attr-defined]
    assert found.stages[0].block.norm == "ln"
    gelu = steps.network(tuple(name == "GELU" for name in names), TASK, EQUAL).arch
    assert gelu.stem.act == "gelu"  # type: ignore[attr-defined]


def test_a_step_without_effect_in_some_context_is_one_network() -> None:
    """An activation's kind where there is none."""
    first = network(act="relu", act_after="2")
    last = network(act="gelu", act_after="none")
    steps = Steps.between(first, last)
    assert [step.name for step in steps.steps] == ["act", "act_after"]
    assert len(steps.design.rows) == 4
    assert len(steps.rows) == 3


@pytest.mark.parametrize("scale", [None, 1.0])
def test_every_network_of_a_design_is_in_it_once(scale: float | None) -> None:
    """Also where a step is of widths, which all end at the same widest network."""
    first, last = network(widths=(16, 32)), network(widths=(16, 64), kernel=5, norm="ln")
    steps = Steps.between(first, last, scale=scale)
    assert [step.name for step in steps.steps] == ["width", "kernel", "norm"]
    assert len(steps.rows) == len({steps.network(row, TASK, EQUAL).arch.key for row in steps.design.rows}) == 8


def test_depthwise_and_dense_convolutions_are_two_networks() -> None:
    """Though with one channel they are one."""
    first, last = network(block="inverted", groups=1), network(block="inverted", groups="depthwise")
    assert len(Steps.between(first, last).rows) == 2


def test_networks_that_are_left_with_hardly_a_channel_are_counted() -> None:
    first, last = network(kernel=3, block="inverted", groups=1), network(kernel=11, block="inverted", groups=1)
    steps = Steps.between(first, last)
    for flops, narrow in ((100_000_000, 0), (400_000, 1), (100_000, 2)):
        band = Budget(flops=Band(flops // 2, flops * 2))
        widths = [min(s.width for s in steps.network(row, TASK, band).arch.stages) for row in steps.rows]
        assert steps.narrow(TASK, band) == sum(width <= 2 for width in widths) == narrow, widths


def test_the_papers_own_networks_are_walked_by_its_steps() -> None:
    steps = Steps.between(Arch.load("roadmap_t_00"), Arch.load("convnext_tiny"), "fraction", groups=ROADMAP)
    assert [step.name for step in steps.steps] == list(ROADMAP)


def test_a_step_whose_fields_are_equal_in_both_is_left_out() -> None:
    steps = Steps.between(network(), network(kernel=5), groups={"larger": ["kernel"], "other": ["norm", "stem"]})
    assert [step.name for step in steps.steps] == ["larger"]


def test_options_of_another_kind_of_block_come_with_the_block() -> None:
    modulation = network(kernel=7)
    plain = modulation.to_dict()
    for stage in plain["stages"]:
        kept = {name: stage[name] for name in ("depth", "width", "kernel", "norm", "layer_scale")}
        stage.clear()
        stage |= {**kept, "block": "modulation", "fusion": "sum"}
    steps = Steps.between(network(), Arch.from_dict(plain))
    assert [step.name for step in steps.steps] == ["block", "kernel"]
    block = steps.network((True, False), TASK, EQUAL).arch.stages[0].block
    assert (block.name, block.kernel, block.fusion) == ("modulation", 3, "sum")  # type: ignore[attr-defined]


def test_unequal_keeps_the_widths_of_the_first() -> None:
    steps, band = unequal(_with_width(), TASK, 4_000_000)
    first = steps.network((False,) * len(steps.steps), TASK, Budget(flops=band)).arch
    last = steps.network((True,) * len(steps.steps), TASK, Budget(flops=band)).arch
    assert abs(cost(first, TASK).flops / 4_000_000 - 1) < 0.05
    ratio = last.stages[0].width / first.stages[0].width
    assert ratio == pytest.approx(CONVNEXT.stages[0].width / RESNET.stages[0].width, rel=0.15)
    assert all(cost(steps.network(row, TASK, Budget(flops=band)).arch, TASK).flops in band for row in steps.rows)


def test_unequal_at_the_firsts_own_flops_ends_at_the_last() -> None:
    steps = _with_width()
    task = Task(steps.image_size, 3, 10)
    walked, band = unequal(steps, task, cost(RESNET, task).flops)
    ends = [walked.network((end,) * len(walked.steps), task, Budget(flops=band)).arch for end in (False, True)]
    assert [arch.key for arch in ends] == [RESNET.key, CONVNEXT.key]


def _with_width() -> Steps:
    return Steps.between(RESNET, CONVNEXT, "fraction", groups=ROADMAP, scale=1.0)


@pytest.mark.parametrize("design", ["full", "fraction", "paths"])
def test_plain_data_gives_equal_steps(design: str) -> None:
    steps = walk(design) if design != "full" else Steps.between(network(), network(kernel=5, norm="ln"))
    assert Steps.from_dict(steps.to_dict(), steps.name, "study.yaml") == steps
    fixed, _ = unequal(_with_width(), TASK, 4_000_000)
    assert Steps.from_dict(fixed.to_dict(), fixed.name, "study.yaml") == fixed


def test_orders_are_paths() -> None:
    steps = Steps.between(network(), network(kernel=5, norm="ln"), "paths", [["norm", "kernel"]])
    assert steps.design == Design("paths", 2, ((1, 0),))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Steps.between(network(), network()), "networks must differ"),
        (lambda: Steps.between(network(), network(widths=(32, 64))), "equal but perhaps for how wide they are as a whole"),
        (lambda: Steps.between(network(), CONVNEXT), "stages must be as many in both networks, got 2 and 3"),
        (lambda: Steps.between(network(), network(kernel=5), groups={"k": ["norms"]}), "name fields of networks, got norms"),
        (lambda: Steps.between(network(), network(kernel=5, norm="ln"), groups={"k": ["kernel"]}), "got none for norm"),
        (
            lambda: Steps.between(network(), network(kernel=5), groups={"k": ["kernel"], "l": ["kernel"]}),
            "each field once, got kernel twice",
        ),
        (lambda: Steps.between(network(), network(kernel=5), "paths", [["kernal"]]), "did you mean kernel"),
        (
            lambda: Steps.between(network(), network(kernel=5, norm="ln"), "paths", [["kernel"]]),
            "every step once.*mend: norm",
        ),
        (
            lambda: Steps.between(network(), network(kernel=5)).check_budget(Budget(flops=Band(10, 20)), TASK),
            "within reach of every network.*; raise it",
        ),
        (
            lambda: Steps.between(network(), network(kernel=5)).check_budget(Budget(flops=Band(10**15, 2 * 10**15)), TASK),
            "within reach of every network.*; lower it",
        ),
        (lambda: Steps.between(network(), network(kernel=5)).check_size(4, "here"), "one pixel"),
    ],
)  # fmt: skip
def test_what_is_refused(made: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        made()
