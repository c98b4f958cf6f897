"""The drawing of a network."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from dashboard.charts.network import network_caption, network_figure
from space import Arch, Task, cost
from tests.dashboard.charts.figures import as_plotly
from tests.dashboard.studies import SPACE, TASK


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


def test_a_network_without_kernels_is_drawn_without() -> None:
    arch = Arch.load("resnet50")
    as_plotly(network_figure(arch, Task()))
    assert "bottlenecks" in {t["name"] for t in network_figure(arch, Task())["data"]}
