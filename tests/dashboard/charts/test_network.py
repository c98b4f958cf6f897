"""The drawing of a network."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dashboard.charts.blocks import looks
from dashboard.charts.front import front_figure
from dashboard.charts.network import network_caption, network_figure
from dashboard.charts.style import OWN_COLOURS
from space import Arch, Task, cost
from space.blocks import ConvNeXt
from space.parts import _known, part
from tests.dashboard.charts.figures import as_plotly, trial
from tests.dashboard.studies import BAND, SPACE, TASK


def test_shares_are_percent_of_the_whole() -> None:
    arch = SPACE.random_arch(random.Random(3), TASK)
    figure, total = network_figure(arch, TASK), cost(arch, TASK)
    for axis, count in (("y2", total.flops), ("y3", total.params)):
        (bars,) = [t for t in figure["data"] if t.get("yaxis") == axis]
        assert sum(bars["y"]) == pytest.approx(100)
        assert sum(int(text.rpartition(", ")[2].replace(",", "")) for text in said(bars)) == count


def said(bars: dict[str, Any]) -> list[str]:
    """`stem: 3.0% of FLOPs, 74, 112` with the thousands joined."""
    return [re.sub(r"(?<=\d),(?=\d)", "", text) for text in bars["customdata"]]


def test_the_drawing_is_to_scale() -> None:
    arch = Arch.load("convnext_tiny")
    figure = network_figure(arch, Task())
    blocks = [
        (x, y, base)
        for t in figure["data"]
        if t["type"] == "bar" and "base" in t
        for x, y, base in zip(t["x"], t["y"], t["base"], strict=True)
    ]
    heights = [y for _, y, _ in sorted(blocks)]
    assert heights == [96] + [96] * 3 + [192] * 3 + [384] * 9 + [768] * 3 + [768], "stem, 3-3-9-3 blocks, head"
    assert all(base == -y / 2 for _, y, base in blocks)
    (kernels,) = [t for t in figure["data"] if t["name"] == "kernel"]
    assert set(kernels["marker"]["size"]) == {14}
    assert len(kernels["x"]) == 18
    told = network_caption(arch, Task())
    assert told.startswith(
        "18 blocks in 4 stages (3-3-9-3), channels 96-192-384-768, kernels 7-7-7-7. Largest share of the 4.46G FLOPs: stage 3"
    )


@pytest.fixture
def own() -> Iterator[Arch]:
    """A network with two blocks of a person's own, registered as docs/extending.md says."""
    before = dict(_known["block"])

    @part("block", "dual")
    @dataclass(frozen=True, kw_only=True)
    class Dual(ConvNeXt):
        """A block of one's own."""

    @part("block", "triple")
    @dataclass(frozen=True, kw_only=True)
    class Triple(ConvNeXt):
        """Another."""

    stages = Arch.load("convnext_tiny").stages
    plain = [replace(stages[1], block=Dual()), replace(stages[2], block=Triple()), stages[3]]
    yield replace(Arch.load("convnext_tiny"), stages=(stages[0], *plain))
    _known["block"].clear()
    _known["block"].update(before)


def test_a_persons_own_blocks_are_named_and_coloured_the_same_everywhere(own: Arch) -> None:
    figure = network_figure(own, Task())
    as_plotly(figure)
    colours = {t["name"]: t["marker"]["color"] for t in figure["data"] if "base" in t}
    assert list(colours) == ["stem and head", "ConvNeXt blocks", "dual blocks", "triple blocks"]
    assert len(set(colours.values())) == 4
    assert colours["dual blocks"] in OWN_COLOURS
    alone = [trial(0, 0.5, 1_000_000, ("dual",)), trial(1, 0.4, 900_000, ("convnext",))]
    clouds = {t["name"]: t["marker"]["color"] for t in front_figure(alone, BAND)["data"] if "customdata" in t}
    assert clouds["dual blocks"] == colours["dual blocks"]
    many = looks([f"mine{i} blocks" for i in range(4)])
    assert len(set(many.values())) == 4, "no two of one picture look alike"


def test_the_thumbnail_has_a_legend() -> None:
    figure = network_figure(Arch.load("convnext_tiny"), Task(), brief=True)
    assert figure["layout"].get("showlegend", True)
    assert {t["name"] for t in figure["data"] if t.get("showlegend", True)} == {
        "stem and head",
        "ConvNeXt blocks",
        "kernel",
    }


def test_a_network_without_kernels_is_drawn_without() -> None:
    arch = Arch.load("resnet50")
    as_plotly(network_figure(arch, Task()))
    assert "bottlenecks" in {t["name"] for t in network_figure(arch, Task())["data"]}
