"""What differs between two networks: every option that their keys tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.number_format import NONE
from dashboard.pages.rebuild import differences
from space import Arch
from space.blocks import Modulation
from space.heads import LinearHead
from space.stems import Patchify

TINY = Arch.load("convnext_tiny")


def changed(place: int, *, block: dict[str, Any] | None = None, **stage: Any) -> Arch:
    old = TINY.stages[place]
    new = replace(old, block=replace(old.block, **(block or {})), **stage)
    return replace(TINY, stages=(*TINY.stages[:place], new, *TINY.stages[place + 1 :]))


@pytest.mark.parametrize(
    ("other", "rows"),
    [
        (
            changed(0, block={"grn": True, "layer_scale": None}),
            [("stage 1 layer_scale", "1e-06", "no"), ("stage 1 grn", "no", "yes")],
        ),
        (
            changed(0, block={"expansion": 3.0}, width=128),
            [("stage 1 width", "96", "128"), ("stage 1 expansion", "4", "3")],
        ),
        (changed(1, downsample="strided"), [("stage 2 downsample", "separate", "strided")]),
        (replace(TINY, drop_path=0.3), [("drop path", "0.1", "0.3")]),
        (replace(TINY, head=LinearHead(norm=None)), [("head norm", "ln", "no")]),
        (replace(TINY, stem=Patchify(stride=2)), [("stem stride", "4", "2")]),
    ],
)
def test_whatever_changes_the_key_is_shown(other: Arch, rows: list[tuple[str, str, str]]) -> None:
    assert other.key != TINY.key
    assert sorted(differences(TINY, other)) == sorted(rows)


def test_what_one_lacks_is_a_dash_there() -> None:
    short = replace(TINY, stages=TINY.stages[:3])
    assert [(name, there) for name, _, there in differences(TINY, short)] == [("stage 4", NONE)]
    assert differences(TINY, TINY) == []
    mixed = replace(TINY, stages=(*TINY.stages[:3], replace(TINY.stages[3], block=Modulation())))
    rows = {name: (here, there) for name, here, there in differences(TINY, mixed)}
    assert rows["stage 4 block"] == ("convnext", "modulation")
    assert "stage 4 grn" not in rows, "which a modulation block does not have"
