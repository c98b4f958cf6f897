"""What differs between two networks: every option that their keys tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.pages.rebuild import differences
from space import Arch
from space.heads import LinearHead
from space.stems import Patchify

TINY = Arch.load("convnext_tiny")


def changed(place: int, *, block: dict[str, Any] | None = None, **stage: Any) -> Arch:
    old = TINY.stages[place]
    new = replace(old, block=replace(old.block, **(block or {})), **stage)
    return replace(TINY, stages=(*TINY.stages[:place], new, *TINY.stages[place + 1 :]))


@pytest.mark.parametrize(
    ("other", "part", "words"),
    [
        (changed(0, block={"grn": True, "layer_scale": None}), "stage 1", "grn"),
        (changed(0, block={"expansion": 3.0}, width=128), "stage 1", "width 128"),
        (changed(1, downsample="strided"), "stage 2", "strided"),
        (replace(TINY, drop_path=0.3), "drop path", "0.3"),
        (replace(TINY, head=LinearHead(norm=None)), "head", "linear"),
        (replace(TINY, stem=Patchify(stride=2)), "stem", "2"),
    ],
)
def test_whatever_changes_the_key_is_shown(other: Arch, part: str, words: str) -> None:
    assert other.key != TINY.key
    ((name, here, there),) = differences(TINY, other)
    assert name == part
    assert here != there
    assert words in there


def test_a_stage_that_one_lacks_is_empty_there() -> None:
    short = replace(TINY, stages=TINY.stages[:3])
    assert [(name, there) for name, _, there in differences(TINY, short)] == [("stage 4", "")]
    assert differences(TINY, TINY) == []
